"""The pixel lattice from coarse to fine, and what a network is shown of it: shared by training and running.

Level `l` is the lattice of every 2**l-th pixel of every 2**l-th row. Each 2x2 cell of it holds one pixel that the
coarser level has settled and three that are settled here in three phases, each for all cells at once. A network sees
integers only: the colours of the nearest settled pixels relative to their own mean, and the luma of all.

A pixel is its luma Y and its colour differences r = R - Y, b = B - Y; green follows from them up to one level.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stegcinn.runtime.arrays import Int16, UInt8
from stegcinn.runtime.native import Kernel

KNOWN = (0, 0)
PHASES = ((1, 1), (0, 1), (1, 0))  # place (row, column) in the cell, in the order in which they are settled
PLACES = (KNOWN, *PHASES)
GATHER = 2  # cells to each side from which neighbours are taken
RADIUS = 3  # cells to each side that the networks' convolutions see beyond those
NEAREST = 4  # settled neighbours whose mean is the first guess
UNIT = 8  # steps per level in which colours are predicted
CENTRE = 128  # of a feature; it stands for zero
LEVELS_TOLD = 7  # the network is told its level up to this one

_NEIGHBOURS = Kernel("show_neighbours", "i2 i8 n n i2 n n u1!")


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
    count = len(coloured)
    guesses = []
    for planes, part in ((r, out[:count]), (b, out[count : 2 * count])):
        quarters = sum((_at(planes, n) for n in coloured[:NEAREST]), np.zeros(here.shape, np.int16))  # of a level
        # neighbours in the same unit: fine enough for smooth chroma
        _show(planes * np.int16(NEAREST), coloured, quarters - np.int16(CENTRE), part)
        guesses.append(quarters)
    _show(y, coloured + gray, here - np.int16(CENTRE), out[2 * count : -4])
    for quarters, shown in zip(guesses, out[-4:-2], strict=True):
        shown[...] = (quarters // np.int16(NEAREST) + CENTRE).clip(0, 255)
    out[-2] = here
    out[-1] = min(level, LEVELS_TOLD) * (256 // (LEVELS_TOLD + 1))
    guess_r, guess_b = (quarters * np.int16(UNIT // NEAREST) for quarters in guesses)
    return guess_r, guess_b


def _show(planes: Int16, neighbours: tuple[Neighbour, ...], zero: Int16, out: UInt8) -> None:
    """Neighbours' values less `zero` (h, w), limited to 0..255: (planes, h + 2 GATHER, w + 2 GATHER) -> (n, h, w)."""
    height, width = zero.shape
    if planes.shape[1:] != (height + 2 * GATHER, width + 2 * GATHER) or out.shape != (len(neighbours), height, width):
        raise ValueError("planes, zero and out differ in size")
    if max(n.place for n in neighbours) >= len(planes):
        raise ValueError("a neighbour is on no plane")
    _NEIGHBOURS(planes, np.array(neighbours, np.int64), len(neighbours), GATHER, zero, height, width, out)


def _at(planes: Int16, n: Neighbour) -> Int16:
    """A neighbour's plane, shifted so that it lies over the pixels to be settled."""
    plane: Int16 = planes[n.place]
    height, width = plane.shape[0] - 2 * GATHER, plane.shape[1] - 2 * GATHER
    top, left = GATHER + n.down, GATHER + n.right
    return plane[top : top + height, left : left + width]
