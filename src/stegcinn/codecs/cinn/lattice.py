"""Where latents live: the carried area of a photo, its tiles, and the positions that can hold a bit.

All of it follows from the luma plane, which sender and receiver share.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from stegcinn.codecs.cinn.chroma import chroma_room
from stegcinn.codecs.cinn.pyramid import DETAILS
from stegcinn.runtime.arrays import UInt8

Scalar = TypeVar("Scalar", bound=np.generic)

CARRIERS = 2  # pyramid levels that carry bits; together 1.875 latents per pixel
CELL = 1 << CARRIERS  # pixels; the carried area is cut to multiples of it
TILE = 512  # pixels; tiles are independent of each other, which bounds memory and keeps both sides in step
MIN_ROOM = 12.0  # levels of red a pixel must be able to show; black and white pixels carry nothing


@dataclass(frozen=True)
class LatticeTile:
    """A rectangle of the carried area, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def at(self, level: int) -> tuple[slice, slice]:
        """The tile's rows and columns on the lattice of a level (0: pixels)."""
        return (
            slice(self.top >> level, (self.top + self.height) >> level),
            slice(self.left >> level, (self.left + self.width) >> level),
        )


def _tiles(height: int, width: int) -> list[LatticeTile]:
    def cuts(side: int) -> list[int]:
        parts = -(-side // TILE)
        return [side // CELL * i // parts * CELL for i in range(parts + 1)]

    rows, columns = cuts(height), cuts(width)
    return [
        LatticeTile(top, left, bottom - top, right - left)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


class Lattice:
    """Where bits can live in a photo: known to both sides, as it follows from the luma alone."""

    def __init__(self, luma: UInt8) -> None:
        height, width = (side // CELL * CELL for side in luma.shape)
        self.luma = luma[:height, :width]
        self.tiles = _tiles(height, width)
        room = chroma_room(self.luma)
        self.live: list[npt.NDArray[np.bool_]] = []  # per level, (h, w)
        for _ in range(CARRIERS):
            room = np.minimum.reduce([room[y::2, x::2] for y in (0, 1) for x in (0, 1)])
            self.live.append(room >= MIN_ROOM)
        self.positions = DETAILS * sum(int(live.sum()) for live in self.live)

    def gather(self, levels: list[npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
        """Values at live positions: per-level (6, h, w) -> (positions,)."""
        return np.concatenate([values[:, live].ravel() for values, live in zip(levels, self.live, strict=True)])

    def scatter(self, values: npt.NDArray[Scalar]) -> list[npt.NDArray[Scalar]]:
        """The inverse of `gather`; dead positions become 0."""
        levels, start = [], 0
        for live in self.live:
            level = np.zeros((DETAILS, *live.shape), values.dtype)
            count = DETAILS * int(live.sum())
            level[:, live] = values[start : start + count].reshape(DETAILS, -1)
            levels.append(level)
            start += count
        return levels
