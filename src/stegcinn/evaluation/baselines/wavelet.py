"""Daubechies' wavelet of eight vanishing moments: what UNIWARD prices changes by, in planes and in JPEG files."""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import Float64

# High-pass decomposition filter; the low-pass one is its mirror image with alternating signs
HIGH = np.array((
    -0.0544158422, 0.3128715909, -0.6756307363, 0.5853546837, 0.0158291053, -0.2840155430, -0.0004724846, 0.1287474266,
    0.0173693010, -0.0440882539, -0.0139810279, 0.0087460940, 0.0048703530, -0.0003917404, -0.0006754494, -0.0001174768,
))  # fmt: skip
LOW = (-1.0) ** np.arange(len(HIGH)) * HIGH[::-1]
BANDS = ((LOW, HIGH), (HIGH, LOW), (HIGH, HIGH))  # filters down the columns and along the rows: LH, HL, HH


def filtered(x: Float64, down: Float64, along: Float64) -> Float64:
    """Correlation with a filter down the columns and one along the rows, where all of both lies inside."""
    return _down(_down(x, down).T, along).T


def _down(x: Float64, taps: Float64) -> Float64:
    height = x.shape[0] - len(taps) + 1
    out: Float64 = sum(tap * x[i : i + height] for i, tap in enumerate(taps))
    return out
