"""Distributions over integer colours from a network's 8-bit outputs: layout, integer tables, and bounds.

Red is a mixture of K discretised logistics given the luma; blue another, whose means follow red; green, one of the one
or two levels that give the pixel its luma, a single one. What a component puts beyond the ends of the possible interval
belongs to its ends, as with clipping in a camera. Sender and receiver evaluate integer tables only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.colourmodel.cells import UNIT
from stegcinn.runtime.arrays import Int32, Int64

K = 3  # components of red and of blue
SYMBOLS = 3  # red, blue, green, in the order in which they are coded
# Layout of a pixel's parameters, each 0..255: per component of red, then of blue, ...
RED, BLUE = 0, 4 * K
LOGIT, FINE, COARSE, SCALE = 0, K, 2 * K, 3 * K  # ... its weight, mean in 1/UNIT levels, mean in levels, scale
SLOPE = 8 * K  # of blue's means on red, in 1/SLOPE_UNIT
GREEN, GREEN_SCALE = SLOPE + 1, SLOPE + 2  # offset from the luma's centre in 1/GREEN_UNIT levels; scale
PARAMETERS = 8 * K + 3
SLOPE_UNIT = 64
GREEN_UNIT = 64
ZERO = 128  # stands for zero in means, slope and offset

WEIGHT_STEP = 20  # logits per factor of two
WEIGHT_TOP = 4096
SCALE_STEP = 24  # scales per factor of two
SCALE_MIN = 0.06  # levels; scale of index 0. The largest is 95 levels
LOGISTIC_UNIT = 512  # table entries per unit of the standardised distance
LOGISTIC_REACH = 12  # standardised distance beyond which a component has no mass
MASS = 1 << 16  # of one component
SCALE_SHIFT = 10  # fixed point of 1 / scale
SLOPES = (0.5, 1.0, 2.0)  # a component's distribution function is a mixture of logistics of these slopes
ROOT_BINS = 16  # the coarsest pixel's parameters are a table over the luma
START = (
    *(128,) * K, *(128,) * K, *(128,) * K, 100, 135, 170,
    *(128,) * K, *(128,) * K, *(128,) * K, 100, 135, 170, 128, 128, 170,
)  # fmt: skip


def scales() -> npt.NDArray[np.float64]:
    """Scale in levels of each index 0..255 (green: an eighth of it)."""
    return SCALE_MIN * np.exp2(np.arange(256) / SCALE_STEP)


def inverse_scales() -> Int64:
    """Fixed-point 1 / scale of each index: distance in 1/UNIT levels times this, >> SCALE_SHIFT, indexes `logistic`."""
    table: Int64 = np.rint(LOGISTIC_UNIT / UNIT / scales() * 2**SCALE_SHIFT).astype(np.int64)
    return table


def weights() -> Int64:
    """Weight of each logit 0..255, 1..WEIGHT_TOP."""
    table: Int64 = np.maximum(1, np.rint(WEIGHT_TOP * np.exp2((np.arange(256) - 255) / WEIGHT_STEP))).astype(np.int64)
    return table


def logistic(shape: npt.ArrayLike) -> Int32:
    """A component's distribution function, 0..MASS at distances -REACH..REACH, for logits `shape` over SLOPES."""
    logits = np.asarray(shape, np.float64)
    share = np.exp(logits - logits.max())
    share /= share.sum()
    reach = LOGISTIC_REACH * LOGISTIC_UNIT
    distance = np.arange(-reach, reach + 1) / LOGISTIC_UNIT
    cdf = sum(w / (1 + np.exp(-slope * distance)) for w, slope in zip(share, SLOPES, strict=True))
    table: Int32 = np.rint(np.asarray(cdf) * MASS).astype(np.int32)
    table[0], table[-1] = 0, MASS
    return table


def without_tails(table: Int32, reach: float) -> Int32:
    """The distribution function limited to standardised distances below `reach`, in exact integer arithmetic."""
    middle = LOGISTIC_REACH * LOGISTIC_UNIT
    inner = slice(middle - round(reach * LOGISTIC_UNIT), middle + round(reach * LOGISTIC_UNIT) + 1)
    first, last = int(table[inner.start]), int(table[inner.stop - 1])
    cut: Int32 = ((table.astype(np.int64) - first) * MASS // (last - first)).clip(0, MASS).astype(np.int32)
    return cut


def red_bounds() -> tuple[Int32, Int32]:
    """Least and greatest red of a pixel with luma 0..255, both possible."""
    wr, wg, wb = LUMA_WEIGHTS
    y = np.arange(256, dtype=np.int64) << 16
    low = np.maximum(0, -((wg * 255 + wb * 255 + 32768 - y) // wr))
    high = np.minimum(255, (y + 32767) // wr)
    return low.astype(np.int32), high.astype(np.int32)
