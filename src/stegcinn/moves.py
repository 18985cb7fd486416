"""Small changes of colour that leave the luma as it is, and the label in which a receiver reads them.

A move changes each channel by at most one level. The label of a pixel is (R + 3 G + 6 B) mod 16: with these weights
nearly every two moves that a pixel has lead to different labels, so four layers of bits carry all but 0.3 % of what the
moves could (docs/decisions.md).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from stegcinn.jit import array, compiled

UInt8 = npt.NDArray[np.uint8]
Int8 = npt.NDArray[np.int8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

LABEL_WEIGHTS = (1, 3, 6)
LAYERS = 4
LABELS = 1 << LAYERS
# Written down again, with the weights of labels in the kernels: the cache of machine code sees changes of this file
# only. A test compares.
WR, WG, WB = 19595, 38470, 7471
MOVES = np.array(list(itertools.product((-1, 0, 1), repeat=3)), np.int64)  # by index
NATS = 16  # units of reluctance per nat
PULL = 0.65  # share of a move's reluctance that counts (docs/security.md)
_EASE = np.exp(-PULL / NATS * np.arange(-128, 128)).astype(np.float32)
LEAST_CHANCE = 1e-36  # before all are made to sum to one: the dearest move is better than none


@dataclass(frozen=True)
class Pixels:
    """Pixels that may move: colours (n, 3), and prices (n, 3) of one level's change of each channel.

    `reluctance` (n, len(MOVES)) is what moves cost besides, whatever the price, in 1/NATS nats: less than nothing for
    those to a likelier colour.
    """

    rgb: UInt8
    prices: Float32
    reluctance: Int8

    def __len__(self) -> int:
        return len(self.rgb)

    def part(self, where: slice) -> Pixels:
        """Some of them, as views."""
        return Pixels(self.rgb[where], self.prices[where], self.reluctance[where])

    def taken(self, order: npt.NDArray[np.integer]) -> Pixels:
        """Those of the given indices, copied."""
        return Pixels(
            np.take(self.rgb, order, axis=0), np.take(self.prices, order, axis=0),
            np.take(self.reluctance, order, axis=0),
        )  # fmt: skip

    def at(self, price: float) -> Pixels:
        """The same with all prices multiplied."""
        return Pixels(self.rgb, self.prices * np.float32(price), self.reluctance)


def labels(rgb: UInt8) -> UInt8:
    """What a receiver reads: labels 0..15 of pixels (..., 3)."""
    r, g, b = (rgb[..., c] * np.uint8(w) for c, w in enumerate(LABEL_WEIGHTS))
    label: UInt8 = (r + g + b) & np.uint8(LABELS - 1)
    return label


def chances(pixels: Pixels) -> tuple[Float32, UInt8]:
    """How likely each label is, (n, LABELS), if moves are drawn with chances proportional to exp(-cost).

    A label's chance is that of its cheapest move alone, whose index in MOVES comes second, (n, LABELS); 0 if no move
    leads there.
    """
    shape = len(pixels), LABELS
    likely, best = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    _compiled_chances()(pixels.rgb, pixels.prices, pixels.reluctance, _EASE, likely, best)
    return likely / likely.sum(axis=1, keepdims=True), best


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


def _chances(rgb: Any, prices: Any, reluctance: Any, ease: Any, likely: Any, best: Any) -> None:
    """Kernel: what each label's cheapest move by one level costs, as exp(-cost), and that move."""
    for i in range(len(rgb)):
        r, g, b = np.int64(rgb[i, 0]), np.int64(rgb[i, 1]), np.int64(rgb[i, 2])
        rest = (WR * r + WG * g + WB * b + 32768) & 65535
        label = r + 3 * g + 6 * b
        likely[i, label & 15], best[i, label & 15] = 1, 13
        red, green, blue = np.exp(-prices[i, 0]), np.exp(-prices[i, 1]), np.exp(-prices[i, 2])
        for dr in range(-1, 2):
            for dg in range(-1, 2):
                for db in range(-1, 2):
                    if not 0 <= rest + WR * dr + WG * dg + WB * db < 65536:  # another luma
                        continue
                    if not (0 <= r + dr <= 255 and 0 <= g + dg <= 255 and 0 <= b + db <= 255):
                        continue
                    move = 9 * (dr + 1) + 3 * (dg + 1) + db + 1
                    chance = ease[reluctance[i, move] + 128]
                    if dr:
                        chance *= red
                    if dg:
                        chance *= green
                    if db:
                        chance *= blue
                    target = (label + dr + 3 * dg + 6 * db) & 15
                    chance = max(chance, np.float32(LEAST_CHANCE))
                    if chance > likely[i, target]:
                        likely[i, target], best[i, target] = chance, move


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
    written = array("float32", 2, writable=True), array("uint8", 2, writable=True)
    read = array("uint8", 2), array("float32", 2), array("int8", 2), array("float32", 1)
    return compiled(_chances, (*read, *written))
