"""CMD-C: Tang, Li, Luo, Huang: *Clustering Steganographic Modification Directions for Color Images* (SPL 2016).

Changes of neighbours and of the other channels of a pixel go the same way more often than by chance: a detector sees
less of that than of changes that are independent. After CMD (Li, Wang, Tan, Li, Huang, TIFS 2015), for colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stegcinn.evaluation.baselines import hill, ternary
from stegcinn.runtime.arrays import Float64, Int16, UInt8

FACTOR = 9.0  # by which a change that goes with its surroundings is cheaper (CMD, section III)
SUBLATTICES = ((0, 0), (0, 1), (1, 1), (1, 0))  # of 2x2 pixels, in the order in which they are embedded in
CHANNELS = (1, 0, 2)  # green first: most of luma is its
OTHERS = ((1, 2), (0, 2), (0, 1))


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """HILL's costs with CMD-C at the rate-distortion bound: `bpp` bits per pixel in an (H, W, 3) image.

    Each sublattice of each channel carries an equal share, at costs that know the changes made before it.
    """
    planes = np.moveaxis(image, -1, 0)
    share = bpp / len(CHANNELS)
    return clustered(image, [ternary.wet(plane, hill.cost(plane)) for plane in planes], [share] * 3, OTHERS, rng)


def clustered(
    image: UInt8, costs: Sequence[tuple[Float64, Float64]], shares: Sequence[float], others: Sequence[Sequence[int]],
    rng: np.random.Generator,
) -> UInt8:  # fmt: skip
    """Embed sublattice by sublattice, what goes with the changes made before at a FACTOR-th of its cost.

    `costs` of changes by -1 and +1, and `shares`, bits per pixel, are of each channel of an (H, W, 3) image; `others`
    says whose changes at a pixel count beside those of its neighbours in the channel.
    """
    changes = np.zeros(image.shape, np.int16)
    for channel in CHANNELS:
        plane, (down, up) = image[..., channel], costs[channel]
        for row, column in SUBLATTICES:
            here = slice(row, None, 2), slice(column, None, 2)
            drift = _drift(changes, channel, others[channel])[here]
            cheaper_up, cheaper_down = np.where(drift > 0, FACTOR, 1), np.where(drift < 0, FACTOR, 1)
            bits = shares[channel] * plane[here].size
            chances = ternary.probabilities(down[here] / cheaper_down, up[here] / cheaper_up, bits)
            changed = ternary.change(plane[here], *chances, rng)
            changes[..., channel][here] = changed.astype(np.int16) - plane[here]
    return (image + changes).astype(np.uint8)


def neighbours(changes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum of the changes of the four pixels around each, of (H, W) or (H, W, channels)."""
    around = np.pad(changes, [(1, 1), (1, 1), *[(0, 0)] * (changes.ndim - 2)])
    found: npt.NDArray[Any] = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    return found


def _drift(changes: Int16, channel: int, others: Sequence[int]) -> Float64:
    """Sum of the changes around each pixel in its channel, and of those of the pixel in other channels: (H, W)."""
    drift: Float64 = neighbours(changes[..., channel].astype(np.float64)) + sum(changes[..., i] for i in others)
    return drift
