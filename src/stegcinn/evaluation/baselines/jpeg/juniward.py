"""J-UNIWARD: Holub, Fridrich, Denemark: *Universal Distortion Function for Steganography in an Arbitrary Domain*
(EURASIP JIS 2014).

A change costs what it does to the wavelets of the decoded plane, each relative to the wavelet itself.
"""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.jpegfile.dct import SIDE, cosines, samples
from stegcinn.evaluation.baselines.wavelet import BANDS, HIGH, filtered
from stegcinn.runtime.arrays import Float32, Float64, Int16, UInt16

SIGMA = 2.0**-6  # section 4.2
REACH = SIDE + len(HIGH) - 1  # samples that a block's change moves, along each side


def costs(coefficients: Int16, quantisation: UInt16) -> Float64:
    """Costs of changing each of the coefficients (rows, columns, 64) by one, natural order, float64, finite."""
    plane = samples(coefficients, quantisation)
    rows, columns, modes = coefficients.shape
    border = len(HIGH) - 1
    padded = np.pad(plane.astype(np.float64), border, mode="symmetric")
    found = np.zeros((rows * columns, modes))
    for down, along in BANDS:
        # all places where some change of the plane is felt
        wavelets = filtered(padded, down, along)
        prices = (1 / (SIGMA + np.abs(wavelets))).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(prices, (REACH, REACH))[::SIDE, ::SIDE]
        felt = np.stack([_felt(down, v)[:, None] * _felt(along, u) for v in range(SIDE) for u in range(SIDE)])
        found += windows.reshape(rows * columns, -1) @ felt.reshape(modes, -1).T
    found *= quantisation
    return found.reshape(coefficients.shape)


def _felt(taps: Float64, frequency: int) -> Float32:
    """How much a filter answers to a wave of a block, in the order of places that see it, (23,) float32."""
    return np.abs(np.convolve(cosines()[frequency], taps[::-1])).astype(np.float32)
