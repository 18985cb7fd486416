"""From coefficients of a JPEG file to the samples of a plane and back, without rounding (ITU-T T.81, A.3.3)."""

from __future__ import annotations

import math

import numpy as np

from stegcinn.carriers.jpegfile.markers import BLOCK
from stegcinn.runtime.arrays import Float32, Float64, Int16, UInt16

SIDE = 8


def cosines() -> Float64:
    """The DCT of eight samples: (8, 8) float64, orthonormal; row u is the wave of frequency u."""
    u, x = np.mgrid[:SIDE, :SIDE]
    waves: Float64 = np.cos((2 * x + 1) * u * math.pi / (2 * SIDE)) * math.sqrt(2 / SIDE)
    waves[0] /= math.sqrt(2)
    return waves


def samples(coefficients: Int16, quantisation: UInt16) -> Float32:
    """The plane (8 rows, 8 columns) float32 of blocks (rows, columns, 64) in natural order, about 0, not clipped."""
    rows, columns, _ = coefficients.shape
    blocks = (coefficients * quantisation.astype(np.float32)).reshape(-1, BLOCK) @ _waves()
    plane = blocks.reshape(rows, columns, SIDE, SIDE).swapaxes(1, 2).reshape(rows * SIDE, columns * SIDE)
    return np.ascontiguousarray(plane)


def coefficients(plane: Float32, quantisation: UInt16) -> Float32:
    """What quantisation would round: blocks (rows, columns, 64) of a plane (8 rows, 8 columns) about 0; float32."""
    rows, columns = (side // SIDE for side in plane.shape)
    blocks = plane.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, BLOCK)
    transformed: Float32 = np.divide(blocks @ _waves().T, quantisation, dtype=np.float32)
    return transformed.reshape(rows, columns, BLOCK)


def _waves() -> Float32:
    """All samples of a block, by coefficient: (64, 64)."""
    waves: Float32 = np.kron(cosines(), cosines()).astype(np.float32)
    return waves
