"""What `stealth` expects at each pixel of a host, on the released network."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop
from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.base import silent
from stegcinn.codecs.stealth import noise
from stegcinn.codecs.stealth.moves import MOVES, PULL, STAY
from stegcinn.codecs.stealth.noise import EXPECTED, Host, NoiseModel
from stegcinn.coding.labels import NATS
from stegcinn.colourmodel import mixture
from stegcinn.runtime.weights import release


@pytest.fixture(scope="module")
def model() -> NoiseModel:
    return NoiseModel(release("noise-1"))


def photo(height: int, width: int) -> np.ndarray:
    return crop("chelsea", height, width, 20, 60)


def host(model: NoiseModel, rgb: np.ndarray) -> Host:
    return Host.of(model, rgb, luma_of(rgb), silent)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 129), (67, 69), (150, 71)])
def test_every_pixel_is_expected(model, shape):
    rgb = photo(*shape)
    told: list[float] = []
    expected = model.expected(rgb, luma_of(rgb), told.append)
    assert (expected.shape, expected.dtype) == ((*shape, EXPECTED), np.int8)
    assert told[-1] == 1
    every = host(model, rgb)
    assert len(every) == every.free == shape[0] * shape[1]
    assert 200**noise.POWER < every.prices.min() <= every.prices.max() <= 1.01 * noise.LEAST**noise.POWER
    pixels = every.taken(np.arange(len(every)))
    assert pixels.reluctance.shape == (len(every), len(MOVES))
    assert not pixels.reluctance[:, STAY].any()


def test_tiles_make_no_difference(model, monkeypatch):
    """But for what rounding makes of sums in another order."""
    rgb = photo(100, 150)
    whole = model.expected(rgb, luma_of(rgb), silent).astype(int)
    monkeypatch.setattr(noise, "TILE", 41)
    parts = model.expected(rgb, luma_of(rgb), silent)
    assert np.abs(whole - parts).max() <= 1
    assert (whole == parts).mean() > 0.999


def test_a_pixel_is_expected_to_be_what_it_is_whatever_it_is(model):
    """Its own colours tell how far it is from what is expected, and nothing else."""
    rgb = photo(64, 64)
    other = rgb.copy()
    other[30, 30, 0] += 9
    other[30, 30, 2] -= 7
    y = luma_of(rgb)
    before, after = (model.expected(each, y, silent)[30, 30].astype(int) for each in (rgb, other))
    scales = [noise.SCALE_R, noise.SCALE_B, noise.FOLLOWS, noise.OFFSET_G, noise.SCALE_G]
    assert np.array_equal(before[scales], after[scales])
    assert after[noise.OFF_R] - before[noise.OFF_R] == 72
    follows = before[noise.FOLLOWS] / mixture.SLOPE_UNIT
    assert after[noise.OFF_B] - before[noise.OFF_B] == pytest.approx(-56 - 72 * follows, abs=1.01)
    assert not np.array_equal(model.expected(rgb, y, silent), model.expected(other, y, silent))  # those around it


def test_colours_are_likelier_where_they_are_expected(model):
    """Reluctance is the logarithm of a ratio of chances: moves towards the expected colour have less than none."""
    rgb = photo(128, 128)
    every = host(model, rgb)
    pixels = every.taken(np.arange(len(every)))
    red = every.expected[:, noise.OFF_R].astype(int)
    up = np.flatnonzero((MOVES[:, 0] == 1) & (MOVES[:, 2] == 0))
    possible = pixels.reluctance[:, up] < 127
    cost = np.where(possible, pixels.reluctance[:, up], 127).min(axis=1)
    there = possible.any(axis=1)
    far = np.abs(red) > 4
    assert (np.sign(cost) == np.sign(red))[there & far].mean() > 0.75


def test_scales_are_fitted_to_what_is_seen():
    rng = np.random.default_rng(0)
    distance = np.arange(-128, 128) / 8
    table = np.stack([-np.abs(distance) / s - np.log(s) for s in mixture.scales()])
    table = np.rint(100 * table.clip(-300, 300)).astype(np.int16)
    index = rng.integers(50, 100, 20_000)
    seen = rng.laplace(0, mixture.scales()[index + 24])  # twice as far as was expected
    away = np.clip(np.rint(8 * seen), -100, 100).astype(int) + 128
    assert np.array_equal(noise.fitted(table, index, (away,))[80], table[104])


def test_noise_is_where_the_noise_is(model):
    rgb = crop("astronaut", 128, 128)
    noisy = rgb.copy()
    noise_added = np.random.default_rng(0).integers(-12, 13, (64, 128, 3))
    noisy[64:] = np.clip(noisy[64:] + noise_added, 0, 255)
    calm, loud = (host(model, each).prices.reshape(128, 128, 2).astype(float) for each in (rgb, noisy))
    assert (loud[75:].mean(axis=(0, 1)) < calm[75:].mean(axis=(0, 1)) / 2).all()
    assert loud[:40] == pytest.approx(calm[:40])  # far away nothing changes


def test_green_costs_what_red_and_blue_do(model):
    """A change of it shows in its differences to both."""
    prices = host(model, photo(64, 64)).taken(np.arange(64 * 64)).prices
    assert np.array_equal(prices[:, 1], prices[:, 0] + prices[:, 2])


def test_reluctance_is_at_most_a_nat_of_cost(model):
    reluctance = host(model, photo(64, 64)).taken(np.arange(64 * 64)).reluctance
    assert reluctance.max() == -reluctance.min() == noise.MOST
    assert 0.98 < noise.MOST * PULL / NATS < 1.02  # nats


@pytest.mark.parametrize("strip", [1, 3, 32])
def test_prices_are_means_over_seven_by_seven(monkeypatch, strip):
    monkeypatch.setattr(noise, "STRIP", strip)
    rng = np.random.default_rng(2)
    expected = rng.integers(-128, 128, (9, 11, EXPECTED)).astype(np.int8)
    found = noise.prices(expected, rng.integers(0, 256, (9, 11, 3), np.uint8))
    levels = np.maximum(mixture.scales()[expected[..., noise.SCALE_R : noise.SCALE_B + 1].astype(int) + 128], 0.15)
    each = levels**noise.POWER
    assert found[4, 5] == pytest.approx(each[1:8, 2:9].mean(axis=(0, 1)), rel=1e-3)
    corner = [0, 0, 0, 0, 1, 2, 3]
    assert found[0, 0] == pytest.approx(each[np.ix_(corner, corner)].mean(axis=(0, 1)), rel=1e-3)


@pytest.mark.parametrize("strip", [1, 3, 32])
def test_pixels_with_the_colour_of_all_around_them_stay(monkeypatch, strip):
    monkeypatch.setattr(noise, "STRIP", strip)
    rgb, nothing = np.full((8, 9, 3), 7, np.uint8), np.zeros((8, 9, EXPECTED), np.int8)
    assert np.isinf(noise.prices(nothing, rgb)).all()
    rgb[3, 4, 1] = 8
    may_move = [(y, x) for y in (2, 3, 4) for x in (3, 4, 5)]
    assert np.array_equal(np.argwhere(np.isfinite(noise.prices(nothing, rgb)[..., 0])), may_move)


def test_costs_at_places_are_those_of_all(model):
    rgb = photo(64, 80)
    every = host(model, rgb)
    places = np.random.default_rng(0).permutation(len(every)).astype(np.uint32)
    assert np.array_equal(every.costs(3.0)[places], every.costs(3.0, places))
    some = every.where(np.arange(len(every)) % 3 == 0)
    assert np.array_equal(some.costs(3.0), every.costs(3.0)[::3])
