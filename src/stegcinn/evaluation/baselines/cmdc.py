"""CMD-C: Tang, Li, Luo, Huang: *Clustering Steganographic Modification Directions for Color Images* (SPL 2016).

Changes of neighbours and of the other channels of a pixel go the same way more often than by chance: a detector sees
less of that than of changes that are independent. After CMD (Li, Wang, Tan, Li, Huang, TIFS 2015), for colours.
"""

from __future__ import annotations

import numpy as np

from stegcinn.evaluation.baselines import hill, ternary
from stegcinn.runtime.arrays import Float64, Int16, UInt8

FACTOR = 9.0  # by which a change that goes with its surroundings is cheaper (CMD, section III)
SUBLATTICES = ((0, 0), (0, 1), (1, 1), (1, 0))  # of 2x2 pixels, in the order in which they are embedded in
CHANNELS = (1, 0, 2)  # green first: most of luma is its


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """HILL's costs with CMD-C at the rate-distortion bound: `bpp` bits per pixel in an (H, W, 3) image.

    Each sublattice of each channel carries an equal share, at costs that know the changes made before it.
    """
    changes = np.zeros(image.shape, np.int16)
    for channel in CHANNELS:
        plane = image[..., channel]
        down, up = ternary.wet(plane, hill.cost(plane))
        for row, column in SUBLATTICES:
            here = slice(row, None, 2), slice(column, None, 2)
            drift = _drift(changes, channel)[here]
            cheaper_up, cheaper_down = np.where(drift > 0, FACTOR, 1), np.where(drift < 0, FACTOR, 1)
            bits = bpp * plane[here].size / len(CHANNELS)
            chances = ternary.probabilities(down[here] / cheaper_down, up[here] / cheaper_up, bits)
            changed = ternary.change(plane[here], *chances, rng)
            changes[..., channel][here] = changed.astype(np.int16) - plane[here]
    return (image + changes).astype(np.uint8)


def _drift(changes: Int16, channel: int) -> Float64:
    """Sum of the changes around each pixel in its channel, and of those of the pixel's other channels: (H, W)."""
    around = np.pad(changes[..., channel], 1).astype(np.float64)
    neighbours = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    drift: Float64 = neighbours + changes.sum(axis=2) - changes[..., channel]
    return drift
