"""S-UNIWARD: Holub, Fridrich, Denemark: *Universal Distortion Function for Steganography in an Arbitrary Domain*
(EURASIP JIS 2014).

A change costs what it does to the wavelets of the plane, each relative to the wavelet itself.
"""

from __future__ import annotations

import numpy as np

from stegcinn.evaluation.baselines import ternary
from stegcinn.evaluation.baselines.wavelet import BANDS, HIGH, filtered
from stegcinn.runtime.arrays import Float64, UInt8

SIGMA = 1.0  # section 4.1


def cost(plane: UInt8) -> Float64:
    """Costs of changing each pixel of an (H, W) plane by one level, equations (2) and (3).

    Sum over the bands LH, HL, HH and over the wavelets that see the pixel: |filter| / (SIGMA + |wavelet|). The plane is
    mirrored at its border. At most 3 sum |filter| / SIGMA, in flat areas.
    """
    padded = np.pad(plane.astype(np.float64), len(HIGH) - 1, mode="symmetric")
    found = np.zeros(plane.shape)
    for down, along in BANDS:
        prices = 1 / (SIGMA + np.abs(filtered(padded, down[::-1], along[::-1])))  # a convolution
        found += filtered(prices, np.abs(down), np.abs(along))
    return found


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """S-UNIWARD at the rate-distortion bound, `bpp` bits per pixel, in a gray (H, W) or colour (H, W, 3) image.

    In colour each channel is a plane of its own with a third of the load.
    """
    return ternary.embed_planes(image, bpp, rng, cost)
