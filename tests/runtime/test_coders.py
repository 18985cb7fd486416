"""Compiled loops of the codes against plain Python, in every library: what they find, and what they refuse to write.

The range coder's reference is in tests/colourmodel/test_rangecoder.py; here its libraries are compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_arrays import extreme, strided

from stegcinn.carriers.luma import luma_of
from stegcinn.coding import stc
from stegcinn.colourmodel import mixture, rangecoder

CASES = settings(max_examples=50, deadline=None)
SEEDS = st.integers(0, 2**32)
SIDES = st.integers(0, 9)


# -- syndrome-trellis codes


def ends(length: int, size: int) -> list[int]:
    first = max(0, min(stc.FIRST, length - size))
    return [first + (block + 1) * (length - first) // size for block in range(size)]


def blocks(length: int, size: int) -> Iterator[range]:
    start = 0
    for end in ends(length, size):
        yield range(start, end)
        start = end


def decoded(bits: np.ndarray, size: int) -> list[int]:
    carried, found = 0, []
    for block in blocks(len(bits), size):
        for place, k in enumerate(block):
            carried ^= int(stc.COLUMNS[place % stc.WIDTH]) if bits[k] else 0
        found.append(carried & 1)
        carried >>= 1
    return found


def encoded(bits: np.ndarray, costs: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """Viterbi's algorithm in Python's integers: every state's price, and where it came from; ties stay as they are."""
    states = np.arange(1 << stc.HEIGHT)
    wanted = np.array(decoded(bits, len(target))) ^ target
    price, history = np.where(states == 0, 0, stc.NEVER), []
    for parity, block in zip(wanted, blocks(len(bits), len(target)), strict=True):
        for place in range(min(len(block), stc.WIDTH)):
            cheapest = min(block[place :: stc.WIDTH], key=lambda k: costs[k])
            flipped = np.minimum(price[states ^ stc.COLUMNS[place]] + int(costs[cheapest]), stc.NEVER)
            history.append((cheapest, int(stc.COLUMNS[place]), flipped < price))
            price = np.minimum(price, flipped)
        price = np.concatenate([price[parity::2], np.full(len(states) // 2, stc.NEVER)])
        history.append((None, int(parity), None))
        if price.min() == stc.NEVER:
            return None
        price = np.where(price == stc.NEVER, stc.NEVER, price - price.min())
    state, out = int(price[: len(states) // 2].argmin()), bits.copy()
    for flipped, number, by_flip in reversed(history):
        if flipped is None:
            state = 2 * state + number
        elif by_flip[state]:
            out[flipped] ^= 1
            state ^= number
    return out


@CASES
@given(st.integers(0, 4), st.integers(0, 300), st.integers(1, 80), SEEDS)
def test_stc_decode(run, segments, length, size, seed):
    bits = np.random.default_rng(seed).integers(0, 2, (segments, length), np.uint8)
    out = np.full((segments, size), 9, np.uint8)
    run(stc._DECODE, bits, segments, length, stc.COLUMNS, size, out)
    assert out.tolist() == [decoded(segment, size) for segment in bits]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, stc.LANES), st.sampled_from([0, 1, 2, 7, 60, 150, 400]), st.integers(1, 40),
       st.sampled_from([0, 0.3, 0.9, 1]), SEEDS)  # fmt: skip
def test_stc_encode(run, lanes, length, size, wet, seed):
    """All lanes at once give what each gives alone; what is out of reach of one is refused."""
    rng = np.random.default_rng(seed)
    bits, targets = (rng.integers(0, 2, (lanes, count), np.uint8) for count in (length, size))
    costs = rng.choice([rng.integers(0, 2561, bits.shape), rng.integers(0, 3, bits.shape)], axis=0).astype(np.int16)
    costs[rng.random(costs.shape) < wet] = stc.NEVER
    if rng.random() < 0.5:  # all can be reached
        targets = np.array([decoded(rng.integers(0, 2, length, np.uint8) & (w < stc.NEVER) ^ b & (w == stc.NEVER), size)
                            for b, w in zip(bits, costs, strict=True)], np.uint8).reshape(lanes, size)  # fmt: skip
    expected = [encoded(*segment) for segment in zip(bits, costs, targets, strict=True)]
    count = run(stc._MEMORY, length, size)
    memory = rng.integers(0, 256, count, np.uint8)
    after = bits.copy()
    found = run(stc._ENCODE, after, costs, targets, lanes, length, size, stc.COLUMNS, memory, count)
    assert found == all(out is not None for out in expected)
    assert np.array_equal(after, np.array(expected) if found else bits)
    if found:
        assert not (after != bits)[costs == stc.NEVER].any()


def test_stc_encode_refuses_memory_and_lanes(run):
    memory = np.zeros(run(stc._MEMORY, 40, 4) + 1, np.uint8)
    bits, costs, targets = (np.zeros((17, n), kind) for n, kind in ((40, np.uint8), (40, np.int16), (4, np.uint8)))
    for lanes, given_, count in ((17, memory[:-1], -1), (1, memory[1:], -1), (1, memory, 0), (1, memory[:-2], -2)):
        size = len(memory) + count if count else len(memory)
        assert run(stc._ENCODE, bits, costs, targets, lanes, 40, 4, stc.COLUMNS, given_, size) == -1


# -- the range coder

LOGISTIC = rangecoder.Tables.of(
    np.stack([mixture.logistic(shape) for shape in ((0, 3, 0), (0.5, 1, -0.5), (-1, 1, 2))])
)


@CASES
@given(SIDES, SIDES, st.binary(max_size=600), SEEDS)
def test_the_range_coder_is_the_same_in_all_libraries(run, height, width, message, seed):
    rng = np.random.default_rng(seed)
    size = height, width
    parameters, guesses = extreme(rng, (mixture.PARAMETERS, *size), np.uint8), extreme(rng, (2, *size), np.int16)
    tile = rangecoder.Tile(strided(rng, parameters), *(strided(rng, guess) for guess in guesses),
                           strided(rng, extreme(rng, size, np.uint8)), rng.random(size) < 0.8)  # fmt: skip
    decoder, rgb = rangecoder.Decoder(message), strided(rng, np.zeros((*size, 3), np.uint8))
    state = decoder._state.copy()
    decoder.draw(LOGISTIC, tile, rgb)
    assert np.array_equal(luma_of(rgb)[tile.chosen], tile.luma[tile.chosen])
    again = strided(rng, np.zeros_like(rgb))
    pixels = rangecoder._pixels(tile, again, writable=True)
    run(rangecoder._DRAW, pixels, LOGISTIC.pointers, np.frombuffer(message, np.uint8), len(message), state)
    assert np.array_equal(again, rgb)
    assert np.array_equal(state, decoder._state)
    count = int(tile.chosen.sum())
    counts = np.full((count, 3, 3), -1, np.int32)
    assert run(rangecoder._MEASURE, pixels, LOGISTIC.pointers, counts, count) == count
    expected = [part.copy() for part in rangecoder._counts(LOGISTIC, tile, rgb)]
    assert np.array_equal(counts, np.concatenate([counts[:0], *expected]))
    if count:
        assert run(rangecoder._MEASURE, pixels, LOGISTIC.pointers, counts[1:].copy(), count - 1) == -2
    encoder, state = rangecoder.Encoder(), np.array([0, rangecoder.FULL, 0], np.uint64)
    encoder.absorb(LOGISTIC, tile, rgb)
    out = np.zeros(encoder.settled, np.uint8)
    assert run(rangecoder._ENCODE, counts, count, out, len(out), state) == 0
    assert np.array_equal(state, encoder._state)
    assert out.tobytes() == encoder.peek()[: encoder.settled]


def test_encode_counts_refuses_what_it_cannot_write(run):
    def code(counts: list[int], size: int = 12, position: int = 0, low: int = 0) -> int:
        state = np.array([low, rangecoder.FULL, position], np.uint64)
        return run(rangecoder._ENCODE, np.array([[counts] * 3], np.int32), 1, np.zeros(size, np.uint8), size, state)

    rare = [2**31 - 2, 2**31 - 1, 2**31 - 1]
    assert (code([0, 1, 1]), code(rare), code([0, 1, 2**31 - 1])) == (0, 0, 0)
    assert [code(counts) for counts in ([-1, 1, 2], [1, 1, 2], [2, 1, 3], [0, 3, 2], [0, 0, 0])] == [-1] * 5
    assert (code(rare, size=1), code([0, 1, 1], size=0), code([0, 1, 1], position=13)) == (-1, 0, -1)
    assert code([1, 2, 2], low=2**64 - 1) == -1  # a carry that no byte takes
