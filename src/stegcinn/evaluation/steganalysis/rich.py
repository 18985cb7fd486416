"""Small rich models: how residuals of the channels and of their differences, or of the gray-scale, are distributed.

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
NEIGHBOURS = 2  # last step of the pairs and runs of neighbouring residuals
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


def gray_features(gray: UInt8) -> Float64:
    """Square roots of relative frequencies of an (H, W) image, 8 pixels high and wide at least; (178,) float64.

    Magnitudes of residuals, and runs of three neighbouring residuals of each family, as many whether turned, read
    backwards or negated: what the gray-scale shows, of which there is but one plane.
    """
    plane = gray.astype(np.float32)
    found = [_magnitudes(plane, *family) for family in FAMILIES]
    for kernels, step, _ in FAMILIES:
        along, down = (_steps(plane, kernel, step) for kernel in (kernels[0], kernels[-1]))
        found.append(_runs(along, down))
    return np.sqrt(np.concatenate(found))


def _steps(plane: Float32, kernel: Float32, step: float) -> Int64:
    """Residuals in steps, from 0 for -NEIGHBOURS and less."""
    cut: Int64 = np.clip(np.rint(_filtered(plane, kernel) / step), -NEIGHBOURS, NEIGHBOURS).astype(np.int64)
    return cut + NEIGHBOURS


def _runs(along: Int64, down: Int64) -> Float64:
    """Frequencies of the unlike runs of three neighbours, of one residual along the rows and one down the columns."""
    side = 2 * NEIGHBOURS + 1
    rows = side**2 * along[:, :-2] + side * along[:, 1:-1] + along[:, 2:]
    columns = side**2 * down[:-2] + side * down[1:-1] + down[2:]
    table = _frequencies(np.concatenate([rows.ravel(), columns.ravel()]), side**3).reshape(side, side, side)
    table = table + table.transpose(2, 1, 0)
    table = table + table[::-1, ::-1, ::-1]
    first, middle, last = np.indices(table.shape)
    places = side**2 * first + side * middle + last
    kept: Float64 = table[(places <= places.transpose(2, 1, 0)) & (places <= places[::-1, ::-1, ::-1])
                          & (places <= places[::-1, ::-1, ::-1].transpose(2, 1, 0))]  # fmt: skip
    return kept


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
