"""The distributions of all pixels of a photo, each summed up as one logistic for red, one for blue and one for green.

Only a sender needs this. It may look at all of the host, as a receiver never has to repeat it: every pixel is predicted
from all around it, by the networks of the last phase, which the photo is shown to in four positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import PHASES
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.runtime.arrays import Int16, UInt8
from stegcinn.runtime.jit import array, compiled, inlined

Int = Any  # compiled: int64

LAST_PHASE = len(PHASES) - 1
POSITIONS = ((0, 0), (0, 1), (1, 0), (1, 1))  # rows and columns by which the photo is moved
TILE = 192  # cells; larger than for coding, as nothing waits for the first

# What `mixture` and `cells` define is written down again: the cache of machine code sees changes of this file only. A
# test compares.
K, FINE, COARSE, SCALE, BLUE, SLOPE, GREEN, GREEN_SCALE = 3, 3, 6, 9, 12, 24, 25, 26
SCALE_STEP, ZERO, LEVEL = 24, 128, 8

# Planes of a summary: how far red and blue are from their means, in 1/LEVEL levels; their scales' indices; how much
# blue's mean follows red, in 1/LEVEL levels per level; offset and scale of green, as `mixture` has them.
OFF_R, OFF_B, SCALE_R, SCALE_B, FOLLOWS, OFFSET_G, SCALE_G = range(7)
PLANES = 7


def summary(model: ColourModel, rgb: UInt8, progress: Callable[[float], None]) -> Int16:
    """The mixtures of all pixels, each summed up as one logistic of the same mean and variance: (PLANES, H, W)."""
    found = np.empty((PLANES, *rgb.shape[:2]), np.int16)
    weights, widths = mixture.weights(), mixture.scales() ** -2.0
    row, column = PHASES[LAST_PHASE]
    for position, (down, right) in enumerate(POSITIONS):
        moved = np.pad(rgb, ((down, 0), (right, 0), (0, 0)), mode="reflect")
        places = found[:, (row - down) % 2 :: 2, (column - right) % 2 :: 2]
        luma = luma_of(moved)
        shape = luma[row::2, column::2].shape
        plane = np.empty((PLANES, *shape), np.int16)
        for part in model.parts(moved, luma, 0, LAST_PHASE, tile=TILE):
            tile, there = part.tile, plane[:, part.rows, part.columns]
            guesses = tile.guess_r, tile.guess_b
            _compiled_summary()(tile.parameters, *guesses, tile.luma, part.rgb, weights, widths, there)
            progress((position + part.rows.stop / shape[0]) / len(POSITIONS))
        # what was padded comes first, where it is part of the phase at all
        places[:] = plane[:, shape[0] - places.shape[1] :, shape[1] - places.shape[2] :]
    return found


@inlined
def _bounded(value: Int, bound: Int) -> Int:
    return min(max(value, -bound), bound)


def _summary_kernel(
    parameters: Any, guesses_r: Any, guesses_b: Any, luma: Any, rgb: Any, weights: Any, widths: Any, out: Any
) -> None:
    """Kernel. The variance of a logistic of scale s is (pi s)**2 / 3; means that differ add theirs."""
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            red = LEVEL * (np.int64(rgb[i, j, 0]) - luma[i, j]) - guesses_r[i, j]
            blue = LEVEL * (np.int64(rgb[i, j, 2]) - luma[i, j]) - guesses_b[i, j]
            follows = np.int64(parameters[SLOPE, i, j]) - ZERO  # 1/LEVEL levels per level, as its unit is 1/64
            for s in range(2):
                total, mean, square, index = 0.0, 0.0, 0.0, 0.0
                for k in range(K):
                    p = BLUE * s + k
                    weight = np.float64(weights[parameters[p, i, j]])
                    fine, coarse = np.int64(parameters[p + FINE, i, j]), np.int64(parameters[p + COARSE, i, j])
                    value = np.float64(fine - ZERO + LEVEL * (coarse - ZERO))
                    total += weight
                    mean += weight * value
                    square += weight * value * value
                    index += weight * parameters[p + SCALE, i, j]
                mean, index = mean / total, index / total
                spread = (square / total - mean * mean) * (3 / (math.pi * LEVEL) ** 2)
                if spread > 0:
                    index += 0.5 * SCALE_STEP * np.log2(1 + spread * widths[np.int64(index + 0.5)])
                out[SCALE_R + s, i, j] = min(np.int64(index + 0.5), 255)
                away = red - mean if s == 0 else blue - follows * red / (LEVEL * LEVEL) - mean
                out[OFF_R + s, i, j] = np.int64(np.rint(_bounded(away, 32000.0)))
            out[FOLLOWS, i, j] = follows
            out[OFFSET_G, i, j] = np.int64(parameters[GREEN, i, j]) - ZERO
            out[SCALE_G, i, j] = parameters[GREEN_SCALE, i, j]


@cache
def _compiled_summary() -> Any:
    tile = array("uint8", 3, "A"), array("int16", 2, "A"), array("int16", 2, "A"), array("uint8", 2, "A")
    tables = array("int64", 1), array("float64", 1)
    return compiled(_summary_kernel, (*tile, array("uint8", 3, "A"), *tables, array("int16", 3, "A", writable=True)))
