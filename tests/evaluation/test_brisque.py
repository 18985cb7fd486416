"""BRISQUE: features by their definition, the published model, known answers."""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from stegcinn.carriers.luma import luma_of
from stegcinn.evaluation.metrics import brisque as module
from stegcinn.evaluation.metrics.brisque import Regression, brisque, features

needs_model = pytest.mark.skipif(find_spec("brisque") is None, reason="the package brisque ships the model")


def generalised_gaussian(shape: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Of unit scale: the sign is fair, |x|**shape is gamma distributed."""
    return rng.choice([-1, 1], count) * rng.gamma(1 / shape, 1, count) ** (1 / shape)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_fits_find_the_shape_and_deviation_that_were_drawn(shape) -> None:
    x = generalised_gaussian(shape, 200_000, np.random.default_rng(0))
    fitted, left, right = module._fit(x)
    assert fitted == pytest.approx(shape, rel=0.03)
    deviation = math.sqrt(math.gamma(3 / shape) / math.gamma(1 / shape))
    assert (left, right) == (pytest.approx(deviation, rel=0.02), pytest.approx(deviation, rel=0.02))


def test_fits_see_a_lean() -> None:
    """Three times as wide to the left, where then three quarters of the values lie."""
    rng = np.random.default_rng(0)
    size = np.abs(generalised_gaussian(2, 200_000, rng))
    fitted, left, right = module._fit(np.where(rng.random(size.size) < 0.75, -3 * size, size))
    assert left / right == pytest.approx(3, rel=0.02)
    assert fitted == pytest.approx(2, rel=0.03)


def test_the_window_is_a_gaussian_of_seven() -> None:
    impulse = np.zeros((15, 15))
    impulse[7, 7] = 1
    blurred = module._blurred(impulse)
    assert blurred.sum() == pytest.approx(1)
    assert blurred[7, 8] / blurred[7, 7] == pytest.approx(math.exp(-0.5 / (7 / 6) ** 2))
    assert not blurred[:4].any()


def test_thirty_six_features_of_natural_photos_lie_in_the_models_range() -> None:
    found = features(luma_of(data.astronaut()))
    assert found.shape == (36,)
    assert (found >= np.array(module.LOW)).all()
    assert (found <= np.array(module.HIGH)).all()


def test_a_regression_by_hand() -> None:
    model = Regression(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([2.0, -1.0]), 0.5, 3.0)
    assert model(np.array([1.0, 1.0])) == pytest.approx(2 * math.exp(-1) - math.exp(-0.5) - 3)


@needs_model
@pytest.mark.parametrize(("name", "expected"), [("astronaut", 0.178), ("chelsea", -1.359), ("coffee", 2.490)])
def test_known_answers(name, expected) -> None:
    """LIBSVM's own prediction on these features with the published model gave the same to nine digits."""
    assert brisque(getattr(data, name)()) == pytest.approx(expected, abs=0.002)


@needs_model
def test_noise_and_blur_are_bad() -> None:
    photo = data.chelsea()
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 30, photo.shape), 0, 255).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(3)))
    assert brisque(photo) < 20 < min(brisque(noisy), brisque(blurred))


@needs_model
def test_colours_of_the_same_gray_make_no_difference() -> None:
    photo = data.chelsea()[:64, :64]
    y = luma_of(photo)
    gray = np.stack([y, y, y], -1)
    assert (luma_of(gray) == y).all()
    assert brisque(photo) == brisque(gray)


def test_images_it_is_not_defined_for() -> None:
    with pytest.raises(ValueError, match="at least"):
        features(np.zeros((31, 64), np.uint8))
    with pytest.raises(ValueError, match="flat"):
        features(np.full((64, 64), 7, np.uint8))


def test_without_the_model_the_package_is_named(monkeypatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(module, "distribution", missing)
    with pytest.raises(ModuleNotFoundError, match="needs the package brisque"):
        module._model_text()
