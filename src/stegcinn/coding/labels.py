"""What labels of several bits cost, and how likely their bits are: the choices that a layered code has.

A label of two or four bits is read at every place (a pixel, a coefficient). Costs of a place's labels are kept as
bytes, over that of the cheapest: 1/NATS nats up to BEND, and steps STEEP times as high beyond, up to 83 nats.
"""

from __future__ import annotations

import numpy as np

from stegcinn.coding import stc
from stegcinn.runtime.arrays import Float32, Float64, Int16, UInt8
from stegcinn.runtime.native import Kernel, in_parts

PIECE = 16384  # places that one thread works on at a time
NATS = 16  # units of costs up to BEND per nat
NO_MOVE = 255  # the cost of a label that no change leads to; the dearest change is better than none
BEND, STEEP = 192, 18.4
_BYTES = np.arange(NO_MOVE + 1)
_UNITS = np.where(_BYTES < BEND, _BYTES, BEND + STEEP * (_BYTES - BEND))
_CHANCES = np.where(_BYTES < NO_MOVE, np.exp(-_UNITS / NATS), 0).astype(np.float32)
_LOGS = np.where(_CHANCES > 0, _CHANCES * np.log2(np.maximum(_CHANCES, np.finfo(np.float32).tiny, dtype=np.float64)), 0)

_ENTROPIES = Kernel("label_entropies", "u1 n n f4 f8 f8!")
_PREFERENCES = Kernel("label_preferences", "u1 n n f4 u1 n u1! f4!")


def layers_of(costs: UInt8) -> int:
    """How many bits the labels of `costs` (n, labels) have."""
    return int(costs.shape[1]).bit_length() - 1


def of_lowest_layers(costs: UInt8, layers: int) -> UInt8:
    """`costs`, in place, where only the lowest `layers` bits count: of labels alike in them only the cheapest stays."""
    if layers < layers_of(costs):
        alike = costs.reshape(len(costs), -1, 1 << layers)
        alike[np.arange(alike.shape[1])[:, None] != alike.argmin(axis=1)[:, None]] = NO_MOVE
    return costs


def chances(costs: UInt8) -> Float32:
    """How likely each label is, (n, labels), if labels are drawn with chances proportional to exp(-cost)."""
    likely = _CHANCES[costs]
    shares: Float32 = likely / likely.sum(axis=1, keepdims=True)
    return shares


def entropies(costs: UInt8) -> Float64:
    """Of labels of `costs` (n, labels), per layer: entropies of their bits given the layers before, and open bits.

    (2, layers), summed. A bit is open if both of its values can be reached; layer k is bit k of the label.
    """
    layers = layers_of(costs)

    def part(where: slice) -> Float64:
        totals = np.zeros((2, layers))
        _ENTROPIES(costs[where], len(costs[where]), layers, _CHANCES, _LOGS, totals)
        return totals

    total: Float64 = np.sum(in_parts(part, len(costs), PIECE), axis=0)
    return total


def preferences(costs: UInt8, settled: UInt8, layer: int) -> tuple[UInt8, Int16]:
    """The likelier value of each label's bit `layer` given the `settled` ones below it, and what the other one costs.

    The latter is the logarithm of how many times likelier (Filler and Fridrich 2010), as `stc.rounded` has it; infinite
    where there is no choice.
    """
    layers = layers_of(costs)
    bits, prices = np.empty(len(costs), np.uint8), np.empty(len(costs), np.int16)

    def part(where: slice) -> None:
        ours = costs[where]
        flips = np.empty(len(ours), np.float32)
        _PREFERENCES(ours, len(ours), layers, _CHANCES, settled[where], layer, bits[where], flips)
        prices[where] = stc.rounded(flips)

    in_parts(part, len(costs), PIECE)
    return bits, prices


def cheapest(costs: UInt8, settled: UInt8, layers: int) -> UInt8:
    """Of all labels (n,) whose `layers` lowest bits are `settled`, by `costs` (n, labels)."""
    if layers == layers_of(costs):
        return settled
    rest = costs.reshape(len(costs), -1, 1 << layers)[np.arange(len(costs)), :, settled]
    label: UInt8 = settled + (rest.argmin(axis=1) << layers).astype(np.uint8)
    return label


def bit(labels: UInt8, layer: int) -> UInt8:
    """Bit `layer` of each label."""
    bits: UInt8 = (labels >> np.uint8(layer)) & np.uint8(1)
    return bits
