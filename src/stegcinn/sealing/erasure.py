"""A code against loss: symbols from which all others follow, whichever they are, as long as they are enough.

Symbols are rows of 16-bit words, and each column of words is a codeword by itself: the values of one polynomial over
GF(2^16), of a degree below the number K of source symbols, at the points 0, 1, 2, ... Any K symbols determine it
(a Reed-Solomon code, systematic as the source symbols are the first K). Lost ones come back in O(n log n) by transforms
over the additive group of the field (Lin, Chung, Han 2014, *Novel polynomial basis and its application to Reed-Solomon
erasure codes*): to encode is to find lost symbols, too.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint16]
Logs = npt.NDArray[np.int32]

BITS = 16
MOST = 1 << BITS  # symbols
POLYNOMIAL = 0x1100B  # of the field, with 2 for a generator

_ORDER = MOST - 1  # of the field's multiplicative group
_ZERO = 2 * _ORDER  # logarithm of 0: with any other it leads to where exponentials are 0
_PART = 1 << 19  # words transformed at a time; tables and indices take about 20 bytes of memory for each


class _Field(NamedTuple):
    log: Logs  # (MOST,)
    exp: Words  # (2 * _ZERO + 1,)
    vanishing: tuple[tuple[int, ...], ...]  # [j][b]: the polynomial with the roots 0..2^j - 1, at 2^b
    weights: Logs  # (MOST,) logarithms: what makes derivatives of basis polynomials sums of such


def recovered(places: npt.NDArray[np.int64], symbols: Words, wanted: npt.NDArray[np.int64], source: int) -> Words:
    """The symbols at the places `wanted`, (wanted, words), from those at the other `places`, (places, words).

    Places are distinct, 0 to MOST - 1, and at least `source` of them are known; ValueError for fewer.
    """
    if len(places) < source:
        raise ValueError(f"{len(places)} symbols do not determine {source}")
    if not len(wanted):
        return np.empty((0, symbols.shape[1]), np.uint16)
    levels = int(max(places.max(), wanted.max())).bit_length()
    lost = np.ones(1 << levels, np.int64)
    lost[places] = 0
    locator = _locator(lost)
    found = np.empty((len(wanted), symbols.shape[1]), np.uint16)
    step = max(1, _PART >> levels)
    for start in range(0, symbols.shape[1], step):
        columns = slice(start, start + step)
        values = np.zeros((1 << levels, symbols[:, columns].shape[1]), np.uint16)
        values[places] = _times(symbols[:, columns], locator[places, None])
        # Times the polynomial that is 0 where symbols are lost, all are known; its derivative there is the lost
        # symbol times that polynomial's own derivative.
        _to_coefficients(values, levels)
        values = _derivative(values, levels)
        _to_values(values, levels)
        found[:, columns] = _times(values[wanted], (-locator[wanted, None]) % _ORDER)
    return found


@cache
def _field() -> _Field:
    exp = np.zeros(2 * _ZERO + 1, np.uint16)
    log = np.full(MOST, _ZERO, np.int32)
    power = 1
    for i in range(_ORDER):
        exp[i] = exp[i + _ORDER] = power
        log[power] = i
        power <<= 1
        power ^= POLYNOMIAL * (power >> BITS)

    def times(a: int, b: int) -> int:
        return int(exp[int(log[a]) + int(log[b])])

    rows = [tuple(1 << b for b in range(BITS))]
    slopes = [1]  # of those polynomials, which are linear over GF(2), at 0
    for j in range(BITS - 1):
        here = rows[j][j]
        rows.append(tuple(times(value, value) ^ times(here, value) for value in rows[j]))
        slopes.append(times(here, slopes[j]))
    weights = np.zeros(1, np.int32)
    for j in range(BITS):
        slope = int(log[slopes[j]]) - int(log[rows[j][j]])
        weights = np.concatenate([weights, (weights + slope) % _ORDER]).astype(np.int32)
    return _Field(log, exp, tuple(rows), weights)


def _times(a: Words, log_b: npt.NDArray[np.integer]) -> Words:
    """Products, where the second factors are told by their logarithms."""
    field = _field()
    product: Words = field.exp.take(field.log.take(a) + log_b)
    return product


@cache
def _twists(level: int, levels: int) -> Logs:
    """Logarithms of the factors of the butterflies over 2^level, one for each block of twice as many values."""
    field = _field()
    row = field.vanishing[level]
    factors = np.zeros(1, np.uint16)
    for b in range(level + 1, levels):
        ratio = field.exp[(field.log[row[b]] - field.log[row[level]]) % _ORDER]
        factors = np.concatenate([factors, factors ^ ratio])
    return field.log[factors][:, None, None]


def _to_values(values: Words, levels: int) -> None:
    """Coefficients in the basis of products of vanishing polynomials into values at 0, 1, 2, ..., in place."""
    for level in reversed(range(levels)):
        low, high = _halves(values, level)
        low ^= _times(high, _twists(level, levels))
        high ^= low


def _to_coefficients(values: Words, levels: int) -> None:
    """The inverse of `_to_values`."""
    for level in range(levels):
        low, high = _halves(values, level)
        high ^= low
        low ^= _times(high, _twists(level, levels))


def _derivative(values: Words, levels: int) -> Words:
    """Coefficients of the formal derivative."""
    weights = _field().weights[: 1 << levels, None]
    weighted = _times(values, weights)
    found = np.zeros_like(values)
    for level in range(levels):
        low, _ = _halves(found, level)
        low ^= _halves(weighted, level)[1]
    return _times(found, (-weights) % _ORDER)


def _halves(values: Words, level: int) -> tuple[Words, Words]:
    """The first and the second 2^level of each block of twice as many, (blocks, 2^level, words) each."""
    pairs = values.reshape(-1, 2, 1 << level, values.shape[1])
    return pairs[:, 0], pairs[:, 1]


def _locator(lost: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Logarithms of the product of x - e over all lost e but x itself, at every x.

    A convolution over exclusive or, by Walsh-Hadamard transforms modulo 2^16 - 1.
    """
    size = len(lost)
    logs = _field().log[:size].astype(np.int64)
    logs[0] = 0
    product = _walsh(lost.copy()) % _ORDER * (_walsh(logs) % _ORDER) % _ORDER
    inverse: npt.NDArray[np.int64] = _walsh(product) % _ORDER * (MOST // size) % _ORDER  # 2^16 is 1 here
    return inverse


def _walsh(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The Walsh-Hadamard transform, in place."""
    half = 1
    while half < len(values):
        pairs = values.reshape(-1, 2, half)
        low, high = pairs[:, 0].copy(), pairs[:, 1]
        pairs[:, 0] += high
        pairs[:, 1] = low - high
        half *= 2
    return values
