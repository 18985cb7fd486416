"""The paper's codec: bits are the signs of latents, and a conditional invertible network turns latents into colours.

embed:   stream -> code words -> signs of z -> (inverse flow, coarse to fine) -> chroma -> rounded colours -> repair
extract: colours -> chroma -> (flow, all scales) -> z and its noise -> soft decisions -> code words -> stream

Bits live in the details of the two finest scales. What is coarser is the host's own (`keep`) or drawn from the shared
flow (`generate`); the receiver reads it off the image and need not know which.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from stegcinn import colour, ecc, keys, mapping
from stegcinn.codecs.base import Colors, Extraction, Progress, UInt8
from stegcinn.errors import RevealError
from stegcinn.keys import Keys
from stegcinn.lattice import CARRIERS, Lattice, Tile
from stegcinn.mapping import RandomBytes
from stegcinn.pyramid import DETAILS, LumaPyramid, merge, split
from stegcinn.runtime import Release

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint8]
Signs = npt.NDArray[np.int8]

HEADER = 256  # positions that name the code's rate
REPAIR_MARGINS = (0.15, 0.25)  # per round of repair: how far beyond zero a wrong or weak latent is pushed
NOISE_GAIN = 0.8  # noise of a latent over what a second rounding error does to it (measured, docs/decisions.md)
NOISE_FLOOR = 0.02  # standard deviation; the smallest noise we believe in
OUTLIERS = 0.005  # share of latents that are wrong however sure they look (measured likewise)
MAX_DETAIL = 1000.0  # levels; no colour of the cube needs more
EFFORT = 100  # decoder iterations of a receiver
STRICT_EFFORT = 50  # of the sender's own check, which leaves room for another machine's arithmetic
TEMPERATURE = 0.7  # of the coarse colours that `generate` draws; they carry no bits
ROOT_SIDE = 3  # lattice points, about, of the shorter side where `generate` starts from one mean colour


class CinnCodec:
    """Steg-cINN over one release of weights; see `codecs.base.Codec` for the interface."""

    name = "cinn"

    def __init__(self, release: Release) -> None:
        self.release = release

    def capacity(self, rgb: UInt8, colors: Colors, progress: Progress) -> int:
        """Measured in a rehearsal, with bits and draws that depend on nothing but this line."""
        lattice = Lattice(colour.luma(rgb))
        if lattice.positions <= HEADER:
            return 0
        random = keys.Keystream(keys.derive(None, bytes(keys.KEY_SIZE)), "rehearsal")
        bits = (np.frombuffer(random(lattice.positions), np.uint8) & 1).astype(np.uint8)
        painted = self._paint(rgb, lattice, bits, colors, random, lambda share: progress(0.7 * share))
        llr = self._soft_bits(painted, lattice)
        progress(1.0)
        rate = ecc.best_rate(mapping.mutual_information(llr, bits), lattice.positions - HEADER)
        return 0 if rate is None else ecc.plan(lattice.positions - HEADER, rate).info_bits // 8

    def embed(self, rgb: UInt8, stream: bytes, key: Keys, colors: Colors, progress: Progress) -> UInt8:
        """The lowest rate that takes the stream is used, so a small payload is the safest."""
        lattice = Lattice(colour.luma(rgb))
        plans = (ecc.plan(lattice.positions - HEADER, rate) for rate in range(len(ecc.RATES)))
        plan = next(plan for plan in plans if plan.info_bits >= 8 * len(stream))
        filled = stream + os.urandom(-(-plan.info_bits // 8) - len(stream))
        words = ecc.encode(plan, np.unpackbits(np.frombuffer(filled, np.uint8), count=plan.info_bits))
        filling = np.frombuffer(os.urandom(lattice.positions), np.uint8) & 1
        code = np.concatenate([_rate_patterns(key)[plan.rate], words, filling[HEADER + words.size :]])
        code ^= key.bits("whitening", lattice.positions)
        bits = np.empty_like(code)
        bits[key.permutation("positions", lattice.positions)] = code
        return self._paint(rgb, lattice, bits, colors, os.urandom, progress)

    def extract(self, rgb: UInt8, key: Keys, *, strict: bool = False) -> Extraction:
        """The rate is the one whose keyed pattern fits the header best; a wrong guess fails like a wrong key."""
        lattice = Lattice(colour.luma(rgb))
        if lattice.positions <= HEADER:
            raise RevealError
        llr = self._soft_bits(rgb, lattice)[key.permutation("positions", lattice.positions)]
        np.negative(llr, out=llr, where=key.bits("whitening", lattice.positions).view(np.bool_))
        scores = (1 - 2 * _rate_patterns(key).astype(np.float32)) @ llr[:HEADER]
        plan = ecc.plan(lattice.positions - HEADER, int(np.argmax(scores)))
        received = llr[HEADER : HEADER + plan.used]
        bits, ok = ecc.decode(plan, received, iterations=STRICT_EFFORT if strict else EFFORT)
        if not plan.words or not ok.all():
            raise RevealError
        raw_accuracy = np.mean((received < 0) == ecc.encode(plan, bits))
        return Extraction(np.packbits(bits).tobytes(), float(raw_accuracy))

    # -- latents from colours

    def _forward(self, luma: UInt8, red: Float64, blue: Float64) -> list[Float32]:
        """Latents of levels 1, 2, ... of one tile, (6, h, w) each, from its luma and (real) red and blue."""
        pyramid = LumaPyramid(luma[None].astype(np.float32), CARRIERS)
        mean = colour.to_chroma(luma.astype(np.float64), red, blue)[0].astype(np.float32)
        latents = []
        for level in range(1, CARRIERS + 1):
            mean, details = split(mean)
            latents.append(self._flow("forward", level, details, pyramid.condition(level, mean, self._noise)))
        return latents

    def _latents(self, rgb: UInt8, lattice: Lattice, *, dither: bool = False) -> list[Float32]:
        """Latents of the whole photo, per level (6, h, w); with `dither`, as if rounding had hit it once more."""
        levels = [np.empty((DETAILS, *live.shape), np.float32) for live in lattice.live]
        for tile in lattice.tiles:
            red, blue = _red_and_blue(rgb[tile.at(0)])
            if dither:
                red, blue = red + _dither(tile, 0), blue + _dither(tile, 1)
            for level, z in enumerate(self._forward(lattice.luma[tile.at(0)], red, blue), start=1):
                levels[level - 1][:, *tile.at(level)] = z
        return levels

    def _soft_bits(self, rgb: UInt8, lattice: Lattice) -> Float32:
        """Soft decisions at all live positions.

        How far a second rounding error moves the latents around a lattice point tells how far the first one did.
        """
        latents = self._latents(rgb, lattice)
        sigmas = []
        for z, moved in zip(latents, self._latents(rgb, lattice, dither=True), strict=True):
            variance = _smooth(np.square(moved - z).mean(axis=0))
            sigma = np.sqrt(variance) * np.float32(NOISE_GAIN) + np.float32(NOISE_FLOOR)
            sigmas.append(np.broadcast_to(sigma, z.shape))
        return mapping.log_likelihood_ratio(lattice.gather(latents), lattice.gather(sigmas), outliers=OUTLIERS)

    # -- colours from latents

    def _inverse(self, luma: UInt8, coarse: Float32, latents: list[Float32]) -> UInt8:
        """Rounded colours of one tile from its luma, the chroma mean of level CARRIERS and the latents."""
        pyramid = LumaPyramid(luma[None].astype(np.float32), CARRIERS)
        mean = coarse
        for level in range(CARRIERS, 0, -1):
            condition = pyramid.condition(level, mean, self._noise)
            mean = merge(mean, self._details(level, latents[level - 1], condition))
        return colour.quantise(luma, colour.from_chroma(luma.astype(np.float64), mean.astype(np.float64)))

    def _paint(
        self, rgb: UInt8, lattice: Lattice, bits: Bits, colors: Colors, random: RandomBytes, progress: Progress
    ) -> UInt8:
        """A container whose latents have the signs that `bits` ask for, as far as rounding and repair allow."""
        painted = rgb.copy()
        signs = lattice.scatter((2 * bits.astype(np.int8) - 1).astype(np.int8))  # 0 at dead positions
        coarse = self._kept_coarse(rgb, lattice) if colors == "keep" else self._drawn_coarse(lattice, random)
        rounds = len(lattice.tiles) * (1 + len(REPAIR_MARGINS))
        for done, tile in enumerate(lattice.tiles):
            luma = lattice.luma[tile.at(0)]
            wanted = [s[:, *tile.at(level)] for level, s in enumerate(signs, start=1)]
            latents = [mapping.bits_to_latents((s > 0).astype(np.uint8), random) * np.abs(s) for s in wanted]
            patch = self._inverse(luma, coarse[:, *tile.at(CARRIERS)], latents)
            for repaired, margin in enumerate(REPAIR_MARGINS, start=1):
                progress((done * (1 + len(REPAIR_MARGINS)) + repaired) / rounds)
                patch = self._repair(luma, patch, wanted, margin)
            painted[tile.at(0)] = patch
            progress((done + 1) / len(lattice.tiles))
        return painted

    def _repair(self, luma: UInt8, patch: UInt8, wanted: list[Signs], margin: float) -> UInt8:
        """Move latents that rounding left near zero, or beyond it, to their side, and paint again.

        A latent that reads well keeps the value it reads at, so that its pixels stay the integers they are.
        """
        red, blue = _red_and_blue(patch)
        latents = [
            np.where((z * s < margin) & (s != 0), s * np.float32(margin), z)
            for z, s in zip(self._forward(luma, red, blue), wanted, strict=True)
        ]
        return self._inverse(luma, _coarse_chroma(luma, patch), latents)

    def _kept_coarse(self, rgb: UInt8, lattice: Lattice) -> Float32:
        """The host's own chroma mean at level CARRIERS: (2, h, w)."""
        coarse = np.empty((2, *lattice.live[-1].shape), np.float32)
        for tile in lattice.tiles:
            coarse[:, *tile.at(CARRIERS)] = _coarse_chroma(lattice.luma[tile.at(0)], rgb[tile.at(0)])
        return coarse

    def _drawn_coarse(self, lattice: Lattice, random: RandomBytes) -> Float32:
        """A chroma mean at level CARRIERS drawn for the photo's luma, from one mean colour upwards: (2, h, w)."""
        height, width = lattice.luma.shape
        depth = max(CARRIERS + 1, int(np.log2(min(height, width) / ROOT_SIDE)))
        padding = [(0, -side % (1 << depth)) for side in (height, width)]
        pyramid = LumaPyramid(np.pad(lattice.luma, padding, mode="edge")[None].astype(np.float32), depth)
        statistics = self.release.config["root"]
        draw = mapping.standard_normal(2, random)
        root = np.array(statistics["mean"], np.float32) + np.array(statistics["std"], np.float32) * draw
        mean = np.broadcast_to(root[:, None, None], (2, *pyramid.means[depth].shape[1:]))
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


def _red_and_blue(rgb: UInt8) -> tuple[Float64, Float64]:
    return rgb[..., 0].astype(np.float64), rgb[..., 2].astype(np.float64)


def _coarse_chroma(luma: UInt8, rgb: UInt8) -> Float32:
    """Chroma mean of a tile at level CARRIERS: (2, h, w)."""
    mean = colour.to_chroma(luma.astype(np.float64), *_red_and_blue(rgb))[0].astype(np.float32)
    for _ in range(CARRIERS):
        mean, _ = split(mean)
    return mean


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
    count = len(ecc.RATES)
    return key.bits("rate patterns", count * HEADER).reshape(count, HEADER)
