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

from stegcinn.runtime.arrays import Float32, Float64, Int8, UInt8
from stegcinn.runtime.jit import array, compiled, in_parts

Places = npt.NDArray[np.integer]

PIECE = 16384  # pixels that one thread works on at a time
LABEL_WEIGHTS = (1, 3, 6)
LAYERS = 4
LABELS = 1 << LAYERS
# Written down again, with the weights of labels in the kernels: the cache of machine code sees changes of this file
# only. A test compares.
WR, WG, WB = 19595, 38470, 7471
MOVES = np.array(list(itertools.product((-1, 0, 1), repeat=3)), np.int64)  # by index
STAY = 13
NATS = 16  # units of reluctance, and of costs up to BEND, per nat
PULL = 0.65  # share of a move's reluctance that counts (docs/security.md)
# Costs are kept as bytes: in units up to BEND, in steps of STEEP units beyond, up to 83 nats. The dearest move is
# better than none.
NO_MOVE = 255
BEND, STEEP = 192, 18.4
_BYTES = np.arange(NO_MOVE + 1)
_UNITS = np.where(_BYTES < BEND, _BYTES, BEND + STEEP * (_BYTES - BEND))
_CHANCES = np.where(_BYTES < NO_MOVE, np.exp(-_UNITS / NATS), 0).astype(np.float32)


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

    def taken(self, places: Places) -> Pixels:
        """Those of the given indices, copied."""
        return Pixels(
            np.take(self.rgb, places, axis=0), np.take(self.prices, places, axis=0),
            np.take(self.reluctance, places, axis=0),
        )  # fmt: skip


def labels(rgb: UInt8) -> UInt8:
    """What a receiver reads: labels 0..15 of pixels (..., 3)."""
    r, g, b = (rgb[..., c] * np.uint8(w) for c, w in enumerate(LABEL_WEIGHTS))
    label: UInt8 = (r + g + b) & np.uint8(LABELS - 1)
    return label


def label_costs(pixels: Pixels, price: float, layers: int = LAYERS) -> tuple[UInt8, UInt8]:
    """What each label's cheapest move costs, (n, LABELS), with all prices multiplied by `price`; and that move.

    Costs are over that of the pixel's cheapest label, as bytes: NO_MOVE if no move leads there, else see `chances`.
    Moves are indices in MOVES, (n, LABELS); where there is none, STAY. With fewer than all layers, of the labels that
    these do not tell apart only the cheapest has a move.
    """
    costs, best = (np.empty((len(pixels), LABELS), np.uint8) for _ in range(2))

    def part(where: slice) -> None:
        ours = pixels.part(where)
        _compiled_costs()(ours.rgb, ours.prices, np.float32(price), ours.reluctance, costs[where], best[where])

    in_parts(part, len(pixels), PIECE)
    if layers < LAYERS:
        alike = costs.reshape(len(costs), -1, 1 << layers)
        alike[np.arange(LABELS >> layers)[:, None] != alike.argmin(axis=1)[:, None]] = NO_MOVE
    return costs, best


def chances(costs: UInt8) -> Float32:
    """How likely each label is, (n, LABELS), if moves are drawn with chances proportional to exp(-cost)."""
    likely = _CHANCES[costs]
    shares: Float32 = likely / likely.sum(axis=1, keepdims=True)
    return shares


def entropies(costs: UInt8) -> Float64:
    """Of labels of `costs` (n, LABELS), per layer: entropies of their bits given the layers before, and open bits.

    (2, LAYERS), summed. A bit is open if both of its values can be reached; layer k is bit k of the label.
    """

    def part(where: slice) -> Float64:
        totals = np.zeros((2, LAYERS))
        _compiled_entropies()(costs[where], _CHANCES, totals)
        return totals

    total: Float64 = np.sum(in_parts(part, len(costs), PIECE), axis=0)
    return total


def preferences(costs: UInt8, settled: UInt8, layer: int) -> tuple[UInt8, Float32]:
    """The likelier value of each label's bit `layer` given the `settled` ones below it, and what the other one costs.

    The latter is the logarithm of how many times likelier (Filler and Fridrich 2010); infinite where there is no
    choice.
    """
    bits, flips = np.empty(len(costs), np.uint8), np.empty(len(costs), np.float32)

    def part(where: slice) -> None:
        _compiled_preferences()(costs[where], _CHANCES, settled[where], layer, bits[where], flips[where])

    in_parts(part, len(costs), PIECE)
    return bits, flips


def cheapest_labels(costs: UInt8, settled: UInt8, layers: int) -> UInt8:
    """Of all labels (n,) whose `layers` lowest bits are `settled`, by `costs` (n, LABELS)."""
    if layers == LAYERS:
        return settled
    rest = costs.reshape(len(costs), -1, 1 << layers)[np.arange(len(costs)), :, settled]
    label: UInt8 = settled + (rest.argmin(axis=1) << layers).astype(np.uint8)
    return label


def moved(pixels: Pixels, price: float, targets: UInt8) -> UInt8:
    """Colours (n, 3) after the cheapest moves to labels `targets` (n,), which have to be in reach."""
    after = pixels.rgb.copy()

    def part(where: slice) -> None:
        ours, there = pixels.part(where), targets[where]
        changed = np.flatnonzero(there != labels(ours.rgb))  # with another label, another colour
        best = label_costs(ours.taken(changed), price)[1][np.arange(len(changed)), there[changed]]
        after[where][changed] += MOVES[best].astype(np.uint8)  # modulo 256

    in_parts(part, len(after), PIECE)
    return after


def _costs(rgb: Any, prices: Any, price: Any, reluctance: Any, found: Any, best: Any) -> None:
    """Kernel: over all moves that keep the luma."""
    pull = np.float32(PULL / NATS)
    cost = np.empty(LABELS, np.float32)
    for i in range(len(rgb)):
        r, g, b = np.int64(rgb[i, 0]), np.int64(rgb[i, 1]), np.int64(rgb[i, 2])
        rest = (WR * r + WG * g + WB * b + 32768) & 65535
        label = r + 3 * g + 6 * b
        red, green, blue = prices[i, 0] * price, prices[i, 1] * price, prices[i, 2] * price
        cost[:] = np.inf
        for dr in range(-1, 2):
            for dg in range(-1, 2):
                for db in range(-1, 2):
                    if not 0 <= rest + WR * dr + WG * dg + WB * db < 65536:  # another luma
                        continue
                    if not (0 <= r + dr <= 255 and 0 <= g + dg <= 255 and 0 <= b + db <= 255):
                        continue
                    move = 9 * (dr + 1) + 3 * (dg + 1) + db + 1
                    each = pull * reluctance[i, move]
                    if dr:
                        each += red
                    if dg:
                        each += green
                    if db:
                        each += blue
                    target = (label + dr + 3 * dg + 6 * db) & 15
                    if each < cost[target]:
                        cost[target], best[i, target] = each, move
        least = cost[0]
        for k in range(1, LABELS):
            least = min(least, cost[k])
        for k in range(LABELS):
            units = (cost[k] - least) * np.float32(NATS)
            if units >= BEND:
                units = BEND + (units - BEND) * np.float32(1 / STEEP)
            if cost[k] == np.inf:
                found[i, k], best[i, k] = NO_MOVE, STAY
            else:
                found[i, k] = np.int64(min(units + np.float32(0.5), np.float32(NO_MOVE - 1)))


def _entropies(costs: Any, chance: Any, totals: Any) -> None:
    """Kernel. A bit's entropy is the difference of x log x of the sum of its values' chances and of each of them."""
    values, logs = np.empty(LABELS), np.empty(LABELS)
    chance_log = np.zeros(NO_MOVE + 1)
    for k in range(NO_MOVE):
        chance_log[k] = chance[k] * np.log2(np.float64(chance[k]))
    for i in range(len(costs)):
        whole = 0.0
        for label in range(LABELS):
            values[label], logs[label] = chance[costs[i, label]], chance_log[costs[i, label]]
            whole += values[label]
        for layer in range(LAYERS - 1, -1, -1):
            half = 1 << layer
            for low in range(half):
                a, b = values[low], values[low + half]
                values[low] = a + b
                if a > 0 and b > 0:
                    both = (a + b) * np.log2(a + b)
                    totals[0, layer] += (both - logs[low] - logs[low + half]) / whole
                    totals[1, layer] += (a + b) / whole
                    logs[low] = both
                else:
                    logs[low] += logs[low + half]


def _preferences(costs: Any, chance: Any, settled: Any, layer: int, bits: Any, flips: Any) -> None:
    half = 1 << layer
    for i in range(len(costs)):
        zero, one = np.float32(0), np.float32(0)
        for low in range(settled[i], LABELS, 2 * half):
            zero += chance[costs[i, low]]
            one += chance[costs[i, low + half]]
        bits[i] = one > zero
        flips[i] = abs(np.log(one / zero)) if zero > 0 and one > 0 else np.inf


@cache
def _compiled_preferences() -> Any:
    types = array("uint8", 2), array("float32", 1), array("uint8", 1), numba.types.int64
    return compiled(_preferences, (*types, array("uint8", 1, writable=True), array("float32", 1, writable=True)))


@cache
def _compiled_entropies() -> Any:
    return compiled(_entropies, (array("uint8", 2), array("float32", 1), array("float64", 2, writable=True)))


@cache
def _compiled_costs() -> Any:
    written = array("uint8", 2, writable=True), array("uint8", 2, writable=True)
    read = array("uint8", 2), array("float32", 2), numba.types.float32, array("int8", 2)
    return compiled(_costs, (*read, *written))
