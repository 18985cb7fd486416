"""A small rich model of colour: how residuals of the channels, and of their differences, are distributed.

After the Spatial Rich Model (Fridrich, Kodovsky, TIFS 2012), whose residuals are quantised, truncated and counted, and
its colour forms (Goljan, Fridrich, Cogranne, WIFS 2014), which count across channels. Differences of channels show what
is added to colours: there the noise that channels share, most of a photo's, is gone. Nothing has to be learnt but one
linear rule.
"""

from __future__ import annotations

import numpy as np

from stegcinn.evaluation.steganalysis.filters import KV, KV_SCALE
from stegcinn.runtime.arrays import Float32, Float64, Int64, UInt8

SQUARE = np.array(KV, np.float32)  # in integers, so that what is counted does not depend on rounding errors
FIRST = np.array([[-1, 1]], np.float32)
SECOND = np.array([[1, -2, 1]], np.float32)
CROSS = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], np.float32)
# Kernels (transposed ones are counted together with them), the step of quantisation, and the last step told apart
FAMILIES: tuple[tuple[tuple[Float32, ...], float, int], ...] = (
    ((SQUARE,), KV_SCALE / 2, 6), ((FIRST, FIRST.T), 1.0, 3), ((SECOND, SECOND.T), 1.0, 4), ((CROSS,), 2.0, 5),
)  # fmt: skip
NEIGHBOURS = 2  # last step of the pairs of neighbouring residuals
PAIRED = (1, 3, 4)  # planes whose pairs are counted: G, R - G, B - G


def features(rgb: UInt8) -> Float64:
    """Square roots of relative frequencies of an (H, W, 3) image, 5 pixels high and wide at least; (173,) float64.

    Of R, G, B, R - G, B - G and R - B: magnitudes of residuals. Of three of these: pairs of neighbouring KV residuals,
    as many whether turned, swapped or negated. Of R, G and B: signs of the three KV residuals of a pixel.
    """
    r, g, b = np.moveaxis(rgb.astype(np.float32), -1, 0)
    planes = (r, g, b, r - g, b - g, r - b)
    found = [_magnitudes(plane, *family) for plane in planes for family in FAMILIES]
    residuals = [np.rint(_filtered(plane, SQUARE) / KV_SCALE).astype(np.int64) for plane in planes]
    found += [_pairs(residuals[plane]) for plane in PAIRED]
    found.append(_signs(*residuals[:3]))
    return np.sqrt(np.concatenate(found))


def _filtered(plane: Float32, kernel: Float32) -> Float32:
    """Correlation with a kernel, where all of it lies inside."""
    height, width = (side - taps + 1 for side, taps in zip(plane.shape, kernel.shape, strict=True))
    out = np.zeros((height, width), np.float32)
    for (i, j), tap in np.ndenumerate(kernel):
        if tap:
            out += tap * plane[i : i + height, j : j + width]
    return out


def _magnitudes(plane: Float32, kernels: tuple[Float32, ...], step: float, most: int) -> Float64:
    """Frequencies of 0, 1 ... `most` steps and more."""
    steps = np.concatenate([np.rint(np.abs(_filtered(plane, kernel)) / step).ravel() for kernel in kernels])
    return _frequencies(np.minimum(steps, most).astype(np.int64), most + 1)


def _pairs(residual: Int64) -> Float64:
    """Frequencies of the unlike pairs of neighbours."""
    side = 2 * NEIGHBOURS + 1
    cut = np.clip(residual, -NEIGHBOURS, NEIGHBOURS)
    pairs = ((cut[:, :-1], cut[:, 1:]), (cut[:-1], cut[1:]))
    places = np.concatenate([(side * (a + NEIGHBOURS) + b + NEIGHBOURS).ravel() for a, b in pairs])
    table = _frequencies(places, side**2).reshape(side, side)
    table += table.T
    table += table[::-1, ::-1]
    rows, columns = np.indices(table.shape)
    kept: Float64 = table[(rows <= columns) & (rows + columns < side)]
    return kept


def _signs(r: Int64, g: Int64, b: Int64) -> Float64:
    """Frequencies of the signs of three residuals, negated or not."""
    places = 9 * np.sign(r) + 3 * np.sign(g) + np.sign(b)
    return _frequencies(np.abs(places), 14)


def _frequencies(places: Int64, count: int) -> Float64:
    frequencies: Float64 = np.bincount(places.ravel(), minlength=count) / places.size
    return frequencies
