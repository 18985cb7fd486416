"""What changes cost in `stealth`: how many fit, and how much they disturb the host."""

from __future__ import annotations

import math

import numpy as np

from stegcinn.codecs.base import SAFE, Grades
from stegcinn.codecs.stealth import moves
from stegcinn.codecs.stealth.header import HEADER_SIZE, header_pixels
from stegcinn.codecs.stealth.moves import LAYERS, Pixels
from stegcinn.codecs.stealth.noise import Host
from stegcinn.coding import labels
from stegcinn.coding.layered import (
    EXPONENTS,
    FILLS,
    PROMISED,
    SAMPLE,
    SEARCH_STEP,
    expected_price,
    highest_price,
    rising_prices,
    room,
)
from stegcinn.sealing.keys import VERSION

LOAD = 1.25  # bits per pixel that may move, at most: `exact` has more room and is easier to detect (docs/security.md)
CHEAPEST = 0.1  # price, over the squared change in standardised levels, below which calm photos would be disturbed
SEEN_POWER = 0.7  # of a price, by which what attackers see grows: an ideal one's would be 1 (docs/security.md)
SEEN = 0.8  # disturbance that a deflection of one stands for, as attackers see it
RESERVE = 1.3  # of the room that a sample shows, over what is promised: the key chooses other pixels


def capacity(pixels: Host) -> int:
    """Bytes of the longest stream."""
    count = len(pixels)
    header = header_pixels(count, VERSION)
    if count < 2 * header:
        return 0
    sample = _evenly(pixels)
    in_header = room(sample, 2.0 ** EXPONENTS[0], PROMISED, 1)[0] / len(sample) * header
    if in_header < RESERVE * 8 * HEADER_SIZE:
        return 0
    in_body = room(sample, CHEAPEST, PROMISED, LAYERS).sum() / len(sample) * (count - header)
    return int(min(LOAD * pixels.free, in_body / RESERVE) // 8)


def disturbance(pixels: Host, size: int) -> float:
    """Expected of a stream of `size` bytes."""
    sample, header = _evenly(pixels), header_pixels(len(pixels), VERSION)
    parts = ((8 * HEADER_SIZE, header, 1), (8 * size, len(pixels) - header, LAYERS))
    return math.hypot(*(deflection(sample, expected_price(sample, *part), *part[1:]) for part in parts))


def grades(pixels: Host, most: int) -> Grades:
    """What streams of some sizes up to `most` bytes disturb."""
    sample, header = _evenly(pixels), header_pixels(len(pixels), VERSION)
    count = len(pixels) - header
    of_header = deflection(sample, expected_price(sample, 8 * HEADER_SIZE, header, 1), header, 1)
    found = [(0, of_header)]
    for price, bits in rising_prices(sample, 8 * most, count, LAYERS):
        found.append((int(bits) // 8, math.hypot(of_header, deflection(sample, price, count))))
    return Grades.of(found)


def undisturbing(pixels: Host) -> int:
    """Bytes of the longest stream whose `disturbance` is SAFE at most."""
    sample, count = _evenly(pixels), len(pixels) - header_pixels(len(pixels), VERSION)
    of_header = disturbance(pixels, 0)
    if of_header > SAFE:
        return 0
    price = highest_price(lambda price: math.hypot(of_header, deflection(sample, price, count)) > SAFE) * SEARCH_STEP
    return int(room(sample, price, FILLS[0], LAYERS).sum() * count / len(sample)) // 8


def deflection(sample: Pixels, price: float, count: int, layers: int = LAYERS) -> float:
    """SEEN times the deflection, for `count` pixels like the sample's, of who knows noise and chances of all.

    With noise of variance s to which the changes add v, that of the likelihood ratio test is the root of the sum of
    (v / s)**2 / 2 over pixels and channels (Sedighi, Cogranne, Fridrich 2016, for Gaussian noise). Attackers that were
    measured see less of what is where there is hardly any noise, so 1 / s has the power SEEN_POWER here.
    """
    costs, best = moves.label_costs(sample, price)
    likely = labels.chances(labels.of_lowest_layers(costs, layers))
    added = (likely[..., None] * np.square(moves.MOVES[best])).sum(axis=1) * sample.prices**SEEN_POWER
    total = float(np.square(added, dtype=np.float64).sum()) * count / len(sample)
    return SEEN * math.sqrt(total / 2)


def _evenly(pixels: Host) -> Pixels:
    """A sample of pixels in raster order."""
    return pixels.taken(np.linspace(0, len(pixels) - 1, min(len(pixels), SAMPLE)).astype(np.int64))
