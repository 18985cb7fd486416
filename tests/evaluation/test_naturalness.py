"""Our own measure of how natural colours are."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop
from stegcinn.evaluation.metrics import naturalness
from stegcinn.evaluation.metrics.naturalness import features

PHOTOS = [crop("astronaut", 128, 128, 100, 100), crop("chelsea", 128, 128, 80, 150), crop("coffee", 128, 128, 150, 250)]


def colour_noise(rgb: np.ndarray, strength: float) -> np.ndarray:
    """With the luma kept, but for rounding."""
    noise = np.random.default_rng(0).normal(0, strength, rgb.shape)
    noise -= (noise @ np.array([0.299, 0.587, 0.114]))[..., None]
    return np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)


def test_what_is_done_to_the_colours_alone_is_seen() -> None:
    for rgb in PHOTOS:
        scores = [naturalness.naturalness(colour_noise(rgb, strength)) for strength in (0, 4, 12)]
        assert scores[0] + 1 < scores[1] < scores[2]


def test_known_answers() -> None:
    """As computed when the measure was made: figures of later releases are to be compared with earlier ones."""
    found = [naturalness.naturalness(rgb) for rgb in PHOTOS]
    assert found == pytest.approx([6.268, 4.991, 4.976], abs=0.01)


def test_the_average_photo_is_as_natural_as_can_be(monkeypatch) -> None:
    model = naturalness.released()
    monkeypatch.setattr(naturalness, "features", lambda rgb: np.tile(model.mean, (4, 1)))
    assert naturalness.naturalness(PHOTOS[0]) == 0


def test_the_distance_is_that_of_niqe(monkeypatch) -> None:
    """Equation (10): both covariances are averaged."""
    found = np.random.default_rng(0).normal(0, 1, (9, naturalness.FEATURES))
    monkeypatch.setattr(naturalness, "features", lambda rgb: found)
    model = naturalness.released()
    apart = found.mean(0) - model.mean
    inverse = np.linalg.inv((model.covariance + np.cov(found.T, bias=True)) / 2)
    assert naturalness.naturalness(PHOTOS[0]) == pytest.approx(np.sqrt(apart @ inverse @ apart))


def test_the_model_is_whole() -> None:
    model = naturalness.released()
    assert model.mean.shape == (naturalness.FEATURES,)
    assert np.array_equal(model.covariance, model.covariance.T)
    assert np.linalg.eigvalsh(model.covariance).min() > 0


def test_features_of_what_is_known() -> None:
    """White noise, as strong in all three opponents, which then are independent of each other: Gaussian residuals,
    no correlation of neighbours and planes, and colours as strong as luma."""
    rng = np.random.default_rng(0)
    mixing = np.array([[0.299, 0.587, 0.114], [1, -1, 0], [0.5, 0.5, -1]])
    planes = 10 * rng.standard_normal((256, 256, 3))
    rgb = np.clip(np.rint(128 + planes @ np.linalg.inv(mixing).T), 0, 255).astype(np.uint8)
    found = features(rgb)
    assert found.shape == (64, 34)
    shapes, strengths, down, along, beside, together = np.split(found.mean(0)[:17], (3, 6, 9, 12, 14))
    assert shapes == pytest.approx(2.5, abs=0.6)  # normalised by themselves, residuals have thinner tails
    assert strengths == pytest.approx(strengths.mean(), rel=0.05)
    assert np.abs([*down, *along]).max() < 0.15
    assert np.abs([*beside, *together]).max() < 0.05


def test_patches_and_their_sharpness() -> None:
    rgb = np.full((64, 96, 3), 100, np.uint8)
    rgb[:32, 64:] = crop("coffee", 32, 32, 150, 250)
    sharp = naturalness.sharpness(rgb)
    assert sharp.shape == (6,)
    assert sharp.argmax() == 2
    assert sharp[3] == pytest.approx(0, abs=1e-3)
    assert np.isfinite(features(rgb)).all()
    with pytest.raises(ValueError, match="at least 32x32"):
        features(rgb[:31])


def test_shapes_of_generalised_gaussians() -> None:
    """Laplace 1, Gauss 2: the mean size squared over the mean square is 1/2 and 2/pi."""
    shapes, curve = naturalness._curve()
    assert (np.diff(curve) > 0).all()
    assert np.interp([0.5, 2 / np.pi], curve, shapes) == pytest.approx([1, 2], abs=1e-3)
