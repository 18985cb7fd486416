"""Colours from latents and latents from colours: the released flows over the tiles of a photo."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from stegcinn.codecs.base import Colors, Progress, portions, silent
from stegcinn.codecs.cinn import mapping
from stegcinn.codecs.cinn.chroma import from_chroma, quantise, to_chroma
from stegcinn.codecs.cinn.lattice import CARRIERS, CELL, Lattice, LatticeTile
from stegcinn.codecs.cinn.pyramid import DETAILS, LumaPyramid, merge, split
from stegcinn.runtime.arrays import Float32, Float64, UInt8
from stegcinn.runtime.weights import Release, release
from stegcinn.sealing.keys import RandomBytes

Bits = npt.NDArray[np.uint8]
Signs = npt.NDArray[np.int8]

REPAIR_MARGIN = 0.3  # how far beyond zero repair pushes a wrong or weak latent
LOUD = 48.0  # levels of chroma from the host's, or from the mean, beyond which repair calms a block
MAX_DETAIL = 1000.0  # levels; no colour of the cube needs more
TEMPERATURE = 0.6  # of the coarse colours that `generate` draws; they carry no bits
ROOT_TEMPERATURE = 0.2  # of their mean, lest the whole photo takes on one strong colour
ROOT_SIDE = 3  # lattice points, about, of the shorter side where `generate` starts from one mean colour


class Painter:
    """A release of flows at work; which positions of a photo carry bits is its `Lattice`'s to say."""

    def __init__(self, release: Release) -> None:
        self.release = release

    # -- latents from colours

    def forward(self, luma: UInt8, chroma: Float32) -> list[Float32]:
        """Latents of levels 1, 2, ... of one tile, (6, h, w) each, from its luma (h, w) and chroma (2, h, w)."""
        pyramid = LumaPyramid(luma[None].astype(np.float32), CARRIERS)
        mean, latents = chroma, []
        for level in range(1, CARRIERS + 1):
            mean, details = split(mean)
            latents.append(self._flow("forward", level, details, pyramid.condition(level, mean, self.noise)))
        return latents

    def latents(
        self, rgb: UInt8, lattice: Lattice, *, dither: bool = False, progress: Progress = silent
    ) -> list[Float32]:
        """Latents of the whole photo, per level (6, h, w); with `dither`, as if rounding had hit it once more."""
        levels = [np.empty((DETAILS, *live.shape), np.float32) for live in lattice.live]
        for tile, report in zip(lattice.tiles, portions(progress, len(lattice.tiles)), strict=True):
            luma = lattice.luma[tile.at(0)]
            chroma = chroma_of(luma, rgb[tile.at(0)], (_dither(tile, 0), _dither(tile, 1)) if dither else (0, 0))
            for level, z in enumerate(self.forward(luma, chroma), start=1):
                levels[level - 1][:, *tile.at(level)] = z
            report(1.0)
        return levels

    # -- colours from latents

    def inverse(self, luma: UInt8, coarse: Float32, latents: list[Float32]) -> UInt8:
        """Rounded colours of one tile from its luma, the chroma mean of level CARRIERS and the latents."""
        pyramid = LumaPyramid(luma[None].astype(np.float32), CARRIERS)
        mean = coarse
        for level in range(CARRIERS, 0, -1):
            condition = pyramid.condition(level, mean, self.noise)
            mean = merge(mean, self.details(level, latents[level - 1], condition))
        return quantise(luma, from_chroma(luma.astype(np.float64), mean.astype(np.float64)))

    def paint(
        self, rgb: UInt8, lattice: Lattice, bits: Bits, colors: Colors, random: RandomBytes, progress: Progress
    ) -> UInt8:
        """A container whose latents have the signs that `bits` ask for, as far as rounding and repair allow."""
        painted = rgb.copy()
        signs = lattice.scatter((2 * bits.astype(np.int8) - 1).astype(np.int8))  # 0 at dead positions
        drawn = None if colors == "keep" else self.drawn_coarse(lattice, random)
        for done, tile in enumerate(lattice.tiles):
            luma, host = lattice.luma[tile.at(0)], rgb[tile.at(0)]
            wanted = [s[:, *tile.at(level)] for level, s in enumerate(signs, start=1)]
            if drawn is None:
                reference = chroma_of(luma, host)
                coarse = coarse_of(reference)
                latents = _latents_near(wanted, self.forward(luma, reference), random)
            else:
                coarse = drawn[:, *tile.at(CARRIERS)]
                reference = coarse.repeat(CELL, axis=1).repeat(CELL, axis=2)
                latents = _drawn_latents(wanted, random)
            patch = self.inverse(luma, coarse, latents)
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
        chroma = chroma_of(luma, patch)
        stray = np.abs(chroma - reference).max(axis=0)
        loud = stray.reshape(coarse.shape[1], CELL, coarse.shape[2], CELL).max(axis=(1, 3)) > LOUD
        latents = []
        for level, (z, s) in enumerate(zip(self.forward(luma, chroma), wanted, strict=True), start=1):
            loud_here = loud.repeat(CELL >> level, axis=0).repeat(CELL >> level, axis=1)
            side = z * s * np.where(loud_here, np.float32(0.5), np.float32(1))
            latents.append(np.where(s == 0, z, s * np.maximum(side, np.float32(REPAIR_MARGIN))))
        return self.inverse(luma, np.where(loud, coarse, coarse_of(chroma)), latents)

    def drawn_coarse(self, lattice: Lattice, random: RandomBytes) -> Float32:
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
            mean = merge(mean, self.details(level, z, pyramid.condition(level, mean, self.noise)))
        return mean[:, : height >> CARRIERS, : width >> CARRIERS]

    # -- the network

    @property
    def noise(self) -> float:
        """The dequantisation noise this release is run at: standard deviation in levels."""
        return float(self.release.config["noise"])

    def details(self, level: int, latents: Float32, condition: Float32) -> Float32:
        """The inverse flow; where an extreme draw overflows, the end of the gamut stands in for it."""
        return np.nan_to_num(self._flow("inverse", level, latents, condition)).clip(-MAX_DETAIL, MAX_DETAIL)

    def _flow(self, direction: str, level: int, x: Float32, condition: Float32) -> Float32:
        level = min(level, self.release.config["levels"])
        output: Float32 = self.release.run(f"level{level}-{direction}.onnx", x=x[None], condition=condition[None])[0]
        return output


@cache
def released() -> Painter:
    """Over the newest release."""
    return Painter(release("cinn-2"))


def _drawn_latents(wanted: list[Signs], random: RandomBytes) -> list[Float32]:
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


def chroma_of(luma: UInt8, rgb: UInt8, offsets: tuple[Float64 | int, Float64 | int] = (0, 0)) -> Float32:
    """Chroma of a tile, (2, h, w), after adding `offsets` to red and blue."""
    red, blue = (rgb[..., channel].astype(np.float64) + offset for channel, offset in zip((0, 2), offsets, strict=True))
    return to_chroma(luma.astype(np.float64), red, blue).astype(np.float32)


def coarse_of(chroma: Float32) -> Float32:
    """Mean of a tile's chroma at level CARRIERS: (2, h, w)."""
    for _ in range(CARRIERS):
        chroma, _ = split(chroma)
    return chroma


def _dither(tile: LatticeTile, channel: int) -> Float64:
    """A fixed hash pattern over the photo, uniform in -0.5..0.5 like a rounding error; the tile's part of it."""
    rows, columns = (np.arange(s.start, s.stop, dtype=np.uint32) for s in tile.at(0))
    word = (rows[:, None] * np.uint32(0x9E3779B1)) ^ (columns * np.uint32(0x85EBCA77) + np.uint32(channel))
    for shift in (np.uint32(15), np.uint32(13)):
        word = (word ^ (word >> shift)) * np.uint32(0x2C1B3C6D)
    pattern: Float64 = (word ^ (word >> np.uint32(16))).astype(np.float64) / 2.0**32 - 0.5
    return pattern
