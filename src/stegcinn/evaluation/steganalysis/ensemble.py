"""Many simple rules that vote: Fisher's linear discriminant in random subspaces of the features.

Kodovsky, Fridrich, Holub: *Ensemble Classifiers for Steganalysis of Digital Media* (TIFS 2012). A photo and its stego
always stand together on one side of the split, and every photo is tested once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from stegcinn.runtime.arrays import Bool, Float32, Float64, Int64

Floats = Float32 | Float64

LEARNERS = 80
SUBSPACE = 300  # features of a learner
FOLDS = 10
RIDGE = 1e-3  # added to the variances, relative to their mean
TINY = 1e-9
NORMAL = 1.96  # quantile of the normal distribution for 95 %


def cross_validated(covers: Float32, stegos: Float32, seed: int, photos: Int64 | None = None) -> Float64:
    """Share of the covers and of the stegos of each photo that are classified right, (2, photos).

    `covers`, `stegos`: (hosts, features). `photos` (hosts,) numbers the photo that a host is a piece of, from 0, or
    is -1 for hosts that are only trained on; by default each is a photo of its own. Rules are trained on all others.
    `seed` draws folds and subspaces.
    """
    if photos is None:
        photos = np.arange(len(covers))
    rng = np.random.default_rng(seed)
    pieces = np.bincount(photos[photos >= 0])
    right = np.zeros((2, len(pieces)))
    order = rng.permutation(len(pieces))
    for fold in range(FOLDS):
        test = np.concatenate([np.flatnonzero(photos == photo) for photo in order[fold::FOLDS]])
        train = np.setdiff1d(np.arange(len(photos)), test)
        found = classified(covers, stegos, train, test, rng)
        right += [np.bincount(photos[test], each, len(pieces)) for each in found]
    shares: Float64 = right / pieces
    return shares


def cross_validated_margins(covers: Float32, stegos: Float32, carrying: Bool, known: Int64, rng: Generator) -> Float64:
    """`margins` of the photos `known`, (2, len(known)), each by a rule trained on the others of them that carry."""
    found = np.zeros((2, len(known)))
    order = rng.permutation(len(known))
    for fold in range(FOLDS):
        test = order[fold::FOLDS]
        others = np.setdiff1d(order, test)
        found[:, test] = margins(covers, stegos, known[others[carrying[known[others]]]], known[test])
    return found


def margins(covers: Float32, stegos: Float32, train: Int64, test: Int64) -> Float64:
    """How far covers and stegos of the photos `test` are on the stegos' side of one rule, (2, len(test)).

    The rule is trained on the photos `train`; distances are in standard deviations of its covers.
    """
    (cover, stego, *tested), _ = _standardised(covers, stegos, train, test)
    weights, threshold = _discriminant(cover, stego)
    spread = float((cover @ weights).std()) + TINY
    return np.stack([(part @ weights - threshold) / spread for part in tested]).astype(np.float64)


def classified(covers: Float32, stegos: Float32, train: Int64, test: Int64, rng: Generator) -> Bool:
    """Which covers and stegos of the photos `test` are classified right, (2, len(test)), trained on `train`."""
    found = votes(covers, stegos, train, test, rng)
    found += rng.choice((-0.5, 0.5), found.shape)  # ties
    return np.stack([found[0] < 0, found[1] > 0])


def votes(covers: Float32, stegos: Float32, train: Int64, test: Int64, rng: Generator) -> Float64:
    """How many more learners take covers and stegos of the photos `test` for stegos than do not, (2, len(test))."""
    (cover, stego, cover_test, stego_test), features = _standardised(covers, stegos, train, test)
    found = np.zeros((2, len(test)))
    for _ in range(LEARNERS):
        chosen = rng.choice(features, min(SUBSPACE, features), replace=False)
        weights, threshold = _discriminant(cover[:, chosen], stego[:, chosen])
        found += np.sign(np.stack([part[:, chosen] @ weights for part in (cover_test, stego_test)]) - threshold)
    return found


def _standardised(covers: Float32, stegos: Float32, train: Int64, test: Int64) -> tuple[list[Float32], int]:
    """Covers and stegos to train and to test on, in units of what is trained on; how many features vary there."""
    x = np.concatenate([covers[train], stegos[train]])
    scale = x.std(0)
    live = np.flatnonzero(scale > TINY)
    centre, scale = x[:, live].mean(0), scale[live]
    parts = (covers[train], stegos[train], covers[test], stegos[test])
    return [(part[:, live] - centre) / scale for part in parts], len(live)


def _discriminant(cover: Float32, stego: Float32) -> tuple[Float32, float]:
    """Weights and threshold of Fisher's rule: stegos are above."""
    difference = (stego - cover).mean(0)
    centred = np.concatenate([cover - cover.mean(0), stego - stego.mean(0)])
    scatter = centred.T @ centred / len(centred)
    scatter[np.diag_indices_from(scatter)] += RIDGE * np.trace(scatter) / len(scatter)
    weights = np.linalg.solve(scatter, difference)
    return weights, threshold_of(cover @ weights, stego @ weights)


def threshold_of(cover: Floats, stego: Floats) -> float:
    """Where most of both are on their own side, stegos above."""
    values = np.concatenate([cover, stego])
    order = np.argsort(values)
    gain = np.where(order < len(cover), 1, -1).cumsum()  # covers at or below, less stegos there
    best = int(gain.argmax())
    return float(values[order[best : best + 2]].mean())


@dataclass(frozen=True)
class Detection:
    """Share of right decisions over photos, and over seeds where all photos are tested once with each.

    `half` is half the width of the 95 % interval over photos; `seeds` has the share of each seed.
    """

    accuracy: float
    half: float
    seeds: tuple[float, ...]

    def __str__(self) -> str:
        """In per cent, as in a table."""
        return f"{100 * self.accuracy:.1f} ± {100 * self.half:.1f}"

    @classmethod
    def of(cls, right: Float64) -> Detection:
        """From shares of right decisions (seeds, 2, photos)."""
        by_photo = right.mean((0, 1))
        half = NORMAL * float(by_photo.std(ddof=1)) / len(by_photo) ** 0.5 if len(by_photo) > 1 else float("nan")
        return cls(float(right.mean()), half, tuple(map(float, right.mean((1, 2)))))


def detect(covers: Float32, stegos: Float32, seeds: Sequence[int], photos: Int64 | None = None) -> Detection:
    """How well covers and stegos (hosts, features) of the same photos are told apart; see `cross_validated`.

    If they are the very same, any rule is right for one of each pair: 50 % without training.
    """
    if np.array_equal(covers, stegos):
        return Detection(0.5, 0.0, (0.5,) * len(seeds))
    return Detection.of(np.stack([cross_validated(covers, stegos, seed, photos) for seed in seeds]))
