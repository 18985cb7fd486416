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


def test_more_photos_are_more_evidence() -> None:
    made = scores(400, 0.5)
    by_size = [pooled.accuracy(made, size, 0)["mean"] for size in (1, 10, 50)]
    assert 0.5 < by_size[0] < by_size[1] < by_size[2]
    assert by_size[2] > 0.9


def test_a_single_loud_photo_is_seen_by_the_largest_score() -> None:
    rng = np.random.default_rng(1)
    covers = rng.normal(0, 1, 600)
    stegos = covers + 4.0 * (rng.random(600) < 0.05)
    found = pooled.accuracy(np.stack([covers, stegos]), 20, 0)
    assert found["max"] > found["mean"] + 0.05
    assert found["learnt"] > found["mean"] + 0.05


def test_what_is_the_same_is_not_told_apart() -> None:
    found = pooled.accuracy(scores(200, 0.0), 10, 0)
    assert set(found) == {"mean", "max", "learnt"}
    assert all(each == pytest.approx(0.5, abs=0.001) for each in found.values())


def test_bags_come_from_the_seed_and_need_enough_photos() -> None:
    made = scores(60, 0.3)
    assert pooled.accuracy(made, 5, 3) == pooled.accuracy(made, 5, 3) != pooled.accuracy(made, 5, 4)
    with pytest.raises(ValueError, match="60 photos are too few for bags of 31"):
        pooled.accuracy(made, 31, 0)


def test_votes_are_of_rules_that_did_not_see_the_photo() -> None:
    rng = np.random.default_rng(0)
    covers = rng.normal(0, 1, (60, 40)).astype(np.float32)
    stegos = covers.copy()
    carrying = np.arange(60) < 50
    stegos[carrying, 0] += 3.0
    votes = ensemble.cross_validated_votes(covers, stegos, carrying, 0)
    assert votes.shape == (2, 60)
    assert np.abs(votes).max() <= 1
    assert (votes[1] - votes[0])[carrying].mean() > 0.5
    assert np.array_equal(votes[0, ~carrying], votes[1, ~carrying])
    unseen = ensemble.cross_validated_votes(rng.normal(0, 1, (60, 40)).astype(np.float32), covers, carrying, 0)
    assert abs((unseen[1] - unseen[0]).mean()) < 0.5
