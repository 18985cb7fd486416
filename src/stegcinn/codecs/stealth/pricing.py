"""What changes cost in `stealth`: how many fit, at which price, and how much they disturb the host."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from stegcinn.codecs.base import SAFE
from stegcinn.codecs.stealth import moves
from stegcinn.codecs.stealth.header import HEADER_SIZE, header_pixels
from stegcinn.codecs.stealth.moves import LAYERS, Pixels
from stegcinn.runtime.arrays import Float64

LOAD = 1.25  # bits per pixel that may move, at most: `exact` has more room and is easier to detect (docs/security.md)
CHEAPEST = 0.1  # price, over the squared change in standardised levels, below which calm photos would be disturbed
# Parts of a layer's open bits that its message may fill, tried in turn. They are for a layer that is open everywhere:
# the code's blocks need some open bits each, so the part shrinks with the share of bits that are.
FILLS = (0.8, 0.5, 0.3)
PROMISED = FILLS[1]
RESERVE = 1.3  # of the room that a sample shows, over what is promised: the key chooses other pixels
SAMPLE = 8192  # pixels from which the price of a change is found
SEARCH_STEPS = 11  # of that price
FORBIDDING = 1e9  # at any of those; finite, so that the code may still cross a wide flat area
EXPONENTS = (-20.0, 14.0)  # between which powers of two it lies: moves are free at one end, and never made at the other


def capacity(pixels: Pixels) -> int:
    """Bytes of the longest stream."""
    count = len(pixels)
    sample = _evenly(pixels)
    header = header_pixels(count)
    in_header = room(sample, 2.0 ** EXPONENTS[0], PROMISED, 1)[0] / len(sample) * header
    if in_header < RESERVE * 8 * HEADER_SIZE:
        return 0
    in_body = room(sample, CHEAPEST, PROMISED).sum() / len(sample) * (count - header)
    free = float((pixels.prices[:, 0] < FORBIDDING).sum())
    return int(min(LOAD * free, in_body / RESERVE) // 8)


def disturbance(pixels: Pixels, size: int) -> float:
    """Expected of a stream of `size` bytes."""
    sample, header = _evenly(pixels), header_pixels(len(pixels))

    def of(bits: int, count: int, layers: int) -> float:
        wanted = bits * len(sample) / count
        price = _highest_price(lambda price: room(sample, price, FILLS[0], layers).sum() >= wanted)
        return deflection(sample, price, count, layers)

    return math.hypot(of(8 * HEADER_SIZE, header, 1), of(8 * size, len(pixels) - header, LAYERS))


def undisturbing(pixels: Pixels) -> int:
    """Bytes of the longest stream whose disturbance is SAFE at most."""
    sample, count = _evenly(pixels), len(pixels) - header_pixels(len(pixels))
    of_header = disturbance(pixels, 0)
    price = _highest_price(lambda price: math.hypot(of_header, deflection(sample, price, count)) > SAFE)
    return int(room(sample, price, FILLS[0]).sum() * count / len(sample)) // 8


def deflection(sample: Pixels, price: float, count: int, layers: int = LAYERS) -> float:
    """Deflection, for `count` pixels like the sample's, of the likelihood ratio test that knows noise and chances.

    With noise of variance s to which the changes add v, the sum of (v / s)**2 / 2 over pixels and channels, and its
    root (Sedighi, Cogranne, Fridrich 2016, for Gaussian noise).
    """
    costs, best = moves.label_costs(sample, price, layers)
    added = (moves.chances(costs)[..., None] * np.square(moves.MOVES[best])).sum(axis=1) * sample.prices
    total = float(np.square(added, dtype=np.float64).sum()) * count / len(sample)
    return math.sqrt(total / 2)


def _evenly(pixels: Pixels) -> Pixels:
    """A sample of pixels in raster order."""
    return pixels.taken(np.linspace(0, len(pixels) - 1, min(len(pixels), SAMPLE)).astype(np.int64))


def price_of_change(pixels: Pixels, size: float, layers: int, fill: float) -> tuple[float, Float64] | None:
    """The highest price at which `size` bits find room, and the room in each layer; None if they never do."""
    if room(pixels, 2.0 ** EXPONENTS[0], fill, layers).sum() < size:
        return None
    price = _highest_price(lambda price: room(pixels, price, fill, layers).sum() >= size)
    return price, room(pixels, price, fill, layers)


def _highest_price(enough: Callable[[float], np.bool_ | bool]) -> float:
    """The highest price at which changes are still `enough`; the lowest of all if they never are."""
    low, high = EXPONENTS
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if enough(math.exp2(middle)) else (low, middle)
    return math.exp2(low)


def room(pixels: Pixels, price: float, fill: float, layers: int = LAYERS) -> Float64:
    """Bits for which there is room in each layer, (layers,)."""
    entropy, open_bits = moves.entropies(moves.label_costs(pixels, price, layers)[0])[:, :layers]
    bits: Float64 = np.minimum(entropy, fill * open_bits * (open_bits / len(pixels)))
    return bits
