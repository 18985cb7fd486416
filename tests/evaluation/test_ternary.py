"""Embedding simulated at the rate-distortion bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import ternary


def entropy(*p: np.ndarray) -> float:
    parts = [q[q > 0] for q in (*p, 1 - sum(p))]
    return float(-sum((q * np.log2(q)).sum() for q in parts))


def log_normal_costs(seed: int, spread: float = 2.0) -> np.ndarray:
    return np.exp(spread * np.random.default_rng(seed).standard_normal((24, 32)))


@settings(max_examples=40, deadline=None)
@given(load=st.floats(1e-3, 1.5), seed=st.integers(0, 99), spread=st.floats(0, 6), scale=st.floats(1e-9, 1e9))
def test_the_payload_is_met_to_a_thousandth(load: float, seed: int, spread: float, scale: float) -> None:
    cost = scale * log_normal_costs(seed, spread)
    down, up = ternary.probabilities(cost, cost, load * cost.size)
    assert abs(entropy(down, up) - load * cost.size) <= 1e-3 * load * cost.size


def test_no_other_probabilities_of_this_entropy_cost_less() -> None:
    """Against the family of all shifts towards other costs: the optimum for the true costs is the least."""
    cost, bits = log_normal_costs(0), 200.0
    best = sum((p * cost).sum() for p in ternary.probabilities(cost, cost, bits))
    for seed in range(1, 6):
        other = cost * np.exp(0.2 * np.random.default_rng(seed).standard_normal(cost.shape))
        assert sum((p * cost).sum() for p in ternary.probabilities(other, other, bits)) > best


def test_equal_costs_give_the_uniform_ternary_bound() -> None:
    cost = np.ones((40, 50))
    down, up = ternary.probabilities(cost, cost, np.log2(3) * cost.size * 0.9999)
    assert np.allclose(down, 1 / 3, atol=0.01)
    assert np.array_equal(down, up)


def test_wet_changes_are_never_made() -> None:
    plane = np.array([[0, 255] * 50] * 20, np.uint8)
    cost = np.ones(plane.shape)
    down, up = ternary.probabilities(*ternary.wet(plane, cost), 0.9 * plane.size)
    assert not down[plane == 0].any()
    assert not up[plane == 255].any()
    changed = ternary.change(plane, down, up, np.random.default_rng(0))
    assert (changed != plane).any()
    assert (np.abs(changed.astype(int) - plane) <= 1).all()


def test_too_much_is_refused() -> None:
    cost = np.ones((10, 10))
    with pytest.raises(CapacityError):
        ternary.probabilities(cost, cost, 100 * np.log2(3) * 1.01)
    with pytest.raises(CapacityError):
        ternary.probabilities(cost * np.inf, cost * np.inf, 1)


def test_nothing_to_hide_changes_nothing() -> None:
    down, up = ternary.probabilities(np.ones((4, 4)), np.ones((4, 4)), 0)
    assert not down.any()
    assert not up.any()


def test_changes_occur_as_often_as_their_probabilities_say() -> None:
    plane = np.full((400, 400), 100, np.uint8)
    changed = ternary.change(plane, np.full(plane.shape, 0.1), np.full(plane.shape, 0.3), np.random.default_rng(0))
    assert abs((changed == 99).mean() - 0.1) < 0.005
    assert abs((changed == 101).mean() - 0.3) < 0.005
