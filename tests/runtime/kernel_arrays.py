"""What compiled loops are given, arrays of any strides and numbers of all sizes; and a loop that has no caller yet."""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.native import Kernel

TERNARY = Kernel("ternary_costs", "i2 u4 f4 i1 u1 n n f f f f u1!")


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
