"""What the colour model expects at each pixel of a host: how noisy it is, and how unlikely a move makes its colour.

Only a sender needs this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.stealth.moves import MOVES
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.colourmodel.summary import FOLLOWS, OFF_B, OFF_R, OFFSET_G, PLANES, SCALE_B, SCALE_G, SCALE_R, summary
from stegcinn.runtime.arrays import Bool, Float32, Int8, Int16, Int64, UInt8
from stegcinn.runtime.jit import array, compiled, in_parts, inlined

Int = Any  # compiled: int64

LEAST = 0.15  # levels; what the model thinks less noisy is not told apart from rounding
STRIP = 64  # rows computed at a time
FITTED = 8192  # pixels to which the model's scales are fitted
SHIFTS = range(-36, 37, 4)  # of scale indices, that are tried

# What `mixture`, `cells` and `colour` define is written down again: the cache of machine code sees changes of this file
# only. A test compares.
PER_NAT, SCALE_MIN, SCALE_STEP, ZERO, LEVEL, GREEN_UNIT = 16, 0.06, 24, 128, 8, 64
FINER = 4  # times: units of the tables' logarithms, of the units of reluctance
MOST = 127  # units of reluctance
WR, WG, WB = 19595, 38470, 7471
FAR = 100  # 1/LEVEL levels from the mean beyond which nothing is told apart; moves stay within the tables
GREEN_FAR = 200  # 1/GREEN_UNIT levels


@dataclass(frozen=True)
class Expectation:
    """What is expected of (H, W) pixels."""

    scales: Float32  # (2, H, W): of red and blue in levels, averaged over 3x3 pixels
    reluctance: Int8  # (H, W, len(MOVES)): of each move, log(chance before / chance after) in 1/moves.NATS nats


def expectation(model: ColourModel, rgb: UInt8, progress: Callable[[float], None] = lambda share: None) -> Expectation:
    """Of the host (H, W, 3), by what it is itself. Reluctance of moves that change the luma means nothing."""
    found = summary(model, rgb, progress)
    scales = np.exp2(found[SCALE_R : SCALE_B + 1] / np.float32(SCALE_STEP)) * np.float32(SCALE_MIN)
    tables = _Tables.of(model)
    tables.fit(found, rgb)
    reluctance = np.empty((*rgb.shape[:2], len(MOVES)), np.int8)
    luma, kernel = luma_of(rgb), _compiled_reluctance()

    def fill(rows: slice) -> None:
        kernel(found[:, rows], rgb[rows], luma[rows], tables.near, tables.green, reluctance[rows])

    in_parts(fill, len(rgb), STRIP)
    return Expectation(_smoothed(np.maximum(scales, np.float32(LEAST))), reluctance)


def flat(rgb: UInt8) -> Bool:
    """Which pixels (H, W) have the colour of all eight around them."""
    colours = np.pad(rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32), 1, mode="edge")
    height, width = rgb.shape[:2]
    around = (colours[y : y + height, x : x + width] for y in range(3) for x in range(3))
    same: Bool = np.logical_and.reduce([other == colours[1:-1, 1:-1] for other in around])
    return same


@inlined
def _bounded(value: Int, bound: Int) -> Int:
    return min(max(value, -bound), bound)


@inlined
def _rounded(value: Int) -> Int:
    """In units of reluctance."""
    return (value + FINER // 2) // FINER


class _Tables:
    """Logarithms of chances by scale index, and how they are fitted to a photo."""

    def __init__(self, near: Int16, green: Int16) -> None:
        self.near = near  # (2, 256, 256): of the level that is d - 128 away from the mean, in 1/LEVEL levels
        self.green = green  # (256, 2 GREEN_FAR + 1, 2): of green's lower and higher level, by its mean's distance

    @classmethod
    def of(cls, model: ColourModel) -> _Tables:
        """Those of the finest level."""
        logistic = model.tables(0).logistic
        inverse = mixture.inverse_scales()[:, None]

        def below(symbol: int, distance: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
            reach = mixture.LOGISTIC_REACH * mixture.LOGISTIC_UNIT
            entry = np.clip((distance * inverse) >> mixture.SCALE_SHIFT, -reach, reach) + reach
            share: npt.NDArray[np.float64] = (logistic[symbol][entry] + 0.5) / (mixture.MASS + 1)
            return share

        distance = np.arange(-ZERO, ZERO)
        half = LEVEL // 2
        near = [below(s, distance + half) - below(s, distance - half) for s in range(2)]
        low = below(2, np.arange(-GREEN_FAR, GREEN_FAR + 1))
        shares = np.maximum(near, 0.5 / mixture.MASS), np.stack([low, 1 - low], axis=-1)
        return cls(*(np.rint(FINER * PER_NAT * np.log(share)).astype(np.int16) for share in shares))

    def fit(self, found: Int16, rgb: UInt8) -> None:
        """Shift the scales of red, blue and green by what makes the photo's own colours likeliest."""
        every = max(1, rgb[..., 0].size // FITTED)
        sample = found.reshape(PLANES, -1)[:, ::every].astype(np.int64)
        for symbol in range(2):
            away = np.clip(sample[OFF_R + symbol], -FAR, FAR) + ZERO
            self.near[symbol] = _fitted(self.near[symbol], sample[SCALE_R + symbol], (away,))
        r, g, b = rgb.reshape(-1, 3)[::every].T.astype(np.int64)
        y = luma_of(rgb).reshape(-1)[::every].astype(np.int64)
        low, high, entry = _green_choice(65536 * y - WR * r - WG * g - WB * b, g, sample[OFFSET_G])
        open_ = low < high
        self.green = _fitted(self.green, sample[SCALE_G][open_], (entry[open_], -low[open_]))


def _fitted(table: Int16, index: Int64, entries: tuple[Int64, ...]) -> Int16:
    """`table` with its first axis, scale indices, shifted so that the sum over `entries` is the largest."""
    shifted = [table[np.clip(np.arange(256) + shift, 0, 255)] for shift in SHIFTS]
    return max(shifted, key=lambda each: int(each[(index, *entries)].sum(dtype=np.int64)))


def _green_choice(rest: Int, g: Int, offset: Int) -> tuple[Int, Int, Int]:
    """The one or two levels of green that keep the luma, over `g`, and which entry tells how likely the lower one is.

    `rest` is what the luma of red, `g` and blue lacks, in 1/65536 levels: the luma is kept from -32767 to 32768.
    """
    low = (rest > 32768) * 1 + (rest > 32768 - WG) + (rest > 32768 - 2 * WG) - 2
    high = (rest >= -32767) * 1 + (rest >= WG - 32767) + (rest >= 2 * WG - 32767) - 1
    low, high = np.maximum(low, -g), np.minimum(high, 255 - g)
    distance = GREEN_UNIT * low + GREEN_UNIT // 2 - (GREEN_UNIT * rest) // WG - offset
    return low, high, np.minimum(np.maximum(distance, -GREEN_FAR), GREEN_FAR) + GREEN_FAR


_inlined_green_choice = inlined(_green_choice)


def _reluctance_kernel(found: Any, rgb: Any, luma: Any, near: Any, green: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for move in range(out.shape[2]):
                out[i, j, move] = MOST
            r, g, b, y = np.int64(rgb[i, j, 0]), np.int64(rgb[i, j, 1]), np.int64(rgb[i, j, 2]), np.int64(luma[i, j])
            rest = 65536 * y - WR * r - WG * g - WB * b
            red, blue = found[SCALE_R, i, j], found[SCALE_B, i, j]
            off_r = _bounded(np.int64(found[OFF_R, i, j]), FAR) + ZERO
            off_b = _bounded(np.int64(found[OFF_B, i, j]), FAR) + ZERO
            follows, offset, scale_g = np.int64(found[FOLLOWS, i, j]), found[OFFSET_G, i, j], found[SCALE_G, i, j]
            before = np.int64(near[0, red, off_r]) + near[1, blue, off_b]
            low, high, entry = _inlined_green_choice(rest, g, offset)
            if low < high:
                before += green[scale_g, entry, -low]
            for dr in range(-1, 2):
                for db in range(-1, 2):
                    both = (
                        np.int64(near[0, red, off_r + LEVEL * dr])
                        + near[1, blue, off_b + LEVEL * db - (follows * dr >> 3)]
                    )
                    low, high, entry = _inlined_green_choice(rest - WR * dr - WB * db, g, offset)
                    for dg in range(max(low, -1), min(high, 1) + 1):
                        after = both + green[scale_g, entry, dg - low] if low < high else both
                        out[i, j, 9 * (dr + 1) + 3 * (dg + 1) + db + 1] = _bounded(_rounded(before - after), MOST)


@cache
def _compiled_reluctance() -> Any:
    pixels = array("int16", 3, "A"), array("uint8", 3, "A"), array("uint8", 2)
    return compiled(
        _reluctance_kernel, (*pixels, array("int16", 3), array("int16", 3), array("int8", 3, writable=True))
    )


def _smoothed(planes: Float32) -> Float32:
    """Means over 3x3 pixels of (2, H, W); edges are repeated."""
    rows = np.pad(planes, ((0, 0), (1, 1), (0, 0)), mode="edge")
    rows = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    columns = np.pad(rows, ((0, 0), (0, 0), (1, 1)), mode="edge")
    smoothed: Float32 = (columns[..., :-2] + columns[..., 1:-1] + columns[..., 2:]) / np.float32(9)
    return smoothed
