"""Learning rates: warm-up, cosine, and division by five on a plateau."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar


def warmup(step: int, steps: int) -> float:
    """Linear from nearly nothing to 1 over the first `steps` steps."""
    return min(1.0, (step + 1) / steps) if steps else 1.0


def cosine(progress: float) -> float:
    """From 1 down to 2 % as `progress` goes from 0 to 1."""
    return 0.51 + 0.49 * math.cos(math.pi * min(1.0, progress))


@dataclass
class Plateau:
    """Divides the rate by five (paper, section IV) when the mean loss has not fallen for PATIENCE updates."""

    factor: float = 1.0
    best: float = math.inf
    waited: int = 0

    DIVISOR: ClassVar[float] = 5.0
    PATIENCE: ClassVar[int] = 5
    LEAST: ClassVar[float] = 1 / 125

    def update(self, loss: float) -> None:
        """Take note of the mean loss since the last update."""
        if loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.PATIENCE:
            self.factor, self.waited = max(self.LEAST, self.factor / self.DIVISOR), 0
