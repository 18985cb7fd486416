"""What a change of a chroma coefficient costs, and how much all changes disturb the host.

A coefficient is expected to be as large as its block and those around are busy, and as its mode is in the whole plane:
the energy of UERD (Guo, Ni, Su, Tang, Shi 2015), spread over modes by the plane's own spectrum. Its distribution is
taken for a Laplacian, rounded, and I is the Fisher information of that for changes by one: what an ideal detector of
such a distribution would see. Real ones see less of what is rare, so prices and disturbance grow with powers of I.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from stegcinn.carriers.jpegfile.file import Component, JpegFile
from stegcinn.codecs.jpeg.coefficients import CLASSES, LAYERS, MODES, Coefficients
from stegcinn.coding import labels
from stegcinn.coding.labels import PIECE
from stegcinn.coding.layered import EXPONENTS, SAMPLE
from stegcinn.coding.loads import Load
from stegcinn.runtime.arrays import Bool, Float32, Int64, UInt8
from stegcinn.runtime.native import in_parts

LOAD = 1.0  # bits per chroma AC coefficient that is not zero, at most
POWER = 0.25  # of the information, that is the price: by measurement (docs/decisions/jpeg.md)
SEEN_POWER = 0.5  # of the information, by which what attackers see grows
FORBIDDEN = CLASSES - 1  # the class of what must not change at any price:
FORBIDDING = 1e9  # finite, so that the code may still cross a wide flat area
AROUND = 0.25  # weight of each of the eight blocks around, by UERD
BLACK, WHITE = 2, 253  # mean luma of blocks that are as good as that; a colour there is seen at once
SEEN = 12.0  # disturbance that a deflection of one stands for, as attackers see it (docs/results/jpeg-detection.md)
SEEN_MADE = 30.0  # the same where rounding errors are known, and less of a change counts
HALF = 64  # rounding errors of half a step, in units of `Coefficients.errors`

_FINENESS = 8  # classes per octave
_SMALLEST, _LARGEST = -22.0, 9.75  # octaves of mean absolute values


@cache
def _information() -> Float32:
    """I of a rounded Laplacian for each class of mean absolute values; made at the first use: receivers need none."""
    found = []
    x = np.arange(-4096, 4097)
    for octave in np.arange(_SMALLEST * _FINENESS, _LARGEST * _FINENESS + 1) / _FINENESS:
        ratio = _decay(2.0**octave)
        chance = ratio ** np.abs(x) * (1 - ratio) / (1 + ratio)
        change = np.convolve(chance, (1, -2, 1), "same")[1:-1]
        found.append(float(np.sum(np.square(change) / np.maximum(chance[1:-1], 1e-300))))
    return np.array(found, np.float32)


def _decay(mean: float) -> float:
    """The ratio r of neighbouring chances, proportional to r**|x|, whose mean of |x| is `mean`: 2 r / (1 - r**2)."""
    return (math.sqrt(1 + mean * mean) - 1) / mean


@cache
def prices() -> Float32:
    """Of a change by one of a coefficient of each class, (CLASSES,)."""
    return np.append(np.power(_information(), np.float32(POWER)), np.float32(FORBIDDING))


def classes(plane: Component, dry: Bool) -> UInt8:
    """Of each visible coefficient, (blocks * 64,), in raster order; those of blocks that are not `dry` are forbidden.

    `dry` (rows, columns) of blocks.
    """
    steps = plane.quantisation.astype(np.float32)
    amplitudes = np.abs(plane.visible).astype(np.float32)
    energy = amplitudes[..., 1:] @ steps[1:]
    padded = np.pad(energy, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    around = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(AROUND) + energy * np.float32(1 - AROUND)
    sums = amplitudes.sum(axis=(0, 1), dtype=np.float64)
    sums[0] = (sums[1] + sums[8]) / 2  # DC: as in UERD, like the modes next to it
    spectrum = ((sums + 1) / max(float(around.sum(dtype=np.float64)), 1.0)).astype(np.float32)
    with np.errstate(divide="ignore"):  # the logarithm of what is expected is a sum of two
        octaves = np.log2(around).reshape(-1, 1) - np.float32(_SMALLEST), np.log2(spectrum)
    found = np.empty((around.size, MODES), np.uint8)

    def part(where: slice) -> None:
        at = (octaves[0][where] + octaves[1]) * np.float32(_FINENESS)
        found[where] = np.clip(at, 0, FORBIDDEN - 1)

    in_parts(part, around.size, PIECE // MODES)
    found[~dry.reshape(-1)] = FORBIDDEN
    return found.reshape(-1)


def busy(jpeg: JpegFile) -> int:
    """How many chroma AC coefficients are not zero."""
    return sum(int(np.count_nonzero(plane.visible[..., 1:])) for plane in jpeg.chroma)


def load(every: Coefficients) -> Load[Coefficients]:
    """What a file takes."""
    return Load(_evenly(every), len(every), LAYERS, deflection)


def capacity(every: Coefficients, elements: int) -> int:
    """Bytes of the longest stream; `elements` is what `busy` tells."""
    return int(min(LOAD * elements, load(every).room(2.0 ** EXPONENTS[0]))) // 8


def deflection(sample: Coefficients, price: float, count: int, layers: int) -> float:
    """SEEN (or SEEN_MADE) times the deflection, for `count` coefficients like the sample's, of who knows all prices.

    A change by +-1 with chances b / 2 each moves the rounded distribution by b / 2 times its second difference, so an
    ideal one would be the root of the sum of b**2 I / 4; I has the power SEEN_POWER here. Where rounding errors are
    known, a change counts as much less, or more, as its price does.
    """
    likely = labels.chances(labels.of_lowest_layers(sample.costs(price), layers)).astype(np.float64)
    rows, stay = np.arange(len(sample)), (sample.values & 3).astype(np.int64)
    towards = 0 if sample.errors is None else sample.errors / np.float64(HALF)
    up, down = likely[rows, (stay + 1) & 3] * (1 - towards), likely[rows, (stay - 1) & 3] * (1 + towards)
    seen = np.square(up + down) * np.power(prices().astype(np.float64), SEEN_POWER / POWER)[sample.classes]
    scale = SEEN if sample.errors is None else SEEN_MADE
    return scale * math.sqrt(float(seen.sum()) * count / len(sample) / 4)


def _evenly(every: Coefficients) -> Coefficients:
    """A sample of coefficients of all modes."""
    count = min(len(every), 2 * SAMPLE)
    return every.taken((np.arange(count) * (len(every) / count)).astype(np.int64))


def dry_blocks(jpeg: JpegFile, index: int) -> Bool:
    """Which visible blocks of a chroma plane may change: not those that are flat, nor white or black ones."""
    luma, plane = jpeg.luma, jpeg.components[index]
    calm = ~(luma.visible[..., 1:] != 0).any(axis=-1)
    bright = luma.visible[..., 0].astype(np.int32) * int(luma.quantisation[0]) // 8 + 128
    extreme = (bright <= BLACK) | (bright >= WHITE)
    lively = (plane.visible[..., 1:] != 0).any(axis=-1)
    dry: Bool = ~_over(extreme, plane, luma) & (lively | ~_over(calm, plane, luma))
    return dry


def _over(flags: Bool, plane: Component, luma: Component) -> Bool:
    """Whether all luma blocks over each block of a chroma plane are flagged; those that only begin in it count too."""
    counts = np.pad(flags, ((1, 0), (1, 0))).astype(np.int32).cumsum(axis=0).cumsum(axis=1)
    rows, columns = plane.visible.shape[:2]
    top, bottom = _span(rows, luma.v, plane.v, flags.shape[0])
    left, right = _span(columns, luma.h, plane.h, flags.shape[1])
    found = counts[bottom][:, right] - counts[top][:, right] - counts[bottom][:, left] + counts[top][:, left]
    all_of_them: Bool = found == (bottom - top)[:, None] * (right - left)
    return all_of_them


def _span(blocks: int, luma: int, chroma: int, most: int) -> tuple[Int64, Int64]:
    """From which to before which luma block each of `blocks` chroma blocks reaches along one side."""
    at = np.arange(blocks + 1) * luma
    return np.minimum(at[:-1] // chroma, most - 1), np.minimum(-(-at[1:] // chroma), most)
