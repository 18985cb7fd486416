"""The pixel lattice from coarse to fine, and what a network is shown of it: shared by training and running.

Level `l` is the lattice of every 2**l-th pixel of every 2**l-th row. Each 2x2 cell of it holds one pixel that the
coarser level has settled and three that are settled here in three phases, each for all cells at once. A network sees
integers only: the colours of the nearest settled pixels relative to their own mean, and the luma of all.

A pixel is its luma Y and its colour differences r = R - Y, b = B - Y; green follows from them up to one level.
"""

from __future__ import annotations

from typing import NamedTuple

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


def features(y: Int16, r: Int16, b: Int16, phase: int, level: int, out: UInt8) -> tuple[Int16, Int16]:
    """What the network of a phase is shown, written to `out` (CHANNELS[phase], h, w); returns the guesses of r and b.

    `y` (4, h + 2 GATHER, w + 2 GATHER) is the luma of all places, `r` and `b` (1 + phase, ...) the colour differences
    of those that are settled. A guess (h, w), in 1/UNIT levels, is the mean of the NEAREST settled neighbours.
    """
    coloured, gray = COLOURED[phase], GRAY[phase]
    here = _at(y, Neighbour(phase + 1, 0, 0))
    shown = iter(out)
    difference = np.empty(here.shape, np.int16)

    def show(values: Int16, zero: Int16) -> None:
        np.subtract(values, zero, out=difference)
        np.clip(difference, 0, 255, out=difference)
        next(shown)[...] = difference

    quarters = []  # guesses in quarter levels
    for planes in (r, b):
        quarters.append(sum((_at(planes, n) for n in coloured[:NEAREST]), np.zeros(here.shape, np.int16)))
        zero = quarters[-1] - CENTRE
        fourfold = planes * np.int16(NEAREST)  # neighbours in the same unit: fine enough for smooth chroma
        for n in coloured:
            show(_at(fourfold, n), zero)
    zero = here - CENTRE
    for n in (*coloured, *gray):
        show(_at(y, n), zero)
    for guess in quarters:
        show(guess // np.int16(NEAREST), np.full_like(here, -CENTRE))
    next(shown)[...] = here
    next(shown)[...] = min(level, LEVELS_TOLD) * (256 // (LEVELS_TOLD + 1))
    guess_r, guess_b = (guess * np.int16(UNIT // NEAREST) for guess in quarters)
    return guess_r, guess_b


def _at(planes: Int16, n: Neighbour) -> Int16:
    """A neighbour's plane, shifted so that it lies over the pixels to be settled."""
    plane: Int16 = planes[n.place]
    height, width = plane.shape[0] - 2 * GATHER, plane.shape[1] - 2 * GATHER
    top, left = GATHER + n.down, GATHER + n.right
    return plane[top : top + height, left : left + width]
