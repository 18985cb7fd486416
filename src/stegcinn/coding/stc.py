"""Syndrome-trellis codes (Filler, Judas, Fridrich 2011): a message in the parities of bits, at the least cost of flips.

`encode` chooses which bits to flip with the Viterbi algorithm; `decode` needs neither costs nor networks, only sums of
columns modulo 2. The code is part of the container format: HEIGHT, COLUMNS and how bits are cut to segments and blocks.
"""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import Float32, Int16, Int32, UInt8
from stegcinn.runtime.native import Kernel, in_parts

HEIGHT = 10  # constraint height h: one column touches h bits of the message, and a trellis has 2**h states
WIDTH = 64  # different columns of a block; wider blocks repeat them
FIRST = 8  # bits by which the first block of a segment is longer than others
SEGMENT = 4096  # bits of a segment, about: every segment is a code of its own
LEAST = 256  # message bits of a segment, about, where there are fewer than that for every SEGMENT bits
MULTIPLE = 8  # of which there is a multiple of segments, where there are more

# The encoder's own: prices are 16-bit integers, over that of the cheapest state.
LANES = 16  # segments that run through one trellis side by side
UNIT = 32  # of prices, per nat
MOST = 80  # nats; dearer bits are all as dear, so that states 10 flips apart still fit
NEVER = (1 << 15) - 1  # the price of a bit that must stay

_ENCODE = Kernel("stc_encode", "u1! i2 u1 n n n i4 u1! n")
_DECODE = Kernel("stc_decode", "u1 n n i4 n u1!")
_MEMORY = Kernel("stc_memory", "n n")


def _columns() -> Int32:
    """Columns of a block: all touch the block's own message bit and the last in reach; those between, by a generator.

    Of 24 linear congruential generators of full period this was among the best: docs/decisions/coding.md.
    """
    middle, columns = 0, []
    for _ in range(WIDTH):
        middle = (45 * middle + 229) % (1 << (HEIGHT - 2))
        columns.append((1 << (HEIGHT - 1)) | (middle << 1) | 1)
    return np.array(columns, np.int32)


COLUMNS = _columns()


def encode(bits: UInt8, prices: Int16, message: UInt8) -> UInt8 | None:
    """The bits (n,) after the cheapest flips found that make them carry `message` (m,); None if nothing does.

    `prices` (n,): of flipping each, see `rounded`.
    """
    out = bits.copy()
    if len(message) == 0:
        return out
    segments, length, size = _layout(len(bits), len(message))
    padded = np.zeros(segments * size, np.uint8)
    padded[: len(message)] = message
    padded[len(message) :] = decode(bits, segments * size)[len(message) :]  # nobody reads them
    view = out[: segments * length].reshape(segments, length)
    weights = prices[: segments * length].reshape(segments, length)
    targets = padded.reshape(segments, size)

    memory_size = _MEMORY(length, size)

    def run(part: slice) -> bool:
        bits, memory = view[part], np.empty(memory_size, np.uint8)
        found = _ENCODE(bits, weights[part], targets[part], len(bits), length, size, COLUMNS, memory, memory_size)
        if found < 0:
            raise ValueError("at most LANES segments run side by side")
        return found > 0

    return out if all(in_parts(run, segments, LANES)) else None


def decode(bits: UInt8, count: int) -> UInt8:
    """The message (count,) that `bits` (n,) carry."""
    if count == 0:
        return np.zeros(0, np.uint8)
    segments, length, size = _layout(len(bits), count)
    out = np.empty((segments, size), np.uint8)
    _DECODE(bits[: segments * length], segments, length, COLUMNS, size, out)
    return out.reshape(-1)[:count]


def _layout(bits: int, count: int) -> tuple[int, int, int]:
    """How many segments there are, and each one's bits and message bits."""
    segments = max(1, min(bits // SEGMENT, count // LEAST))
    segments -= segments % MULTIPLE if segments > MULTIPLE else 0
    return segments, bits // segments, -(-count // segments)


def rounded(costs: Float32) -> Int16:
    """Costs of flips, at least 0, in nats, as the trellis adds them up: in 1/UNIT, and at most MOST of them.

    Infinite ones are for bits that must stay (wet).
    """
    units = np.rint(np.minimum(costs, np.float32(MOST)) * np.float32(UNIT)).astype(np.int16)
    units[np.isinf(costs)] = NEVER
    return units
