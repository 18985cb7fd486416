"""Chroma coefficients as places of a layered code: in which order, what their changes cost, and what they become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.coding.labels import BEND, NATS, NO_MOVE, PIECE, STEEP
from stegcinn.runtime.arrays import Float32, Int8, Int16, UInt8, UInt32
from stegcinn.runtime.native import Kernel, in_parts
from stegcinn.sealing.keys import Keys

MODES = 64  # coefficients of a block
LAYERS = 2  # labels are values modulo 4, so three neighbouring values differ
LABELS = 1 << LAYERS
CLASSES = 256  # of prices

Places = npt.NDArray[np.integer]

_COSTS = Kernel("ternary_costs", "i2 u4 u1 f4 i1 n u1 n n f f u1!")


@dataclass(frozen=True)
class Coefficients:
    """Values (n,) that may change by one, in `ways` (n,): PLUS, MINUS, both or none.

    The price is that of the `classes` (n,) in the table of `prices` (CLASSES,), and less towards the sign of `errors`
    (n,), where there are any: they are in 1/128 of a quantisation step, of half of one at most.
    """

    values: Int16
    classes: UInt8
    prices: Float32
    errors: Int8 | None
    ways: UInt8

    def __len__(self) -> int:
        return len(self.values)

    def taken(self, places: Places) -> Coefficients:
        """Those of the given indices, copied."""
        errors = None if self.errors is None else self.errors[places]
        return Coefficients(self.values[places], self.classes[places], self.prices, errors, self.ways[places])

    def costs(self, price: float, places: Places | None = None) -> UInt8:
        """What each label costs, (n, LABELS), see `coding.labels`: of all, or at some places."""
        where = np.arange(len(self), dtype=np.uint32) if places is None else places.astype(np.uint32, copy=False)
        costs = np.empty((len(where), LABELS), np.uint8)
        prices = self.prices * np.float32(price * NATS)
        errors = np.empty(0, np.int8) if self.errors is None else self.errors

        def part(some: slice) -> None:
            ours = where[some]
            _COSTS(
                self.values, ours, self.classes, prices, errors, len(errors), self.ways, len(self), len(ours),
                BEND, 1 / STEEP, costs[some],
            )  # fmt: skip

        in_parts(part, len(where), 4 * PIECE)
        return costs


def labels(values: Int16) -> UInt8:
    """What a receiver reads."""
    return (values & np.int16(LABELS - 1)).astype(np.uint8)


def relabelled(values: Int16, found: UInt8) -> Int16:
    """Values with labels `found`, by changes of at most one."""
    step = (found - labels(values)) & np.uint8(LABELS - 1)
    after: Int16 = values + np.array([0, 1, NO_MOVE, -1], np.int16)[step]
    return after


def order(blocks: int, key: Keys) -> Iterator[UInt32]:
    """Indices of all coefficients of so many blocks, in MODES pieces: each has one coefficient of every block.

    Blocks come in an order that the key chooses, the same in every piece, and so does the mode with which each begins.
    """
    first = key.permutation("jpeg blocks", blocks)
    modes = np.frombuffer(key.stream("jpeg modes", blocks), np.uint8)
    for step in range(MODES):
        yield first * np.uint32(MODES) + ((modes + np.uint8(step)) & np.uint8(MODES - 1))
