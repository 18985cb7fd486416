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
    places: int  # how many there are
    layers: int
    deflection: Callable[[Sample, float, int, int], float]  # of a sample, price, places like the sample's, and layers

    def room(self, price: float) -> float:
        """Bits of a message that surely find room, at that price and above; 0 where the header does not."""
        size, sample = len(self.sample), self.sample
        each = float(room(sample, price, PROMISED, self.layers).sum()) / size / RESERVE
        of_header = float(room(sample, 2.0 ** EXPONENTS[0], PROMISED, 1)[0]) / size / RESERVE
        fitting = [split for split in layerheader.splits(self.places) if split * of_header >= self._header_bits]
        return max((each * (self.places - split) for split in fitting if split >= self._split(each)), default=0.0)

    def disturbance(self, size: int) -> float:
        """Expected of a message of `size` bytes and its header."""
        split = layerheader.split_for(self.places, size, self.layers)
        price = expected_price(self.sample, 8 * size, self.places - split, self.layers)
        return math.hypot(self._of_header(split), self._of_body(price, split))

    def grades(self, most: int) -> list[tuple[int, float]]:
        """Sizes up to `most` bytes, and how much messages of these disturb."""
        ends = [(size, self.disturbance(size)) for size in (0, most)]
        of_headers = {split: self._of_header(split) for split in layerheader.splits(self.places)}
        found = []
        for price, bits in rising_prices(self.sample, 8 * most, self.places, self.layers):
            split = layerheader.split_for(self.places, int(bits) // 8, self.layers)
            size = int(bits * (self.places - split) / self.places) // 8
            found.append((size, math.hypot(of_headers[split], self._of_body(price, split))))
        return [*found, *ends]

    def longest(self, disturbance: float) -> int:
        """Bytes of the longest message that, as all shorter ones, disturbs as much at most."""
        most = self.room(2.0 ** EXPONENTS[0])
        for split in layerheader.splits(self.places):
            longest = layerheader.longest_for(self.places, split, self.layers)
            if most < 8 * longest or self.disturbance(longest) > disturbance:
                return self._longest(disturbance, split)
        return 0

    def _longest(self, disturbance: float, split: int) -> int:
        """Of those messages whose header has so many places, or more."""
        of_header = self._of_header(split)
        if of_header > disturbance:
            return 0
        price = highest_price(lambda price: math.hypot(of_header, self._of_body(price, split)) > disturbance)
        bits = room(self.sample, price * SEARCH_STEP, FILLS[0], self.layers).sum()
        return int(bits * (self.places - split) / len(self.sample)) // 8

    @property
    def _header_bits(self) -> int:
        return 8 * layerheader.size(self.layers)

    def _split(self, each: float) -> int:
        """Where a message has so many bits for each place."""
        return layerheader.split_for(self.places, int(each * self.places) // 8, self.layers)

    def _of_header(self, split: int) -> float:
        price = expected_price(self.sample, self._header_bits, split, 1)
        return self.deflection(self.sample, price, split, 1)

    def _of_body(self, price: float, split: int) -> float:
        return self.deflection(self.sample, price, self.places - split, self.layers)
