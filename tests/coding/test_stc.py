"""Syndrome-trellis codes: the message comes back, wet bits stay, and no cheaper flips exist."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.coding import stc


def matrix(bits: int, count: int) -> np.ndarray:
    """The parity-check matrix of one segment, (count, bits), built from the description alone."""
    found = np.zeros((count, bits), np.uint8)
    first = max(0, min(8, bits - count))  # the first block is longer
    for block in range(count):
        start = first * (block > 0) + block * (bits - first) // count
        end = first + (block + 1) * (bits - first) // count
        for k in range(start, end):
            column = int(stc.COLUMNS[(k - start) % stc.WIDTH])
            for row in range(stc.HEIGHT):
                if column >> row & 1 and block + row < count:
                    found[block + row, k] = 1
    return found


def least_cost(parity: np.ndarray, syndrome: np.ndarray, costs: np.ndarray) -> float:
    """What the cheapest flips with this syndrome cost, by dynamic programming over all syndromes."""
    powers = 1 << np.arange(len(syndrome))
    best = np.full(1 << len(syndrome), np.inf)
    best[0] = 0
    for column, cost in zip(parity.T, costs, strict=True):
        best = np.minimum(best, best[np.arange(len(best)) ^ int(column @ powers)] + cost)
    return float(best[int(syndrome @ powers)])


def binary_entropy(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-300, 1 - 1e-16)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def bits_at_cost(costs: np.ndarray, total: float) -> float:
    """How many bits any code could carry at this total cost: the rate-distortion bound."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        p = 1 / (1 + np.exp(np.minimum(700, costs * 2.0**middle)))
        low, high = (middle, high) if (p * costs).sum() > total else (low, middle)
    return float(binary_entropy(p).sum())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.floats(0.001, 1), st.integers(0, 2**32))
def test_the_message_comes_back(bits, rate, seed):
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 2, bits).astype(np.uint8)
    message = rng.integers(0, 2, max(1, int(rate * bits))).astype(np.uint8)
    kept = before.copy()
    after = stc.encode(before, stc.rounded(rng.random(bits).astype(np.float32)), message)
    assert np.array_equal(before, kept)
    assert np.array_equal(stc.decode(after, len(message)), message)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 400), st.integers(0, 2**32))
def test_no_cheaper_flips_exist(count, more, seed):
    """Wide blocks too, whose bits share columns. Costs are what the trellis counts in: 32nds."""
    rng = np.random.default_rng(seed)
    bits = count + more
    before, message = (rng.integers(0, 2, n).astype(np.uint8) for n in (bits, count))
    costs = (rng.integers(0, 80 * 32 + 1, bits) / 32).astype(np.float32)
    costs[rng.random(bits) < 0.3] = np.inf
    parity = matrix(bits, count)
    assert np.array_equal(stc.decode(before, count), parity @ before % 2)
    least = least_cost(parity, (parity @ before + message) % 2, costs)
    after = stc.encode(before, stc.rounded(costs), message)
    if after is None:
        assert np.isinf(least)
    else:
        assert np.array_equal(parity @ after % 2, message)
        assert costs[after != before].sum() == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("rate", [0.5, 0.25, 0.1, 0.03])
def test_close_to_the_bound(rate):
    """Ten per cent: what codes of this height lose on costs as they occur, log ratios of chances at that rate."""
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, 40_000).astype(np.uint8)
    costs = -np.log(rng.random(len(bits)))
    while binary_entropy(1 / (1 + np.exp(np.minimum(costs, 700)))).mean() > rate:
        costs *= 1.01
    message = rng.integers(0, 2, int(rate * len(bits))).astype(np.uint8)
    after = stc.encode(bits, stc.rounded(costs.astype(np.float32)), message)
    assert len(message) > 0.9 * bits_at_cost(costs, costs[after != bits].sum())


def test_many_segments_with_few_lanes_left_over():
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2, 5 * stc.SEGMENT + 77).astype(np.uint8)
    message = rng.integers(0, 2, 5 * stc.LEAST + 3).astype(np.uint8)
    costs = rng.random(len(bits)).astype(np.float32)
    after = stc.encode(bits, stc.rounded(costs), message)
    assert np.array_equal(stc.decode(after, len(message)), message)
    segments, length, _ = stc._layout(len(bits), len(message))
    assert segments == 5
    assert all((after != bits)[i * length : (i + 1) * length].any() for i in range(segments))


def test_prices_that_have_risen_far_are_taken_down():
    """Where every flip is as dear as can be, one lane soon reaches what 16 bits hold; another has hardly begun."""
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2, 2 * stc.SEGMENT).astype(np.uint8)
    message = rng.integers(0, 2, len(bits) // 4).astype(np.uint8)
    costs = np.concatenate([np.full(stc.SEGMENT, 1000.0), rng.random(stc.SEGMENT)]).astype(np.float32)
    costs[rng.random(len(costs)) < 0.2] = np.inf
    after = stc.encode(bits, stc.rounded(costs), message)
    assert np.array_equal(stc.decode(after, len(message)), message)
    assert np.isfinite(costs[after != bits]).all()
    flips = (after != bits).reshape(2, -1).sum(axis=1)
    assert flips[0] < flips[1]  # all costs alike: as few as can be


def test_wet_bits_stay():
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2, 4000).astype(np.uint8)
    wet = rng.random(len(bits)) < 0.7
    costs = np.where(wet, np.inf, 1).astype(np.float32)
    message = rng.integers(0, 2, 300).astype(np.uint8)
    after = stc.encode(bits, stc.rounded(costs), message)
    assert np.array_equal(stc.decode(after, len(message)), message)
    assert np.array_equal(after[wet], bits[wet])


def test_what_cannot_be_carried_is_refused():
    bits, wet = np.zeros(100, np.uint8), stc.rounded(np.full(100, np.inf, np.float32))
    assert stc.encode(bits, wet, np.ones(10, np.uint8)) is None
    assert np.array_equal(stc.encode(bits, wet, np.zeros(10, np.uint8)), bits)
    assert stc.encode(bits, np.ones(100, np.int16), np.ones(101, np.uint8)) is None


def test_an_empty_message_changes_nothing():
    bits = np.ones(10, np.uint8)
    assert np.array_equal(stc.encode(bits, np.ones(10, np.int16), np.zeros(0, np.uint8)), bits)
    assert len(stc.decode(bits, 0)) == 0
