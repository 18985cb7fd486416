"""Syndrome-trellis codes (Filler, Judas, Fridrich 2011): a message in the parities of bits, at the least cost of flips.

`encode` chooses which bits to flip with the Viterbi algorithm; `decode` needs neither costs nor networks, only sums of
columns modulo 2. The code is part of the container format: HEIGHT, COLUMNS and how bits are cut to segments and blocks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from stegcinn.jit import WORKERS, array, compiled, inlined

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

HEIGHT = 10  # constraint height h: one column touches h bits of the message, and a trellis has 2**h states
WIDTH = 64  # different columns of a block; wider blocks repeat them
FIRST = 8  # bits by which the first block of a segment is longer than others
SEGMENT = 4096  # bits of a segment, about: every segment is a code of its own
LEAST = 256  # message bits of a segment, about, where there are fewer than that for every SEGMENT bits
LANES = 8  # segments that run through one trellis side by side
STATES = 1 << HEIGHT


def _columns() -> Int32:
    """Columns of a block: all touch the block's own message bit and the last in reach; those between, by a generator.

    Of 24 linear congruential generators of full period this was among the best: docs/decisions.md.
    """
    middle, columns = 0, []
    for _ in range(WIDTH):
        middle = (45 * middle + 229) % (1 << (HEIGHT - 2))
        columns.append((1 << (HEIGHT - 1)) | (middle << 1) | 1)
    return np.array(columns, np.int32)


COLUMNS = _columns()


def encode(bits: UInt8, costs: Float32, message: UInt8) -> UInt8 | None:
    """The bits (n,) after the cheapest flips found that make them carry `message` (m,); None if nothing does.

    `costs` (n,): of flipping each, at least 0; infinite for bits that must stay (wet).
    """
    out = bits.copy()
    if len(message) == 0:
        return out
    segments, length, size = _layout(len(bits), len(message))
    padded = np.zeros(segments * size, np.uint8)
    padded[: len(message)] = message
    padded[len(message) :] = decode(bits, segments * size)[len(message) :]  # nobody reads them
    view = out[: segments * length].reshape(segments, length)
    weights = costs[: segments * length].reshape(segments, length)
    targets = padded.reshape(segments, size)

    def run(first: int) -> bool:
        part = slice(first, first + LANES)
        return bool(_compiled_encode()(view[part], weights[part], targets[part], COLUMNS))

    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(run, range(0, segments, LANES)))
    return out if all(done) else None


def decode(bits: UInt8, count: int) -> UInt8:
    """The message (count,) that `bits` (n,) carry."""
    if count == 0:
        return np.zeros(0, np.uint8)
    segments, length, size = _layout(len(bits), count)
    out = np.empty((segments, size), np.uint8)
    _compiled_decode()(bits[: segments * length].reshape(segments, length), COLUMNS, out)
    return out.reshape(-1)[:count]


def _layout(bits: int, count: int) -> tuple[int, int, int]:
    """How many segments there are, and each one's bits and message bits."""
    segments = max(1, min(bits // SEGMENT, count // LEAST))
    segments -= segments % LANES if segments > LANES else 0
    return segments, bits // segments, -(-count // segments)


@inlined
def _end(block: Any, length: Any, size: Any) -> Any:
    """Where a block ends, and the next one starts. The first one is longer, as none before can help it."""
    first = max(0, min(FIRST, length - size))
    return 0 if block < 0 else first + (block + 1) * (length - first) // size


def _decode(bits: Any, columns: Any, out: Any) -> None:
    length, size = bits.shape[1], out.shape[1]
    for segment in range(bits.shape[0]):
        register = np.int32(0)
        end = 0
        for block in range(size):
            start, end = end, _end(block, length, size)
            for k in range(start, end):
                if bits[segment, k]:
                    register ^= columns[(k - start) % WIDTH]
            out[segment, block] = register & 1
            register >>= 1


def _all_states(typing: Any, price: Any, weight: Any, flipped: Any, column: Any) -> Any:
    """One bit's step through all states, LANES at a time, in place.

    Addresses of price (STATES, LANES) float32, weight (LANES,) and flipped (STATES,), and the bit's column. It is
    written in vector instructions because the compiler, afraid that rows overlap, would make none.
    """
    integer, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)

    def generate(context: Any, builder: Any, signature: Any, addresses: Any) -> Any:
        prices, weights, flips = (
            builder.inttoptr(address, kind.as_pointer())
            for address, kind in zip(addresses, (vector, vector, ir.IntType(LANES)), strict=False)
        )
        w = builder.load(weights, align=4)
        with cgutils.for_range(builder, ir.Constant(integer, STATES // 2)) as loop:
            even = builder.shl(loop.index, ir.Constant(integer, 1))
            odd = builder.xor(even, addresses[3])  # columns are odd
            states = (even, odd)
            old = [builder.load(builder.gep(prices, [state]), align=4) for state in states]
            for state, stay, other in zip(states, old, reversed(old), strict=True):
                flip = builder.fadd(other, w)
                cheaper = builder.fcmp_ordered("<", flip, stay)
                builder.store(builder.bitcast(cheaper, ir.IntType(LANES)), builder.gep(flips, [state]))
                builder.store(builder.select(cheaper, flip, stay), builder.gep(prices, [state]), align=4)
        return context.get_dummy_value()

    return numba.types.void(numba.types.intp, numba.types.intp, numba.types.intp, numba.types.int64), generate


_step: Any = intrinsic(_all_states)


def _encode(bits: Any, costs: Any, targets: Any, columns: Any) -> bool:
    """Flips bits (lanes, length) in place; False if some lane's target (lanes, size) is out of reach."""
    lanes, length = bits.shape
    size = targets.shape[1]
    steps = 0
    end = 0
    for block in range(size):
        start, end = end, _end(block, length, size)
        steps += min(WIDTH, end - start)
    weight = np.full((steps, LANES), np.float32(np.inf), np.float32)
    cheapest = np.zeros((steps, LANES), np.int32)
    wanted = np.zeros((size, LANES), np.uint8)
    for lane in range(lanes):
        step, end = 0, 0
        register = np.int32(0)
        for block in range(size):
            start, end = end, _end(block, length, size)
            for k in range(start, end):
                place = (k - start) % WIDTH
                if bits[lane, k]:
                    register ^= columns[place]
                if costs[lane, k] < weight[step + place, lane]:
                    weight[step + place, lane] = costs[lane, k]
                    cheapest[step + place, lane] = k
            wanted[block, lane] = (register & 1) ^ targets[lane, block]
            register >>= 1
            step += min(WIDTH, end - start)
    for lane in range(lanes, LANES):
        weight[:, lane] = 0
    flipped = np.empty((steps, STATES), np.uint8)  # one bit per lane
    price = np.full((STATES, LANES), np.float32(np.inf), np.float32)
    price[0] = 0
    step, end = 0, 0
    half = STATES // 2
    for block in range(size):
        start, end = end, _end(block, length, size)
        for place in range(min(WIDTH, end - start)):
            _step(price.ctypes.data, weight[step].ctypes.data, flipped[step].ctypes.data, np.int64(columns[place]))
            step += 1
        for state in range(half):
            for lane in range(LANES):
                price[state, lane] = price[2 * state + 1, lane] if wanted[block, lane] else price[2 * state, lane]
        price[half:] = np.inf
    for lane in range(lanes):
        state = 0
        for other in range(STATES):
            if price[other, lane] < price[state, lane]:
                state = other
        if not np.isfinite(price[state, lane]):
            return False
        step = steps
        for block in range(size - 1, -1, -1):
            start, end = _end(block - 1, length, size), _end(block, length, size)
            state = 2 * state + wanted[block, lane]
            for place in range(min(WIDTH, end - start) - 1, -1, -1):
                step -= 1
                if (flipped[step, state] >> lane) & 1:
                    bits[lane, cheapest[step, lane]] ^= 1
                    state ^= columns[place]
    return True


@cache
def _compiled_encode() -> Any:
    types = (array("uint8", 2, writable=True), array("float32", 2), array("uint8", 2), array("int32", 1))
    return compiled(_encode, types)


@cache
def _compiled_decode() -> Any:
    return compiled(_decode, (array("uint8", 2), array("int32", 1), array("uint8", 2, writable=True)))
