"""The code against loss: values of one polynomial, whichever of them are lost, against plain interpolation."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.sealing import erasure
from stegcinn.sealing.erasure import BITS, MOST, POLYNOMIAL, recovered


def times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a * (b & 1)
        a <<= 1
        a ^= POLYNOMIAL * (a >> BITS)
        b >>= 1
    return product


def inverse(a: int) -> int:
    product = 1
    for _ in range(BITS - 1):
        a = times(a, a)
        product = times(product, a)
    return product


def interpolated(points: list[int], values: list[int], at: int) -> int:
    """Lagrange's way."""
    total = 0
    for p, value in zip(points, values, strict=True):
        above, below = value, 1
        for q in points:
            if q != p:
                above, below = times(above, at ^ q), times(below, p ^ q)
        total ^= times(above, inverse(below))
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(0, 40), st.integers(1, 3), st.integers(0, 2**32))
def test_symbols_are_values_of_one_polynomial_and_any_enough_of_them_give_all(source, more, words, seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, MOST, (source, words)).astype(np.uint16)
    others = np.arange(source, source + more)
    every = np.concatenate([first, recovered(np.arange(source), first, others, source)])
    points = list(range(source))
    for at in rng.permutation(others)[:3].tolist():
        assert every[at].tolist() == [interpolated(points, first[:, w].tolist(), at) for w in range(words)]
    kept = rng.permutation(source + more)[: rng.integers(source, source + more + 1)]
    lost = np.setdiff1d(np.arange(source + more), kept)
    assert np.array_equal(recovered(kept, every[kept], lost, source), every[lost])


def test_zeros_stay_zeros_and_columns_are_alone():
    first = np.zeros((5, 3), np.uint16)
    first[:, 1] = 7
    every = recovered(np.arange(5), first, np.arange(5, 90), 5)
    assert np.array_equal(every, np.broadcast_to([0, 7, 0], (85, 3)))


def test_columns_are_transformed_in_parts(monkeypatch):
    first = np.random.default_rng(0).integers(0, MOST, (9, 50)).astype(np.uint16)
    whole = recovered(np.arange(9), first, np.arange(9, 40), 9)
    monkeypatch.setattr(erasure, "_PART", 64 * 7)
    assert np.array_equal(recovered(np.arange(9), first, np.arange(9, 40), 9), whole)


def test_too_few_symbols_are_refused():
    symbols = np.zeros((4, 1), np.uint16)
    with pytest.raises(ValueError, match="4 symbols do not determine 5"):
        recovered(np.arange(4), symbols, np.array([9]), 5)


def test_ten_megabytes_in_all_the_symbols_there_are():
    """Seconds, not minutes; and the last place is one."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, MOST, (52_000, 97)).astype(np.uint16)
    started = time.process_time()
    others = recovered(np.arange(52_000), first, np.arange(52_000, MOST), 52_000)
    assert time.process_time() - started < 20
    kept = np.concatenate([first, others])
    chosen = rng.permutation(MOST)[:52_000]
    lost = np.setdiff1d(np.arange(52_000), chosen)
    assert np.array_equal(recovered(chosen, kept[chosen], lost, 52_000), first[lost])
