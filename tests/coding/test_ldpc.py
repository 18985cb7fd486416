"""Error correction: graphs, encoding, and decoding near the promised margins."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stegcinn.coding import ldpc

RATE_LOW, RATE_HALF, RATE_HIGH = 3, 11, 27  # 0.2, 0.5, 0.9


def mixture(rng: np.random.Generator, bits: NDArray[np.uint8], noise: float) -> NDArray[np.float32]:
    """LLRs of antipodal symbols under noise of log-normal strength (median `noise`), a fiftieth of them erased."""
    sigma = noise * np.exp(0.5 * rng.standard_normal(bits.size))
    seen = 1.0 - 2.0 * bits + sigma * rng.standard_normal(bits.size)
    return np.where(rng.random(bits.size) < 0.02, 0, 2 * seen / sigma**2).astype(np.float32)


def at_margin(rng: np.random.Generator, plan: ldpc.Plan, bits: NDArray[np.uint8], extra: float) -> NDArray[np.float32]:
    """LLRs of a mixture whose information is what best_rate asks for plus `extra` bits per position."""
    goal = ldpc.required_information(plan.rate, plan.length) + extra
    low, high = 0.02, 20.0
    probe = np.zeros(20_000, np.uint8)
    for _ in range(25):
        middle = (low * high) ** 0.5
        held = ldpc.mutual_information(mixture(np.random.default_rng(0), probe, middle)) > goal
        low, high = (middle, high) if held else (low, middle)
    return mixture(rng, bits, low)


@pytest.mark.parametrize(
    ("positions", "rate"),
    [
        (2_000, RATE_LOW),
        (7_000, RATE_HALF),
        (15_000, RATE_HIGH),
        (64_800, RATE_HALF),
        (70_000, 19),
        (64_800, 0),
    ],
)
def test_round_trip_at_the_promised_margin(positions: int, rate: int) -> None:
    rng = np.random.default_rng(positions + rate)
    plan = ldpc.plan(positions, rate)
    bits = rng.integers(0, 2, plan.info_bits, dtype=np.uint8)
    found, ok = ldpc.decode(plan, at_margin(rng, plan, ldpc.encode(plan, bits), 0.003))
    assert ok.all()
    assert np.array_equal(found, bits)


def test_no_rate_decodes_beyond_its_capacity() -> None:
    rng = np.random.default_rng(1)
    plan = ldpc.plan(20_000, RATE_HALF)
    bits = rng.integers(0, 2, plan.info_bits, dtype=np.uint8)
    llr = at_margin(rng, plan, ldpc.encode(plan, bits), -0.12)
    assert ldpc.mutual_information(llr) < ldpc.RATES[RATE_HALF]
    assert not ldpc.decode(plan, llr, iterations=15)[1].any()


@pytest.mark.parametrize("rate", range(len(ldpc.RATES)))
def test_code_words_satisfy_every_check_and_carry_the_bits(rate: int) -> None:
    plan = ldpc.plan(5_000, rate)
    bits = np.random.default_rng(rate).integers(0, 2, plan.info_bits, dtype=np.uint8)
    word = ldpc.encode(plan, bits)
    checks, positions = ldpc.edges(plan)
    held = np.zeros(plan.length - plan.info, np.uint8)
    np.bitwise_xor.at(held, checks, word[positions])
    assert not held.any()
    assert np.array_equal(word[: plan.info], bits)
    assert len(np.unique(np.stack([checks, positions]), axis=1).T) == len(checks)  # no double edge
    assert np.ptp(np.bincount(checks)) <= 2  # even check weights; the staircase's first check has one edge less


@pytest.mark.slow
@pytest.mark.parametrize("rate", [RATE_LOW, RATE_HALF, 19, RATE_HIGH])
def test_long_graphs_have_no_four_cycles(rate: int) -> None:
    plan = ldpc.plan(64_800, rate)
    checks, positions = ldpc.edges(plan)
    order = np.argsort(positions, kind="stable")
    checks, positions = checks[order].astype(np.int64), positions[order]
    pairs = []
    for gap in range(1, int(np.bincount(positions).max())):
        same = positions[gap:] == positions[:-gap]
        low, high = checks[:-gap][same], checks[gap:][same]
        pairs.append(np.minimum(low, high) * plan.length + np.maximum(low, high))
    joined = np.concatenate(pairs)
    assert len(np.unique(joined)) == len(joined)


@pytest.mark.parametrize(
    ("positions", "rate", "digest"),
    [
        (2_000, RATE_LOW, "3d72319ecad1ea4f"),
        (64_800, RATE_HALF, "ea3418dc178ea8e9"),
        (130_000, RATE_HIGH, "f1abdee24a0521cc"),
    ],
)
def test_the_graph_is_pinned(positions: int, rate: int, digest: str) -> None:
    """The graph is part of the file format: a change here makes every existing container unreadable."""
    plan = ldpc.plan(positions, rate)
    bits = (np.arange(plan.info_bits, dtype=np.uint64) ** 2 // 7 % 2).astype(np.uint8)
    assert sha256(ldpc.encode(plan, bits).tobytes()).hexdigest()[:16] == digest


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0, RATE_HALF, len(ldpc.RATES) - 1])
def test_erased_and_random_input_is_never_ok(rate: int) -> None:
    plan = ldpc.plan(20_000, rate)
    rng = np.random.default_rng(rate)
    noise = (4 * rng.standard_normal(plan.used)).astype(np.float32)
    assert not ldpc.decode(plan, np.zeros(plan.used, np.float32))[1].any()
    assert not ldpc.decode(plan, np.full(plan.used, -0.0, np.float32))[1].any()
    assert not ldpc.decode(plan, noise, iterations=10)[1].any()


def test_two_code_words_that_fit_equally_are_not_ok() -> None:
    """Erase all that tells one code word from another: the zeros that remain satisfy every check, and are a guess."""
    plan = ldpc.plan(2_000, RATE_HIGH)
    bits = np.zeros(plan.info, np.uint8)
    bits[-1] = 1
    llr = np.where(ldpc.encode(plan, bits), 0, 15).astype(np.float32)
    assert not ldpc.decode(plan, llr)[1].any()
    llr[plan.info - 1] = 3  # one sign of which it is decides everything
    assert ldpc.decode(plan, llr)[1].all()


def test_only_the_damaged_word_fails() -> None:
    rng = np.random.default_rng(5)
    plan = ldpc.plan(3 * 64_800, RATE_HIGH)
    bits = rng.integers(0, 2, plan.info_bits, dtype=np.uint8)
    llr = ((1.0 - 2.0 * ldpc.encode(plan, bits)) * 6).astype(np.float32)
    llr[plan.length : plan.length + plan.length // 4] *= -1
    found, ok = ldpc.decode(plan, llr, iterations=10)
    assert ok.tolist() == [True, False, True]
    kept = np.repeat(ok, plan.info)
    assert np.array_equal(found[kept], bits[kept])


@settings(max_examples=40, deadline=None)
@given(
    positions=st.integers(1_920, 9_000),
    rate=st.integers(0, len(ldpc.RATES) - 1),
    flips=st.integers(0, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_few_flips_are_always_corrected(positions: int, rate: int, flips: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = ldpc.plan(positions, rate)
    bits = rng.integers(0, 2, plan.info_bits, dtype=np.uint8)
    llr = ((1.0 - 2.0 * ldpc.encode(plan, bits)) * 7).astype(np.float32)
    llr[rng.choice(plan.used, flips, replace=False)] *= np.float32(-0.3)
    found, ok = ldpc.decode(plan, llr)
    assert ok.all()
    assert np.array_equal(found, bits)


@given(positions=st.integers(0, 60_000_000), rate=st.integers(0, len(ldpc.RATES) - 1))
def test_plans_fit(positions: int, rate: int) -> None:
    plan = ldpc.plan(positions, rate)
    assert plan.used <= positions
    assert plan.info_bits == round(plan.used * ldpc.RATES[rate])
    assert plan.length <= ldpc.MAX_LENGTH
    if positions >= 1_920:
        assert plan.words
        assert positions - plan.used < plan.words * ldpc.BLOCKS + ldpc.BLOCKS


def test_best_rate() -> None:
    assert len(ldpc.RATES) < 32
    assert list(ldpc.RATES) == sorted(ldpc.RATES)
    assert ldpc.best_rate(0.9, 1_000) is None
    assert ldpc.best_rate(0.01, 10**6) is None
    assert ldpc.best_rate(0.0, 10**6) is None
    for positions in (2_000, 10_000, 10**6):
        chosen = [ldpc.best_rate(step / 100, positions) for step in range(101)]
        indices = [-1 if rate is None else rate for rate in chosen]
        assert indices == sorted(indices)
        assert indices[-1] > 20
        assert all(rate is None or ldpc.RATES[rate] < step / 100 for step, rate in enumerate(chosen))
    long, short = ldpc.best_rate(0.7, 64_800), ldpc.best_rate(0.7, 2_000)
    assert long is not None
    assert short is not None
    assert ldpc.RATES[long] >= 0.9 * 0.7
    assert short < long


def test_mutual_information_of_known_channels() -> None:
    assert ldpc.mutual_information(np.zeros(10, np.float32)) == 0
    assert ldpc.mutual_information(np.full(10, -80, np.float32)) == pytest.approx(1)
    flip = 0.11  # h2(0.11) is 0.49992
    assert ldpc.mutual_information(np.full(9, np.log(1 / flip - 1), np.float32)) == pytest.approx(0.50008, abs=1e-4)


def test_wrong_arguments_are_refused() -> None:
    plan = ldpc.plan(3_000, RATE_HALF)
    with pytest.raises(ValueError, match="bits"):
        ldpc.encode(plan, np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="LLRs"):
        ldpc.decode(plan, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="rate index 31"):
        ldpc.plan(3_000, 31)
    nothing = ldpc.plan(100, RATE_HALF)
    assert nothing.words == 0
    assert ldpc.encode(nothing, np.zeros(0, np.uint8)).size == 0
    assert ldpc.decode(nothing, np.zeros(0, np.float32))[1].size == 0
