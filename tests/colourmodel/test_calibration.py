"""Calibration: a few bytes that move scales, and the search for them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stegcinn.colourmodel import calibration, mixture
from stegcinn.colourmodel.calibration import COARSE_SHIFTS, FINE_STEPS, KNOTS, LEVELS, SIZE, Calibration, fit

SHIFTS = st.lists(st.integers(-128, 127), min_size=len(KNOTS), max_size=len(KNOTS))
SHAPE = LEVELS, mixture.SYMBOLS, len(KNOTS)


def of(knots: list[int], level: int = 0, symbol: int = 0) -> Calibration:
    """A calibration of one symbol at one level."""
    shifts = np.zeros(SHAPE, np.int8)
    shifts[level, symbol] = knots
    return Calibration(shifts)


def test_none_changes_nothing():
    for level in range(4):
        lookup = Calibration.none().lookup(level)
        assert lookup.dtype == np.uint8
        assert np.array_equal(lookup, [np.arange(256)] * mixture.SYMBOLS)


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_any_bytes_are_a_calibration(data):
    found = Calibration.from_bytes(data)
    assert found.shifts.shape == SHAPE
    assert found.shifts.dtype == np.int8
    assert found.to_bytes() == data
    assert Calibration.from_bytes(found.to_bytes()).to_bytes() == data
    for level in range(LEVELS + 1):
        assert found.lookup(level).shape == (mixture.SYMBOLS, 256)


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="reshape"):
        Calibration.from_bytes(bytes(size))


def test_bytes_go_by_level_symbol_and_knot():
    data = bytes(range(SIZE))
    assert SIZE == 2 * 3 * 6
    assert Calibration.from_bytes(data).shifts[1, 2, 3] == (1 * 3 + 2) * 6 + 3
    assert Calibration.from_bytes(b"\xff" * SIZE).shifts.max() == -1


@given(SHIFTS)
def test_between_knots_is_the_exact_mean_rounded_down(knots):
    lookup = of(knots).lookup(0)[0]
    for index in range(256):
        if index <= KNOTS[0]:
            shift = Fraction(knots[0])
        elif index >= KNOTS[-1]:
            shift = Fraction(knots[-1])
        else:
            right = next(i for i, knot in enumerate(KNOTS) if knot >= index)
            share = Fraction(index - KNOTS[right - 1], KNOTS[right] - KNOTS[right - 1])
            shift = (1 - share) * knots[right - 1] + share * knots[right]
        assert lookup[index] == min(max(index + shift.__floor__(), 0), 255)


@given(SHIFTS)
def test_knots_have_their_own_shift(knots):
    lookup = of(knots).lookup(0)[0].astype(int)
    for knot, shift in zip(KNOTS, knots, strict=True):
        assert lookup[knot] == min(max(knot + shift, 0), 255)


@pytest.mark.parametrize(("shift", "first", "last"), [(127, 127, 255), (-128, 0, 127), (1, 1, 255), (-1, 0, 254)])
def test_extreme_shifts_end_at_the_ends(shift, first, last):
    lookup = of([shift] * len(KNOTS)).lookup(0)[0]
    assert (lookup[0], lookup[-1]) == (first, last)
    assert (np.diff(lookup.astype(int)) >= 0).all()


def test_symbols_and_levels_have_their_own():
    plain = np.arange(256)
    for level in range(LEVELS):
        for symbol in range(mixture.SYMBOLS):
            moved = of([10] * len(KNOTS), level, symbol)
            for other in range(LEVELS + 2):
                lookup = moved.lookup(other)
                for row in range(mixture.SYMBOLS):
                    assert np.array_equal(lookup[row], plain) == ((other, row) != (level, symbol))


# -- the search


def code_length_towards(target: np.ndarray, calls: list[int] | None = None):
    """Bits that are least where the lookup is that of `target`, weighted towards usual scales."""
    wanted = Calibration(target.astype(np.int8))
    weight = np.exp(-(((np.arange(256) - 128) / 60.0) ** 2))

    def code_length(level, lookup):
        if calls is not None:
            calls.append(level)
        assert lookup.shape == (mixture.SYMBOLS, 256)
        assert lookup.dtype == np.uint8
        return (((lookup.astype(float) - wanted.lookup(level)) ** 2) * weight).sum(axis=1) + 1000

    return code_length


def test_a_uniform_shift_is_found():
    target = np.zeros(SHAPE, int)
    target[0, 0], target[0, 1], target[0, 2] = 24, -36, 0
    target[1, 0], target[1, 1], target[1, 2] = -60, 13, 50
    found = fit(code_length_towards(target)).shifts
    assert np.abs(found - target).max() <= 3  # the finest step


def test_shifts_that_change_with_the_scale_are_found():
    target = np.tile([30, 20, 5, -10, -20, -35], (LEVELS, mixture.SYMBOLS, 1))
    target[1] *= -1
    target[0, 2] = 0
    length = code_length_towards(target)
    found = fit(length)
    assert np.abs(found.shifts - target)[..., 1:-1].max() <= 6
    for level in range(LEVELS):
        left = length(level, found.lookup(level)) - 1000
        before = length(level, Calibration.none().lookup(level)) - 1000
        assert (left <= 0.1 * before).all()


def test_nothing_to_gain_changes_nothing():
    assert not fit(code_length_towards(np.zeros(SHAPE, int))).shifts.any()


def test_no_colours_at_all_is_a_calibration_as_well():
    found = fit(lambda level, lookup: np.zeros(mixture.SYMBOLS))
    assert found.shifts.dtype == np.int8
    assert np.abs(found.shifts.astype(int)).max() <= max(COARSE_SHIFTS) + sum(FINE_STEPS)


def test_shifts_stay_within_bounds():
    def louder(level, lookup):
        return -lookup.astype(float).sum(axis=1)

    found = fit(louder).shifts
    assert found.max() <= max(COARSE_SHIFTS) + sum(FINE_STEPS)
    assert found.min() > 60


def test_levels_are_fitted_apart_and_in_few_attempts():
    calls: list[int] = []
    fit(code_length_towards(np.zeros(SHAPE, int), calls))
    assert set(calls) == set(range(LEVELS))
    per_level = len(calibration.COARSE_SHIFTS) + 2 * len(calibration.FINE_STEPS) * len(KNOTS)
    assert len(calls) == LEVELS * per_level
