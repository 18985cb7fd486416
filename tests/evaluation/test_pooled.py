"""Bags of photos: what is seen in none of them by itself is seen in all together."""

from __future__ import annotations

import numpy as np
import pytest

from stegcinn.evaluation.steganalysis import ensemble, pooled


def scores(photos: int, shift: float, part: float = 1.0, seed: int = 0) -> np.ndarray:
    """Of covers, and of stegos that lie a little higher, where they carry anything."""
    rng = np.random.default_rng(seed)
    covers = rng.normal(0, 1, photos)
    return np.stack([covers, covers + shift * (rng.random(photos) < part)])


def found(photos: int, size: int, shift: float, part: float = 1.0, seed: int = 0) -> dict[str, float]:
    known, asked = (scores(photos, shift, part, 2 * seed + half) for half in (0, 1))
    return pooled.accuracy(known, asked, size, np.random.default_rng(seed))


def test_more_photos_are_more_evidence() -> None:
    by_size = [found(200, size, 0.5)["mean"] for size in (1, 10, 50)]
    assert 0.5 < by_size[0] < by_size[1] < by_size[2]
    assert by_size[2] > 0.9


def test_a_single_loud_photo_is_seen_by_the_largest_score() -> None:
    seen = found(300, 20, 4.0, 0.05, seed=1)
    assert seen["max"] > seen["mean"] + 0.05
    assert seen["learnt"] > seen["mean"] + 0.05


def test_what_is_the_same_is_not_told_apart() -> None:
    seen = found(100, 10, 0.0)
    assert tuple(sorted(seen)) == tuple(sorted(pooled.NAMES))
    assert all(each == pytest.approx(0.5, abs=0.001) for each in seen.values())


def test_the_best_threshold_is_a_bound() -> None:
    known, asked = scores(100, 1.0), scores(100, 1.0, seed=1) + 5.0  # others' photos score higher in all
    seen = pooled.accuracy(known, asked, 10, np.random.default_rng(0))
    assert seen["mean"] == 0.5
    assert seen[pooled.BEST] > 0.9


def photos(count: int, carrying: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    covers = rng.normal(0, 1, (count, 12)).astype(np.float32)
    stegos, which = covers.copy(), np.arange(count) < carrying * count
    stegos[which, 3] += 1.0
    return covers, stegos, which


def test_halves_of_the_photos_train_and_test() -> None:
    covers, stegos, which = photos(200, 0.75)
    seen = pooled.attacked(covers, stegos, which, (1, 20), range(4))
    assert seen == pooled.attacked(covers, stegos, which, (1, 20), range(4))
    assert seen[20]["mean"].mean > seen[1]["mean"].mean > 0.55
    assert 0 < seen[1]["mean"].half < 0.2
    with pytest.raises(ValueError, match="60 photos are too few for bags of 31"):
        pooled.attacked(*photos(60, 1.0), (5, 31), [0])


def test_margins_are_of_rules_that_did_not_see_the_photo() -> None:
    rng = np.random.default_rng(0)
    covers = rng.normal(0, 1, (60, 40)).astype(np.float32)
    stegos = covers.copy()
    carrying = np.arange(60) < 50
    stegos[carrying, 0] += 3.0
    known = rng.permutation(60)
    found = np.zeros((2, 60))
    found[:, known] = ensemble.cross_validated_margins(covers, stegos, carrying, known, rng)
    assert (found[1] - found[0])[carrying].mean() > 1.0
    assert np.array_equal(found[0, ~carrying], found[1, ~carrying])
    # Of noise, a rule knows what it saw, and nothing of anything else.
    others = rng.normal(0, 1, (60, 40)).astype(np.float32)
    every = np.arange(60)
    unseen = ensemble.cross_validated_margins(covers, others, every >= 0, every, rng)
    seen = ensemble.margins(covers, others, every, every)
    assert abs((unseen[1] - unseen[0]).mean()) < 0.5 < (seen[1] - seen[0]).mean()
