"""The colour model at work: distributions for the pixels of a phase, tile by tile, on ONNX Runtime.

Everything is integers, and the same integers on every machine: features by NumPy, networks with 8-bit weights, scales
that are powers of two. A tile sees a margin of its neighbours, so tiles give bit for bit what the whole image would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from stegcinn.colourmodel import cells, mixture
from stegcinn.colourmodel.cells import CHANNELS, GATHER, PHASES, PLACES, RADIUS
from stegcinn.colourmodel.rangecoder import Tables, Tile
from stegcinn.runtime.arrays import Bool, Int16, Int64, UInt8
from stegcinn.runtime.native import WORKERS, Kernel
from stegcinn.runtime.weights import Release, release

TILE = 128  # cells; small enough for a core's cache, large enough that margins cost little
HALO = GATHER + RADIUS

_GATHER = Kernel("gather_cells", "~u1 ~u1 n n i8 n n n n n i2! i2! i2!")

Shaped = TypeVar("Shaped", UInt8, Bool)


class Part(NamedTuple):
    """A rectangle of one phase's pixels: where they are in their plane, their colours (a view), distributions."""

    rows: slice
    columns: slice
    rgb: UInt8
    tile: Tile


def plane(array: Shaped, level: int, phase: int) -> Shaped:
    """The pixels of an image (H, W, ...) that a phase settles, as a view; it may be empty in tiny lattices."""
    i, j = PHASES[phase]
    stride = 1 << level
    return array[i * stride :: 2 * stride, j * stride :: 2 * stride]


class ColourModel:
    """A release of the discrete colour model; see `model.exact` for what its networks compute."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self._tables: dict[tuple[int, float | None], Tables] = {}

    def tables(self, level: int, *, reach: float | None = None) -> Tables:
        """Coding tables of a level, without the tails beyond `reach` if one is given."""
        key = self._group(level), reach
        if key not in self._tables:
            logistic = self._logistic[key[0]]
            if reach is not None:
                logistic = np.stack([mixture.without_tails(table, reach) for table in logistic])
            self._tables[key] = Tables.of(logistic)
        return self._tables[key]

    def parts(
        self, rgb: UInt8, luma: UInt8, level: int, phase: int, chosen: Bool | None = None, *,
        tile: int = TILE, keep: Bool | None = None,
    ) -> Iterator[Part]:  # fmt: skip
        """Distributions for all pixels of a phase given what is settled before it, in raster order of tiles.

        `rgb` (H, W, 3) with `luma` (H, W). Pixels are to be coded where `chosen` (the shape of the phase's plane; all
        by default); tiles that choose none are passed over, and so are those that `keep` (one entry per tile) rejects.
        Networks run ahead in other threads: they read no pixel of their own phase, so these may change meanwhile.
        """
        colours = plane(rgb, level, phase)
        height, width = colours.shape[:2]
        corners = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
        if keep is not None:
            corners = [corner for corner, kept in zip(corners, keep, strict=True) if kept]
        everything = np.ones(colours.shape[:2], np.bool_) if chosen is None else chosen
        spans = [(slice(y, min(y + tile, height)), slice(x, min(x + tile, width))) for y, x in corners]
        wanted = [where for where in spans if everything[where].any()]
        gray = plane(luma, level, phase)

        def part(where: tuple[slice, slice], result: tuple[UInt8, Int16, Int16]) -> Part:
            return Part(*where, colours[where], Tile(*result, gray[where], everything[where]))

        if len(wanted) < 2:  # not worth a thread
            yield from (part(where, self._run(rgb, luma, level, phase, *where)) for where in wanted)
            return
        with ThreadPoolExecutor(WORKERS) as pool:
            pending: deque[tuple[tuple[slice, slice], Future[tuple[UInt8, Int16, Int16]]]] = deque()
            for where in wanted:
                pending.append((where, pool.submit(self._run, rgb, luma, level, phase, *where)))
                if len(pending) > 2 * WORKERS:
                    first, future = pending.popleft()
                    yield part(first, future.result())
            for where, future in pending:
                yield part(where, future.result())

    def at(self, rgb: UInt8, luma: UInt8, level: int, phase: int, rows: Int64, columns: Int64) -> Tile:
        """Distributions of pixels of a phase, at `rows` and `columns` (n,) of its plane, as a tile of one row."""
        shape = 1, len(rows)
        parameters = np.empty((*shape, mixture.PARAMETERS), np.uint8)
        guess_r, guess_b = np.empty(shape, np.int16), np.empty(shape, np.int16)
        for k, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
            found, red, blue = self._run(rgb, luma, level, phase, slice(i, i + 1), slice(j, j + 1))
            parameters[0, k], guess_r[0, k], guess_b[0, k] = found[:, 0, 0], red[0, 0], blue[0, 0]
        gray = plane(luma, level, phase)[rows, columns][None]
        return Tile(np.moveaxis(parameters, -1, 0), guess_r, guess_b, gray, np.ones(shape, np.bool_))

    def root(self, luma: UInt8) -> Tile:
        """Distribution of the coarsest pixel of all, given its luma (1, 1)."""
        bins = (luma.astype(np.int64) * mixture.ROOT_BINS) // 256
        nothing = np.zeros((1, 1), np.int16)
        return Tile(np.moveaxis(self._root[bins], -1, 0), nothing, nothing, luma, np.ones((1, 1), np.bool_))

    @cached_property
    def _logistic(self) -> npt.NDArray[np.int32]:
        return self.release.array("logistic.npy").astype(np.int32)

    @cached_property
    def _root(self) -> UInt8:
        return self.release.array("root.npy").astype(np.uint8)

    def _group(self, level: int) -> int:
        return min(level, int(self.release.config["groups"]) - 1)

    def _run(
        self, rgb: UInt8, luma: UInt8, level: int, phase: int, rows: slice, columns: slice
    ) -> tuple[UInt8, Int16, Int16]:
        """Parameters (PARAMETERS, h, w) and guesses (h, w) of one tile."""
        stride = 1 << level
        height, width = rows.stop - rows.start + 2 * HALO, columns.stop - columns.start + 2 * HALO
        y, r, b = (np.empty((count, height, width), np.int16) for count in (len(PLACES), phase + 1, phase + 1))
        lattice, colours = luma[::stride, ::stride], rgb[::stride, ::stride]
        _GATHER(
            lattice, colours, *lattice.shape, np.array(PLACES, np.int64), rows.start - HALO, columns.start - HALO,
            height, width, phase + 1, y, r, b,
        )  # fmt: skip
        x = np.empty((CHANNELS[phase], y.shape[1] - 2 * GATHER, y.shape[2] - 2 * GATHER), np.uint8)
        guess_r, guess_b = cells.features(y, r, b, phase, level, x)
        inside = (slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
        output = self.release.run(f"level{self._group(level)}-phase{phase}.onnx", threads=1, x=x[None])[0]
        return np.moveaxis(output, -1, 0), guess_r[inside], guess_b[inside]


@cache
def released() -> ColourModel:
    """The colour model that is shipped."""
    return ColourModel(release("exact-1"))
