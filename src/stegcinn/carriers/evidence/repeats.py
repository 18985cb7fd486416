"""Whether columns or rows of a photo are copies of their neighbours: it was enlarged without interpolation."""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.evidence.parts import TILE, bands, codes
from stegcinn.runtime.arrays import Int32, Int64, UInt8

LENGTH = 2 * TILE  # pixels that are compared at a time
VARIED = 7  # steps along a column at which its colour changes by some levels, that it tells anything
COLOURS = 6  # different ones of a column, likewise
COPIES = 10  # of LENGTH columns side by side: enlarged by half or more
SHARE = 0.04  # of all columns that tell anything
FEW = 8  # columns; with fewer, chance is too coarse

_COARSE = 0xFCFCFC  # bits of a colour by which it is another: slow gradients copy columns by single levels


def is_enlarged(rgb: UInt8) -> bool:
    """Whether (H, W, 3), or an area of it, has too many columns and rows that repeat the one before.

    Both: a clear sky has rows like that, or columns.
    """
    totals = np.zeros((2, 2), np.int64)  # columns, rows: copies, and what tells anything
    for band in bands(rgb):
        pixels = codes(band)
        (columns, *down), (rows, *across) = _copies(pixels), _copies(pixels.T)
        if (np.minimum(columns, rows.T) >= COPIES).any():
            return True
        totals += down, across
    return bool(((totals[:, 0] >= FEW) & (totals[:, 0] >= SHARE * totals[:, 1])).all())


def _copies(pixels: Int32) -> tuple[Int64, int, int]:
    """Columns of LENGTH pixels that repeat the one on their left: by tile of LENGTH, and in all; those that tell."""
    height, width = (side // LENGTH for side in pixels.shape)
    strips = pixels[: height * LENGTH].reshape(height, LENGTH, pixels.shape[1])
    coarse = strips & _COARSE
    varied = (coarse[:, 1:] != coarse[:, :-1]).sum(axis=1) >= VARIED
    copies = np.zeros_like(varied)
    copies[:, 1:] = (strips[..., 1:] == strips[..., :-1]).all(axis=1) & varied[:, 1:]
    ordered = np.sort(coarse.swapaxes(1, 2)[copies], axis=1)
    copies[copies] = (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) >= COLOURS - 1
    tiles = copies[:, : width * LENGTH].reshape(height, width, LENGTH).sum(axis=2)
    return tiles, int(np.count_nonzero(copies)), int(np.count_nonzero(varied))
