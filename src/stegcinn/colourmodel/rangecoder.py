"""Colours from message bytes and back: a range coder run in both directions over the distributions of `mixture`.

Hiding decodes: the message, read as a number between 0 and 1, picks one colour after another (`Decoder`). Revealing
encodes the same pixels in the same order, and the message comes out again (`Encoder`). Every possible colour has a part
of the number line and every number a colour, so any bytes make an image and any image makes bytes.

Range coder after Martin (1979), with 64-bit registers. The rounding left over by the division goes to the last symbol,
so that no number is left without a colour, and a carry is resolved in the bytes already written.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from stegcinn.colourmodel import mixture
from stegcinn.runtime.arrays import Bool, Float64, Int16, Int32, Int64, UInt8, UInt64
from stegcinn.runtime.jit import Function, array, compiled, inlined

Int = Any  # compiled: int64

# The cache of machine code notices changes of this file only. So what `mixture`, `cells` and `colour` define is written
# down again here; a test compares.
K = 3
BLUE, SLOPE, GREEN, GREEN_SCALE, PARAMETERS = 12, 24, 25, 26, 27
FINE, COARSE, SCALE = 3, 6, 9
ZERO = 128
UNIT, GREEN_UNIT, SLOPE_SHIFT, SCALE_SHIFT = 8, 64, 6, 10
SLOPE_HALF = 32
MASS = 1 << 16
REACH = 12 * 512  # table entries to each side of the mean
WR, WG, WB = 19595, 38470, 7471

HEAD = 8  # bytes that a register holds
WORST = 12  # bytes per pixel at most: three symbols, each of at least one count in less than 2**31
BATCH = 8192  # pixels measured at a time: their counts stay in the second-level cache
QUANTILES = 256
# A 64-bit word and an int64 must not meet in one expression: the compiler would go on in floating point.
TOP = np.uint64(1 << 56)  # a smaller span is renormalised
FULL = np.uint64(2**64 - 1)
ONE, EIGHT, LAST, BYTE = np.uint64(1), np.uint64(8), np.uint64(56), np.uint64(255)


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
        if (logistic[:, 0] != 0).any() or (logistic[:, -1] != MASS).any() or (np.diff(logistic) < 0).any():
            raise ValueError(f"logistic tables must rise from 0 to {MASS}")
        inverse = np.tile(mixture.inverse_scales(), (mixture.SYMBOLS, 1))
        shares = (np.arange(QUANTILES) + 0.5) * MASS / QUANTILES
        quantile = np.stack([np.searchsorted(table, shares) - float(REACH) for table in logistic])
        table = np.ascontiguousarray(logistic, np.int32)
        return cls(table, inverse, mixture.weights(), *mixture.red_bounds(), quantile, 2.0**SCALE_SHIFT / inverse)

    def calibrated(self, calibration: UInt8) -> Tables:
        """These tables with another scale for each scale of the network: (SYMBOLS, 256) indices."""
        inverse = np.ascontiguousarray(np.take_along_axis(self.inverse, calibration.astype(np.int64), axis=1))
        return dataclasses.replace(self, inverse=inverse, scale=2.0**SCALE_SHIFT / inverse)


@inlined
def _blue_bounds(y: Int, red: Int) -> tuple[Int, Int]:
    rest = 65536 * y - WR * red
    return max(-((32768 + 255 * WG - rest) // WB), 0), min((rest + 32767) // WB, 255)


@inlined
def _green_bounds(rest: Int) -> tuple[Int, Int]:
    """One or two levels have the luma; `rest` is what green has to add to it, in 2**-16 levels."""
    return max(-((32768 - rest) // WG), 0), min((rest + 32767) // WG, 255)


@inlined
def _blue_centre(y: Int, red: Int, guess_r: Int, guess_b: Int, slope: Int) -> Int:
    """Where blue's means count from, given red, in 1/UNIT levels."""
    return UNIT * y + guess_b + (((slope - ZERO) * (UNIT * (red - y) - guess_r) + SLOPE_HALF) >> SLOPE_SHIFT)


@inlined
def _green_distance(low: Int, rest: Int, offset: Int) -> Int:
    """From green's mean to the border between its two levels, in 1/GREEN_UNIT levels."""
    return GREEN_UNIT * low + GREEN_UNIT // 2 - (GREEN_UNIT * rest) // WG - (offset - ZERO)


@inlined
def _entry(distance: Int, inverse: Int) -> Int:
    return min(max((distance * inverse) >> SCALE_SHIFT, -REACH), REACH) + REACH


def _draw(parameters: UInt8, guesses_r: Int16, guesses_b: Int16, luma: UInt8, chosen: Bool, logistic: Int32,
          inverse: Int64, weights: Int64, red_low: Int32, red_high: Int32, quantile: Float64, scale: Float64,
          message: UInt8, rgb: UInt8, state: UInt64) -> None:  # fmt: skip
    """Kernel. `state`: how far the message lies above the interval's lower end, the interval's span, bytes shifted in.

    The span is one less than the number of integers in the interval, so that the first one, 2**64, has room.
    """
    mean, rate, weight = np.empty(K, np.int64), np.empty(K, np.int64), np.empty(K, np.int64)
    colour = np.empty(2, np.int64)
    offset, span, position = state[0], state[1], np.int64(state[2])
    for i in range(luma.shape[0]):
        for j in range(luma.shape[1]):
            if not chosen[i, j]:
                continue
            y, guess_r, guess_b = np.int64(luma[i, j]), np.int64(guesses_r[i, j]), np.int64(guesses_b[i, j])
            low, high, centre = np.int64(red_low[y]), np.int64(red_high[y]), UNIT * y + guess_r
            green = np.int64(0)
            for s in range(3):
                if s < 2:
                    total, middle, spread = np.int64(0), np.int64(0), 0.0
                    for k in range(K):
                        p = BLUE * s + k
                        fine, coarse = np.int64(parameters[p + FINE, i, j]), np.int64(parameters[p + COARSE, i, j])
                        mean[k] = centre + fine - ZERO + UNIT * (coarse - ZERO)
                        rate[k] = inverse[s, parameters[p + SCALE, i, j]]
                        weight[k] = weights[parameters[p, i, j]]
                        total += weight[k]
                        middle += weight[k] * mean[k]
                        spread += weight[k] * scale[s, parameters[p + SCALE, i, j]]
                    # Begin at the quantile of one component that lies in the middle of all: two times in three it is
                    # the value sought.
                    share = np.float64(np.int64(offset >> ONE)) / np.float64(np.int64(span >> ONE))
                    entries, part = quantile[s, np.int64(share * (QUANTILES - 0.01))], 1 / np.float64(total)
                    guess = np.int64(middle * part + entries * (spread * part) + UNIT // 2) // UNIT
                    v = min(max(guess, low), high)
                    total = MASS * total + high - low + 1
                    unit = span // np.uint64(total)
                    before, after, edge = v - low, v - low + 1, UNIT * v + UNIT // 2
                    for k in range(K):
                        distance = edge - mean[k]
                        before += weight[k] * np.int64(logistic[s, _entry(distance - UNIT, rate[k])])
                        after += weight[k] * np.int64(logistic[s, _entry(distance, rate[k])])
                    before, after = before if v > low else np.int64(0), after if v < high else total
                    # counts up to `below` lie at or under the message, counts up to `value` above it
                    below, value = v - 1, v
                    if unit * np.uint64(before) > offset:
                        below, value, before, after = low - 1, v - 1, np.int64(0), before
                        v -= 2
                    elif v < high and unit * np.uint64(after) <= offset:
                        below, value, before, after = v, high, after, total
                        v += 1
                    step = np.int64(2)
                    while value - below > 1:
                        if v <= below or v >= value:
                            v = (below + value) >> 1
                        counts, edge = v - low + 1, UNIT * v + UNIT // 2
                        for k in range(K):
                            counts += weight[k] * np.int64(logistic[s, _entry(edge - mean[k], rate[k])])
                        if unit * np.uint64(counts) <= offset:
                            below, before = v, counts
                            v += step
                        else:
                            value, after = v, counts
                            v -= step
                        step *= 2
                    colour[s] = value
                    if s == 0:
                        low, high = _blue_bounds(y, value)
                        centre = _blue_centre(y, value, guess_r, guess_b, np.int64(parameters[SLOPE, i, j]))
                else:
                    rest = 65536 * y - WR * colour[0] - WB * colour[1]
                    green, high = _green_bounds(rest)
                    if green == high:
                        break
                    distance = _green_distance(green, rest, np.int64(parameters[GREEN, i, j]))
                    border = np.int64(logistic[2, _entry(distance, inverse[2, parameters[GREEN_SCALE, i, j]])]) + 1
                    total = np.int64(MASS + 2)
                    unit = span // np.uint64(total)
                    before, after = np.int64(0), border
                    if unit * np.uint64(border) <= offset:
                        green, before, after = high, border, total
                start = unit * np.uint64(before)
                offset -= start
                span = span - start if after == total else unit * np.uint64(after - before) - ONE
                while span < TOP:
                    byte = np.uint64(message[position]) if position < len(message) else np.uint64(0)
                    offset = (offset << EIGHT) | byte
                    span = (span << EIGHT) | BYTE
                    position += 1
            rgb[i, j, 0], rgb[i, j, 1], rgb[i, j, 2] = colour[0], green, colour[1]
    state[0], state[1], state[2] = offset, span, np.uint64(position)


def _measure(parameters: UInt8, guesses_r: Int16, guesses_b: Int16, luma: UInt8, chosen: Bool, logistic: Int32,
             inverse: Int64, weights: Int64, red_low: Int32, red_high: Int32, rgb: UInt8,
             counts: Int32) -> Int:  # fmt: skip
    """Kernel. Set `counts` (pixels, SYMBOLS, 3): below and up to each colour, and of all.

    -> number of chosen pixels, or -1 at a colour without the pixel's luma.
    """
    n = 0
    for i in range(luma.shape[0]):
        for j in range(luma.shape[1]):
            if not chosen[i, j]:
                continue
            y, guess_r, guess_b = np.int64(luma[i, j]), np.int64(guesses_r[i, j]), np.int64(guesses_b[i, j])
            red, green, blue = np.int64(rgb[i, j, 0]), np.int64(rgb[i, j, 1]), np.int64(rgb[i, j, 2])
            rest = 65536 * y - WR * red - WB * blue
            low, high = _green_bounds(rest)
            if green < low or green > high:
                return -1
            counts[n, 2, 0], counts[n, 2, 1], counts[n, 2, 2] = 0, 1, 1
            if low < high:
                distance = _green_distance(low, rest, np.int64(parameters[GREEN, i, j]))
                border = np.int64(logistic[2, _entry(distance, inverse[2, parameters[GREEN_SCALE, i, j]])]) + 1
                counts[n, 2, 0] = border if green == high else 0
                counts[n, 2, 1] = MASS + 2 if green == high else border
                counts[n, 2, 2] = MASS + 2
            low, high, centre, v = np.int64(red_low[y]), np.int64(red_high[y]), UNIT * y + guess_r, red
            for s in range(2):
                total, before, after, edge = np.int64(0), v - low, v - low + 1, UNIT * v + UNIT // 2
                for k in range(K):
                    p = BLUE * s + k
                    fine, coarse = np.int64(parameters[p + FINE, i, j]), np.int64(parameters[p + COARSE, i, j])
                    distance = edge - (centre + fine - ZERO + UNIT * (coarse - ZERO))
                    rate, weight = inverse[s, parameters[p + SCALE, i, j]], weights[parameters[p, i, j]]
                    total += weight
                    before += weight * np.int64(logistic[s, _entry(distance - UNIT, rate)])
                    after += weight * np.int64(logistic[s, _entry(distance, rate)])
                total = MASS * total + high - low + 1
                counts[n, s, 0] = before if v > low else 0
                counts[n, s, 1] = after if v < high else total
                counts[n, s, 2] = total
                low, high = _blue_bounds(y, red)
                centre, v = _blue_centre(y, red, guess_r, guess_b, np.int64(parameters[SLOPE, i, j])), blue
            n += 1
    return n


def _encode(counts: Int32, out: UInt8, state: UInt64) -> None:
    """Kernel. `state`: lower end of the interval, its span, bytes shifted out."""
    low, span, position = state[0], state[1], np.int64(state[2])
    for n in range(counts.shape[0]):
        for s in range(3):
            before, after, total = counts[n, s, 0], counts[n, s, 1], counts[n, s, 2]
            unit = span // np.uint64(total)
            start = unit * np.uint64(before)
            low += start
            if low < start:  # wrapped around. The whole number stays below 1, so some byte takes the carry
                k = position - 1
                while out[k] == 255:
                    out[k] = 0
                    k -= 1
                out[k] += 1
            span = span - start if after == total else unit * np.uint64(after - before) - ONE
            while span < TOP:
                out[position] = np.uint8(low >> LAST)
                low <<= EIGHT
                span = (span << EIGHT) | BYTE
                position += 1
    state[0], state[1], state[2] = low, span, np.uint64(position)


@functools.cache
def _compiled(kernel: Function) -> Function:
    """Built at first use: one version, whatever strides the arrays have."""
    pixels = [array("uint8", 3, "A"), *(array(t, 2, "A") for t in ("int16", "int16", "uint8", "bool_"))]
    tables = [array("int32", 2), array("int64", 2), *(array(t, 1) for t in ("int64", "int32", "int32"))]
    state = array("uint64", 1, writable=True)
    types = {
        _draw: (
            *pixels, *tables, array("float64", 2), array("float64", 2), array("uint8", 1),
            array("uint8", 3, "A", writable=True), state,
        ),
        _measure: (*pixels, *tables, array("uint8", 3, "A"), array("int32", 3, writable=True)),
        _encode: (array("int32", 3), array("uint8", 1, writable=True), state),
    }[kernel]  # fmt: skip
    return compiled(kernel, types)


def _check(tile: Tile, rgb: UInt8) -> None:
    """The kernels trust the sizes of arrays."""
    size = tile.luma.shape
    if tile.parameters.shape != (PARAMETERS, *size) or any(array.shape != size for array in tile[1:]):
        raise ValueError("a tile's arrays differ in size")
    if rgb.shape != (*size, 3):
        raise ValueError(f"colours must be of shape {(*size, 3)}, not {rgb.shape}")


def _counts(tables: Tables, tile: Tile, rgb: UInt8) -> Iterator[Int32]:
    """Counts of the chosen pixels in batches of about BATCH, each valid until the next. ValueError: see `absorb`."""
    _check(tile, rgb)
    height, width = tile.luma.shape
    rows = max(1, BATCH // max(width, 1))
    counts = np.empty((rows * width, mixture.SYMBOLS, 3), np.int32)
    fields = tables.logistic, tables.inverse, tables.weights, tables.red_low, tables.red_high
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        n = _compiled(_measure)(*tile.cut(part, slice(None)), *fields, rgb[part], counts)
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
        _check(tile, rgb)
        fields = (getattr(tables, field.name) for field in dataclasses.fields(tables))
        _compiled(_draw)(*tile, *fields, self._message, rgb, self._state)


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
            _compiled(_encode)(counts, self._out, self._state)

    def peek(self) -> bytes:
        """A message from which all colours so far are drawn: the bytes settled, and 8 more that mean little."""
        low, span = int(self._state[0]), int(self._state[1])
        inside = min(low + span // 2, int(FULL))  # a number beyond would need a carry
        return self._out[: self.settled].tobytes() + inside.to_bytes(HEAD, "big")
