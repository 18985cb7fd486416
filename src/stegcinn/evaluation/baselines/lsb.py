"""LSB matching: samples whose lowest bit is wrong change by one level, up or down by a fair coin (Sharp 2001).

And LSB replacement, which writes and reads real payloads: what all plain tools do.
"""

from __future__ import annotations

import numpy as np

from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import ternary
from stegcinn.runtime.arrays import Float64, UInt8

MOST = 1.0  # bit per sample


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """Plain LSB matching of random bits, `bpp` per pixel, in a gray (H, W) or colour (H, W, 3) image.

    Each colour channel takes a third of the load; half of the samples in use change. At 0 and 255 the only possible
    change is made. ValueError beyond one bit per sample.
    """
    channels = 1 if image.ndim == 2 else image.shape[-1]
    used = bpp / channels
    if not 0 <= used <= MOST:
        raise ValueError(f"LSB matching takes 0 to {channels} bits per pixel, not {bpp}")
    step = np.where(rng.random(image.shape) < 0.5, 1, -1)
    step = np.where(image == 0, 1, np.where(image == 255, -1, step))
    changed = rng.random(image.shape) < used / 2
    return (image + changed * step).astype(np.uint8)


def embed_coded(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """The same changes at the rate-distortion bound: an ideal ternary code, all changes of equal cost."""
    return ternary.embed_planes(image, bpp, rng, _equal)


def replace_bits(image: UInt8, payload: bytes) -> UInt8:
    """The payload in the lowest bits of the first samples, in raster order; CapacityError if it does not fit."""
    bits = np.unpackbits(np.frombuffer(payload, np.uint8))
    if bits.size > image.size:
        raise CapacityError(len(payload), image.size // 8)
    flat = image.reshape(-1).copy()
    flat[: bits.size] = (flat[: bits.size] & 0xFE) | bits
    return flat.reshape(image.shape)


def read_bits(image: UInt8, size: int) -> bytes:
    """As many bytes from the lowest bits of the first samples, or all that there are."""
    return np.packbits(image.reshape(-1)[: 8 * size] & 1).tobytes()


def _equal(plane: UInt8) -> Float64:
    return np.ones(plane.shape)
