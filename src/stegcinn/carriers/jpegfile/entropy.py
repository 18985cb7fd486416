"""Scans decoded, written again and judged by the compiled loops of `native/jpeg.c`."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stegcinn.carriers.jpegfile.markers import BLOCK, SYMBOLS_MAX, Layout, Plane, Scan
from stegcinn.runtime import native
from stegcinn.runtime.arrays import Int16, Int32, UInt8
from stegcinn.runtime.native import Kernel

CUT_SHORT, DAMAGED, FULL, WRONG = -1, -2, -3, -4  # what the loops return
SLACK = 512  # bytes that they want after the data
PLUS, MINUS = 1, 2  # a coefficient may grow by one, may fall by one
COMPONENTS = 3

_DECODE = Kernel("jpeg_decode", "*")
_RECODE = Kernel("jpeg_recode", "*")
_PRICE = Kernel("jpeg_price", "*")


class _Component(ctypes.Structure):
    """`Component` of jpeg.c."""

    _fields_ = (
        ("blocks", ctypes.c_void_p),
        ("wanted", ctypes.c_void_p),
        ("moves", ctypes.c_void_p),
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("visible_rows", ctypes.c_int64),
        ("visible_columns", ctypes.c_int64),
        ("h", ctypes.c_int64),
        ("v", ctypes.c_int64),
        ("dc", ctypes.c_char_p),
        ("ac", ctypes.c_char_p),
    )


class _Scan(ctypes.Structure):
    """`Scan` of jpeg.c, and what must live as long as it."""

    kept: tuple[object, ...]

    _fields_ = (
        ("components", _Component * COMPONENTS),
        *((name, ctypes.c_int64) for name in ("count", "mcu_rows", "mcu_columns", "restart")),
        *((name, ctypes.c_int64) for name in ("progressive", "first", "last", "high", "low")),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("scratch", ctypes.c_void_p),
        ("scratch_size", ctypes.c_int64),
        ("out", ctypes.c_void_p),
        ("out_size", ctypes.c_int64),
        ("places", ctypes.c_void_p),
        ("places_size", ctypes.c_int64),
        ("places_count", ctypes.c_int64),
        ("lacking", ctypes.c_void_p),
    )


class EntropyError(Exception):
    """The data of a scan end early (`short`), or are not what an encoder writes."""

    def __init__(self, short: bool) -> None:
        self.short = short
        super().__init__("cut short" if short else "damaged")


@dataclass(frozen=True, eq=False)
class Lacking:
    """What there are no codes for.

    `places` (n, 3) int32: component, row and column of the changed blocks that need them. `symbols`: component, "DC" or
    "AC", and symbol of each code, sorted.
    """

    places: Int32
    symbols: tuple[tuple[int, str, int], ...]


def joined(parts: Sequence[Lacking]) -> Lacking:
    """What several scans lack, each once."""
    places = np.concatenate([np.zeros((0, 3), np.int32), *(part.places for part in parts)])
    return Lacking(np.unique(places, axis=0), tuple(sorted({symbol for part in parts for symbol in part.symbols})))


def decode(data: UInt8, layout: Layout, scan: Scan, blocks: Sequence[Int16]) -> None:
    """Decode a scan of `data` into the blocks of the layout's planes, each (rows, columns, 64) int16.

    They hold what the scans before it left, zeros at first. Raises EntropyError.
    """
    _called(_DECODE, _handed(data, layout, scan, blocks))


def recode(
    data: UInt8, layout: Layout, scan: Scan, blocks: Sequence[Int16], wanted: Sequence[Int16], changed: int
) -> tuple[bytes, Lacking]:
    """The scan for `wanted` instead of `blocks`, which are those of the whole file; of no use where codes lack.

    At most `changed` blocks differ.
    """
    places = np.zeros((1 + 2 * changed, 3), np.int32)  # a block can be named for itself, and for the one after it
    lacking = np.zeros((COMPONENTS, 2, SYMBOLS_MAX), np.uint8)
    size = scan.stop - scan.start + 4096
    while True:
        handed, out = _handed(data, layout, scan, blocks, wanted), np.empty(size, np.uint8)
        handed.out, handed.out_size = out.ctypes.data, out.size
        handed.places, handed.places_size, handed.lacking = places.ctypes.data, len(places), lacking.ctypes.data
        written = _called(_RECODE, handed)
        if written != FULL:
            break
        size *= 2
    places = places[: handed.places_count]
    places[:, 0] = np.take(scan.planes, places[:, 0])
    symbols = [(scan.planes[n], ("DC", "AC")[kind], int(symbol)) for n, kind, symbol in np.argwhere(lacking)]
    return out[:written].tobytes(), Lacking(places, tuple(symbols))


def price(data: UInt8, layout: Layout, scan: Scan, blocks: Sequence[Int16], moves: Mapping[int, UInt8]) -> None:
    """Take PLUS and MINUS from the moves of some planes, of the shape of the blocks, where this scan lacks codes."""
    _called(_PRICE, _handed(data, layout, scan, blocks, moves=moves))


def _called(kernel: Kernel, handed: _Scan) -> int:
    result = kernel(handed)
    if result == WRONG:
        raise ValueError("tables, blocks and scan do not belong together")
    if result in (CUT_SHORT, DAMAGED):
        raise EntropyError(short=result == CUT_SHORT)
    return result


def _handed(
    data: UInt8,
    layout: Layout,
    scan: Scan,
    blocks: Sequence[Int16],
    wanted: Sequence[Int16] = (),
    moves: Mapping[int, UInt8] | None = None,
) -> _Scan:
    """What the loops get. ValueError for arrays of another kind than they take."""
    if data.ndim != 1 or not data.flags.c_contiguous or scan.stop > data.size:
        raise ValueError("the data must be one array, and the scan in it")
    size = scan.stop - scan.start
    scratch, moves = np.empty(size + SLACK, np.uint8), moves or {}
    decodes = not wanted and not moves
    handed = _Scan(
        count=len(scan.planes), mcu_rows=layout.mcu_rows, mcu_columns=layout.mcu_columns, restart=scan.restart,
        progressive=layout.progressive, first=scan.first, last=scan.last, high=scan.high, low=scan.low,
        data=native.address(data, "u1") + scan.start, size=size, scratch=scratch.ctypes.data, scratch_size=scratch.size,
    )  # fmt: skip
    for n, plane in enumerate(scan.planes):
        shape = layout.planes[plane]
        handed.components[n] = _Component(
            blocks=_address(blocks[plane], "i2", shape, decodes),
            wanted=_address(wanted[plane], "i2", shape) if wanted else None,
            moves=_address(moves[plane], "u1", shape, True) if plane in moves else None,
            rows=shape.rows, columns=shape.columns, visible_rows=shape.visible_rows,
            visible_columns=shape.visible_columns, h=shape.h, v=shape.v, dc=scan.dc[n], ac=scan.ac[n],
        )  # fmt: skip
    handed.kept = (data, scratch, *blocks, *wanted, *moves.values())
    return handed


def _address(array: Int16 | UInt8, element: str, plane: Plane, writable: bool = False) -> int:
    shape = (plane.rows, plane.columns, BLOCK)
    if array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"blocks must be {shape} side by side, not {array.shape}")
    return native.address(array, element, writable)
