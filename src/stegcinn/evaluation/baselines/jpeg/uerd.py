"""UERD: Guo, Ni, Su, Tang, Shi: *Using Statistical Image Model for JPEG Steganography: Uniform Embedding Revisited*
(TIFS 2015).

A change is cheap where the step of its mode is small against what the block and its neighbours hold. Needs nothing but
the coefficients.
"""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import Float64, Int16, UInt16

NEIGHBOUR = 0.25  # weight of each of the eight blocks around, equation (6)


def costs(coefficients: Int16, quantisation: UInt16) -> Float64:
    """Costs of changing each of the coefficients (rows, columns, 64) by one, natural order, float64.

    Infinite in blocks that are flat and have only flat neighbours. DC counts half as much as its two neighbouring
    modes together.
    """
    steps = quantisation.astype(np.float64)
    energy = np.abs(coefficients[..., 1:].astype(np.float64)) @ steps[1:]
    around = np.pad(energy, 1, mode="edge")
    rows, columns = energy.shape
    windows = sum(around[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
    held = energy + NEIGHBOUR * (windows - energy)
    numerators = steps.copy()
    numerators[0] = (steps[1] + steps[8]) / 2
    with np.errstate(divide="ignore"):
        found: Float64 = numerators / held[..., None]
    return found
