"""The distributions of all pixels of a photo, each summed up as one logistic for red, one for blue and one for green.

Only a sender needs this. It may look at all of the host, as a receiver never has to repeat it: every pixel is predicted
from all around it, by the networks of the last phase, which the photo is shown to in four positions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import PHASES
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.runtime.arrays import Int16, UInt8
from stegcinn.runtime.native import Kernel

LAST_PHASE = len(PHASES) - 1
POSITIONS = ((0, 0), (0, 1), (1, 0), (1, 1))  # rows and columns by which the photo is moved
TILE = 192  # cells; larger than for coding, as nothing waits for the first

# Planes of a summary: how far red and blue are from their means, in 1/LEVEL levels; their scales' indices; how much
# blue's mean follows red, in 1/LEVEL levels per level; offset and scale of green, as `mixture` has them.
OFF_R, OFF_B, SCALE_R, SCALE_B, FOLLOWS, OFFSET_G, SCALE_G = range(7)
PLANES = 7

_SUMMARISE = Kernel("summarise", "~u1 ~i2 ~i2 ~u1 ~u1 n n i8 f8 ~i2!")


def summary(model: ColourModel, rgb: UInt8, luma: UInt8, progress: Callable[[float], None]) -> Int16:
    """The mixtures of all pixels (H, W, 3), each as one logistic of the same mean and variance: (PLANES, H, W)."""
    found = np.empty((PLANES, *rgb.shape[:2]), np.int16)
    weights, widths = mixture.weights(), mixture.scales() ** -2.0
    row, column = PHASES[LAST_PHASE]
    for position, (down, right) in enumerate(POSITIONS):
        moved = np.pad(rgb, ((down, 0), (right, 0), (0, 0)), mode="reflect")
        places = found[:, (row - down) % 2 :: 2, (column - right) % 2 :: 2]
        gray = np.pad(luma, ((down, 0), (right, 0)), mode="reflect")
        shape = gray[row::2, column::2].shape
        plane = np.empty((PLANES, *shape), np.int16)
        for part in model.parts(moved, gray, 0, LAST_PHASE, tile=TILE):
            tile, there = part.tile, plane[:, part.rows, part.columns]
            guesses = tile.guess_r, tile.guess_b
            _SUMMARISE(tile.parameters, *guesses, tile.luma, part.rgb, *tile.luma.shape, weights, widths, there)
            progress((position + part.rows.stop / shape[0]) / len(POSITIONS))
        # what was padded comes first, where it is part of the phase at all
        places[:] = plane[:, shape[0] - places.shape[1] :, shape[1] - places.shape[2] :]
    return found
