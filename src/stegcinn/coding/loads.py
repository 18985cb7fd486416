"""How long a layered message may be, and how much one disturbs, as a sample of the places tells beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from stegcinn.coding import layerheader
from stegcinn.coding.layered import (
    EXPONENTS,
    FILLS,
    PROMISED,
    SEARCH_STEP,
    Choices,
    expected_price,
    highest_price,
    rising_prices,
    room,
)

RESERVE = 1.3  # of the room that a sample shows, over what is promised: the key chooses other places

Sample = TypeVar("Sample", bound=Choices)


@dataclass(frozen=True)
class Load(Generic[Sample]):
    """Places that take a header and a message, of all of which there is a `sample`."""

    sample: Sample
    header: int  # how many places hold the header
    body: int  # and the message
    layers: int
    deflection: Callable[[Sample, float, int, int], float]  # of a sample, price, places like the sample's, and layers

    def room(self, price: float) -> float:
        """Bits of a message that surely find room, at that price and above; 0 where the header does not."""
        if self.body < self.header:
            return 0
        size, sample = len(self.sample), self.sample
        in_header = room(sample, 2.0 ** EXPONENTS[0], PROMISED, 1)[0] / size * self.header
        if in_header < RESERVE * self._header_bits:
            return 0
        return float(room(sample, price, PROMISED, self.layers).sum() / size * self.body / RESERVE)

    def disturbance(self, size: int) -> float:
        """Expected of a message of `size` bytes and its header."""
        parts = (self._header_bits, self.header, 1), (8 * size, self.body, self.layers)
        return math.hypot(*(self._disturbance(*part) for part in parts))

    def grades(self, most: int) -> list[tuple[int, float]]:
        """Sizes up to `most` bytes, and how much messages of these disturb."""
        of_header = self._disturbance(self._header_bits, self.header, 1)
        found = [(0, of_header)]
        for price, bits in rising_prices(self.sample, 8 * most, self.body, self.layers):
            found.append((int(bits) // 8, math.hypot(of_header, self._of_body(price))))
        return found

    def longest(self, disturbance: float) -> int:
        """Bytes of the longest message that disturbs as much at most."""
        of_header = self.disturbance(0)
        if of_header > disturbance:
            return 0
        price = highest_price(lambda price: math.hypot(of_header, self._of_body(price)) > disturbance) * SEARCH_STEP
        return int(room(self.sample, price, FILLS[0], self.layers).sum() * self.body / len(self.sample)) // 8

    @property
    def _header_bits(self) -> int:
        return 8 * layerheader.size(self.layers)

    def _disturbance(self, bits: int, count: int, layers: int) -> float:
        price = expected_price(self.sample, bits, count, layers)
        return self.deflection(self.sample, price, count, layers)

    def _of_body(self, price: float) -> float:
        return self.deflection(self.sample, price, self.body, self.layers)
