"""The colours of JPEG decoders: Pillow's own decoder is the witness."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data

from stegcinn.carriers.decoded import decodable, is_decoded


def decoded(rgb: np.ndarray, **options: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", **options)
    return np.array(Image.open(buffer).convert("RGB"))


@pytest.mark.parametrize("quality", [60, 90, 100])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_every_unclipped_colour_of_a_decoder_is_on_the_lattice(quality, subsampling):
    rgb = decoded(skimage_data.astronaut(), quality=quality, subsampling=subsampling)
    inside = ((rgb > 0) & (rgb < 255)).all(axis=-1)
    assert inside.any()
    assert np.array_equal(decodable(rgb), inside)
    assert is_decoded(rgb)


def test_other_photos_are_not_decoded():
    rgb = skimage_data.astronaut()
    assert not is_decoded(np.asarray(Image.fromarray(rgb).resize((300, 300))))
    assert not is_decoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def test_a_few_changed_pixels_are_not_decoded():
    rgb = decoded(skimage_data.astronaut(), quality=95)
    rgb[::10, ::3, 2] ^= 1
    assert not is_decoded(rgb)


def test_black_and_white_tell_nothing():
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[32:] = 255
    assert not is_decoded(rgb)


def test_gray_tells_nothing():
    gray = np.repeat(skimage_data.camera()[..., None], 3, axis=-1)
    assert not is_decoded(gray)
    gray[100:200, 100:200, 2] ^= 3
    assert not is_decoded(gray)
