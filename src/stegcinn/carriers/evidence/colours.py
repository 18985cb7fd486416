"""Whether a photo has a palette, or colours that follow from its gray-scale."""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.evidence.parts import codes, sample, telling
from stegcinn.carriers.luma import luma_of
from stegcinn.runtime.arrays import UInt8

# The figures are those of scripts/measure/evidence.py
COMMON = 8  # pixels of the sample that a common colour has at least
FEW = 12  # common colours; with fewer, chance is too coarse
ALONE = 0.2  # share of them that stand alone; 0.34 and more of palettes, up to 0.02 of other photos
LEVELS = 64  # gray values that are common; with fewer, a photo is rather flat than toned
ROUNDING = 1.5  # levels by which red and blue of a toned photo miss the means at their gray value
TONED = 0.95  # share of the pixels that do not miss them by more; up to 0.93 of other photos

_SAMPLE = 1 << 16  # pixels looked at
_MOST = 2048  # common colours looked at
_NEIGHBOURS = np.array([
    red << 16 | green << 8 | blue for red in (-1, 0, 1) for green in (-1, 0, 1) for blue in (-1, 0, 1)
    if (red, green, blue) != (0, 0, 0)
])  # fmt: skip


def has_palette(rgb: UInt8) -> bool:
    """Whether common colours of (H, W, 3) stand alone: no pixel's colour is one level away from them.

    Noise gives a common colour neighbours; colours of a palette, or of fewer bits per channel, are apart. Gray ones are
    left out.
    """
    pixels = sample(rgb, _SAMPLE)
    colours, counts = np.unique(codes(pixels[telling(pixels)]), return_counts=True)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts >= COMMON)]
    if len(order) < FEW:
        return False
    near = colours[order[:_MOST], None] + _NEIGHBOURS
    found = colours[np.searchsorted(colours, near).clip(max=len(colours) - 1)] == near
    return float((~found.any(axis=1)).mean()) >= ALONE


def is_toned(rgb: UInt8) -> bool:
    """Whether the gray value tells the colour of nearly all pixels of (H, W, 3) that are not gray, as in sepia."""
    pixels = sample(rgb, _SAMPLE)
    pixels = pixels[telling(pixels)]
    luma = luma_of(pixels)
    counts = np.bincount(luma, minlength=256)
    common = counts >= COMMON
    if np.count_nonzero(common) < LEVELS:
        return False
    pixels, luma = pixels[common[luma]], luma[common[luma]]
    missed = np.zeros(len(luma))
    for channel in (0, 2):  # green follows
        means = np.bincount(luma, pixels[:, channel], minlength=256) / np.maximum(counts, 1)
        missed = np.maximum(missed, np.abs(pixels[:, channel] - means[luma]))
    return float((missed <= ROUNDING).mean()) >= TONED
