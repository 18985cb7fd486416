"""Small changes of colour that leave the luma as it is, and the label in which a receiver reads them.

A move changes each channel by at most one level. The label of a pixel is (R + 3 G + 6 B) mod 16: with these weights
nearly every two moves that a pixel has lead to different labels, so four layers of bits carry all but 0.3 % of what the
moves could (docs/decisions.md).
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from stegcinn.jit import array, compiled

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

LABEL_WEIGHTS = (1, 3, 6)
LAYERS = 4
LABELS = 1 << LAYERS
# Written down again, with the weights of labels in the kernels: the cache of machine code sees changes of this file
# only. A test compares.
WR, WG, WB = 19595, 38470, 7471
MOVES = np.array(list(itertools.product((-1, 0, 1), repeat=3)), np.int64)
HIGHEST = np.float32(28)  # price that is told apart from higher ones; the chance of three such is still a float32
_STEPS = MOVES @ np.array((WR, WG, WB))  # of luma, in 2**-16 levels
_SHIFTS = MOVES @ np.array(LABEL_WEIGHTS)  # of the label


def labels(rgb: UInt8) -> UInt8:
    """What a receiver reads: labels 0..15 of pixels (..., 3)."""
    r, g, b = (rgb[..., c] * np.uint8(w) for c, w in enumerate(LABEL_WEIGHTS))
    label: UInt8 = (r + g + b) & np.uint8(LABELS - 1)
    return label


def chances(rgb: UInt8, prices: Float32) -> tuple[Float32, UInt8]:
    """How likely each label is, (n, LABELS), if moves are drawn with chances proportional to exp(-price).

    `rgb` (n, 3) and `prices` (n, 3): of one level's change of each channel, infinite if it must stay. A label's chance
    is that of its cheapest move alone, whose index in MOVES comes second, (n, LABELS); 0 if no move with the pixel's
    luma leads there.
    """
    likely, best = np.empty((len(rgb), LABELS), np.float32), np.empty((len(rgb), LABELS), np.uint8)
    one = np.where(np.isinf(prices), np.float32(0), np.exp(-np.minimum(prices, HIGHEST)))
    _compiled_chances()(rgb, one, MOVES, _STEPS, _SHIFTS, likely, best)
    return likely, best


def entropies(likely: Float32) -> Float64:
    """Of `likely` (n, LABELS), per layer: its bits' entropies given the layers before, summed, and how many are open.

    (2, LAYERS). A bit is open if both of its values can be reached; layer k is bit k of the label.
    """
    totals = np.zeros((2, LAYERS))
    _compiled_entropies()(likely, totals)
    return totals


def preferences(likely: Float32, settled: UInt8, layer: int) -> tuple[UInt8, Float32]:
    """The likelier value of each label's bit `layer` given the `settled` ones below it, and what the other one costs.

    Costs are logarithms of how many times likelier (Filler and Fridrich 2010); infinite where there is no choice.
    """
    bits, costs = np.empty(len(likely), np.uint8), np.empty(len(likely), np.float32)
    _compiled_preferences()(likely, settled, layer, bits, costs)
    return bits, costs


def moved(rgb: UInt8, likely: Float32, best: UInt8, settled: UInt8, layers: int) -> UInt8:
    """Pixels (n, 3) after the likeliest moves to labels whose `layers` lowest bits are `settled`."""
    rest = likely.reshape(len(likely), -1, 1 << layers)[np.arange(len(likely)), :, settled]
    chosen = best[np.arange(len(best)), settled + (rest.argmax(axis=1) << layers)]
    after: UInt8 = (rgb + MOVES[chosen]).astype(np.uint8)
    return after


def _chances(rgb: Any, one: Any, moves: Any, steps: Any, shifts: Any, likely: Any, best: Any) -> None:
    for i in range(len(rgb)):
        r, g, b = np.int64(rgb[i, 0]), np.int64(rgb[i, 1]), np.int64(rgb[i, 2])
        rest = (WR * r + WG * g + WB * b + 32768) & 65535
        label = r + 3 * g + 6 * b
        likely[i, :] = 0
        total = np.float32(0)
        for m in range(len(moves)):
            if not 0 <= rest + steps[m] < 65536:  # another luma
                continue
            dr, dg, db = moves[m, 0], moves[m, 1], moves[m, 2]
            if not (0 <= r + dr <= 255 and 0 <= g + dg <= 255 and 0 <= b + db <= 255):
                continue
            chance = np.float32(1)
            if dr:
                chance *= one[i, 0]
            if dg:
                chance *= one[i, 1]
            if db:
                chance *= one[i, 2]
            target = (label + shifts[m]) & 15
            if chance > likely[i, target]:
                total += chance - likely[i, target]
                likely[i, target] = chance
                best[i, target] = m
        for target in range(16):
            likely[i, target] /= total


def _entropies(likely: Any, totals: Any) -> None:
    values = np.empty(LABELS, np.float64)
    for i in range(len(likely)):
        for label in range(LABELS):
            values[label] = likely[i, label]
        for layer in range(LAYERS - 1, -1, -1):
            half = 1 << layer
            for low in range(half):
                a, b = values[low], values[low + half]
                both = a + b
                if a > 0 and b > 0:
                    totals[0, layer] += both * np.log2(both) - a * np.log2(a) - b * np.log2(b)
                    totals[1, layer] += both
                values[low] = both


def _preferences(likely: Any, settled: Any, layer: int, bits: Any, costs: Any) -> None:
    half = 1 << layer
    for i in range(len(likely)):
        zero, one = 0.0, 0.0
        for low in range(settled[i], LABELS, 2 * half):
            zero += likely[i, low]
            one += likely[i, low + half]
        bits[i] = one > zero
        costs[i] = abs(np.log(one / zero)) if zero > 0 and one > 0 else np.inf


@cache
def _compiled_preferences() -> Any:
    types = array("float32", 2), array("uint8", 1), numba.types.int64
    return compiled(_preferences, (*types, array("uint8", 1, writable=True), array("float32", 1, writable=True)))


@cache
def _compiled_entropies() -> Any:
    return compiled(_entropies, (array("float32", 2), array("float64", 2, writable=True)))


@cache
def _compiled_chances() -> Any:
    types = (
        array("uint8", 2), array("float32", 2), array("int64", 2), array("int64", 1), array("int64", 1),
        array("float32", 2, writable=True), array("uint8", 2, writable=True),
    )  # fmt: skip
    return compiled(_chances, types)
