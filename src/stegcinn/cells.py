"""The pixel lattice from coarse to fine, and what a network is shown of it: shared by training and running.

Level `l` is the lattice of every 2**l-th pixel of every 2**l-th row. Each 2x2 cell of it holds one pixel that the
coarser level has settled and three that are settled here in three phases, each for all cells at once. A network sees
integers only: the colours of the nearest settled pixels relative to their own mean, and the luma of all.

A pixel is its luma Y and its colour differences r = R - Y, b = B - Y; green follows from them up to one level.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Int16 = npt.NDArray[np.int16]
UInt8 = npt.NDArray[np.uint8]

KNOWN = (0, 0)
PHASES = ((1, 1), (0, 1), (1, 0))  # place (row, column) in the cell, in the order in which they are settled
PLACES = (KNOWN, *PHASES)
GATHER = 2  # cells to each side from which neighbours are taken
NEAREST = 4  # settled neighbours whose mean is the first guess
UNIT = 8  # steps per level in which colours are predicted
CENTRE = 128  # of a feature; it stands for zero
LEVELS_TOLD = 7  # the network is told its level up to this one


class Neighbour(NamedTuple):
    """A pixel near the one to be settled: its place in a cell, and how many cells away that cell is."""

    place: int  # index into PLACES
    down: int
    right: int


def _rings(phase: int, settled: bool, rings: int) -> tuple[Neighbour, ...]:
    """The nearest pixels, whole rings of equal distance at a time, whose colours are settled before `phase` or not."""
    row, column = PHASES[phase]
    found: dict[int, list[tuple[int, int, Neighbour]]] = {}
    for place, (y, x) in enumerate(PLACES):
        if (place <= phase) != settled:
            continue
        for down in range(-GATHER, GATHER + 1):
            for right in range(-GATHER, GATHER + 1):
                dy, dx = 2 * down + y - row, 2 * right + x - column
                if dy or dx:
                    found.setdefault(dy * dy + dx * dx, []).append((dy, dx, Neighbour(place, down, right)))
    return tuple(n for distance in sorted(found)[:rings] for *_, n in sorted(found[distance]))


COLOURED = tuple(_rings(phase, True, rings) for phase, rings in enumerate((2, 2, 3)))  # 12, 12, 16 pixels
GRAY = tuple(_rings(phase, False, rings) for phase, rings in enumerate((2, 2, 1)))  # 8, 8, 4 pixels
CHANNELS = tuple(3 * len(c) + len(g) + 4 for c, g in zip(COLOURED, GRAY, strict=True))  # 48, 48, 56


def guess(r: Any, b: Any, phase: int) -> tuple[Any, Any]:
    """First guess of (r, b) in units of 1/UNIT level: the mean of the NEAREST settled neighbours.

    `r`, `b`: integer arrays or tensors (places, ..., h + 2 GATHER, w + 2 GATHER), places settled before; -> (..., h, w).
    """
    near = COLOURED[phase][:NEAREST]
    guess_r, guess_b = (sum(_at(plane, n) for n in near) * (UNIT // NEAREST) for plane in (r, b))
    return guess_r, guess_b


def features(y: Any, r: Any, b: Any, phase: int, level: int, out: Any) -> tuple[Any, Any]:
    """What the network of a phase is shown, written to `out` (CHANNELS[phase], ..., h, w) as integers 0..255.

    `y` (4, ...) is the luma of all places, `r` and `b` as in `guess`, all integers with room for 16 bits; NumPy arrays
    and tensors alike. Returns the guess.
    """
    coloured, gray = COLOURED[phase], GRAY[phase]
    here = _at(y, Neighbour(phase + 1, 0, 0))
    guess_r, guess_b = guess(r, b, phase)
    channel = 0
    for plane, mean in ((r, guess_r), (b, guess_b)):
        quarters = mean // (UNIT // NEAREST)
        for n in coloured:
            # a neighbour's difference from the guess in steps of 1/4 level: fine enough for smooth chroma
            out[channel] = (_at(plane, n) * NEAREST - quarters + CENTRE).clip(0, 255)
            channel += 1
    for n in (*coloured, *gray):
        out[channel] = (_at(y, n) - here + CENTRE).clip(0, 255)
        channel += 1
    out[channel] = (guess_r // UNIT + CENTRE).clip(0, 255)
    out[channel + 1] = (guess_b // UNIT + CENTRE).clip(0, 255)
    out[channel + 2] = here
    out[channel + 3] = min(level, LEVELS_TOLD) * (256 // (LEVELS_TOLD + 1))
    return guess_r, guess_b


def _at(planes: Any, n: Neighbour) -> Any:
    """A neighbour's plane, shifted so that it lies over the pixels to be settled."""
    plane = planes[n.place]
    height, width = plane.shape[-2] - 2 * GATHER, plane.shape[-1] - 2 * GATHER
    top, left = GATHER + n.down, GATHER + n.right
    return plane[..., top : top + height, left : left + width]
