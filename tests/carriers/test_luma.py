"""Luma is Pillow's gray-scale, whatever the shape of the colours."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stegcinn.carriers.luma import LUMA_WEIGHTS, is_gray, luma_of

CORNERS = np.array(np.meshgrid(*[[0, 1, 127, 128, 254, 255]] * 3))


def test_luma_is_pillows_gray():
    rng = np.random.default_rng(1)
    edges = rng.choice(np.array([0, 1, 2, 3, 252, 253, 254, 255], np.uint8), (20_000, 3))
    colours = np.concatenate([rng.integers(0, 256, (200_000, 3), np.uint8), edges, CORNERS.reshape(3, -1).T])
    rgb = colours.astype(np.uint8)
    gray = np.asarray(Image.fromarray(rgb[None]).convert("L"))[0]
    assert luma_of(rgb).dtype == np.uint8
    np.testing.assert_array_equal(luma_of(rgb), gray)


def test_luma_takes_any_leading_shape():
    rgb = np.random.default_rng(2).integers(0, 256, (3, 5, 7, 3), np.uint8)
    assert luma_of(rgb).shape == (3, 5, 7)
    np.testing.assert_array_equal(luma_of(rgb)[1, 2, 3], luma_of(rgb[1, 2, 3]))


def test_luma_is_of_three_channels_of_bytes():
    for other in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match=r"channels|u1"):
            luma_of(other)


def test_gray_is_its_own_luma():
    gray = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=-1)
    assert sum(LUMA_WEIGHTS) == 1 << 16
    np.testing.assert_array_equal(luma_of(gray), gray[:, 0])
    assert is_gray(gray)
    for channel in range(3):
        almost = gray.copy()
        almost[7, channel] += 1
        assert not is_gray(almost)
