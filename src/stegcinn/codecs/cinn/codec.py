"""The paper's codec: bits are the signs of latents, and a conditional invertible network turns latents into colours.

embed:   stream -> code words -> signs of z -> (inverse flow, coarse to fine) -> chroma -> rounded colours -> repair
extract: colours -> chroma -> (flow, all scales) -> z and its noise -> soft decisions -> code words -> stream

Bits live in the details of the two finest scales. What is coarser is the host's own (`keep`) or drawn from the shared
flow (`generate`); the receiver reads it off the image and need not know which.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.base import Colors, Embedding, Extraction, Progress, Room, silent
from stegcinn.codecs.cinn import mapping
from stegcinn.codecs.cinn.chroma import from_chroma, quantise, to_chroma
from stegcinn.codecs.cinn.lattice import CARRIERS, CELL, Lattice, Tile
from stegcinn.codecs.cinn.pyramid import DETAILS, LumaPyramid, merge, split
from stegcinn.coding import ldpc
from stegcinn.errors import CapacityError, RevealError
from stegcinn.runtime.arrays import Float32, Float64, UInt8
from stegcinn.runtime.weights import Release
from stegcinn.sealing import keys
from stegcinn.sealing.keys import Keys, RandomBytes

Bits = npt.NDArray[np.uint8]
Signs = npt.NDArray[np.int8]

HEADER = 256  # positions that name the code's rate
AGREEMENT = 64  # by how many more of them agree than not, at least; four standard deviations of chance
SAMPLE_PIXELS = 1 << 16  # how much of a photo the rehearsal of `capacity` paints
SAMPLE_BLOCK = 64  # pixels; side of the blocks it is put together from
GOLDEN_RATIO = 0.6180339887498949  # its multiples spread evenly over 0..1, whatever their number
SAMPLE_MARGIN = 0.04  # bits per position by which a sample may mislead (three standard deviations, docs/decisions.md)
PIECE = 1 << 20  # soft decisions computed at a time
LUCK = 5.0  # standard deviations by which a draw may carry less information than the rehearsal's
REPAIR_MARGIN = 0.3  # how far beyond zero repair pushes a wrong or weak latent
LOUD = 48.0  # levels of chroma from the host's, or from the mean, beyond which repair calms a block
NOISE_GAIN = 0.8  # noise of a latent over what a second rounding error does to it (measured, docs/decisions.md)
NOISE_FLOOR = 0.02  # standard deviation; the smallest noise we believe in
OUTLIERS = 0.005  # share of latents that are wrong however sure they look (measured likewise)
REHEARSAL_SHARE = 0.25  # of the time that embedding takes
MAX_DETAIL = 1000.0  # levels; no colour of the cube needs more
EFFORT = 200  # decoder iterations of a receiver
STRICT_EFFORT = 100  # of the sender's own check, which leaves room for another machine's arithmetic
TEMPERATURE = 0.6  # of the coarse colours that `generate` draws; they carry no bits
ROOT_TEMPERATURE = 0.2  # of their mean, lest the whole photo takes on one strong colour
GENERATE_DRAWS = 3  # rehearsals of `generate`
ROOT_SIDE = 3  # lattice points, about, of the shorter side where `generate` starts from one mean colour


class CinnCodec:
    """Steg-cINN over one release of weights; see `codecs.base.Codec` for the interface.

    Containers of the releases `older`, newest first, are still revealed: nothing in an image tells which one it was.
    """

    name = "cinn"
    most = 2.0

    def __init__(self, release: Release, *older: Release) -> None:
        self.release = release
        self.older = tuple(CinnCodec(each) for each in older)

    def capacity(self, rgb: UInt8, colors: Colors, progress: Progress) -> Room:
        """Measured in a rehearsal on a sample of the photo, with draws that are the same every time."""
        return Room(self._capacity(rgb, colors, progress))

    def _capacity(self, rgb: UInt8, colors: Colors, progress: Progress) -> int:
        positions = Lattice(luma_of(rgb)).positions - HEADER
        if positions <= 0:
            return 0
        sample, rate = _sample(rgb), None
        if sample is not rgb:
            rate = ldpc.best_rate(self._rehearse(sample, colors, progress) - SAMPLE_MARGIN, positions)
        if rate is None:  # small, or with so little room that it is worth a closer look
            rate = ldpc.best_rate(self._rehearse(rgb, colors, progress), positions)
        return 0 if rate is None else ldpc.plan(positions, rate).info_bits // 8

    def embed(self, rgb: UInt8, stream: bytes, key: Keys, colors: Colors, progress: Progress) -> Embedding:
        """The lowest rate that takes the stream is used, so a small payload is the safest."""
        room = self._capacity(rgb, colors, lambda share: progress(REHEARSAL_SHARE * share))
        if len(stream) > room:
            raise CapacityError(len(stream), room)
        lattice = Lattice(luma_of(rgb))
        plans = (ldpc.plan(lattice.positions - HEADER, rate) for rate in range(len(ldpc.RATES)))
        plan = next(plan for plan in plans if plan.info_bits >= 8 * len(stream))
        filled = stream + os.urandom(-(-plan.info_bits // 8) - len(stream))
        words = ldpc.encode(plan, np.unpackbits(np.frombuffer(filled, np.uint8), count=plan.info_bits))
        filling = np.frombuffer(os.urandom(lattice.positions), np.uint8) & 1
        code = np.concatenate([_rate_patterns(key)[plan.rate], words, filling[HEADER + words.size :]])
        code ^= key.bits("whitening", lattice.positions)
        bits = np.empty_like(code)
        bits[key.permutation("positions", lattice.positions)] = code
        painted = self._paint(
            rgb,
            lattice,
            bits,
            colors,
            os.urandom,
            lambda share: progress(REHEARSAL_SHARE + (1 - REHEARSAL_SHARE) * share),
        )
        return Embedding(painted)

    def extract(self, rgb: UInt8, key: Keys, *, strict: bool = False) -> Extraction:
        """With `strict`, which checks what was just written, older releases are left out."""
        for codec in (self, *(() if strict else self.older)):
            try:
                return codec._extract(rgb, key, STRICT_EFFORT if strict else EFFORT)
            except RevealError:
                continue
        raise RevealError

    def _extract(self, rgb: UInt8, key: Keys, effort: int) -> Extraction:
        """The rate is the one whose keyed pattern fits the header best; a wrong guess fails like a wrong key.

        Where no pattern fits, how sure the latents are is not asked for: that takes as long again.
        """
        lattice = Lattice(luma_of(rgb))
        if lattice.positions <= HEADER:
            raise RevealError
        order = key.permutation("positions", lattice.positions)
        inverted = key.bits("whitening", lattice.positions).view(np.bool_)
        patterns = 1 - 2 * _rate_patterns(key).astype(np.float32)
        latents = self._latents(rgb, lattice)
        header = np.sign(lattice.gather(latents)[order[:HEADER]])
        if (patterns @ np.where(inverted[:HEADER], header, -header)).max() < AGREEMENT:
            raise RevealError
        llr = self._soft_bits(rgb, lattice, latents)[order]
        np.negative(llr, out=llr, where=inverted)
        scores = patterns @ llr[:HEADER]
        plan = ldpc.plan(lattice.positions - HEADER, int(np.argmax(scores)))
        received = llr[HEADER : HEADER + plan.used]
        first = replace(plan, words=min(plan.words, 1))  # a photo without payload should not cost all words
        if not ldpc.decode(first, received[: first.used], iterations=effort)[1].any():
            raise RevealError
        bits, ok = ldpc.decode(plan, received, iterations=effort)
        if not ok.all():
            raise RevealError
        raw_accuracy = np.mean((received < 0) == ldpc.encode(plan, bits))
        return Extraction(np.packbits(bits).tobytes(), float(raw_accuracy))

    # -- the rehearsal

    def _rehearse(self, rgb: UInt8, colors: Colors, progress: Progress) -> float:
        """Information in bits per position that a container of this photo will surely carry; 0 if none."""
        lattice = Lattice(luma_of(rgb))
        if not lattice.positions:
            return 0.0
        random = keys.Keystream(keys.derive(None, bytes(keys.KEY_SIZE)), "rehearsal")
        # What `keep` gives hardly varies. Drawn coarse colours may run into the edge of the cube: the worst of some.
        draws = 1 if colors == "keep" else GENERATE_DRAWS
        worst = 1.0
        for draw in range(draws):
            bits = (np.frombuffer(random(lattice.positions), np.uint8) & 1).astype(np.uint8)
            painted = self._paint(rgb, lattice, bits, colors, random, silent)
            information = mapping.information(self._soft_bits(painted, lattice, self._latents(painted, lattice)), bits)
            margin = LUCK * float(information.std()) / lattice.positions**0.5
            worst = min(worst, float(information.mean()) - margin)
            progress((draw + 1) / draws)
        return max(0.0, worst)

    # -- latents from colours

    def _forward(self, luma: UInt8, chroma: Float32) -> list[Float32]:
        """Latents of levels 1, 2, ... of one tile, (6, h, w) each, from its luma (h, w) and chroma (2, h, w)."""
        pyramid = LumaPyramid(luma[None].astype(np.float32), CARRIERS)
        mean, latents = chroma, []
        for level in range(1, CARRIERS + 1):
            mean, details = split(mean)
            latents.append(self._flow("forward", level, details, pyramid.condition(level, mean, self._noise)))
        return latents

    def _latents(self, rgb: UInt8, lattice: Lattice, *, dither: bool = False) -> list[Float32]:
        """Latents of the whole photo, per level (6, h, w); with `dither`, as if rounding had hit it once more."""
        levels = [np.empty((DETAILS, *live.shape), np.float32) for live in lattice.live]
        for tile in lattice.tiles:
            luma = lattice.luma[tile.at(0)]
            chroma = _chroma(luma, rgb[tile.at(0)], (_dither(tile, 0), _dither(tile, 1)) if dither else (0, 0))
            for level, z in enumerate(self._forward(luma, chroma), start=1):
                levels[level - 1][:, *tile.at(level)] = z
        return levels

    def _soft_bits(self, rgb: UInt8, lattice: Lattice, latents: list[Float32]) -> Float32:
        """Soft decisions at all live positions, from the photo's latents.

        How far a second rounding error moves the latents around a lattice point tells how far the first one did.
        """
        sigmas = []
        for z, moved in zip(latents, self._latents(rgb, lattice, dither=True), strict=True):
            variance = _smooth(np.square(moved - z).mean(axis=0))
            sigma = np.sqrt(variance) * np.float32(NOISE_GAIN) + np.float32(NOISE_FLOOR)
            sigmas.append(np.broadcast_to(sigma, z.shape))
        z, sigma = lattice.gather(latents), lattice.gather(sigmas)
        llr = np.empty_like(z)
        for start in range(0, z.size, PIECE):  # the steps in float64 would take a gigabyte for 12 megapixels
            piece = slice(start, start + PIECE)
            llr[piece] = mapping.log_likelihood_ratio(z[piece], sigma[piece], outliers=OUTLIERS)
        return llr

    # -- colours from latents

    def _inverse(self, luma: UInt8, coarse: Float32, latents: list[Float32]) -> UInt8:
        """Rounded colours of one tile from its luma, the chroma mean of level CARRIERS and the latents."""
        pyramid = LumaPyramid(luma[None].astype(np.float32), CARRIERS)
        mean = coarse
        for level in range(CARRIERS, 0, -1):
            condition = pyramid.condition(level, mean, self._noise)
            mean = merge(mean, self._details(level, latents[level - 1], condition))
        return quantise(luma, from_chroma(luma.astype(np.float64), mean.astype(np.float64)))

    def _paint(
        self, rgb: UInt8, lattice: Lattice, bits: Bits, colors: Colors, random: RandomBytes, progress: Progress
    ) -> UInt8:
        """A container whose latents have the signs that `bits` ask for, as far as rounding and repair allow."""
        painted = rgb.copy()
        signs = lattice.scatter((2 * bits.astype(np.int8) - 1).astype(np.int8))  # 0 at dead positions
        drawn = None if colors == "keep" else self._drawn_coarse(lattice, random)
        for done, tile in enumerate(lattice.tiles):
            luma, host = lattice.luma[tile.at(0)], rgb[tile.at(0)]
            wanted = [s[:, *tile.at(level)] for level, s in enumerate(signs, start=1)]
            if drawn is None:
                reference = _chroma(luma, host)
                coarse = _coarse(reference)
                latents = _latents_near(wanted, self._forward(luma, reference), random)
            else:
                coarse = drawn[:, *tile.at(CARRIERS)]
                reference = coarse.repeat(CELL, axis=1).repeat(CELL, axis=2)
                latents = _latents(wanted, random)
            patch = self._inverse(luma, coarse, latents)
            progress((done + 0.5) / len(lattice.tiles))
            painted[tile.at(0)] = self._repair(luma, patch, wanted, coarse, reference)
            progress((done + 1) / len(lattice.tiles))
        return painted

    def _repair(self, luma: UInt8, patch: UInt8, wanted: list[Signs], coarse: Float32, reference: Float32) -> UInt8:
        """Read the latents back, move those that are wrong, weak or too loud, and paint again.

        Latents that rounding left near zero, or beyond it, go to their side. In blocks whose chroma strays far from
        `reference` (2, h, w) latents are halved and the mean returns to `coarse`: the tails of the flow are longer than
        nature's. A latent that reads well keeps the value it reads at, so that its pixels stay the integers they are.
        """
        chroma = _chroma(luma, patch)
        stray = np.abs(chroma - reference).max(axis=0)
        loud = stray.reshape(coarse.shape[1], CELL, coarse.shape[2], CELL).max(axis=(1, 3)) > LOUD
        latents = []
        for level, (z, s) in enumerate(zip(self._forward(luma, chroma), wanted, strict=True), start=1):
            loud_here = loud.repeat(CELL >> level, axis=0).repeat(CELL >> level, axis=1)
            side = z * s * np.where(loud_here, np.float32(0.5), np.float32(1))
            latents.append(np.where(s == 0, z, s * np.maximum(side, np.float32(REPAIR_MARGIN))))
        return self._inverse(luma, np.where(loud, coarse, _coarse(chroma)), latents)

    def _drawn_coarse(self, lattice: Lattice, random: RandomBytes) -> Float32:
        """A chroma mean at level CARRIERS drawn for the photo's luma, from one mean colour upwards: (2, h, w)."""
        height, width = lattice.luma.shape
        depth = max(CARRIERS + 1, int(np.log2(min(height, width) / ROOT_SIDE)))
        padding = [(0, -side % (1 << depth)) for side in (height, width)]
        pyramid = LumaPyramid(np.pad(lattice.luma, padding, mode="edge")[None].astype(np.float32), depth)
        statistics = self.release.config["root"]
        draw = mapping.standard_normal(2, random) * np.float32(ROOT_TEMPERATURE)
        root = np.array(statistics["mean"], np.float32) + np.array(statistics["std"], np.float32) * draw
        mean = np.broadcast_to(root[:, None, None], (2, *pyramid.levels[-1][0].shape[1:]))
        for level in range(depth, CARRIERS, -1):
            shape = (DETAILS, *mean.shape[1:])
            z = mapping.standard_normal(int(np.prod(shape)), random).reshape(shape) * np.float32(TEMPERATURE)
            mean = merge(mean, self._details(level, z, pyramid.condition(level, mean, self._noise)))
        return mean[:, : height >> CARRIERS, : width >> CARRIERS]

    # -- the network

    @property
    def _noise(self) -> float:
        """The dequantisation noise this release is run at: standard deviation in levels."""
        return float(self.release.config["noise"])

    def _details(self, level: int, latents: Float32, condition: Float32) -> Float32:
        """The inverse flow; where an extreme draw overflows, the end of the gamut stands in for it."""
        return np.nan_to_num(self._flow("inverse", level, latents, condition)).clip(-MAX_DETAIL, MAX_DETAIL)

    def _flow(self, direction: str, level: int, x: Float32, condition: Float32) -> Float32:
        level = min(level, self.release.config["levels"])
        output: Float32 = self.release.run(f"level{level}-{direction}.onnx", x=x[None], condition=condition[None])[0]
        return output


def _latents(wanted: list[Signs], random: RandomBytes) -> list[Float32]:
    """Latents with the wanted signs, drawn by Algorithm 1; zero where nothing is wanted."""
    return [mapping.bits_to_latents((s > 0).astype(np.uint8), random) * np.abs(s) for s in wanted]


def _latents_near(wanted: list[Signs], host: list[Float32], random: RandomBytes) -> list[Float32]:
    """Latents with the wanted signs, near the host's as Algorithm 1 allows; the host's where nothing is wanted."""
    latents = []
    for s, z in zip(wanted, host, strict=True):
        near, live = z.copy(), s != 0
        near[live] = mapping.bits_to_latents_near((s[live] > 0).astype(np.uint8), z[live], random)
        latents.append(near)
    return latents


def _sample(rgb: UInt8) -> UInt8:
    """Evenly spread blocks of a large photo side by side, about SAMPLE_PIXELS in all; a small photo as it is."""
    height, width = (side // SAMPLE_BLOCK for side in rgb.shape[:2])
    count = SAMPLE_PIXELS // SAMPLE_BLOCK**2
    if height * width <= count:
        return rgb
    blocks = []
    for i in range(count):
        row = int((i + 0.5) / count * height)
        column = int((i + 0.5) * GOLDEN_RATIO % 1 * width)
        top, left = row * SAMPLE_BLOCK, column * SAMPLE_BLOCK
        blocks.append(rgb[top : top + SAMPLE_BLOCK, left : left + SAMPLE_BLOCK])
    return np.concatenate(blocks, axis=1)


def _chroma(luma: UInt8, rgb: UInt8, offsets: tuple[Float64 | int, Float64 | int] = (0, 0)) -> Float32:
    """Chroma of a tile, (2, h, w), after adding `offsets` to red and blue."""
    red, blue = (rgb[..., channel].astype(np.float64) + offset for channel, offset in zip((0, 2), offsets, strict=True))
    return to_chroma(luma.astype(np.float64), red, blue).astype(np.float32)


def _coarse(chroma: Float32) -> Float32:
    """Mean of a tile's chroma at level CARRIERS: (2, h, w)."""
    for _ in range(CARRIERS):
        chroma, _ = split(chroma)
    return chroma


def _dither(tile: Tile, channel: int) -> Float64:
    """A fixed hash pattern over the photo, uniform in -0.5..0.5 like a rounding error; the tile's part of it."""
    rows, columns = (np.arange(s.start, s.stop, dtype=np.uint32) for s in tile.at(0))
    word = (rows[:, None] * np.uint32(0x9E3779B1)) ^ (columns * np.uint32(0x85EBCA77) + np.uint32(channel))
    for shift in (np.uint32(15), np.uint32(13)):
        word = (word ^ (word >> shift)) * np.uint32(0x2C1B3C6D)
    pattern: Float64 = (word ^ (word >> np.uint32(16))).astype(np.float64) / 2.0**32 - 0.5
    return pattern


def _smooth(values: Float32) -> Float32:
    """Mean over 3x3 lattice points, edges repeated: (h, w)."""
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean: Float32 = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)
    return mean


def _rate_patterns(key: Keys) -> Bits:
    """Keyed patterns, one per rate of the code: (rates, HEADER) of 0 and 1."""
    count = len(ldpc.RATES)
    return key.bits("rate patterns", count * HEADER).reshape(count, HEADER)
