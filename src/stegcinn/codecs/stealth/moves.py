"""Small changes of colour that leave the luma as it is, and the label in which a receiver reads them.

A move changes each channel by at most one level. The label of a pixel is (R + 3 G + 6 B) mod 16: with these weights
nearly every two moves that a pixel has lead to different labels, so four layers of bits carry all but 0.3 % of what the
moves could (docs/decisions/stealth.md).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.runtime.arrays import Float32, Float64, Int8, UInt8
from stegcinn.runtime.native import Kernel, in_parts

Places = npt.NDArray[np.integer]

PIECE = 16384  # pixels that one thread works on at a time
LABEL_WEIGHTS = (1, 3, 6)
LAYERS = 4
LABELS = 1 << LAYERS
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
_LOGS = np.where(_CHANCES > 0, _CHANCES * np.log2(np.maximum(_CHANCES, np.finfo(np.float32).tiny, dtype=np.float64)), 0)

_COSTS = Kernel("move_costs", "u1 f4 f i1 n f f f f u1! u1!")
_ENTROPIES = Kernel("label_entropies", "u1 n f4 f8 f8!")
_PREFERENCES = Kernel("label_preferences", "u1 n f4 u1 n u1! f4!")


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
        _COSTS(
            ours.rgb,
            ours.prices,
            price,
            ours.reluctance,
            len(ours),
            PULL / NATS,
            NATS,
            BEND,
            1 / STEEP,
            costs[where],
            best[where],
        )

    in_parts(part, len(pixels), PIECE)
    if layers < LAYERS:
        alike = costs.reshape(len(costs), LABELS >> layers, 1 << layers)
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
        _ENTROPIES(costs[where], len(costs[where]), _CHANCES, _LOGS, totals)
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
        ours = costs[where]
        _PREFERENCES(ours, len(ours), _CHANCES, settled[where], layer, bits[where], flips[where])

    in_parts(part, len(costs), PIECE)
    return bits, flips


def cheapest_labels(costs: UInt8, settled: UInt8, layers: int) -> UInt8:
    """Of all labels (n,) whose `layers` lowest bits are `settled`, by `costs` (n, LABELS)."""
    if layers == LAYERS:
        return settled
    rest = costs.reshape(len(costs), LABELS >> layers, 1 << layers)[np.arange(len(costs)), :, settled]
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
