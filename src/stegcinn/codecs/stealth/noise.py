"""What the colour model expects at each pixel of a host: how noisy it is, and how unlikely a move makes its colour.

Only a sender needs this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.codecs.stealth.moves import MOVES
from stegcinn.coding.labels import NATS
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import UNIT
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.colourmodel.summary import OFF_R, OFFSET_G, PLANES, SCALE_B, SCALE_G, SCALE_R, summary
from stegcinn.runtime.arrays import Bool, Float32, Int8, Int16, Int64, UInt8
from stegcinn.runtime.native import Kernel, in_parts

LEAST = 0.15  # levels; what the model thinks less noisy is not told apart from rounding
STRIP = 64  # rows computed at a time
FITTED = 8192  # pixels to which the model's scales are fitted
SHIFTS = range(-36, 37, 4)  # of scale indices, that are tried

# Of the tables, as native/noise.c has them.
FINER = 4  # times: units of the tables' logarithms, of the units of reluctance
FAR = 100  # 1/UNIT levels from the mean beyond which nothing is told apart; moves stay within the tables
GREEN_FAR = 200  # 1/GREEN_UNIT levels
WR, WG, WB = LUMA_WEIGHTS

_RELUCTANCE = Kernel("move_reluctance", "~i2 ~u1 u1 n n i2 i2 i1!")


@dataclass(frozen=True)
class Expectation:
    """What is expected of (H, W) pixels."""

    scales: Float32  # (2, H, W): of red and blue in levels, averaged over 3x3 pixels
    reluctance: Int8  # (H, W, len(MOVES)): of each move, log(chance before / chance after) in 1/moves.NATS nats


def expectation(model: ColourModel, rgb: UInt8, luma: UInt8, progress: Callable[[float], None]) -> Expectation:
    """Of the host (H, W, 3) with its luma (H, W), by what it is itself.

    Reluctance of moves that change the luma means nothing.
    """
    found = summary(model, rgb, luma, progress)
    scales = np.exp2(found[SCALE_R : SCALE_B + 1] / np.float32(mixture.SCALE_STEP)) * np.float32(mixture.SCALE_MIN)
    tables = _Tables.of(model)
    tables.fit(found, rgb, luma)
    reluctance = np.empty((*rgb.shape[:2], len(MOVES)), np.int8)

    def fill(rows: slice) -> None:
        strip = luma[rows]
        _RELUCTANCE(found[:, rows], rgb[rows], strip, *strip.shape, tables.near, tables.green, reluctance[rows])

    in_parts(fill, len(rgb), STRIP)
    return Expectation(_smoothed(np.maximum(scales, np.float32(LEAST))), reluctance)


def flat(rgb: UInt8) -> Bool:
    """Which pixels (H, W) have the colour of all eight around them."""
    colours = np.pad(rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32), 1, mode="edge")
    height, width = rgb.shape[:2]
    around = (colours[y : y + height, x : x + width] for y in range(3) for x in range(3))
    same: Bool = np.logical_and.reduce([other == colours[1:-1, 1:-1] for other in around])
    return same


class _Tables:
    """Logarithms of chances by scale index, and how they are fitted to a photo."""

    def __init__(self, near: Int16, green: Int16) -> None:
        self.near = near  # (2, 256, 256): of the level that is d - 128 away from the mean, in 1/UNIT levels
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

        distance = np.arange(-mixture.ZERO, mixture.ZERO)
        half = UNIT // 2
        near = [below(s, distance + half) - below(s, distance - half) for s in range(2)]
        low = below(2, np.arange(-GREEN_FAR, GREEN_FAR + 1))
        shares = np.maximum(near, 0.5 / mixture.MASS), np.stack([low, 1 - low], axis=-1)
        return cls(*(np.rint(FINER * NATS * np.log(share)).astype(np.int16) for share in shares))

    def fit(self, found: Int16, rgb: UInt8, luma: UInt8) -> None:
        """Shift the scales of red, blue and green by what makes the photo's own colours likeliest."""
        every = max(1, rgb[..., 0].size // FITTED)
        sample = found.reshape(PLANES, -1)[:, ::every].astype(np.int64)
        for symbol in range(2):
            away = np.clip(sample[OFF_R + symbol], -FAR, FAR) + mixture.ZERO
            self.near[symbol] = _fitted(self.near[symbol], sample[SCALE_R + symbol], (away,))
        r, g, b = rgb.reshape(-1, 3)[::every].T.astype(np.int64)
        y = luma.reshape(-1)[::every].astype(np.int64)
        low, high, entry = _green_choice(65536 * y - WR * r - WG * g - WB * b, g, sample[OFFSET_G])
        open_ = low < high
        self.green = _fitted(self.green, sample[SCALE_G][open_], (entry[open_], -low[open_]))


def _fitted(table: Int16, index: Int64, entries: tuple[Int64, ...]) -> Int16:
    """`table` with its first axis, scale indices, shifted so that the sum over `entries` is the largest."""
    shifted = [table[np.clip(np.arange(256) + shift, 0, 255)] for shift in SHIFTS]
    return max(shifted, key=lambda each: int(each[(index, *entries)].sum(dtype=np.int64)))


def _green_choice(rest: Int64, g: Int64, offset: Int64) -> tuple[Int64, Int64, Int64]:
    """As in native/noise.c: levels of green that keep the luma, and which entry tells how likely they are.

    `rest` is what the luma of red, `g` and blue lacks, in 1/65536 levels: the luma is kept from -32767 to 32768.
    """
    low = (rest > 32768) * 1 + (rest > 32768 - WG) + (rest > 32768 - 2 * WG) - 2
    high = (rest >= -32767) * 1 + (rest >= WG - 32767) + (rest >= 2 * WG - 32767) - 1
    low, high = np.maximum(low, -g), np.minimum(high, 255 - g)
    distance = mixture.GREEN_UNIT * low + mixture.GREEN_UNIT // 2 - (mixture.GREEN_UNIT * rest) // WG - offset
    return low, high, np.minimum(np.maximum(distance, -GREEN_FAR), GREEN_FAR) + GREEN_FAR


def _smoothed(planes: Float32) -> Float32:
    """Means over 3x3 pixels of (2, H, W); edges are repeated."""
    rows = np.pad(planes, ((0, 0), (1, 1), (0, 0)), mode="edge")
    rows = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    columns = np.pad(rows, ((0, 0), (0, 0), (1, 1)), mode="edge")
    smoothed: Float32 = (columns[..., :-2] + columns[..., 1:-1] + columns[..., 2:]) / np.float32(9)
    return smoothed
