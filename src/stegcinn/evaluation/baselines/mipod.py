"""MiPOD: Sedighi, Cogranne, Fridrich: *Content-Adaptive Steganography by Minimizing Statistical Detectability*
(TIFS 2016).

Pixels are Gaussian around what a filter makes of their surroundings; changes are made where they raise the power of the
best detector of such noise least.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import ternary
from stegcinn.runtime.arrays import Float64, UInt8

WIENER = 2  # pixels a side of the denoising filter's window (section V-A)
SIDE = 9  # pixels of the blocks that variances are estimated from (section V-A)
DEGREE = 9  # of the cosines fitted to a block: 45 of 81 (equation 26)
LEAST = 0.01  # variance (equation 27)
SMOOTHED = 7  # pixels a side over which the Fisher information is averaged (section V-C)
HALVINGS, PRECISION = 200, 1e-6  # of the search for the multiplier; relative, of the payload
COSTS, POINTS = (1e-9, 40.0), 20_000  # between which, and how many, to interpolate


def information(plane: UInt8) -> Float64:
    """Fisher information of changes of each pixel of an (H, W) plane: 1 / variance^2, averaged (section V).

    The plane is 0 beyond its border to the denoising filter, as in the authors' program, and mirrored elsewhere.
    """
    residual = _residual(plane.astype(np.float64))
    padded = np.pad(residual, SIDE // 2, mode="symmetric")
    blocks = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE)).reshape(*plane.shape, SIDE**2)
    basis = _cosines()
    left = (blocks**2).sum(-1) - ((blocks @ basis.T) ** 2).sum(-1)  # energy that the cosines do not explain (24)
    variance = np.maximum(left / (SIDE**2 - len(basis)), LEAST)
    padded = np.pad(variance**-2, SMOOTHED // 2, mode="symmetric")
    means: Float64 = np.lib.stride_tricks.sliding_window_view(padded, (SMOOTHED, SMOOTHED)).mean((-2, -1))
    return means


def rates(fisher: Float64, bits: float) -> Float64:
    """Chances of a change by +1, and of one by -1, that carry `bits` at the least power of the best detector.

    Equation (19): beta I = ln(1 / beta - 2) / (2 lambda), all of one lambda. CapacityError beyond log2(3) bits each.
    """
    if bits > np.log2(3) * fisher.size:
        raise CapacityError(int(np.ceil(bits / 8)), int(np.log2(3) * fisher.size // 8))
    low, high = -400.0, 400.0  # binary logarithms of 2 lambda
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        beta = _solved(np.log(fisher) + middle * np.log(2))
        carried = float(-(2 * beta * np.log2(beta) + (1 - 2 * beta) * np.log2(1 - 2 * beta)).sum())
        if abs(carried - bits) <= PRECISION * bits:
            break
        low, high = (middle, high) if carried > bits else (low, middle)
    return beta


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """MiPOD at the rate-distortion bound, `bpp` bits per pixel, in a gray (H, W) or colour (H, W, 3) image.

    In colour each channel is a plane of its own with a third of the load.
    """
    planes = image[..., None] if image.ndim == 2 else image
    bits = bpp * planes[..., 0].size / planes.shape[-1]

    def cost(plane: UInt8) -> Float64:  # at which a code makes changes at just these rates (section VI-A)
        costs: Float64 = np.log(1 / rates(information(plane), bits) - 2)
        return costs

    return ternary.embed_planes(image, bpp, rng, cost) if bits else image.copy()


def _residual(x: Float64) -> Float64:
    """What Wiener's adaptive filter takes away, the noise's power being the mean of local variances."""
    padded = np.pad(x, ((0, WIENER - 1), (0, WIENER - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (WIENER, WIENER))
    mean = windows.mean((-2, -1))
    variance = np.maximum((windows**2).mean((-2, -1)) - mean**2, 0)
    noise = variance.mean()
    kept = np.maximum(variance - noise, 0) / np.maximum(np.maximum(variance, noise), np.finfo(float).tiny)
    residual: Float64 = (x - mean) * (1 - kept)
    return residual


@cache
def _cosines() -> Float64:
    """Orthonormal two-dimensional cosines of a block whose frequencies sum to less than DEGREE, (45, 81)."""
    places = np.arange(SIDE)
    waves = np.cos(np.pi / SIDE * places[:, None] * (places + 0.5))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    pairs = [(v, u) for v in range(DEGREE) for u in range(DEGREE - v)]
    return np.stack([np.outer(waves[v], waves[u]).ravel() for v, u in pairs])


def _solved(log_target: Float64) -> Float64:
    """Beta of ln(1 / beta - 2) / beta = exp(log_target), by interpolation."""
    targets, costs = _curve()
    beta: Float64 = 1 / (np.exp(np.exp(np.interp(log_target, targets, costs))) + 2)
    return beta


@cache
def _curve() -> tuple[Float64, Float64]:
    """Logarithms of ln(1 / beta - 2) / beta, ascending, and of ln(1 / beta - 2)."""
    cost = np.geomspace(*COSTS, POINTS)
    return np.log(cost) + np.log(np.exp(cost) + 2), np.log(cost)
