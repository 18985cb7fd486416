"""Colours from message bytes and back: a range coder run in both directions over the distributions of `mixture`.

Hiding decodes: the message, read as a number between 0 and 1, picks one colour after another (`Decoder`). Revealing
encodes the same pixels in the same order, and the message comes out again (`Encoder`). Every possible colour has a part
of the number line and every number a colour, so any bytes make an image and any image makes bytes.

Range coder after Martin (1979), with 64-bit registers. The rounding left over by the division goes to the last symbol,
so that no number is left without a colour, and a carry is resolved in the bytes already written.
"""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stegcinn.colourmodel import mixture
from stegcinn.runtime.arrays import Bool, Float64, Int16, Int32, Int64, UInt8
from stegcinn.runtime.native import Kernel, View, address, view

HEAD = 8  # bytes that a register holds
WORST = 12  # bytes per pixel at most: three symbols, each of at least one count in less than 2**31
BATCH = 8192  # pixels measured at a time: their counts stay in the second-level cache
QUANTILES = 256
REACH = mixture.LOGISTIC_REACH * mixture.LOGISTIC_UNIT  # table entries to each side of the mean
FULL = np.uint64(2**64 - 1)  # the first interval's span, less one

_DRAW = Kernel("draw_colours", "* * u1 n u8!")
_MEASURE = Kernel("measure_colours", "* * i4! n")
_ENCODE = Kernel("encode_counts", "i4 n u1! n u8!")


class _Pixels(ctypes.Structure):
    """`Tile` of native/rangecoder.c."""

    _fields_ = (
        *((name, View) for name in ("parameters", "guess_r", "guess_b", "luma", "chosen", "rgb")),
        ("height", ctypes.c_int64),
        ("width", ctypes.c_int64),
    )


class _Pointers(ctypes.Structure):
    """`Tables` of native/rangecoder.c."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("logistic", "inverse", "weights", "red_low", "red_high", "quantile", "scale")
    )


class Tile(NamedTuple):
    """Pixels to be coded in raster order, where `chosen`, and the parameters of their distributions; any strides.

    Parameters that lie side by side for each pixel (channels last, axes moved) are read faster than planes.
    """

    parameters: UInt8  # (mixture.PARAMETERS, h, w)
    guess_r: Int16  # (h, w), first guess of red - luma in 1/UNIT levels
    guess_b: Int16
    luma: UInt8
    chosen: Bool

    def cut(self, rows: slice, columns: slice) -> Tile:
        """A part of the tile, as views."""
        where = rows, columns
        return Tile(
            self.parameters[:, rows, columns], self.guess_r[where], self.guess_b[where], self.luma[where],
            self.chosen[where],
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tables:
    """Integer tables that turn parameters into counts, and two in floating point that only say where to search."""

    logistic: Int32  # (SYMBOLS, 2 REACH + 1)
    inverse: Int64  # (SYMBOLS, 256): fixed-point 1 / scale
    weights: Int64  # (256,)
    red_low: Int32  # (256,)
    red_high: Int32
    quantile: Float64  # (SYMBOLS, QUANTILES): table entries from the mean
    scale: Float64  # (SYMBOLS, 256): 1/UNIT levels per table entry

    @classmethod
    def of(cls, logistic: Int32) -> Tables:
        """Tables for distribution functions `logistic` (SYMBOLS, 2 REACH + 1), as from `mixture.logistic`."""
        shape = mixture.SYMBOLS, 2 * REACH + 1
        if logistic.shape != shape:
            raise ValueError(f"logistic tables must be of shape {shape}, not {logistic.shape}")
        if (logistic[:, 0] != 0).any() or (logistic[:, -1] != mixture.MASS).any() or (np.diff(logistic) < 0).any():
            raise ValueError(f"logistic tables must rise from 0 to {mixture.MASS}")
        inverse = np.tile(mixture.inverse_scales(), (mixture.SYMBOLS, 1))
        shares = (np.arange(QUANTILES) + 0.5) * mixture.MASS / QUANTILES
        quantile = np.stack([np.searchsorted(table, shares) - float(REACH) for table in logistic])
        table = np.ascontiguousarray(logistic, np.int32)
        return cls(
            table, inverse, mixture.weights(), *mixture.red_bounds(), quantile, 2.0**mixture.SCALE_SHIFT / inverse
        )

    def calibrated(self, calibration: UInt8) -> Tables:
        """These tables with another scale for each scale of the network: (SYMBOLS, 256) indices."""
        inverse = np.ascontiguousarray(np.take_along_axis(self.inverse, calibration.astype(np.int64), axis=1))
        return dataclasses.replace(self, inverse=inverse, scale=2.0**mixture.SCALE_SHIFT / inverse)

    @cached_property
    def pointers(self) -> _Pointers:
        """What a kernel gets of them."""
        elements = "i4", "i8", "i8", "i4", "i4", "f8", "f8"
        fields = (getattr(self, field.name) for field in dataclasses.fields(self))
        return _Pointers(*(address(field, element) for field, element in zip(fields, elements, strict=True)))


def _pixels(tile: Tile, rgb: UInt8, *, writable: bool = False) -> _Pixels:
    """What a kernel gets of a tile and its colours; it trusts their sizes, so ValueError if these differ."""
    size = tile.luma.shape
    if tile.parameters.shape != (mixture.PARAMETERS, *size) or any(array.shape != size for array in tile[1:]):
        raise ValueError("a tile's arrays differ in size")
    if rgb.shape != (*size, 3):
        raise ValueError(f"colours must be of shape {(*size, 3)}, not {rgb.shape}")
    planes: tuple[npt.NDArray[Any], ...] = tile
    views = (view(plane, element) for plane, element in zip(planes, ("u1", "i2", "i2", "u1", "?"), strict=True))
    return _Pixels(*views, view(rgb, "u1", writable=writable), *size)


def _counts(tables: Tables, tile: Tile, rgb: UInt8) -> Iterator[Int32]:
    """Counts of the chosen pixels in batches of about BATCH, each valid until the next. ValueError: see `absorb`."""
    height, width = tile.luma.shape
    rows = max(1, BATCH // max(width, 1))
    counts = np.empty((rows * width, mixture.SYMBOLS, 3), np.int32)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        pixels = _pixels(tile.cut(part, slice(None)), rgb[part])
        n = _MEASURE(pixels, tables.pointers, counts, len(counts))
        if n < 0:
            raise ValueError("a colour does not have its pixel's luma")
        yield counts[:n]


def information(tables: Tables, tile: Tile, rgb: UInt8) -> tuple[Float64, float]:
    """Bits of the chosen colours: sums (SYMBOLS,) over the pixels, and the sum over pixels of (bits of a pixel)**2."""
    sums, squares = np.zeros(mixture.SYMBOLS), 0.0
    for counts in _counts(tables, tile, rgb):
        bits = np.log2(counts[..., 2] / (counts[..., 1] - counts[..., 0]))
        pixels = bits @ np.ones(mixture.SYMBOLS)  # products, because sums over short rows are slow
        sums += np.ones(len(bits)) @ bits
        squares += float(pixels @ pixels)
    return sums, squares


class Decoder:
    """Turns a message into colours.

    Past its end the message goes on with zeros: append random filling, so that all colours are drawn. Then its first n
    bytes come back whole once `consumed` is n + 4 or more, but for a chance of 2**-32: the last interval may reach
    across a multiple of 256**-n, and the number that `Encoder.peek` takes from it may lie on the other side. (Filling
    of zeros puts the message on such a multiple, where this is likely.) An Encoder shows whether it happened.
    """

    def __init__(self, message: bytes | bytearray | memoryview):
        self._message = np.frombuffer(message, np.uint8)
        head = int.from_bytes(bytes(message[:HEAD]).ljust(HEAD, b"\0"), "big")
        self._state = np.array([head, FULL, HEAD], np.uint64)

    @property
    def consumed(self) -> int:
        """Bytes of the message that the colours so far settle: an `Encoder` of them has `settled` as many."""
        return int(self._state[2]) - HEAD

    def draw(self, tables: Tables, tile: Tile, rgb: UInt8) -> None:
        """Write the next colours to `rgb` (h, w, 3) uint8, any strides, where chosen; each has its pixel's luma."""
        pixels = _pixels(tile, rgb, writable=True)
        _DRAW(pixels, tables.pointers, self._message, len(self._message), self._state)


class Encoder:
    """Turns colours back into the message from which a `Decoder` drew them."""

    def __init__(self) -> None:
        self._out = np.zeros(1 << 12, np.uint8)
        self._state = np.array([0, FULL, 0], np.uint64)

    @property
    def settled(self) -> int:
        """Bytes shifted out so far. A later carry changes the last k of them with a chance of about 256**-k."""
        return int(self._state[2])

    def absorb(self, tables: Tables, tile: Tile, rgb: UInt8) -> None:
        """Take in the colours `rgb` (h, w, 3) uint8, any strides, where chosen.

        ValueError if a colour does not have its pixel's luma; what has been absorbed is then undefined.
        """
        for counts in _counts(tables, tile, rgb):
            needed = self.settled + WORST * len(counts)
            if needed > len(self._out):
                grown = np.zeros(max(needed, 2 * len(self._out)), np.uint8)
                grown[: self.settled] = self._out[: self.settled]
                self._out = grown
            if _ENCODE(counts, len(counts), self._out, len(self._out), self._state) < 0:
                raise ValueError("counts that no colour has")

    def peek(self) -> bytes:
        """A message from which all colours so far are drawn: the bytes settled, and 8 more that mean little."""
        low, span = int(self._state[0]), int(self._state[1])
        inside = min(low + span // 2, int(FULL))  # a number beyond would need a carry
        return self._out[: self.settled].tobytes() + inside.to_bytes(HEAD, "big")
