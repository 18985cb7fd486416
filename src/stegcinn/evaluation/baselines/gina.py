"""GINA: Wang, Zhang, Li, Yu, Yu: *Non-Additive Cost Functions for Color Image Steganography Based on Inter-Channel
Correlations and Differences* (TIFS 2020).

Green goes with red and blue more than those go with each other. So it is embedded in first, and changes of red and blue
go with those of green and of their neighbours. How much each channel carries follows from the costs of all three.
"""

from __future__ import annotations

import numpy as np

from stegcinn.evaluation.baselines import hill, ternary
from stegcinn.evaluation.baselines.cmdc import clustered
from stegcinn.runtime.arrays import UInt8

RED, GREEN, BLUE = range(3)
OTHERS = ((GREEN,), (), (GREEN,))  # whose changes at the same pixel count


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """HILL's costs with GINA at the rate-distortion bound: `bpp` bits per pixel in an (H, W, 3) image.

    Channels carry what one embedding in all of them would give to each. Sublattices and the factor are those of CMD, as
    in the authors' program. That counts green's changes only where changes are likely, by a threshold that the paper's
    abstract does not name; here they count everywhere.
    """
    planes = np.moveaxis(image, -1, 0)
    costs = [ternary.wet(plane, hill.cost(plane)) for plane in planes]
    down, up = (np.stack([cost[way] for cost in costs]) for way in range(2))
    together = ternary.probabilities(down, up, bpp * planes[0].size)
    shares = [ternary.entropy(*chances) / planes[0].size for chances in zip(*together, strict=True)]
    return clustered(image, costs, shares, OTHERS, rng)
