"""What the gray-scale of a picture tells of it, in 27 bits that hardly anything changes but cropping.

Where a picture arrives whole, these are part of what the key says of its blocks: pictures of one password then have
nothing in common. `robust` leaves the gray-scale as it is, and so writer and reader see the same.
"""

from __future__ import annotations

from itertools import combinations
from math import ceil, floor

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.runtime.arrays import Float64, UInt8

SIDE = 16  # cells of a thumbnail
BITS = [(total - u, u) for total in range(1, 7) for u in range(total + 1)]  # frequencies down and across, 27
TRIED = 64  # of what a thumbnail may have been, by a reader who takes time
SURE = 8  # of these, among which a writer wants to be

_DOUBTED = 6  # bits, those nearest to saying the opposite


def thumbnail(rgb: UInt8) -> Float64:
    """The mean luma of each of 16x16 equal parts of a picture (H, W, 3), (16, 16): pixels count by what lies in it."""
    height, width, _ = rgb.shape
    rows = np.empty((SIDE, width))
    weights = _weights(height)
    for row, weight in enumerate(weights):
        strip = slice(floor(row * height / SIDE), ceil((row + 1) * height / SIDE))
        rows[row] = weight[strip] @ luma_of(rgb[strip]).astype(np.float32)
    return rows @ _weights(width).T


def of(seen: Float64) -> int:
    """The print of a thumbnail."""
    return likely(seen, 1)[0]


def likely(seen: Float64, number: int) -> list[int]:
    """Prints that a picture may have had before it was saved anew, by its thumbnail now, the likeliest first."""
    waves = _waves()
    spectrum = waves @ seen @ waves.T
    told = [float(spectrum[frequencies]) for frequencies in BITS]
    found = sum((each > 0) << place for place, each in enumerate(reversed(told)))
    doubted = sorted((abs(each), place) for place, each in enumerate(reversed(told)))[:_DOUBTED]
    others = [some for count in range(len(doubted) + 1) for some in combinations(doubted, count)]
    others.sort(key=lambda some: sum(size**2 for size, _ in some))
    return [found ^ sum(1 << place for _, place in some) for some in others[:number]]


def _waves() -> Float64:
    """The DCT of SIDE samples, orthonormal: row u is the wave of frequency u."""
    u, x = np.mgrid[:SIDE, :SIDE]
    waves: Float64 = np.cos((2 * x + 1) * u * np.pi / (2 * SIDE)) * np.sqrt(2 / SIDE)
    waves[0] /= np.sqrt(2)
    return waves


def _weights(side: int) -> Float64:
    """What each of so many pixels counts in each of the parts, (SIDE, side)."""
    ends, pixels = np.arange(SIDE + 1)[:, None] * side / SIDE, np.arange(side)
    inside = np.minimum(pixels + 1, ends[1:]) - np.maximum(pixels, ends[:-1])
    weights: Float64 = np.clip(inside, 0, None) * SIDE / side
    return weights
