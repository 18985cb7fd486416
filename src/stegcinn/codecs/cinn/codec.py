"""The paper's codec: bits are the signs of latents, and a conditional invertible network turns latents into colours.

embed:   stream -> code words -> signs of z -> (inverse flow, coarse to fine) -> chroma -> rounded colours -> repair
extract: colours -> chroma -> (flow, all scales) -> z and its noise -> soft decisions -> code words -> stream

Bits live in the details of the two finest scales. What is coarser is the host's own (`keep`) or drawn from the shared
flow (`generate`); the receiver reads it off the image and need not know which.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Colors, Embedding, Extraction, Progress, Room, StreamSize, Wish, portions, silent
from stegcinn.codecs.cinn import mapping
from stegcinn.codecs.cinn.lattice import Lattice
from stegcinn.codecs.cinn.painter import Bits, Painter
from stegcinn.codecs.lumalocked import LumaLocked, chosen_colors, embedding, seen
from stegcinn.coding import ldpc
from stegcinn.errors import CapacityError, RevealError
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.runtime.weights import Release
from stegcinn.sealing import keys
from stegcinn.sealing.keys import Keys

HEADER = 256  # positions that name the code's rate
AGREEMENT = 64  # by how many more of them agree than not, at least; four standard deviations of chance
SAMPLE_PIXELS = 1 << 16  # how much of a photo the rehearsal of `capacity` paints
SAMPLE_BLOCK = 64  # pixels; side of the blocks it is put together from
GOLDEN_RATIO = 0.6180339887498949  # its multiples spread evenly over 0..1, whatever their number
SAMPLE_MARGIN = 0.04  # bits per position by which a sample may mislead: three deviations (docs/decisions/cinn.md)
PIECE = 1 << 20  # soft decisions computed at a time
DRAW_SPREAD = 5.0  # standard deviations by which a draw may carry less information than the rehearsal's
NOISE_GAIN = 0.8  # noise of a latent over what a second rounding error does to it (measured, docs/decisions/cinn.md)
NOISE_FLOOR = 0.02  # standard deviation; the smallest noise we believe in
OUTLIERS = 0.005  # share of latents that are wrong however sure they look (measured likewise)
REHEARSAL_SHARE = 0.25  # of the time that embedding takes
QUICK_PIXELS = 1_500_000  # some seconds of two cores
EFFORT = 200  # decoder iterations of a receiver
STRICT_EFFORT = 100  # of the sender's own check, which leaves room for another machine's arithmetic
GENERATE_DRAWS = 3  # rehearsals of `generate`


class CinnCodec(LumaLocked):
    """Steg-cINN over one release of weights.

    Containers of the releases `older`, newest first, are still revealed: nothing in an image tells which one it was.
    """

    name = "cinn"
    label = "cinn: the paper’s network"
    auto = False
    max_bpp = 2.0

    def __init__(self, release: Release, *older: Release) -> None:
        self.painter = Painter(release)
        self.older = tuple(CinnCodec(each) for each in older)

    def is_slow(self, photo: Photo) -> bool:
        """The networks have to read all of a photo, those of every release."""
        return photo.pixels > QUICK_PIXELS

    def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room:
        """Measured in a rehearsal on a sample of the photo, with draws that are the same every time."""
        colors = chosen_colors(photo, wish)
        return Room(self._capacity(photo.bared, colors, progress), colors=colors)

    def _capacity(self, photo: Photo, colors: Colors, progress: Progress) -> int:
        positions = Lattice(photo.luma).positions - HEADER
        if positions <= 0:
            return 0
        pixels = np.dstack([photo.rgb, photo.visible])
        sample, rate = _sample(pixels), None
        if sample is not pixels:
            rate = ldpc.best_rate(self._rehearse(sample, colors, progress) - SAMPLE_MARGIN, positions)
        if rate is None:  # small, or with so little room that it is worth a closer look
            rate = ldpc.best_rate(self._rehearse(pixels, colors, progress), positions)
        return 0 if rate is None else ldpc.plan(positions, rate).info_bits // 8

    def embed(self, photo: Photo, stream: bytes, key: Keys, wish: Wish, progress: Progress) -> Embedding[Photo]:
        """The lowest rate that takes the stream is used, so a small payload is the safest."""
        colors, host = chosen_colors(photo, wish), seen(photo, key.version)
        available = self._capacity(host, colors, lambda share: progress(REHEARSAL_SHARE * share))
        if len(stream) > available:
            raise CapacityError(len(stream), available)
        lattice = Lattice(host.luma)
        plans = (ldpc.plan(lattice.positions - HEADER, rate) for rate in range(len(ldpc.RATES)))
        plan = next(plan for plan in plans if plan.info_bits >= 8 * len(stream))
        filled = stream + wish.random(-(-plan.info_bits // 8) - len(stream))
        words = ldpc.encode(plan, np.unpackbits(np.frombuffer(filled, np.uint8), count=plan.info_bits))
        filling = np.frombuffer(wish.random(lattice.positions), np.uint8) & 1
        code = np.concatenate([_rate_patterns(key)[plan.rate], words, filling[HEADER + words.size :]])
        code ^= key.bits("whitening", lattice.positions)
        bits = np.empty_like(code)
        bits[key.permutation("positions", lattice.positions)] = code
        painted = self.painter.paint(
            host.rgb, lattice, bits, colors, wish.random,
            lambda share: progress(REHEARSAL_SHARE + (1 - REHEARSAL_SHARE) * share),
        )  # fmt: skip
        return embedding(photo, painted, colors)

    def extract(
        self, photo: Photo, key: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        """All of it comes at once. With `strict`, which checks what was just written, older releases are left out."""
        photo = seen(photo, key.version)
        codecs = (self, *(() if strict else self.older))
        for codec, report in zip(codecs, portions(progress, len(codecs)), strict=True):
            try:
                return codec._extract(photo, key, STRICT_EFFORT if strict else EFFORT, report)
            except RevealError:
                report(1.0)
        raise RevealError

    def _extract(self, photo: Photo, key: Keys, effort: int, progress: Progress) -> Extraction:
        """The rate is the one whose keyed pattern fits the header best; a wrong guess fails like a wrong key.

        Where no pattern fits, how sure the latents are is not asked for: that takes as long again.
        """
        lattice = Lattice(photo.luma)
        if lattice.positions <= HEADER:
            raise RevealError
        order = key.permutation("positions", lattice.positions)
        inverted = key.bits("whitening", lattice.positions).view(np.bool_)
        patterns = 1 - 2 * _rate_patterns(key).astype(np.float32)
        latents = self.painter.latents(photo.rgb, lattice, progress=lambda share: progress(share / 2))
        header = np.sign(lattice.gather(latents)[order[:HEADER]])
        if (patterns @ np.where(inverted[:HEADER], header, -header)).max() < AGREEMENT:
            raise RevealError
        llr = self._soft_bits(photo.rgb, lattice, latents, lambda share: progress((1 + share) / 2))[order]
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

    def _rehearse(self, pixels: UInt8, colors: Colors, progress: Progress) -> float:
        """Information in bits per position that a container of these `pixels` will surely carry; 0 if none.

        (H, W, 4): colours, and whether they are seen.
        """
        rgb, visible = np.ascontiguousarray(pixels[..., :3]), pixels[..., 3:]
        lattice = Lattice(luma_of(rgb))
        if not lattice.positions:
            return 0.0
        random = keys.Keystream(keys.derive(None, bytes(keys.KEY_SIZE)), "rehearsal")
        # What `keep` gives hardly varies. Drawn coarse colours may run into the edge of the cube: the worst of some.
        draws = 1 if colors == "keep" else GENERATE_DRAWS
        worst = 1.0
        for draw in range(draws):
            bits = (np.frombuffer(random(lattice.positions), np.uint8) & 1).astype(np.uint8)
            painted = self.painter.paint(rgb, lattice, bits, colors, random, silent) * visible
            information = mapping.information(
                self._soft_bits(painted, lattice, self.painter.latents(painted, lattice)), bits
            )
            margin = DRAW_SPREAD * float(information.std()) / lattice.positions**0.5
            worst = min(worst, float(information.mean()) - margin)
            progress((draw + 1) / draws)
        return max(0.0, worst)

    def _soft_bits(self, rgb: UInt8, lattice: Lattice, latents: list[Float32], progress: Progress = silent) -> Float32:
        """Soft decisions at all live positions, from the photo's latents.

        How far a second rounding error moves the latents around a lattice point tells how far the first one did.
        """
        sigmas = []
        again = self.painter.latents(rgb, lattice, dither=True, progress=progress)
        for z, moved in zip(latents, again, strict=True):
            variance = _smooth(np.square(moved - z).mean(axis=0))
            sigma = np.sqrt(variance) * np.float32(NOISE_GAIN) + np.float32(NOISE_FLOOR)
            sigmas.append(np.broadcast_to(sigma, z.shape))
        z, sigma = lattice.gather(latents), lattice.gather(sigmas)
        llr = np.empty_like(z)
        for start in range(0, z.size, PIECE):  # the steps in float64 would take a gigabyte for 12 megapixels
            piece = slice(start, start + PIECE)
            llr[piece] = mapping.log_likelihood_ratio(z[piece], sigma[piece], outliers=OUTLIERS)
        return llr


def _sample(pixels: UInt8) -> UInt8:
    """Evenly spread blocks of a large photo (H, W, ...) side by side, about SAMPLE_PIXELS; a small photo as it is."""
    height, width = (side // SAMPLE_BLOCK for side in pixels.shape[:2])
    count = SAMPLE_PIXELS // SAMPLE_BLOCK**2
    if height * width <= count:
        return pixels
    blocks = []
    for i in range(count):
        row = int((i + 0.5) / count * height)
        column = int((i + 0.5) * GOLDEN_RATIO % 1 * width)
        top, left = row * SAMPLE_BLOCK, column * SAMPLE_BLOCK
        blocks.append(pixels[top : top + SAMPLE_BLOCK, left : left + SAMPLE_BLOCK])
    return np.concatenate(blocks, axis=1)


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
