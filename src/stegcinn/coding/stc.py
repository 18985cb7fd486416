"""Syndrome-trellis codes (Filler, Judas, Fridrich 2011): a message in the parities of bits, at the least cost of flips.

`encode` chooses which bits to flip with the Viterbi algorithm; `decode` needs neither costs nor networks, only sums of
columns modulo 2. The code is part of the container format: HEIGHT, COLUMNS and how bits are cut to segments and blocks.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from stegcinn.runtime.arrays import Float32, Int16, Int32, UInt8
from stegcinn.runtime.jit import array, compiled, in_parts, inlined

HEIGHT = 10  # constraint height h: one column touches h bits of the message, and a trellis has 2**h states
WIDTH = 64  # different columns of a block; wider blocks repeat them
FIRST = 8  # bits by which the first block of a segment is longer than others
SEGMENT = 4096  # bits of a segment, about: every segment is a code of its own
LEAST = 256  # message bits of a segment, about, where there are fewer than that for every SEGMENT bits
MULTIPLE = 8  # of which there is a multiple of segments, where there are more
STATES = 1 << HEIGHT

# The encoder's own: prices are 16-bit integers, over that of the cheapest state.
LANES = 16  # segments that run through one trellis side by side
UNIT = 32  # of prices, per nat
MOST = 80  # nats; dearer bits are all as dear, so that states 10 flips apart still fit
NEVER = (1 << 15) - 1


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

    `costs` (n,): of flipping each, at least 0, in nats: they are rounded to 1/32, and what is dearer than 80 counts as
    80. Infinite for bits that must stay (wet).
    """
    out = bits.copy()
    if len(message) == 0:
        return out
    segments, length, size = _layout(len(bits), len(message))
    padded = np.zeros(segments * size, np.uint8)
    padded[: len(message)] = message
    padded[len(message) :] = decode(bits, segments * size)[len(message) :]  # nobody reads them
    view = out[: segments * length].reshape(segments, length)
    weights = _rounded(costs[: segments * length]).reshape(segments, length)
    targets = padded.reshape(segments, size)

    def run(part: slice) -> bool:
        return bool(_compiled_encode()(view[part], weights[part], targets[part], COLUMNS))

    return out if all(in_parts(run, segments, LANES)) else None


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
    segments -= segments % MULTIPLE if segments > MULTIPLE else 0
    return segments, bits // segments, -(-count // segments)


def _rounded(costs: Float32) -> Int16:
    """As the trellis adds them up."""
    units = np.rint(np.minimum(costs, np.float32(MOST)) * np.float32(UNIT)).astype(np.int16)
    units[np.isinf(costs)] = NEVER
    return units


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


def _types() -> tuple[Any, Any]:
    """A price in each lane, and a bit for each."""
    return ir.VectorType(ir.IntType(16), LANES), ir.VectorType(ir.IntType(1), LANES)


def _addresses(builder: Any, numbers: Any, types: Any) -> Any:
    return [builder.inttoptr(number, kind.as_pointer()) for number, kind in zip(numbers, types, strict=True)]


def _all_states(typing: Any, price: Any, weight: Any, flipped: Any, column: Any) -> Any:
    """One bit's step through all states, LANES at a time, in place.

    Addresses of price (STATES, LANES) int16, weight (LANES,) and flipped (STATES / 2,) int32, and the bit's column.
    A flip leads from each state to one other and back: an entry tells of both, of the even one in its lower LANES bits.
    It is written in vector instructions because the compiler, afraid that rows overlap, would make none.
    """
    integer, (vector, _), masks = ir.IntType(64), _types(), ir.IntType(2 * LANES)
    joined = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), list(range(2 * LANES)))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        prices, weights, flips = _addresses(builder, arguments[:3], (vector, vector, masks))
        name = f"llvm.sadd.sat.v{LANES}i16"
        add = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(vector, (vector, vector)), name
        )
        w = builder.load(weights, align=2)
        with cgutils.for_range(builder, ir.Constant(integer, STATES // 2)) as loop:
            even = builder.shl(loop.index, ir.Constant(integer, 1))
            odd = builder.xor(even, arguments[3])  # columns are odd
            places = [builder.gep(prices, [state]) for state in (even, odd)]
            old = [builder.load(place, align=2) for place in places]
            cheaper = []
            for place, stay, other in zip(places, old, reversed(old), strict=True):
                flip = builder.call(add, (other, w))
                cheaper.append(builder.icmp_signed("<", flip, stay))
                builder.store(builder.select(cheaper[-1], flip, stay), place, align=2)
            both = builder.shuffle_vector(*cheaper, joined)
            builder.store(builder.bitcast(both, masks), builder.gep(flips, [loop.index]), align=4)
        return context.get_dummy_value()

    return numba.types.void(numba.types.intp, numba.types.intp, numba.types.intp, numba.types.int64), generate


def _end_of_block(typing: Any, price: Any, wanted: Any, least: Any) -> Any:
    """Only states whose lowest bit is the wanted one go on, without it; in place.

    Addresses of price (STATES, LANES) int16, wanted (LANES,) int16, of which the lowest bit counts, and least (LANES,)
    int16: what is taken off all prices, then the least one that is left.
    """
    integer, (vector, bits) = ir.IntType(64), _types()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        prices, choice, lowest = _addresses(builder, arguments, (vector, vector, vector))
        odd = builder.trunc(builder.load(choice, align=2), bits)
        never = ir.Constant(vector, [NEVER] * LANES)
        excess = builder.load(lowest, align=2)
        found = cgutils.alloca_once_value(builder, never)  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, ir.Constant(integer, STATES // 2)) as loop:
            first = builder.shl(loop.index, ir.Constant(integer, 1))
            pair = [builder.gep(prices, [builder.or_(first, ir.Constant(integer, k))]) for k in (0, 1)]
            zero, one = (builder.load(address, align=2) for address in pair)
            kept = builder.select(odd, one, zero)
            kept = builder.select(builder.icmp_signed("==", kept, never), never, builder.sub(kept, excess))
            builder.store(kept, builder.gep(prices, [loop.index]), align=2)
            before = builder.load(found)
            builder.store(builder.select(builder.icmp_signed("<", kept, before), kept, before), found)
        builder.store(builder.load(found), lowest, align=2)
        with cgutils.for_range_slice(
            builder, ir.Constant(integer, STATES // 2), ir.Constant(integer, STATES), ir.Constant(integer, 1)
        ) as (state, _):
            builder.store(never, builder.gep(prices, [state]), align=2)
        return context.get_dummy_value()

    return numba.types.void(numba.types.intp, numba.types.intp, numba.types.intp), generate


_step: Any = intrinsic(_all_states)
_shift: Any = intrinsic(_end_of_block)


def _encode(bits: Any, costs: Any, targets: Any, columns: Any) -> bool:
    """Flips bits (lanes, length) in place; False if some lane's target (lanes, size) is out of reach."""
    lanes, length = bits.shape
    size = targets.shape[1]
    steps = 0
    end = 0
    for block in range(size):
        start, end = end, _end(block, length, size)
        steps += min(WIDTH, end - start)
    weight = np.full((steps, LANES), NEVER, np.int16)
    cheapest = np.zeros((steps, LANES), np.int32)
    wanted = np.zeros((size, LANES), np.int16)
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
    flipped = np.empty((steps, STATES // 2), np.uint32)
    price = np.full((STATES, LANES), NEVER, np.int16)
    price[0] = 0
    least = np.zeros(LANES, np.int16)
    step, end = 0, 0
    half = STATES // 2
    for block in range(size):
        start, end = end, _end(block, length, size)
        for place in range(min(WIDTH, end - start)):
            _step(price.ctypes.data, weight[step].ctypes.data, flipped[step].ctypes.data, np.int64(columns[place]))
            step += 1
        _shift(price.ctypes.data, wanted[block].ctypes.data, least.ctypes.data)
        for lane in range(lanes):
            if least[lane] == NEVER:
                return False
    states = np.zeros(LANES, np.int64)
    for lane in range(lanes):
        for state in range(half):
            if price[state, lane] < price[states[lane], lane]:
                states[lane] = state
    # All lanes go back together: each waits for memory at every step.
    for block in range(size - 1, -1, -1):
        start, end = _end(block - 1, length, size), _end(block, length, size)
        for lane in range(lanes):
            states[lane] = 2 * states[lane] + wanted[block, lane]
        for place in range(min(WIDTH, end - start) - 1, -1, -1):
            step -= 1
            for lane in range(lanes):
                odd = states[lane] & 1
                other = states[lane] ^ columns[place]
                if flipped[step, (other if odd else states[lane]) >> 1] >> (lane + LANES * odd) & 1:
                    bits[lane, cheapest[step, lane]] ^= 1
                    states[lane] = other
    return True


@cache
def _compiled_encode() -> Any:
    types = (array("uint8", 2, writable=True), array("int16", 2), array("uint8", 2), array("int32", 1))
    return compiled(_encode, types)


@cache
def _compiled_decode() -> Any:
    return compiled(_decode, (array("uint8", 2), array("int32", 1), array("uint8", 2, writable=True)))
