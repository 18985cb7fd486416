"""An attacker who sees a whole album: what single photos look like, pooled over bags of them.

A bag is all covers, or what a sender made of the same photos, some of which may carry nothing. Every photo has a
score; a bag is judged by their mean, by the largest, or by a rule that is learnt on bags of other photos (Pevny,
Nikolaev 2015, *Optimizing pooling function for pooled steganalysis*; Cogranne, Sedighi, Fridrich 2017).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stegcinn.evaluation.steganalysis import linear
from stegcinn.evaluation.steganalysis.ensemble import threshold_of
from stegcinn.runtime.arrays import Float64, Int64

BAGS = 500  # drawn of each half of the photos: to learn on, and to test
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
POOLERS: dict[str, Callable[[Float64], Float64]] = {
    "mean": lambda bags: bags.mean(-1),
    "max": lambda bags: bags.max(-1),
}
LEARNT = "learnt"


def accuracy(scores: Float64, size: int, seed: int, bags: int = BAGS) -> dict[str, float]:
    """How often bags of `size` photos are taken for what they are, by each pooler and the one that is learnt.

    `scores` (2, photos): of covers and of what was made of them, by rules that did not see the photo. Thresholds and
    the learnt rule come from bags of one half of the photos, and are tested on bags of the other; `seed` draws both.
    ValueError if half of the photos is no bag.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(scores.shape[1])
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    if size > len(halves[0]):
        raise ValueError(f"{len(order)} photos are too few for bags of {size}")
    train, test = (scores[:, _drawn(half, size, bags, rng)] for half in halves)  # (2, bags, size)
    found = {}
    for name, pooled in POOLERS.items():
        threshold = threshold_of(*pooled(train))
        covers, stegos = pooled(test)
        found[name] = float(np.mean([covers <= threshold, stegos > threshold]))
    every = np.concatenate([_described(train), _described(test)], axis=1)
    known, asked = np.arange(bags), np.arange(bags, 2 * bags)
    found[LEARNT] = linear.accuracy(every[0], every[1], known, asked)
    return found


def _drawn(photos: Int64, size: int, bags: int, rng: np.random.Generator) -> Int64:
    """Bags of different photos each, (bags, size)."""
    return np.stack([rng.choice(photos, size, replace=False) for _ in range(bags)])


def _described(bags: Float64) -> Float64:
    """What a rule is learnt from, (..., features), of bags (..., size)."""
    quantiles = np.moveaxis(np.quantile(bags, QUANTILES, axis=-1), 0, -1)
    return np.concatenate([np.stack([bags.mean(-1), bags.std(-1), bags.min(-1), bags.max(-1)], axis=-1), quantiles], -1)
