"""JPEG files made of photos: what Pillow writes, and by how much rounding missed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import jpegs
from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.making import MAX_SIDE, RATIONAL, SAMPLINGS, UNIT, MadeJpeg, make
from stegcinn.carriers.photo import Photo
from stegcinn.errors import ImageError

WEIGHTS = np.array([[-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]])  # ITU-T T.871
SIZES = [(96, 96), (73, 90), (74, 90), (90, 74), (66, 130), (65, 65), (129, 71)]


def padded(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])), mode="edge")


def exact(rgb: np.ndarray, made: MadeJpeg, sampling: tuple[int, int]) -> list[np.ndarray]:
    """What quantisation rounded, plane by plane, block by block, in 64-bit floats: (rows, columns, 64) in steps."""
    across, down = sampling
    n = np.arange(8)
    basis = np.cos((2 * n[:, None] + 1) * n * np.pi / 16) * np.where(n, 0.5, 0.5**1.5)  # (sample, frequency)
    found = []
    for weights, plane in zip(WEIGHTS, made.file.chroma, strict=True):
        rows, columns = plane.visible.shape[:2]
        chroma = rgb @ weights
        chroma = padded(chroma, -(-len(rgb) // down) * down, 8 * across * columns)
        chroma = chroma.reshape(-1, down, 8 * columns, across).mean(axis=(1, 3))
        blocks = padded(chroma, 8 * rows, 8 * columns).reshape(rows, 8, columns, 8)
        spectra = np.einsum("yv,rycx,xu->rcvu", basis, blocks, basis).reshape(rows, columns, 64)
        found.append(spectra / plane.quantisation)
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_errors_are_what_rounding_missed(sampling, size):
    """At the edges, too, which libjpeg repeats."""
    rgb = jpegs.picture(*size)
    made = make(Photo(rgb), 85, sampling)
    assert made.file.data == jpegs.saved(rgb, quality=85, subsampling=SAMPLINGS[sampling])
    for wanted, plane, errors in zip(exact(rgb, made, sampling), made.file.chroma, made.errors, strict=True):
        assert errors.dtype == np.int8
        assert errors.shape == plane.visible.shape
        assert np.abs(errors).max() <= UNIT // 2
        missed = wanted - plane.visible
        expected = np.clip(missed, -0.5, 0.5)
        halves = np.zeros(expected.shape, np.bool_)  # not told where they come up all the time
        halves[..., RATIONAL] = errors[..., RATIONAL] == 0
        halves &= (np.abs(expected) >= 0.48) & np.isin(np.arange(64), RATIONAL)
        assert np.abs(np.where(halves, 0, expected) - errors / UNIT).max() < 0.51 / UNIT + 1e-3
        # libjpeg rounds samples before, so that some coefficients are another one's; few, at the edges as elsewhere
        for part in (missed, missed[-1], missed[:, -1]):
            assert (np.abs(part) > 0.55).mean() < 0.05


def test_a_profile_is_kept_and_what_is_not_seen_is_white():
    rgb = jpegs.picture(80, 72)
    alpha = np.full((72, 80), 255, np.uint8)
    alpha[:32], alpha[32:40] = 0, 51
    image = Image.fromarray(np.dstack([rgb, alpha]))
    image.info["icc_profile"] = b"0123456789abcdefRGB profile"
    made = make(Source(image).photo(), 90)
    white = rgb.copy()
    white[:32] = 255
    white[32:40] = np.rint(0.2 * rgb[32:40] + 0.8 * 255)
    assert made.file.data == jpegs.saved(white, quality=90, subsampling=2, icc_profile=image.info["icc_profile"])
    assert all(not plane.visible[:2].any() for plane in made.file.chroma)


def test_what_no_jpeg_can_hold_is_told():
    wide = np.zeros((64, MAX_SIDE, 3), np.uint8)
    assert make(Photo(wide)).file.width == MAX_SIDE
    with pytest.raises(ImageError, match="which no JPEG has; scale it down"):
        make(Photo(np.zeros((64, MAX_SIDE + 1, 3), np.uint8)))
