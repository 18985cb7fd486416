"""Arrays that compiled loops may be given: any strides, and numbers of all sizes."""

from __future__ import annotations

import numpy as np


def strided(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """The same values with other strides: axes in another order, every second element, backwards."""
    order = rng.permutation(array.ndim)
    steps = rng.choice([-2, -1, 1, 2], array.ndim)
    around = np.zeros([abs(step) * size for step, size in zip(steps, array.shape, strict=True)], array.dtype)
    around = np.ascontiguousarray(around.transpose(order)).transpose(np.argsort(order))
    view = around[tuple(slice(None, None, step) for step in steps)]
    view[...] = array
    return view


def extreme(rng: np.random.Generator, shape: tuple[int, ...], kind: type[np.integer]) -> np.ndarray:
    """Whole numbers of all sizes, limits among them."""
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    wide = rng.integers(low, high, shape, kind, endpoint=True)
    narrow = rng.integers(max(low, -3), 4, shape, kind)
    return np.choose(rng.integers(0, 4, shape), [wide, narrow, np.full(shape, low, kind), np.full(shape, high, kind)])
