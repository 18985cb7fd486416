"""Small changes of colour that leave the luma as it is, and the label in which a receiver reads them.

A move changes each channel by at most one level. The label of a pixel is (R + 3 G + 6 B) mod 16: with these weights
nearly every two moves that a pixel has lead to different labels, so four layers of bits carry all but 0.3 % of what the
moves could (docs/decisions/stealth.md).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stegcinn.coding.labels import BEND, NATS, PIECE, STEEP
from stegcinn.runtime.arrays import Float32, Int8, UInt8
from stegcinn.runtime.native import Kernel, in_parts

Places = npt.NDArray[np.integer]

LABEL_WEIGHTS = (1, 3, 6)
LAYERS = 4
LABELS = 1 << LAYERS
MOVES = np.array(list(itertools.product((-1, 0, 1), repeat=3)), np.int64)  # by index
STAY = 13
PULL = 0.65  # share of a move's reluctance that counts (docs/security.md)

_COSTS = Kernel("move_costs", "u1 f4 f i1 n f f f f u1! u1!")


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

    def costs(self, price: float, places: Places | None = None) -> UInt8:
        """What each label's cheapest move costs, (n, LABELS), of all pixels or of some; see `label_costs`."""
        costs = label_costs(self, price)[0]
        return costs if places is None else np.take(costs, places, axis=0)


class Movable(Protocol):
    """Pixels, of which those that are asked for may move."""

    @property
    def rgb(self) -> UInt8:
        """Colours (n, 3)."""

    def taken(self, places: Places) -> Pixels:
        """Those of the given indices."""


def labels(rgb: UInt8) -> UInt8:
    """What a receiver reads: labels 0..15 of pixels (..., 3)."""
    r, g, b = (rgb[..., c] * np.uint8(w) for c, w in enumerate(LABEL_WEIGHTS))
    label: UInt8 = (r + g + b) & np.uint8(LABELS - 1)
    return label


def label_costs(pixels: Pixels, price: float) -> tuple[UInt8, UInt8]:
    """What each label's cheapest move costs, (n, LABELS), with all prices multiplied by `price`; and that move.

    Costs are bytes, see `coding.labels`. Moves are indices in MOVES, (n, LABELS); where there is none, STAY.
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
    return costs, best


def moved(pixels: Movable, price: float, targets: UInt8) -> UInt8:
    """Colours (n, 3) after the cheapest moves to labels `targets` (n,), which have to be in reach."""
    after = pixels.rgb.copy()

    def part(where: slice) -> None:
        changed = where.start + np.flatnonzero(targets[where] != labels(pixels.rgb[where]))  # with it, the colour
        best = label_costs(pixels.taken(changed), price)[1][np.arange(len(changed)), targets[changed]]
        after[changed] += MOVES[best].astype(np.uint8)  # modulo 256

    in_parts(part, len(after), PIECE)
    return after
