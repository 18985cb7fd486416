"""Quantisation index modulation: a coefficient says a bit by which of two lattices it lies on (Chen, Wornell 2001).

The lattice of bit b has the points `dither + step (2 k + b)`. Steps are those of libjpeg's chroma table at a quality,
the *strength*: what a JPEG file of that quality leaves, or of a higher one, is nearest to the right lattice still.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from stegcinn.carriers.jpegfile.quality import standard_table
from stegcinn.codecs.robust.grid import MODES
from stegcinn.runtime.arrays import Float32, UInt8

STRENGTHS = range(15, 96)  # qualities whose tables may give the steps: the lower, the stronger
LEANING = 0.02  # of a coefficient, standard deviation: what resampling takes from large ones (docs/decisions/robust.md)


@cache
def steps(strength: int) -> Float32:
    """The steps of MODES, (7,) float32."""
    found: Float32 = np.array(standard_table(strength, chroma=True), np.float32)[MODES]
    found.setflags(write=False)
    return found


def targets(values: Float32, bits: UInt8, step: Float32, dither: Float32) -> Float32:
    """The nearest points of the lattices of `bits`; all arrays of one shape. `dither` is in steps."""
    offset = dither + bits
    found: Float32 = step * (2 * np.rint((values / step - offset) / 2) + offset)
    return found


def distances(values: Float32, step: Float32, dither: Float32) -> Float32:
    """How far values are from the lattice of bit 0, in steps, 0 to 1; as far from that of bit 1 as is left to 1."""
    shifted = values / step - dither
    found: Float32 = np.abs(shifted - 2 * np.rint(shifted / 2))
    return found


def beliefs(values: Float32, step: Float32, dither: Float32, noise: Float32) -> Float32:
    """LLRs in nats, positive for 0, under Gaussian noise of `noise` steps, and more for large coefficients."""
    variance = np.square(noise) + np.square(LEANING * values / step)
    found: Float32 = (1 - 2 * distances(values, step, dither)) / (2 * variance)
    return found.astype(np.float32)
