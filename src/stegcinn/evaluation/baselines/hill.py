"""HILL: Li, Wang, Huang, Li: *A New Cost Function for Spatial Image Steganography* (ICIP 2014)."""

from __future__ import annotations

import numpy as np

from stegcinn.evaluation.baselines import ternary
from stegcinn.runtime.arrays import Float64, UInt8

FIRST, SECOND = 3, 15  # sides of the two averages (section 3)
LEAST = 1e-10  # residual: a perfectly flat area costs at most 1e10


def cost(plane: UInt8) -> Float64:
    """Costs of changing each pixel of an (H, W) plane: 1 over the averaged high-pass residual, averaged again.

    Cost = (1 / (|X * KB| * L3)) * L15, equation (4); KB is the Ker-Boehme kernel, which is minus the second difference
    down the rows of the second difference along them. The plane is mirrored at its border.
    """
    x = np.pad(plane.astype(np.float64), 1, mode="symmetric")
    along = x[:, :-2] - 2 * x[:, 1:-1] + x[:, 2:]
    residual = np.abs(along[:-2] - 2 * along[1:-1] + along[2:])
    return _average(1 / np.maximum(_average(residual, FIRST), LEAST), SECOND)


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """HILL at the rate-distortion bound, `bpp` bits per pixel, in a gray (H, W) or colour (H, W, 3) image.

    In colour each channel is a plane of its own with a third of the load.
    """
    return ternary.embed_planes(image, bpp, rng, cost)


def _average(x: Float64, side: int) -> Float64:
    """Mean over side x side pixels, mirrored at the border."""
    reach = side // 2
    padded = np.pad(x, reach, mode="symmetric")
    rows = np.lib.stride_tricks.sliding_window_view(padded, side, axis=0).mean(-1)
    means: Float64 = np.lib.stride_tricks.sliding_window_view(rows, side, axis=1).mean(-1)
    return means
