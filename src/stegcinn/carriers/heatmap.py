"""A picture of where a photo is noisy, so that small changes hide there."""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import Float32, UInt8

NOISY = 4.0  # levels of noise from which on a place is shown as the best
DIM = 0.55  # of the photo's gray under the colours
STRIP = 256  # rows
COLD, HOT = np.array([150, 0, 110], np.float32), np.array([255, 225, 60], np.float32)


def heated(luma: UInt8, levels: Float32) -> UInt8:
    """`luma` (H, W), dimmed, under colours from COLD to HOT by the noise in `levels` (H, W): (H, W, 3)."""
    shown = np.empty((*luma.shape, 3), np.uint8)
    for top in range(0, luma.shape[0], STRIP):  # in real numbers the whole picture would take much memory
        rows = slice(top, top + STRIP)
        share = np.sqrt(np.clip(levels[rows] / NOISY, 0, 1, dtype=np.float32))[..., None]
        under, over = DIM * luma[rows, :, None].astype(np.float32), COLD + share * (HOT - COLD)
        shown[rows] = np.rint((1 - share) * under + share * over)
    return shown
