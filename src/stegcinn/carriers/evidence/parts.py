"""Photos in bands that stay in the cache, and samples of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stegcinn.runtime.arrays import Bool, Int32, UInt8

TILE = 16  # pixels; side of the smallest area that is looked at
_BAND = 1 << 17  # pixels of a band: what is computed of them stays in the cache


def bands(rgb: UInt8) -> Iterator[UInt8]:
    """All of (H, W, 3), some multiple of 2 * TILE rows at a time; the last has what is left."""
    rows = 2 * TILE * max(1, _BAND // (2 * TILE * rgb.shape[1]))
    for top in range(0, len(rgb), rows):
        yield rgb[top : top + rows]


def sample(rgb: UInt8, count: int) -> UInt8:
    """Pixels (N, 3) on an even grid of (H, W, 3): all if there are no more than 2 * `count`, else about `count`."""
    step = round(math.sqrt(rgb[..., 0].size / count)) | 1  # odd: what repeats every two or four pixels is seen in turn
    return rgb[step // 2 :: step, step // 2 :: step].reshape(-1, 3)


def codes(rgb: UInt8) -> Int32:
    """Pixels (..., 3) as one number each."""
    red, green, blue = (rgb[..., c].astype(np.int32) for c in range(3))
    return red << 16 | green << 8 | blue


def unclipped(rgb: UInt8) -> Bool:
    """Which pixels (..., 3) have no channel at 0 or 255, where many colours come to the same."""
    least, most = _extremes(rgb)
    inside: Bool = (least > 0) & (most < 255)
    return inside


def telling(rgb: UInt8) -> Bool:
    """Which pixels (..., 3) are neither clipped nor gray: any photo has gray ones."""
    least, most = _extremes(rgb)
    inside: Bool = (least > 0) & (most < 255) & (least != most)
    return inside


def _extremes(rgb: UInt8) -> tuple[UInt8, UInt8]:
    """The least and the greatest channel of each pixel; faster than reductions over an axis of three."""
    red, green, blue = (rgb[..., c] for c in range(3))
    return np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)
