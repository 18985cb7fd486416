"""Embedding by changes of at most one level, simulated at the rate-distortion bound.

Filler, Judas, Fridrich: *Minimizing Additive Distortion in Steganography Using Syndrome-Trellis Codes* (TIFS 2011),
section II: among all random changes that carry m bits, the expected cost is least if a change of cost r is made with
probability exp(-lambda r) / sum over the choices. Practical codes come close to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stegcinn.errors import CapacityError
from stegcinn.runtime.arrays import Float64, UInt8

CostFunction = Callable[[UInt8], Float64]  # costs of changing each pixel of an (H, W) plane by one level

PRECISION = 1e-4  # relative, of the payload
HALVINGS = 200


def probabilities(down: Float64, up: Float64, bits: float) -> tuple[Float64, Float64]:
    """Probabilities of a change by -1 and by +1 that carry `bits` at the least expected cost.

    `down`, `up`: costs of the changes, any shape, positive; infinite where a change is impossible. CapacityError if
    even the most random choice carries less than `bits`.
    """
    if bits <= 0:
        return np.zeros_like(down), np.zeros_like(up)
    finite = np.concatenate([cost[np.isfinite(cost)] for cost in (down, up)])
    scale = float(np.median(finite)) if finite.size else 1.0  # lambda is searched relative to it
    room = entropy(*_choices(down, up, 0.0))
    if room < bits:
        raise CapacityError(int(np.ceil(bits / 8)), int(room // 8))
    low, high = -60.0, 60.0  # binary logarithms of lambda
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        choices = _choices(down, up, 2**middle / scale)
        carried = entropy(*choices)
        if abs(carried - bits) <= PRECISION * bits:
            break
        low, high = (middle, high) if carried > bits else (low, middle)
    return choices


def _choices(down: Float64, up: Float64, strength: float) -> tuple[Float64, Float64]:
    weights = [np.where(np.isfinite(cost), np.exp(-strength * np.where(np.isfinite(cost), cost, 0)), 0)
               for cost in (down, up)]  # fmt: skip
    total = 1 + weights[0] + weights[1]
    return weights[0] / total, weights[1] / total


def entropy(down: Float64, up: Float64) -> float:
    """Bits carried by independent choices among -1 and +1, with these probabilities, and 0."""
    bits = 0.0
    for p in (down, up, 1 - down - up):
        inside = p[p > 0]
        bits -= float((inside * np.log2(inside)).sum())
    return bits


def wet(plane: UInt8, cost: Float64) -> tuple[Float64, Float64]:
    """Costs of changes by -1 and +1: `cost`, but infinite where they would leave 0..255."""
    return np.where(plane > 0, cost, np.inf), np.where(plane < 255, cost, np.inf)


def change(plane: UInt8, down: Float64, up: Float64, rng: np.random.Generator) -> UInt8:
    """Change each pixel by -1 with probability `down` and by +1 with probability `up`."""
    drawn = rng.random(plane.shape)
    step = (drawn > 1 - up).astype(np.int16) - (drawn < down)
    return (plane + step).astype(np.uint8)


def embed_planes(plane_or_image: UInt8, bpp: float, rng: np.random.Generator, cost: CostFunction) -> UInt8:
    """Embed `bpp` bits per pixel in a gray (H, W) or colour (H, W, 3) image, a third of them in each colour channel."""
    planes = plane_or_image[..., None] if plane_or_image.ndim == 2 else plane_or_image
    bits = bpp * planes[..., 0].size / planes.shape[-1]
    out = np.empty_like(planes)
    for channel in range(planes.shape[-1]):
        plane = planes[..., channel]
        out[..., channel] = change(plane, *probabilities(*wet(plane, cost(plane)), bits), rng)
    return out.reshape(plane_or_image.shape)
