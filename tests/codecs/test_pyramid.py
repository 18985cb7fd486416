"""Haar pyramid: it loses nothing, details are orthonormal, and a condition tells each scale what it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.codecs.cinn.pyramid import CHROMA_UNIT, CONDITION, DETAILS, LumaPyramid, merge, split

# channels of a condition
MEAN, BANDS, FINE, DARK, LIGHT, CHROMA, NOISE = 0, slice(1, 4), 4, 5, 6, slice(7, 9), 9


def flat(value, shape=(1, 32, 32)):
    return np.full(shape, value, np.float32)


def condition(luma, level, levels=3, noise=1.0, chroma=None):
    pyramid = LumaPyramid(luma, levels)
    if chroma is None:
        mean, _, _ = pyramid.levels[level - 1]
        chroma = np.zeros((*mean.shape[:-3], 2, *mean.shape[-2:]), np.float32)
    return pyramid.condition(level, chroma, noise)


# -- split and merge


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.sampled_from([(), (2,), (2, 3)]), st.integers(0, 99))
def test_merge_undoes_split(channels, h, w, batch, seed):
    # integers are exact in float32 all the way
    plane = np.random.default_rng(seed).integers(0, 256, (*batch, channels, 2 * h, 2 * w)).astype(np.float32)
    mean, details = split(plane)
    assert mean.shape == (*batch, channels, h, w)
    assert details.shape == (*batch, 3 * channels, h, w)
    merged = merge(mean, details)
    assert merged.dtype == np.float32
    np.testing.assert_array_equal(merged, plane)


def test_split_undoes_merge():
    rng = np.random.default_rng(1)
    mean = rng.normal(0, 50, (2, 8, 8)).astype(np.float32)
    details = rng.normal(0, 20, (DETAILS, 8, 8)).astype(np.float32)
    mean_back, details_back = split(merge(mean, details))
    np.testing.assert_allclose(mean_back, mean, atol=1e-4)
    np.testing.assert_allclose(details_back, details, atol=1e-4)


def test_mean_is_the_mean_of_four():
    plane = np.random.default_rng(2).normal(0, 50, (2, 6, 8)).astype(np.float32)
    blocks = plane.reshape(2, 3, 2, 4, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(split(plane)[0], blocks, atol=1e-4)


def test_details_are_orthonormal():
    plane = np.random.default_rng(3).normal(0, 50, (2, 64, 64))
    mean, details = split(plane)
    # twice the mean is the fourth orthonormal band
    np.testing.assert_allclose((plane**2).sum(), 4 * (mean**2).sum() + (details**2).sum(), rtol=1e-6)
    # and every single detail has unit gain: white noise keeps its deviation
    deviations = details.std(axis=(1, 2))
    assert deviations.shape == (DETAILS,)
    np.testing.assert_allclose(deviations, 50, rtol=0.1)


def test_channels_stay_apart():
    plane = np.zeros((2, 4, 4), np.float32)
    plane[1, 0, 0] = 4
    mean, details = split(plane)
    assert not mean[0].any()
    assert not details[0::2].any()
    assert (details[1::2, 0, 0] == 2).all()


# -- conditions


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_condition_has_its_shape(batch, level):
    rng = np.random.default_rng(4)
    luma = rng.integers(0, 256, (*batch, 1, 16, 24)).astype(np.float32)
    noise = np.full((*batch, 1, 1, 1), 2, np.float32) if batch else 2.0
    chroma = rng.normal(0, 400, (*batch, 2, 16 >> level, 24 >> level)).astype(np.float32)
    c = condition(luma, level, noise=noise, chroma=chroma)
    assert c.shape == (*batch, CONDITION, 16 >> level, 24 >> level)
    assert c.dtype == np.float32
    assert np.isfinite(c).all()
    np.testing.assert_allclose(c[..., CHROMA, :, :] * CHROMA_UNIT, chroma, rtol=1e-5)


@pytest.mark.parametrize("value", [0, 100, 255])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_flat_photo_has_no_details(value, level):
    c = condition(flat(value), level)
    assert not c[BANDS].any()
    assert not c[FINE].any()
    for channel in c:
        assert np.ptp(channel) == 0


def test_brightness_is_told_and_so_are_black_and_white():
    black, gray, white = (condition(flat(v), 2)[:, 0, 0] for v in (0, 128, 255))
    assert black[MEAN] < gray[MEAN] < white[MEAN]
    assert black[DARK] == 1
    assert white[LIGHT] == 1
    assert max(black[LIGHT], white[DARK], gray[DARK], gray[LIGHT]) < 0.01


def test_bands_are_the_details_of_the_luma_at_the_level():
    luma = np.random.default_rng(5).integers(0, 256, (1, 16, 16)).astype(np.float32)
    mean, finest = split(luma)
    _, second = split(mean)
    np.testing.assert_allclose(condition(luma, 1)[BANDS] * 32, finest, rtol=1e-5)
    np.testing.assert_allclose(condition(luma, 2)[BANDS] * 32, second, rtol=1e-5)


def test_texture_below_a_level_is_told():
    checkers = flat(100)
    checkers[:, ::2, 1::2] = checkers[:, 1::2, ::2] = 160
    checkers[:, :, 16:] = 130  # the right half is flat
    assert not condition(checkers, 1)[FINE].any()  # nothing is below the finest level
    for level in (2, 3):
        fine = condition(checkers, level)[FINE]
        half = fine.shape[1] // 2
        assert (fine[:, :half] > 0.5).all()
        assert not fine[:, half:].any()
        assert not condition(checkers, level)[BANDS].any()


def test_noise_is_told_in_the_units_of_the_level():
    for level in (1, 2, 3):
        told = condition(flat(100), level, noise=3.0)[NOISE]
        # the mean of four has half the noise
        np.testing.assert_allclose(np.exp(told), 3.0 / 2 ** (level - 1), rtol=1e-5)


def test_noise_is_told_per_image():
    noise = np.array([0.5, 1, 3], np.float32).reshape(3, 1, 1, 1)
    told = condition(flat(100, (3, 1, 16, 16)), 2, noise=noise)[:, NOISE]
    np.testing.assert_allclose(np.exp(told), np.broadcast_to(noise[:, 0] / 2, told.shape), rtol=1e-5)


def test_a_condition_looks_no_further_than_its_own_block():
    # tiles on both sides see the same: nothing of a condition crosses the borders of its lattice point
    luma = np.random.default_rng(6).integers(0, 256, (1, 32, 32)).astype(np.float32)
    for level in (1, 2, 3):
        whole = condition(luma, level)
        part = condition(luma[:, 16:, :16], level)
        np.testing.assert_array_equal(part, whole[:, whole.shape[1] // 2 :, : whole.shape[2] // 2])
