"""How much of a photo `exact` redraws for a payload: the model fitted to the host, and loads that promise enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Colors
from stegcinn.codecs.exact.header import CARRY, CODED_PHASES, HEADER_PIECE, HEADER_SIZE, SHARES, Load, NoRoomError
from stegcinn.colourmodel import calibration, rangecoder
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.colourmodel.networks import ColourModel, plane
from stegcinn.colourmodel.rangecoder import Tile
from stegcinn.runtime.arrays import Bool, Float64, UInt8

SURE = 4  # bytes beyond the stream's end that must be settled: a chance of 2**-32 that its end comes back altered
MAX_BITS = 18  # per pixel that anything could take
GOLDEN_RATIO = 0.6180339887498949  # its multiples spread evenly over 0..1, whatever their number
RESERVE = 1.12  # of a load over what the host's code length promises
RESERVE_SPREAD = 6.0  # bits, times the square root of the bits needed
SAMPLE_TILE = 64  # cells
SAMPLE_EVERY = 16  # of a large photo's tiles, one in so many is looked at to fit the calibration ...
SAMPLE_LEAST = 8  # ... but at least so many
SAMPLE_PIXELS = 2048  # per phase, about, whose code length is computed again and again
ATTEMPTS = {"keep": 4, "generate": 12}  # of a full load


# All the others lean on the first step: it adds one pixel in 16 and costs 2 dB (docs/decisions/exact.md). So it is left
# to the host, but for calm ones, whose other pixels it hardly disturbs.
FULL = Load(1, SHARES - 1)
FULL_IF_CALM = Load(0, SHARES - 1)
CALM = 5.5  # bits per pixel of the finest level's first step


@dataclass(frozen=True)
class Fit:
    """How a host's colours are distributed: its calibration, and its bits per pixel at each of CODED_PHASES."""

    calibration: Calibration
    bits: tuple[float, ...]

    def full(self, colors: Colors) -> Load:
        """The largest load that this host is given."""
        return FULL_IF_CALM if colors == "keep" and self.bits[CODED_PHASES.index((0, 0))] <= CALM else FULL


def fit(model: ColourModel, photo: Photo) -> Fit:
    """Fit the model to a sample of the pixels of the host that are seen; a gray host has no colours to fit to.

    NoRoomError where a phase has no such pixels.
    """
    if photo.is_gray:
        return Fit(Calibration.none(), (0.0,) * len(CODED_PHASES))
    samples = [_sample(model, photo, *step) for step in CODED_PHASES]
    levels = {level for level, _ in CODED_PHASES}
    joined = {
        at: _joined([s for s, (level, _) in zip(samples, CODED_PHASES, strict=True) if level == at]) for at in levels
    }

    def bits(level: int, sample: tuple[Tile, UInt8], lookup: UInt8) -> Float64:
        return rangecoder.information(model.tables(level).calibrated(lookup), *sample)[0]

    fitted = calibration.fit(lambda level, lookup: bits(level, joined[level], lookup))
    totals = (
        float(bits(level, sample, fitted.lookup(level)).sum())
        for sample, (level, _) in zip(samples, CODED_PHASES, strict=True)
    )
    return Fit(fitted, tuple(t / max(1, sample[1][..., 0].size) for t, sample in zip(totals, samples, strict=True)))


def _sample(model: ColourModel, photo: Photo, level: int, phase: int) -> tuple[Tile, UInt8]:
    """Pixels of a phase all over what is seen of the photo, side by side in one row: the same ones every time."""
    seen = plane(photo.visible, level, phase)
    height, width = seen.shape
    tiles = -(-height // SAMPLE_TILE) * -(-width // SAMPLE_TILE)
    share = max(1 / SAMPLE_EVERY, SAMPLE_LEAST / tiles)
    looked_at = (np.arange(tiles) * GOLDEN_RATIO) % 1 < share
    keep = looked_at if seen.all() else None
    generator = np.random.default_rng(0)
    thinned = min(1.0, SAMPLE_PIXELS / (height * width * min(1.0, share)))
    chosen = []
    for part in model.parts(photo.rgb, photo.luma, level, phase, seen, tile=SAMPLE_TILE, keep=keep):
        here = (generator.random(part.tile.luma.shape) < thinned) & part.tile.chosen
        parameters = np.moveaxis(part.tile.parameters, 0, -1)[here].T[:, None]
        tile = Tile(parameters, *(array[here][None] for array in part.tile[1:]))
        chosen.append((tile, part.rgb[here][None]))
    if not any(tile.luma.size for tile, _ in chosen):
        raise NoRoomError
    return _joined(chosen)


def loads(usable: Bool, size: int, fitted: Fit, colors: Colors) -> Iterator[Load]:
    """Loads to try for a stream of `size` bytes, the least first, where pixels are `usable` (H, W).

    Drawn colours leave nothing of the host's.
    """
    room = [bits * pixels for bits, pixels in zip(fitted.bits, pixels_of(usable), strict=True)]
    room[-1] = max(0.0, room[-1] - 8 * (HEADER_SIZE + CARRY + HEADER_PIECE))
    needed = 8 * (size + SURE)
    needed = RESERVE * needed + RESERVE_SPREAD * needed**0.5
    for more in (1.0, 1.15) if colors == "keep" else ():
        left = more * needed
        for first in reversed(range(fitted.full(colors).first, len(CODED_PHASES))):
            if left <= room[first]:
                yield Load(first, min(SHARES - 1, int(SHARES * left / room[first])))
                break
            left -= room[first]
    if 8 * size <= MAX_BITS * usable.size:
        yield from (fitted.full(colors),) * ATTEMPTS[colors]


def _joined(samples: list[tuple[Tile, UInt8]]) -> tuple[Tile, UInt8]:
    """Samples of one row each as a single one."""
    tiles, colours = zip(*samples, strict=True)
    parameters, *arrays = (np.concatenate(same, axis=-1) for same in zip(*tiles, strict=True))
    compact = np.moveaxis(np.ascontiguousarray(np.moveaxis(parameters, 0, -1)), -1, 0)
    return Tile(compact, *arrays), np.concatenate(colours, axis=1)


def pixels_of(usable: Bool) -> list[int]:
    """How many pixels each of CODED_PHASES settles."""
    return [int(np.count_nonzero(plane(usable, *step))) for step in CODED_PHASES]
