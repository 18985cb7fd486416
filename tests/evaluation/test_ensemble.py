"""Random subspaces of Fisher's discriminant, voting."""

from __future__ import annotations

import numpy as np
import pytest

from stegcinn.evaluation.steganalysis import ensemble
from stegcinn.evaluation.steganalysis.ensemble import Detection


def photos(count: int, seed: int = 0, features: int = 60) -> np.ndarray:
    """Features in which photos differ much, and a stego little from its cover."""
    return np.random.default_rng(seed).normal(0, 1, (count, features)).astype(np.float32)


def test_a_shift_in_a_direction_that_photos_do_not_have_is_seen() -> None:
    covers = photos(80)
    covers[:, 1] = covers[:, 0] + 0.01 * covers[:, 1]
    stegos = covers.copy()
    stegos[:, 1] += 0.15
    assert ensemble.cross_validated(covers, stegos, 0).mean() > 0.9


def test_the_very_same_are_told_apart_at_half() -> None:
    covers = photos(30)
    found = ensemble.detect(covers, covers.copy(), range(3))
    assert (found.accuracy, found.half, found.seeds) == (0.5, 0.0, (0.5, 0.5, 0.5))


def test_what_is_no_different_is_not_told_apart() -> None:
    """Though a rule that had seen the photos themselves would know them all."""
    found = ensemble.detect(photos(60, 0), photos(60, 1), range(2))
    assert abs(found.accuracy - 0.5) < 0.15


def test_no_photo_is_tested_by_rules_that_saw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = []

    def classified(covers: np.ndarray, stegos: np.ndarray, train: np.ndarray, test: np.ndarray, rng: object) -> object:
        splits.append((set(train.tolist()), set(test.tolist())))
        return np.ones((2, len(test)), np.bool_)

    monkeypatch.setattr(ensemble, "classified", classified)
    assert ensemble.cross_validated(photos(43), photos(43), 0).all()
    assert all(not train & test and len(train | test) == 43 for train, test in splits)
    assert sorted(i for _, test in splits for i in test) == list(range(43))


def test_pieces_of_a_photo_are_on_one_side_and_some_are_only_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    of = np.array([0, 0, 1, -1, -1, *range(2, 12)])

    def classified(covers: np.ndarray, stegos: np.ndarray, train: np.ndarray, test: np.ndarray, rng: object) -> object:
        assert not {*of[train].tolist()} & {*of[test].tolist()}
        assert len(train) + len(test) == len(of)
        assert {3, 4} <= {*train.tolist()}
        return np.stack([np.ones(len(test)), test == 0])  # of the stegos the first piece of the first photo alone

    monkeypatch.setattr(ensemble, "classified", classified)
    right = ensemble.cross_validated(photos(15), photos(15), 0, of)
    assert right.tolist() == [[1.0] * 12, [0.5, *[0.0] * 11]]


def test_features_that_never_change_do_no_harm() -> None:
    covers = photos(40)
    covers[:, 5] = 3
    stegos = covers + np.eye(60, dtype=np.float32)[7] * 8
    assert ensemble.cross_validated(covers, stegos, 0).mean() > 0.95


def test_the_same_seed_decides_the_same() -> None:
    covers, stegos = photos(30), photos(30, 1) + 0.3
    runs = [ensemble.cross_validated(covers, stegos, seed) for seed in (4, 4, 5)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_detection_has_its_interval_over_photos() -> None:
    right = np.zeros((2, 2, 4), np.bool_)
    right[:, :, :2] = True
    right[0, 0, 2] = True
    found = Detection.of(right)
    assert found.accuracy == 9 / 16
    assert found.seeds == (5 / 8, 4 / 8)
    assert found.half == pytest.approx(1.96 * np.std([1, 1, 0.25, 0], ddof=1) / 2)
