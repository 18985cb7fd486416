"""GINA: Wang, Zhang, Li, Yu, Yu: *Non-Additive Cost Functions for Color Image Steganography Based on Inter-Channel
Correlations and Differences* (TIFS 2020).

Green is embedded in first, as it goes with red and blue more than those go with each other. Red and blue then move as
green did where that is possible, and how much each channel carries follows from the costs of all three.
"""

from __future__ import annotations

import numpy as np

from stegcinn.evaluation.baselines import cmdc, hill, ternary
from stegcinn.runtime.arrays import UInt8

RED, GREEN, BLUE = range(3)


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """HILL's costs with GINA at the rate-distortion bound: `bpp` bits per pixel in an (H, W, 3) image.

    Channels get as many bits as one embedding in all of them would give to each. From the paper's abstract: the factor
    by which a move that goes with green is cheaper was not at hand, and is that of CMD.
    """
    planes = np.moveaxis(image, -1, 0)
    costs = [ternary.wet(plane, hill.cost(plane)) for plane in planes]
    down, up = (np.stack([cost[way] for cost in costs]) for way in range(2))
    together = ternary.probabilities(down, up, bpp * planes[0].size)
    shares = [ternary.entropy(together[0][c], together[1][c]) for c in range(len(planes))]
    out = image.copy()
    out[..., GREEN] = ternary.change(planes[GREEN], together[0][GREEN], together[1][GREEN], rng)
    moved = out[..., GREEN].astype(np.int16) - planes[GREEN]
    for channel in (RED, BLUE):
        cheaper_down, cheaper_up = (np.where(moved == way, cmdc.FACTOR, 1) for way in (-1, 1))
        chances = ternary.probabilities(down[channel] / cheaper_down, up[channel] / cheaper_up, shares[channel])
        out[..., channel] = ternary.change(planes[channel], *chances, rng)
    return out
