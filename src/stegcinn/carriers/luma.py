"""The gray-scale of colours, as Pillow computes it: 8-bit BT.601 luma in integers."""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import UInt8
from stegcinn.runtime.native import Kernel

LUMA_WEIGHTS = (19595, 38470, 7471)  # Pillow's BT.601 weights in units of 2**-16; they sum to 2**16
_GRAY = Kernel("gray_scale", "u1 n u1!")


def luma_of(rgb: UInt8) -> UInt8:
    """Gray value of each pixel as Pillow's `convert("L")` computes it: (..., 3) uint8 -> (...) uint8.

    ValueError for other arrays.
    """
    if rgb.shape[-1] != len(LUMA_WEIGHTS):
        raise ValueError(f"colours have three channels, not {rgb.shape[-1]}")
    gray = np.empty(rgb.shape[:-1], np.uint8)
    _GRAY(np.ascontiguousarray(rgb), gray.size, gray)
    return gray


def is_gray(rgb: UInt8) -> bool:
    """Whether all pixels of (..., 3) have three equal channels: a photo without colours."""
    red, green, blue = (rgb[..., c] for c in range(3))
    return np.array_equal(red, green) and np.array_equal(green, blue)
