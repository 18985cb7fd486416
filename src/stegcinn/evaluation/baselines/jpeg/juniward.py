"""J-UNIWARD: Holub, Fridrich, Denemark: *Universal Distortion Function for Steganography in an Arbitrary Domain*
(EURASIP JIS 2014).

A change costs what it does to the wavelets of the decoded plane, each relative to the wavelet itself.
"""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.jpegfile.dct import SIDE, cosines, samples
from stegcinn.runtime.arrays import Float32, Float64, Int16, UInt16

SIGMA = 2.0**-6  # section 4.2
# Daubechies' wavelet of eight vanishing moments: high-pass decomposition filter
HIGH = np.array((
    -0.0544158422, 0.3128715909, -0.6756307363, 0.5853546837, 0.0158291053, -0.2840155430, -0.0004724846, 0.1287474266,
    0.0173693010, -0.0440882539, -0.0139810279, 0.0087460940, 0.0048703530, -0.0003917404, -0.0006754494, -0.0001174768,
))  # fmt: skip
LOW = (-1.0) ** np.arange(len(HIGH)) * HIGH[::-1]
BANDS = ((LOW, HIGH), (HIGH, LOW), (HIGH, HIGH))  # filters down the columns and along the rows: LH, HL, HH
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
        wavelets = _filtered(_filtered(padded, down).T, along).T
        prices = (1 / (SIGMA + np.abs(wavelets))).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(prices, (REACH, REACH))[::SIDE, ::SIDE]
        felt = np.stack([_felt(down, v)[:, None] * _felt(along, u) for v in range(SIDE) for u in range(SIDE)])
        found += windows.reshape(rows * columns, -1) @ felt.reshape(modes, -1).T
    found *= quantisation
    return found.reshape(coefficients.shape)


def _filtered(x: Float64, taps: Float64) -> Float64:
    """Correlation down the columns, where all of the filter lies inside."""
    height = x.shape[0] - len(taps) + 1
    out: Float64 = sum(tap * x[i : i + height] for i, tap in enumerate(taps))
    return out


def _felt(taps: Float64, frequency: int) -> Float32:
    """How much a filter answers to a wave of a block, in the order of places that see it, (23,) float32."""
    return np.abs(np.convolve(cosines()[frequency], taps[::-1])).astype(np.float32)
