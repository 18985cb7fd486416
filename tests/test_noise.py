"""Predicted noise, on the released colour model."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data as skimage_data

from stegcinn import mixture, noise
from stegcinn.colourmodel import ColourModel
from stegcinn.runtime import release


@pytest.fixture(scope="module")
def model() -> ColourModel:
    return ColourModel(release("exact-1"))


def test_constants_of_the_kernel():
    assert (noise.K, noise.SCALE) == (mixture.K, mixture.SCALE)


def test_scale_is_the_geometric_mean_of_a_mixture():
    parameters = np.random.default_rng(3).integers(0, 256, (12, 5, 4), dtype=np.uint8)
    out = np.empty((5, 4), np.float32)
    noise._compiled_scale()(parameters, noise._LOG_SCALES, noise._WEIGHTS, out)
    weights = mixture.weights()[parameters[:3]].astype(float)
    expected = np.exp((weights * np.log(mixture.scales()[parameters[9:]])).sum(axis=0) / weights.sum(axis=0))
    assert out == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 65), (67, 69), (300, 71)])
def test_every_pixel_has_two_scales(model, shape):
    rgb = np.ascontiguousarray(skimage_data.chelsea()[: shape[0], : shape[1]])
    scales = noise.scales(model, rgb)
    assert scales.shape == (2, *shape)
    assert scales.dtype == np.float32
    assert (scales >= noise.LEAST).all()
    assert scales.max() < 96


def test_noise_is_where_the_noise_is(model):
    rgb = np.ascontiguousarray(skimage_data.astronaut()[:128, :128])
    noisy = rgb.copy()
    noise_added = np.random.default_rng(0).integers(-12, 13, (64, 128, 3))
    noisy[64:] = np.clip(noisy[64:] + noise_added, 0, 255)
    calm, loud = noise.scales(model, rgb), noise.scales(model, noisy)
    assert (loud[:, 70:].mean(axis=(1, 2)) > 2 * calm[:, 70:].mean(axis=(1, 2))).all()
    assert loud[:, :50] == pytest.approx(calm[:, :50])  # far away nothing changes


def test_first_pixels_of_cells_are_like_their_neighbours():
    planes = np.random.default_rng(1).random((2, 5, 7)).astype(np.float32)
    mean = noise._mean_of_others(planes)
    assert mean.shape == (2, 3, 4)
    assert mean[0, 0, 0] == pytest.approx(planes[0, [0, 1, 1], [1, 0, 1]].mean())
    assert mean[1, 2, 3] == pytest.approx(planes[1, [4, 3, 3], [5, 6, 5]].mean())  # past the edge: mirrored


def test_smoothing_is_a_mean_of_nine():
    planes = np.random.default_rng(2).random((2, 6, 8)).astype(np.float32)
    smooth = noise._smoothed(planes)
    assert smooth[1, 3, 4] == pytest.approx(planes[1, 2:5, 3:6].mean())
    assert smooth[0, 0, 0] == pytest.approx(planes[0][np.ix_([0, 0, 1], [0, 0, 1])].mean())


def test_flat_pixels_have_the_colour_of_all_around_them():
    rgb = np.full((8, 9, 3), 7, np.uint8)
    assert noise.flat(rgb).all()
    rgb[3, 4, 1] = 8
    assert np.array_equal(np.argwhere(~noise.flat(rgb)), [(y, x) for y in (2, 3, 4) for x in (3, 4, 5)])
