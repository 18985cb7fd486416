"""Distances between host and container, and the strength of colours."""

from __future__ import annotations

import math

import numpy as np
import pytest

from photos import crop
from stegcinn.evaluation.metrics.fidelity import chroma_energy, colourfulness, fidelity


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return crop("astronaut", 128, 128, 100, 150)


def test_an_image_and_itself(photo) -> None:
    same = fidelity(photo, photo.copy())
    assert (same.psnr, same.ssim, same.ciede2000, same.changed) == (math.inf, pytest.approx(1), 0, 0)


def test_psnr_by_hand(photo) -> None:
    host = np.clip(photo, 10, 245)
    changed = host.copy()
    changed[:64, :, 1] += 2
    result = fidelity(host, changed)
    assert result.psnr == pytest.approx(10 * math.log10(255**2 / (4 / 6)))
    assert result.changed == 0.5


def test_a_known_colour_difference() -> None:
    """Pure red against pure green in sRGB: CIEDE2000 of 86.61 (the published formula on their Lab values)."""
    red, green = (np.zeros((16, 16, 3), np.uint8) for _ in range(2))
    red[..., 0] = green[..., 1] = 255
    assert fidelity(red, green).ciede2000 == pytest.approx(86.61, abs=0.05)


def test_more_noise_is_further_away(photo) -> None:
    rng = np.random.default_rng(0)
    results = [
        fidelity(photo, np.clip(photo + rng.normal(0, noise, photo.shape), 0, 255).astype(np.uint8))
        for noise in (2, 8, 32)
    ]
    assert results[0].psnr > results[1].psnr > results[2].psnr
    assert 1 > results[0].ssim > results[1].ssim > results[2].ssim
    assert results[0].ciede2000 < results[1].ciede2000 < results[2].ciede2000


def test_only_images_of_one_size(photo) -> None:
    with pytest.raises(ValueError, match="alike"):
        fidelity(photo, photo[:-1])


def test_colourfulness() -> None:
    """Half red, half blue: rg is +-127.5 about 127.5, yb 127.5 and -255, by equation 2 of the paper."""
    image = np.zeros((8, 8, 3), np.uint8)
    image[:4, :, 0] = image[4:, :, 2] = 255
    expected = math.hypot(127.5, 191.25) + 0.3 * math.hypot(127.5, 63.75)
    assert colourfulness(image) == pytest.approx(expected)
    assert colourfulness(np.repeat(image[..., :1], 3, -1)) == 0


def test_chroma_energy_sees_fine_colours_only() -> None:
    rng = np.random.default_rng(0)
    gray = np.repeat(rng.integers(0, 256, (32, 32, 1)), 3, -1).astype(np.uint8)
    coarse = rng.integers(0, 256, (16, 16, 3)).repeat(2, 0).repeat(2, 1).astype(np.uint8)
    assert chroma_energy(gray) == pytest.approx(0, abs=1e-9)
    assert chroma_energy(coarse) == pytest.approx(0, abs=1e-9)
    assert chroma_energy(coarse[:31, :29]) == pytest.approx(0, abs=1e-9)  # an odd row and column are left out
    checks = np.full((32, 32, 3), 100, np.uint8)
    checks[::2, ::2, 2] = checks[1::2, 1::2, 2] = 120  # blue +-10 about its mean: Cb +-10 * 0.886 / 1.772
    expected = math.sqrt((5.0**2 + (10 * 0.114 / 1.402) ** 2) / 2)
    assert chroma_energy(checks) == pytest.approx(expected)
