"""Whether a channel has no pixel at some levels between levels of many: its contrast was stretched in 8 bits."""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.evidence.parts import bands
from stegcinn.runtime.arrays import Bool, Int64, UInt8

MANY = 20  # pixels at a level on either side of an empty one
GAPS = 2  # such levels of one channel, of which no scaled photo has one (scripts/measure/evidence.py)

_REACH = 3  # levels within which there must be many pixels: stretching up to fourfold


def has_gaps(rgb: UInt8) -> bool:
    """Whether some channel of (H, W, 3) has empty levels between levels of many pixels, 0 and 255 apart."""
    counts = np.zeros((3, 256), np.int64)
    for band in bands(rgb):
        for channel in range(3):
            counts[channel] += np.bincount(band[..., channel].ravel(), minlength=256)
    return any(np.count_nonzero(_gaps(each[1:255])) >= GAPS for each in counts)


def _gaps(counts: Int64) -> Bool:
    """Which levels are empty, with MANY pixels at some level near them on both sides."""
    many, none = np.pad(counts >= MANY, _REACH), np.zeros(len(counts), bool)
    below, above = none.copy(), none.copy()
    for step in range(_REACH):
        below |= many[step : step + len(counts)]
        above |= many[step + _REACH + 1 :][: len(counts)]
    gaps: Bool = (counts == 0) & below & above
    return gaps
