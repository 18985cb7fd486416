"""How noisy a photo's colours are, pixel by pixel, as the colour model of the `exact` codec sees them.

Only a sender needs this. It may look at all of the host, as a receiver never has to repeat it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from stegcinn import colour, mixture
from stegcinn.cells import PHASES
from stegcinn.colourmodel import ColourModel
from stegcinn.jit import array, compiled

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

K, SCALE = 3, 9  # as `mixture` has them: the cache of machine code sees changes of this file only. A test compares
LEAST = 0.15  # levels; what the model thinks less noisy is not told apart from rounding
_LOG_SCALES = np.log(mixture.scales()).astype(np.float32)
_WEIGHTS = mixture.weights().astype(np.float32)


def scales(model: ColourModel, rgb: UInt8, progress: Callable[[float], None] = lambda share: None) -> Float32:
    """Predicted scales of red and of blue in levels, (2, H, W), averaged over 3x3 pixels; `rgb` (H, W, 3)."""
    luma = colour.luma(rgb)
    found = np.zeros((2, *luma.shape), np.float32)
    for phase, (row, column) in enumerate(PHASES):
        places = found[:, row::2, column::2]
        for part in model.parts(rgb, luma, 0, phase):
            for symbol, first in enumerate((mixture.RED, mixture.BLUE)):
                mixed = part.tile.parameters[first : first + 4 * K]
                _compiled_scale()(mixed, _LOG_SCALES, _WEIGHTS, places[symbol, part.rows, part.columns])
            progress((phase + part.rows.stop / places.shape[1]) / len(PHASES))
    found[:, ::2, ::2] = _mean_of_others(found)
    return _smoothed(np.maximum(found, np.float32(LEAST)))


def flat(rgb: UInt8) -> Bool:
    """Which pixels (H, W) have the colour of all eight around them."""
    colours = np.pad(rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32), 1, mode="edge")
    height, width = rgb.shape[:2]
    around = (colours[y : y + height, x : x + width] for y in range(3) for x in range(3))
    same: Bool = np.logical_and.reduce([other == colours[1:-1, 1:-1] for other in around])
    return same


def _scale(parameters: Any, logs: Any, weights: Any, out: Any) -> None:
    """Kernel: the geometric mean of each mixture's scales; `parameters` (4 K, h, w) of one symbol."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, mean = np.float32(0), np.float32(0)
            for k in range(K):
                weight = weights[parameters[k, i, j]]
                total += weight
                mean += weight * logs[parameters[SCALE + k, i, j]]
            out[i, j] = np.exp(mean / total)


@cache
def _compiled_scale() -> Any:
    types = array("uint8", 3, "A"), array("float32", 1), array("float32", 1), array("float32", 2, "A", writable=True)
    return compiled(_scale, types)


def _mean_of_others(found: Float32) -> Float32:
    """For each 2x2 cell of (2, H, W), the mean over its pixels but the first, which no phase settles."""
    height, width = found.shape[1:]
    even = np.pad(found, ((0, 0), (0, height % 2), (0, width % 2)), mode="reflect")
    mean: Float32 = (even[:, 0::2, 1::2] + even[:, 1::2, 0::2] + even[:, 1::2, 1::2]) / np.float32(3)
    return mean


def _smoothed(planes: Float32) -> Float32:
    """Means over 3x3 pixels of (2, H, W); edges are repeated."""
    rows = np.pad(planes, ((0, 0), (1, 1), (0, 0)), mode="edge")
    rows = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    columns = np.pad(rows, ((0, 0), (0, 0), (1, 1)), mode="edge")
    smoothed: Float32 = (columns[..., :-2] + columns[..., 1:-1] + columns[..., 2:]) / np.float32(9)
    return smoothed
