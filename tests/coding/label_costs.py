"""What labels may cost, for the tests of codes over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from stegcinn.coding import labels


def random_costs(count: int, layers: int, seed: int, *, reached: float = 0.7) -> np.ndarray:
    """Bytes (count, 2**layers): one label costs nothing, and a part of the others is out of reach."""
    rng = np.random.default_rng(seed)
    costs = rng.integers(0, labels.NO_MOVE, (count, 1 << layers)).astype(np.uint8)
    costs[rng.random(costs.shape) > reached] = labels.NO_MOVE
    costs[np.arange(count), rng.integers(0, 1 << layers, count)] = 0
    return costs


@dataclass(frozen=True)
class Table:
    """`coding.layered.Choices` of nats (n, labels); infinite for labels that are out of reach."""

    nats: np.ndarray

    @classmethod
    def of(cls, count: int, layers: int, seed: int, *, reached: float = 0.7) -> Self:
        """The labels that places have cost nothing."""
        rng = np.random.default_rng(seed)
        nats = rng.exponential(2, (count, 1 << layers))
        nats[rng.random(nats.shape) > reached] = np.inf
        nats[np.arange(count), rng.integers(0, 1 << layers, count)] = 0
        return cls(nats)

    def __len__(self) -> int:
        return len(self.nats)

    def taken(self, places: np.ndarray) -> Self:
        return type(self)(self.nats[places])

    def costs(self, price: float, places: np.ndarray | None = None) -> np.ndarray:
        nats = self.nats if places is None else self.nats[places]
        units = np.where(np.isinf(nats), 0, nats) * price * labels.NATS
        units = np.where(units < labels.BEND, units, labels.BEND + (units - labels.BEND) / labels.STEEP)
        bytes_ = np.minimum(np.rint(units), labels.NO_MOVE - 1)
        return np.where(np.isinf(nats), labels.NO_MOVE, bytes_).astype(np.uint8)
