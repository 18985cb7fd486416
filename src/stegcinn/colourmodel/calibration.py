"""A few numbers per image that fit the colour model's scales to a host, so that draws are as noisy as the host is.

For each level that carries bits and each of red, blue and green, the scale index that a network predicts is shifted by
a piecewise linear function of itself. The sender fits the knots to the host's own code length; the receiver gets them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.colourmodel import mixture
from stegcinn.runtime.arrays import Float64, Int8, UInt8

KNOTS = (40, 75, 110, 145, 180, 215)  # scale indices; beyond the ends the shift stays what it is there
LEVELS = 2
COARSE_SHIFTS = range(-48, 49, 24)  # of all knots alike, tried first
FINE_STEPS = (12, 6, 3)  # of single knots
SIZE = LEVELS * mixture.SYMBOLS * len(KNOTS)  # bytes


@dataclass(frozen=True)
class Calibration:
    """Shifts of the scale index at the knots: (LEVELS, SYMBOLS, KNOTS) int8, 24 to the factor of two."""

    shifts: Int8

    @classmethod
    def none(cls) -> Calibration:
        """The model's scales as they are."""
        return cls(np.zeros((LEVELS, mixture.SYMBOLS, len(KNOTS)), np.int8))

    @classmethod
    def from_bytes(cls, data: bytes) -> Calibration:
        """Any SIZE bytes are a calibration."""
        return cls(np.frombuffer(data, np.int8).reshape(LEVELS, mixture.SYMBOLS, len(KNOTS)))

    def to_bytes(self) -> bytes:
        """SIZE bytes for `from_bytes`."""
        return self.shifts.tobytes()

    def lookup(self, level: int) -> UInt8:
        """The scale index to use for each predicted one, (SYMBOLS, 256); at levels without a calibration, the same."""
        if level >= LEVELS:
            return np.tile(np.arange(256, dtype=np.uint8), (mixture.SYMBOLS, 1))
        return _lookup(self.shifts[level])


def _lookup(knots: npt.NDArray[np.integer]) -> UInt8:
    """(..., KNOTS) -> (..., 256), in integers: between two knots the shift is their weighted mean, rounded down."""
    low, high = (knots[..., _LEFT + right].astype(np.int64) for right in (0, 1))
    shifted: UInt8 = (_INDEX + (low * (_SPAN - _WITHIN) + high * _WITHIN) // _SPAN).clip(0, 255).astype(np.uint8)
    return shifted


_INDEX = np.arange(256)
_LEFT = (np.searchsorted(KNOTS, _INDEX, side="right") - 1).clip(0, len(KNOTS) - 2)  # of the two knots around an index
_SPAN = np.diff(KNOTS)[_LEFT]
_WITHIN = (_INDEX - np.array(KNOTS)[_LEFT]).clip(0, _SPAN)


def fit(code_length: Callable[[int, UInt8], Float64]) -> Calibration:
    """The calibration that makes a host's code length least, near enough.

    `code_length(level, lookup)`: bits (SYMBOLS,) of the host's colours at a level; each symbol depends on its own row
    of the lookup alone, so all three are searched at the same time. Levels are searched in threads.
    """
    with ThreadPoolExecutor(LEVELS) as pool:
        levels = pool.map(lambda level: _fit_level(lambda lookup: code_length(level, lookup)), range(LEVELS))
        return Calibration(np.stack(list(levels)).astype(np.int8))


def _fit_level(code_length: Callable[[UInt8], Float64]) -> npt.NDArray[np.int64]:
    """The shifts (SYMBOLS, KNOTS) of one level."""
    shifts = np.zeros((mixture.SYMBOLS, len(KNOTS)), np.int64)
    best = np.full(mixture.SYMBOLS, np.inf)

    def attempt(candidate: npt.NDArray[np.int64]) -> None:
        bits = code_length(_lookup(candidate))
        better = bits < best
        best[better] = bits[better]
        shifts[better] = candidate[better]

    for shift in COARSE_SHIFTS:
        attempt(np.full_like(shifts, shift))
    for step in FINE_STEPS:
        for knot in range(len(KNOTS)):
            for direction in (step, -step):
                candidate = shifts.copy()
                candidate[:, knot] += direction
                attempt(candidate)
    return shifts
