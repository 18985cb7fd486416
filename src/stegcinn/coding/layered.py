"""A message in the layers of labels: how much finds room at which price of changes, and the changes that carry it.

Layers are written from the lowest on, each through a syndrome-trellis code; what a layer needs may be met by any label
with the bits of the layers before (Filler, Judas, Fridrich 2011, section VII: multilayered construction).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from stegcinn.coding import labels, stc
from stegcinn.runtime.arrays import Float64, UInt8

Places = npt.NDArray[np.integer]
Report = Callable[[float], None]

# Parts of a layer's open bits that its message may fill, tried in turn. They are for a layer that is open everywhere:
# the code's blocks need some open bits each, so the part shrinks with the share of bits that are.
FILLS = (0.8, 0.5, 0.3)
PROMISED = FILLS[1]
SAMPLE = 8192  # places from which the price of a change is found
SEARCH_STEPS = 11  # of that price
EXPONENTS = (-20.0, 14.0)  # between which powers of two it lies: changes are free at one end, never made at the other
SEARCH_STEP = 2.0 ** ((EXPONENTS[1] - EXPONENTS[0]) / (1 << SEARCH_STEPS))  # between prices that are told apart
PRICE_STEP = 1.35  # between those at which less and less finds room
FEWEST = 64  # bits that are worth a price of their own
SHARES = 255  # units in which a header tells what share of the message each layer has


class Choices(Protocol):
    """Places whose labels may change."""

    def __len__(self) -> int: ...

    def taken(self, places: Places) -> Choices:
        """Those of the given indices."""

    def costs(self, price: float, places: Places | None = None) -> UInt8:
        """What each label costs, see `labels`, with all prices multiplied by `price`: of all, or of some."""


class Written(NamedTuple):
    """A message as labels."""

    price: float  # of changes, at which it found room
    shares: tuple[int, ...]  # of the message in each layer but the last, in 1/SHARES
    labels: UInt8  # of the places


def room(choices: Choices, price: float, fill: float, layers: int) -> Float64:
    """Bits for which there is room in each layer, (layers,)."""
    costs = labels.of_lowest_layers(choices.costs(price), layers)
    entropy, open_bits = labels.entropies(costs)[:, :layers]
    bits: Float64 = np.minimum(entropy, fill * open_bits * (open_bits / len(choices)))
    return bits


def price_of_change(choices: Choices, bits: float, fill: float, layers: int) -> tuple[float, Float64] | None:
    """The highest price at which `bits` find room, and the room in each layer; None if they never do."""
    if room(choices, 2.0 ** EXPONENTS[0], fill, layers).sum() < bits:
        return None
    price = highest_price(lambda price: room(choices, price, fill, layers).sum() >= bits)
    return price, room(choices, price, fill, layers)


def expected_price(sample: Choices, bits: int, count: int, layers: int) -> float:
    """The highest price at which `bits` find room in `count` places like the sample's; the lowest if they never do."""
    wanted = bits * len(sample) / count
    return highest_price(lambda price: room(sample, price, FILLS[0], layers).sum() >= wanted)


def rising_prices(sample: Choices, bits: int, count: int, layers: int) -> Iterator[tuple[float, float]]:
    """Prices at which `bits` and less find room in `count` places like the sample's, and how many do at each."""
    price = expected_price(sample, bits, count, layers)
    while (found := float(room(sample, price, FILLS[0], layers).sum()) * count / len(sample)) >= FEWEST:
        yield price, min(found, bits)
        price *= PRICE_STEP


def highest_price(enough: Callable[[float], np.bool_ | bool]) -> float:
    """The highest price at which changes are still `enough`; the lowest of all if they never are."""
    low, high = EXPONENTS
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if enough(math.exp2(middle)) else (low, middle)
    return math.exp2(low)


def write(
    choices: Choices, places: Places, message: UInt8, layers: int, fill: float, report: Report | None = None,
    drawn: Callable[[int], bytes] = os.urandom,
) -> Written | None:  # fmt: skip
    """Labels of the `places` that carry the bits `message`, in their lowest `layers`; None if some layer cannot.

    Places are in the order in which they are read, and the first ones are a sample of them. `drawn` gives so many
    random bytes, which decide what costs the same: with the same ones, few other costs make few other labels.
    """
    sample = choices.taken(places[:SAMPLE])
    found = price_of_change(sample, len(message) * len(sample) / len(places), fill, layers)
    if found is None:
        return None
    price, shares = found
    ends = np.rint(np.cumsum(shares)[:-1] / shares.sum() * SHARES).astype(int)
    told = tuple(np.diff(ends, prepend=0).tolist())
    costs = labels.of_lowest_layers(choices.costs(price, places), layers)
    settled, start = np.zeros(len(places), np.uint8), 0
    for layer, size in enumerate(sizes(len(message), told)):
        bits = _settled(costs, settled, layer, message[start : start + size], drawn)
        if bits is None:
            return None
        settled |= bits << np.uint8(layer)
        start += size
        if report is not None:
            report((layer + 1) / (layers + 1))  # pricing and moving take about as long as a layer
    return Written(price, told, labels.cheapest(costs, settled, layers))


def _settled(
    costs: UInt8, settled: UInt8, layer: int, message: UInt8, drawn: Callable[[int], bytes]
) -> UInt8 | None:  # fmt: skip
    """Bits `layer` of all labels, which carry a part of the message, given those below; None if they cannot."""
    likelier, prices = labels.preferences(costs, settled, layer)
    # As +1 and -1 often are: to prefer one of them always would be seen
    np.bitwise_and(np.frombuffer(drawn(len(costs)), np.uint8), 1, out=likelier, where=prices == 0)
    return stc.encode(likelier, prices, message)


def sizes(bits: int, shares: tuple[int, ...]) -> tuple[int, ...]:
    """How many of a message's bits each layer carries."""
    ends = [0, *(bits * int(end) // SHARES for end in np.cumsum(shares, dtype=np.int64)), bits]
    return tuple(stop - start for start, stop in pairwise(ends))


def read(found: UInt8, each: tuple[int, ...]) -> bytes:
    """The message in labels, of which layer k carries `each[k]` bits; together whole bytes."""
    layers = [stc.decode(labels.bit(found, layer), size) for layer, size in enumerate(each)]
    return np.packbits(np.concatenate(layers)).tobytes()
