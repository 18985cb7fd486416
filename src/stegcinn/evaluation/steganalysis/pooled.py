"""An attacker who sees a whole album: what single photos look like, pooled over bags of them.

A bag is all covers, or what a sender made of the same photos, some of which may carry nothing. Every photo has a
score; a bag is judged by their mean, by the largest, or by a rule that is learnt on bags of other photos (Pevny,
Nikolaev 2015, *Optimizing pooling function for pooled steganalysis*; Cogranne, Sedighi, Fridrich 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from stegcinn.evaluation.steganalysis import linear
from stegcinn.evaluation.steganalysis.ensemble import NORMAL, cross_validated_margins, margins, threshold_of
from stegcinn.runtime.arrays import Bool, Float32, Float64, Int64

BAGS = 500  # drawn of each half of the photos, to learn on and to test
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
POOLERS: dict[str, Callable[[Float64], Float64]] = {
    "mean": lambda bags: bags.mean(-1),
    "max": lambda bags: bags.max(-1),
}
LEARNT = "learnt"
BEST = "mean at best"  # by the threshold that is best for the bags that are tested, which nobody knows: a bound
NAMES = (*POOLERS, LEARNT, BEST)


def attacked(
    covers: Float32, stegos: Float32, carrying: Bool, sizes: Sequence[int], splits: Sequence[int]
) -> dict[int, dict[str, Accuracy]]:
    """How often bags of each size are taken for what they are, by pooler.

    `covers`, `stegos`: features of photos and of what was made of them; `carrying`: whose stegos are no copies. Each
    split, drawn from its seed, trains everything on one half of the photos (those that carry something the rule for
    single ones) and tests on bags of the other. The interval is the jackknife's that leaves out half. ValueError if
    half of the photos is no bag.
    """
    rounds = [_split(covers, stegos, carrying, sizes, seed) for seed in splits]
    return {size: {name: Accuracy.of([each[size][name] for each in rounds]) for name in NAMES} for size in sizes}


@dataclass(frozen=True)
class Accuracy:
    """Share of right decisions, and half the width of its 95 % interval over photos."""

    mean: float
    half: float

    @classmethod
    def of(cls, found: Sequence[float]) -> Accuracy:
        """Of what was found in each split: halves scatter as the whole would from sample to sample of photos."""
        half = NORMAL * float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")
        return cls(float(np.mean(found)), half)


def _split(
    covers: Float32, stegos: Float32, carrying: Bool, sizes: Sequence[int], seed: int
) -> dict[int, dict[str, float]]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(covers))
    known, asked = order[: len(order) // 2], order[len(order) // 2 :]
    if max(sizes) > len(known):
        raise ValueError(f"{len(order)} photos are too few for bags of {max(sizes)}")
    seen = cross_validated_margins(covers, stegos, carrying, known, rng)
    unseen = margins(covers, stegos, known[carrying[known]], asked)
    return {size: accuracy(seen, unseen, size, rng) for size in sizes}


def accuracy(known: Float64, asked: Float64, size: int, rng: Generator, bags: int = BAGS) -> dict[str, float]:
    """How often bags of `size` photos are taken for what they are, by each of NAMES.

    `known`, `asked` (2, photos): scores of covers and of what was made of them, by rules that did not see the photo.
    Thresholds and the learnt rule come from bags of the former, and are tested on bags of the latter.
    """
    train, test = (scores[:, _drawn(scores.shape[1], size, bags, rng)] for scores in (known, asked))  # (2, bags, size)
    found = {}
    for name, pooled in POOLERS.items():
        found[name] = _right(pooled(test), threshold_of(*pooled(train)))
    means = POOLERS["mean"](test)
    found[BEST] = _right(means, threshold_of(*means))
    every = np.concatenate([_described(train), _described(test)], axis=1)
    found[LEARNT] = linear.accuracy(every[0], every[1], np.arange(bags), np.arange(bags, 2 * bags))
    return found


def _right(bags: Float64, threshold: float) -> float:
    """Share of covers (first row) that are not above a threshold, and of stegos that are."""
    return float(np.mean([bags[0] <= threshold, bags[1] > threshold]))


def _drawn(photos: int, size: int, bags: int, rng: Generator) -> Int64:
    """Numbers of photos in bags of different ones each, (bags, size)."""
    return np.stack([rng.choice(photos, size, replace=False) for _ in range(bags)])


def _described(bags: Float64) -> Float64:
    """What a rule is learnt from, (..., features), of bags (..., size)."""
    quantiles = np.moveaxis(np.quantile(bags, QUANTILES, axis=-1), 0, -1)
    return np.concatenate([np.stack([bags.mean(-1), bags.std(-1), bags.min(-1), bags.max(-1)], axis=-1), quantiles], -1)
