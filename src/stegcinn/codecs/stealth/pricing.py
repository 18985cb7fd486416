"""What changes cost in `stealth`: how many fit, and how much they disturb the host."""

from __future__ import annotations

import math

import numpy as np

from stegcinn.codecs.stealth import moves
from stegcinn.codecs.stealth.moves import LAYERS, Pixels
from stegcinn.codecs.stealth.noise import Host
from stegcinn.coding import labels
from stegcinn.coding.layered import SAMPLE
from stegcinn.coding.loads import Load

LOAD = 1.25  # bits per pixel that may move, at most: `exact` has more room and is easier to detect (docs/security.md)
CHEAPEST = 0.2  # price, over that of the noise expected, below which calm photos would be disturbed
SEEN = 0.75  # disturbance that a deflection of one stands for, as attackers see it


def load(pixels: Host) -> Load[Pixels]:
    """What a host takes."""
    return Load(_evenly(pixels), len(pixels), LAYERS, deflection)


def capacity(pixels: Host) -> int:
    """Bytes of the longest stream."""
    return int(min(LOAD * pixels.free, load(pixels).room(CHEAPEST)) // 8)


def deflection(sample: Pixels, price: float, count: int, layers: int) -> float:
    """SEEN times the deflection, for `count` pixels like the sample's, of who knows noise and chances of all.

    With noise of variance s to which the changes add v, that of the likelihood ratio test is the root of the sum of
    (v / s)**2 / 2 over pixels and channels (Sedighi, Cogranne, Fridrich 2016, for Gaussian noise). Attackers that were
    measured see less of what is where there is hardly any noise, so the price takes the place of 1 / s here.
    """
    costs, best = moves.label_costs(sample, price)
    likely = labels.chances(labels.of_lowest_layers(costs, layers))
    added = (likely[..., None] * np.square(moves.MOVES[best])).sum(axis=1) * sample.prices
    total = float(np.square(added, dtype=np.float64).sum()) * count / len(sample)
    return SEEN * math.sqrt(total / 2)


def _evenly(pixels: Host) -> Pixels:
    """A sample of pixels in raster order."""
    return pixels.taken(np.linspace(0, len(pixels) - 1, min(len(pixels), SAMPLE)).astype(np.int64))
