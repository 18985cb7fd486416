"""Distributions: integer tables that any machine computes alike, and bounds that are exactly those of the luma."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from stegcinn.carriers.luma import luma_of
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.mixture import (
    LOGISTIC_REACH,
    LOGISTIC_UNIT,
    MASS,
    SCALE_MIN,
    SCALE_STEP,
    SLOPES,
    WEIGHT_STEP,
    WEIGHT_TOP,
    logistic,
    without_tails,
)
from stegcinn.runtime.weights import release

SHAPES = ((0.0, 3.0, 0.0), (2.0, 0.0, -3.0), (-1.0, 0.5, 2.0), (0.0, 0.0, 50.0))
MIDDLE = LOGISTIC_REACH * LOGISTIC_UNIT


def from_tie(value: Decimal) -> Decimal:
    """How far a value is from the nearest one that is half an integer."""
    return abs(value - value.to_integral_value(rounding="ROUND_FLOOR") - Decimal("0.5"))


# -- tables


def test_parameters_have_their_places():
    k = mixture.K
    places = [
        *(first + kind + i for first in (mixture.RED, mixture.BLUE)
          for kind in (mixture.LOGIT, mixture.FINE, mixture.COARSE, mixture.SCALE) for i in range(k)),
        mixture.SLOPE, mixture.GREEN, mixture.GREEN_SCALE,
    ]  # fmt: skip
    assert places == list(range(mixture.PARAMETERS))
    assert len(mixture.START) == mixture.PARAMETERS
    assert all(0 <= start <= 255 for start in mixture.START)


def test_scales_double_every_so_many_steps():
    scales = mixture.scales()
    assert scales[0] == SCALE_MIN
    np.testing.assert_allclose(scales[SCALE_STEP:], 2 * scales[:-SCALE_STEP])
    assert 90 < scales[255] < 100
    inverse = mixture.inverse_scales()
    assert inverse.dtype == np.int64
    assert (np.diff(inverse) < 0).all()
    # a distance of one scale, in 1/UNIT levels, is LOGISTIC_UNIT entries
    entries = 8 * scales * inverse / 2**mixture.SCALE_SHIFT
    np.testing.assert_allclose(entries, LOGISTIC_UNIT, rtol=1e-3)


def test_weights_halve_every_so_many_steps():
    weights = mixture.weights()
    assert weights.dtype == np.int64
    assert weights[255] == WEIGHT_TOP
    assert weights[255 - WEIGHT_STEP] == WEIGHT_TOP // 2
    assert (np.diff(weights) >= 0).all()
    assert weights[0] == 1


def test_rounded_tables_are_the_same_with_any_library():
    """No entry's real value is so near a half that a library's last bits could decide; here in 50 digits."""
    getcontext().prec = 50
    two = Decimal(2)
    inverse, weights = mixture.inverse_scales(), mixture.weights()
    for index in range(256):
        scale = Decimal("0.06") * two ** (Decimal(index) / SCALE_STEP)
        exact = Decimal(LOGISTIC_UNIT) / 8 / scale * 2**mixture.SCALE_SHIFT
        assert from_tie(exact) > Decimal("1e-6")
        assert int(inverse[index]) == int(exact.to_integral_value())
        exact = WEIGHT_TOP * two ** (Decimal(index - 255) / WEIGHT_STEP)
        assert from_tie(exact) > Decimal("1e-6")
        assert int(weights[index]) == max(1, int(exact.to_integral_value()))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_distribution_function_rises_from_nothing_to_all(shape):
    table = logistic(shape)
    assert table.dtype == np.int32
    assert len(table) == 2 * MIDDLE + 1
    assert (table[0], table[MIDDLE], table[-1]) == (0, MASS // 2, MASS)
    assert (np.diff(table) >= 0).all()
    assert np.abs(table + table[::-1] - MASS).max() <= 1  # symmetric, up to rounding
    share = np.exp(np.array(shape) - max(shape))
    share /= share.sum()
    for distance in (-3.0, -0.5, 1.0, 4.0):
        expected = sum(w * MASS / (1 + np.exp(-s * distance)) for w, s in zip(share, SLOPES, strict=True))
        assert abs(table[MIDDLE + int(distance * LOGISTIC_UNIT)] - expected) <= 0.5 + 1e-6


def test_steeper_shapes_have_lighter_tails():
    flat, usual, steep = (logistic(50.0 * np.eye(3)[i]) for i in range(3))
    at = MIDDLE - 2 * LOGISTIC_UNIT
    assert flat[at] > usual[at] > steep[at] > 0


def test_the_released_tables_can_be_coded_with():
    tables = release("exact-1").array("logistic.npy")
    assert tables.shape[1:] == (mixture.SYMBOLS, 2 * MIDDLE + 1)
    assert (tables[..., 0] == 0).all()
    assert (tables[..., -1] == MASS).all()
    assert (np.diff(tables, axis=-1) >= 0).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reach", [2.0, 6.0, 11.5])
def test_without_tails_only_tails_are_gone(shape, reach):
    table = logistic(shape)
    cut = without_tails(table, reach)
    assert cut.dtype == np.int32
    assert cut.shape == table.shape
    first, last = MIDDLE - round(reach * LOGISTIC_UNIT), MIDDLE + round(reach * LOGISTIC_UNIT)
    assert not cut[: first + 1].any()
    assert (cut[last:] == MASS).all()
    assert (np.diff(cut) >= 0).all()
    below, above = int(table[first]), int(table[last])
    for i in range(first, last + 1, 97):  # what is left has its proportions, in exact integers
        assert cut[i] == (int(table[i]) - below) * MASS // (above - below)
    assert abs(int(cut[MIDDLE]) - MASS // 2) <= 2
    assert 0 < cut[MIDDLE - LOGISTIC_UNIT] < cut[MIDDLE] < cut[MIDDLE + LOGISTIC_UNIT] < MASS


def test_cutting_at_the_very_end_changes_next_to_nothing():
    table = logistic(SHAPES[0])
    assert np.array_equal(without_tails(table, LOGISTIC_REACH), table)


# -- bounds


@pytest.fixture(scope="module")
def lumas() -> np.ndarray:
    """Luma of all colours: (256, 256, 256) by red, green, blue."""
    out = np.empty((256, 256, 256), np.uint8)
    rgb = np.zeros((256, 256, 3), np.uint8)
    rgb[..., 1], rgb[..., 2] = np.ogrid[:256, :256]
    for red in range(256):
        rgb[..., 0] = red
        out[red] = luma_of(rgb)
    return out


def test_red_bounds_are_those_of_all_colours(lumas):
    low, high = mixture.red_bounds()
    assert low.dtype == high.dtype == np.int32
    possible = np.zeros((256, 256), bool)
    for red in range(256):
        possible[np.unique(lumas[red]), red] = True
    assert np.array_equal(possible.argmax(axis=1), low)
    assert np.array_equal(255 - possible[:, ::-1].argmax(axis=1), high)
    assert np.array_equal(possible.sum(axis=1), high - low + 1)  # and all between


def test_one_or_two_greens_have_the_luma(lumas):
    """On this the third symbol rests: for every red and blue that a luma allows, one green or two, side by side."""
    for red in range(0, 256, 5):
        counts = np.zeros((256, 256), int)  # by blue, luma
        for green in range(256):
            counts[np.arange(256), lumas[red, green]] += 1
        assert counts.max() == 2
        steps = np.diff(lumas[red].astype(int), axis=0)
        assert steps.min() == 0  # the same luma twice ...
        assert steps.max() == 1  # ... and none left out
