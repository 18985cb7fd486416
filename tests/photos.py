"""Photos that come with scikit-image, cut for the tests."""

from __future__ import annotations

import numpy as np
from PIL import Image
from skimage import data

from stegcinn.runtime.arrays import UInt8


def crop(name: str, height: int, width: int, top: int = 0, left: int = 0) -> UInt8:
    """A part of the photo called `name` at camera resolution, (height, width, 3)."""
    return np.ascontiguousarray(getattr(data, name)()[top : top + height, left : left + width])


def resized(name: str, height: int, width: int) -> UInt8:
    """The whole photo called `name` at another size, (height, width, 3)."""
    image = Image.fromarray(getattr(data, name)())
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def rough(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Noise whose strength grows to the right."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(1, 40, shape[1]).reshape(1, -1, *([1] * (len(shape) - 2)))
    return np.clip(128 + slope * rng.standard_normal(shape), 0, 255).astype(np.uint8)
