"""Error correction: payload bits to code words and back from soft decisions, over 31 rates.

One family of irregular repeat-accumulate LDPC codes. A code word is `BLOCKS` blocks of `lift` positions: first the
information blocks, then the parity blocks. A check row of the base graph stands for `lift` checks; it joins
information block g by a cyclic shift s (check i sees bit (i + s) mod lift) and the parity blocks by a staircase, so
encoding is one XOR per edge and a running XOR. The two-weight columns and the staircase follow the shape of the
DVB-S2 codes (ETSI EN 302 307-1, section 5.3); weights, counts and shifts are our own, measured on mixtures of
reliabilities rather than on white noise. Decoding is sum-product (Gallager 1962) with the layered schedule
(Hocevar 2004): every row of the base graph uses the results of the row before it.

All code words of an image share one graph, and arrays are laid out (block, position in block, code word), so a
cyclic shift is two copies of contiguous memory and every other step is one call over a whole row of the base graph.

The graph is part of the file format: it comes from SHAKE-256 and integers alone, never from a random generator or
from floating-point numbers, and does not depend on the machine. A log-likelihood ratio (LLR) is
log(P(bit = 0) / P(bit = 1)) in nats, positive for 0, and 0 for an erased position.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_256
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]
Floats = NDArray[np.float32]

BLOCKS = 120  # blocks per code word: rates are multiples of 1/120
MAX_LENGTH = 64_800  # positions per code word at most; longer words gain little and leave the cache
MIN_LIFT = 16  # below 1,920 positions per word the graph has too many short cycles to be worth offering
LIGHT_WEIGHT = 3  # checks on an ordinary information bit
BATCH = 16  # code words decoded together: the arrays of one base row then stay in a second-level cache
ITERATIONS = 100  # most words need 15 to 40; long runs of undecided parity bits at low rates need the rest

_DRAWS = 20  # shift draws per column, of which the one with the fewest and longest short cycles is taken
_CLIP = np.float32(20.0)  # |LLR| of a position taken as certain: more would not change a decision
# Keeps |product| below every factor despite 119 roundings, so that messages end at about 12 nats.
_SHRINK = np.float32(1 - 2**-16)
_TINY = np.float32(1e-12)  # stands for an exact zero, which would turn 0 / 0 in the leave-one-out quotient
_SURE = 0.1  # least |LLR| after decoding for a bit to count as decided; an unresolved erasure stays near 0
_PIECE = 1 << 20  # LLRs whose information is summed at a time: a large photo has 48 million
_DROP = 0.3  # share of finished words at which compacting the batch pays for its copy


class _Profile(NamedTuple):
    """Information blocks of one rate, how many of them are heavy, and the weight of those."""

    info: int
    heavy: int
    weight: int


# Chosen by simulation on log-normal mixtures: the heavy share and weight at which most words of 60,480 positions still
# decode close to capacity. Two weights do as well as three; weight 40 helps only below rate 0.1.
# fmt: off
_PROFILES = tuple(_Profile(*row) for row in (
    (8, 2, 40), (12, 4, 30), (18, 6, 24), (24, 8, 20), (30, 9, 20), (36, 10, 20), (42, 11, 18),
    (48, 11, 16), (51, 11, 16), (54, 12, 16), (57, 12, 16), (60, 12, 16), (63, 13, 16), (66, 13, 16),
    (69, 13, 16), (72, 13, 16), (75, 13, 16), (78, 13, 16), (81, 13, 16), (84, 13, 16), (87, 14, 14),
    (90, 14, 14), (93, 15, 13), (96, 15, 13), (99, 15, 13), (102, 15, 13), (105, 14, 12), (108, 12, 10),
    (111, 12, 8), (114, 12, 6), (117, 0, 3),
))
# fmt: on
RATES: tuple[float, ...] = tuple(profile.info / BLOCKS for profile in _PROFILES)

# Information a rate needs beyond itself, in bits per position: gap + slope / sqrt(code word length), linear in the
# rate between these (rate, gap, slope). Fitted to word failures of 18 rates at 1,920 to 64,800 positions: half of
# the words fail at gap + 0.1..0.4 / sqrt(length), and the slope adds 4.75 standard deviations of the fitted normal.
# fmt: off
_MARGINS = np.array((
    (0.066, 0.0440, 6.5), (0.100, 0.0280, 5.2), (0.300, 0.0270, 5.2), (0.500, 0.0235, 4.2),
    (0.700, 0.0195, 3.4), (0.800, 0.0172, 3.1), (0.900, 0.0123, 2.1), (0.975, 0.0051, 1.3),
))
# fmt: on


@dataclass(frozen=True)
class Plan:
    """How `positions` are cut into `words` code words of `length` positions and `info` payload bits each.

    `rate` is the index into RATES. The positions after `used` carry nothing.
    """

    positions: int
    rate: int
    words: int
    length: int
    info: int

    @property
    def info_bits(self) -> int:
        """Payload bits over all code words."""
        return self.words * self.info

    @property
    def used(self) -> int:
        """Positions that carry code bits: the first `used` of them."""
        return self.words * self.length


def plan(positions: int, rate: int) -> Plan:
    """Cut `positions` (count) into equal code words of rate RATES[rate]; `words` is 0 if there are too few.

    Raises:
        ValueError: `rate` is not an index into RATES, or `positions` is negative.
    """
    if not 0 <= rate < len(RATES) or positions < 0:
        raise ValueError(f"no plan for {positions} positions at rate index {rate}")
    words = -(-positions // MAX_LENGTH)
    lift = positions // words // BLOCKS if words else 0
    if lift < MIN_LIFT:
        return Plan(positions, rate, 0, 0, 0)
    return Plan(positions, rate, words, lift * BLOCKS, lift * _PROFILES[rate].info)


def mutual_information(llr: Floats) -> float:
    """Mean of 1 - h2(chance of error) over LLRs in nats: bits per position, 0 to 1, if the LLRs are honest."""
    entropy = 0.0
    for start in range(0, llr.size, _PIECE):
        chance = 1 / (1 + np.exp(np.minimum(np.abs(llr[start : start + _PIECE]), 30).astype(np.float64)))
        entropy -= float((chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance)).sum())
    return 1 - entropy / llr.size if llr.size else 0.0


def required_information(rate: int, length: int) -> float:
    """Least mean information (bits per position) at which code words of `length` positions surely decode.

    "Surely" is 4.75 standard deviations above the threshold: a chance of 1e-6 per word by the fit. Words shorter than
    about 10,000 positions also fail about twice in ten thousand at any margin, through short cycles.
    """
    gap, slope = (float(np.interp(RATES[rate], _MARGINS[:, 0], _MARGINS[:, i])) for i in (1, 2))
    return RATES[rate] + gap + slope / sqrt(length)


def best_rate(information: float, positions: int) -> int | None:
    """Highest rate index that surely decodes, or None if none does.

    Args:
        information: mean information per position, in bits: what the sender knows of it (`mapping.information`).
        positions: how many positions there are.
    """
    for rate in reversed(range(len(RATES))):
        cut = plan(positions, rate)
        if cut.words and information >= required_information(rate, cut.length):
            return rate
    return None


@dataclass(frozen=True)
class _Graph:
    """A base graph: per check row, the information blocks it joins and their shifts in [0, lift)."""

    lift: int
    info: int
    rows: tuple[tuple[tuple[int, int], ...], ...]


@lru_cache(maxsize=8)
def _graph(profile: _Profile, lift: int) -> _Graph:
    """Build the graph: even check weights, no 4-cycles, no short ways round between light columns if draws allow.

    A bit of a column that meets rows a and b with shifts s and t is in two checks (s - t) * rows + b - a apart on the
    staircase. Two columns with the same difference at the same rows close a 4-cycle. Two light columns whose
    differences nearly agree close a cycle through a few parity bits, of weight 2; three light bits joined by two such
    cycles make sum-product stall, and were nearly all of the failures of short words far from the threshold.
    """
    count = BLOCKS - profile.info
    seed = f"stegcinn ldpc 1 {profile.info} {profile.heavy} {profile.weight} {lift}".encode()
    each = count + _DRAWS * max(profile.weight, LIGHT_WEIGHT)
    stream = np.frombuffer(shake_256(seed).digest(4 * profile.info * each), "<u4").astype(np.int64)
    load = np.zeros(count, np.int64)
    rows: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    taken = {(row - 1, row, 1) for row in range(1, count)} | {(0, count - 1, -1 % (lift * count))}  # the staircase
    light = np.empty((2, 0), np.int64)  # first row and difference of every ordered pair of edges of a light column
    for block, drawn in enumerate(stream.reshape(profile.info, each)):
        weight = profile.weight if block < profile.heavy else LIGHT_WEIGHT
        chosen = np.sort(np.lexsort((drawn[:count], load))[:weight])
        shifts = drawn[count : count + _DRAWS * weight].reshape(_DRAWS, weight) % lift
        i, j = np.triu_indices(weight, 1)
        apart = ((shifts[:, i] - shifts[:, j]) * count + chosen[j] - chosen[i]) % (lift * count)
        keys = [list(zip(chosen[i].tolist(), chosen[j].tolist(), line, strict=True)) for line in apart.tolist()]
        cycles = np.array([sum(key in taken for key in line) for line in keys])
        nearest = np.zeros(_DRAWS, np.int64)
        if weight == LIGHT_WEIGHT:
            nearest = _way_round(chosen[i], apart, light, count, lift)
        best = int(np.lexsort((-nearest, cycles))[0])
        taken.update(keys[best])
        if weight == LIGHT_WEIGHT:
            both = np.stack([np.append(chosen[i], chosen[j]), np.append(apart[best], -apart[best])])
            light = np.append(light, both, axis=1)
        for row, shift in zip(chosen.tolist(), shifts[best].tolist(), strict=True):
            rows[row].append((block, shift))
        load[chosen] += 1
    return _Graph(lift, profile.info, tuple(tuple(row) for row in rows))


def _way_round(
    first: NDArray[np.int64], apart: NDArray[np.int64], light: NDArray[np.int64], count: int, lift: int
) -> NDArray[np.int64]:
    """Fewest parity bits that close a cycle of a drawn column, alone or with a light one: (draws,).

    `first` (pairs,) and `apart` (draws, pairs) are the drawn column's row and difference, `light` (2, others) those of
    the columns before it. A bit of the other column lies u checks off at the one end, with u fixed modulo `count`,
    and u + w at the other end, w being the gap between the differences; the smallest |u| + |u + w| is at one of two u.
    """
    size = lift * count
    alone = np.minimum(apart, size - apart).min(axis=1)
    gap = (apart[:, :, None] - light[1] + size // 2) % size - size // 2
    off = (first[:, None] - light[0]) % count
    ways = np.minimum(np.abs(off) + np.abs(off + gap), np.abs(off - count) + np.abs(off - count + gap))
    shortest: NDArray[np.int64] = np.minimum(alone, ways.reshape(len(apart), -1).min(axis=1, initial=size))
    return shortest


def edges(plan: Plan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The parity-check matrix of one code word: (edges,) check indices and (edges,) positions of its ones."""
    graph = _graph(_PROFILES[plan.rate], plan.length // BLOCKS)
    lift, offsets = graph.lift, np.arange(graph.lift)
    checks, positions = [], []
    for row, joined in enumerate(graph.rows):
        above = [(graph.info + row - 1, 0)] if row else []
        for block, shift in [*joined, (graph.info + row, 0), *above]:
            checks.append(row * lift + offsets)
            positions.append(block * lift + (offsets + shift) % lift)
    checks.append(offsets[1:])
    positions.append((BLOCKS - 1) * lift + offsets[:-1])
    return np.concatenate(checks), np.concatenate(positions)


def _row_sum(graph: _Graph, row: int, bits: Bits) -> Bits:
    """XOR of the information bits in the checks of one base row: (>= info, lift, words) -> (lift, words)."""
    total = np.zeros(bits.shape[1:], np.uint8)
    for block, shift in graph.rows[row]:
        cut = graph.lift - shift
        total[:cut] ^= bits[block, shift:]
        total[cut:] ^= bits[block, :shift]
    return total


def encode(plan: Plan, bits: Bits) -> Bits:
    """Code words of `bits`, one after another.

    Args:
        plan: from `plan`.
        bits: (plan.info_bits,) uint8, 0 or 1.

    Returns:
        (plan.used,) uint8, 0 or 1; each word is its information bits followed by its parity bits.

    Raises:
        ValueError: `bits` has another shape.
    """
    if bits.shape != (plan.info_bits,):
        raise ValueError(f"expected {plan.info_bits} bits, got shape {bits.shape}")
    out = np.empty((plan.words, plan.length), np.uint8)
    if not plan.words:
        return out.reshape(-1)
    profile, lift = _PROFILES[plan.rate], plan.length // BLOCKS
    graph = _graph(profile, lift)
    for words in _batches(plan.words):
        info = np.ascontiguousarray(bits.reshape(plan.words, plan.info)[words].T).reshape(profile.info, lift, -1)
        # The staircase runs through row 0 to the last at one position, then on to the next position.
        stairs = np.stack([_row_sum(graph, row, info) for row in range(len(graph.rows))], axis=1)
        parity = np.bitwise_xor.accumulate(stairs.reshape(plan.length - plan.info, -1), axis=0)
        parity = parity.reshape(stairs.shape).swapaxes(0, 1)
        out[words, : plan.info] = info.reshape(plan.info, -1).T
        out[words, plan.info :] = parity.reshape(plan.length - plan.info, -1).T
    return out.reshape(-1)


def decode(plan: Plan, llr: Floats, *, iterations: int = ITERATIONS) -> tuple[Bits, NDArray[np.bool_]]:
    """Payload bits from soft decisions.

    Args:
        plan: from `plan`, the same as the sender's.
        llr: (plan.used,) float32, nats, positive for bit 0, 0 for an erased position.
        iterations: passes over the graph after which a word is given up.

    Returns:
        (plan.info_bits,) uint8 hard decisions, and (plan.words,) bool: True where every check of the word holds and
        every bit of it is decided. A word that is not ok carries its last, wrong, hard decisions.

    Raises:
        ValueError: `llr` has another shape.
    """
    if llr.shape != (plan.used,):
        raise ValueError(f"expected {plan.used} LLRs, got shape {llr.shape}")
    bits, ok = np.zeros((plan.words, plan.info), np.uint8), np.zeros(plan.words, np.bool_)
    if plan.words:
        graph = _graph(_PROFILES[plan.rate], plan.length // BLOCKS)
        for words in _batches(plan.words):
            bits[words], ok[words] = _decode(graph, llr.reshape(plan.words, plan.length)[words], iterations)
    return bits.reshape(-1), ok


def _batches(words: int) -> list[slice]:
    """Slices of at most BATCH words, as equal as they can be: a batch of one costs nearly as much as one of four."""
    count = -(-words // BATCH)
    return [slice(words * i // count, words * (i + 1) // count) for i in range(count)]


# One block in one base row: the block's two stretches, and where they go in the row's workspace.
_Moves = list[tuple[Floats, Floats]]


def _moves(graph: _Graph, total: Floats, work: Floats) -> list[tuple[_Moves, int]]:
    """Per base row: pairs of views (block stretch of `total`, its place in `work`), and the row's weight.

    Row 0 takes the last parity block last and one position on; the first position there has no such neighbour.
    """
    lift, rows = graph.lift, []
    for row, edges in enumerate(graph.rows):
        joined = [*edges, (graph.info + row, 0)] + ([(graph.info + row - 1, 0)] if row else [])
        moves: _Moves = []
        for slot, (block, shift) in enumerate(joined):
            moves.append((total[block, shift:], work[slot, : lift - shift]))
            if shift:
                moves.append((total[block, :shift], work[slot, lift - shift :]))
        if not row:
            moves.append((total[-1, : lift - 1], work[len(joined), 1:]))
        rows.append((moves, len(joined) + (not row)))
    return rows


def _decode(graph: _Graph, llr: Floats, iterations: int) -> tuple[Bits, NDArray[np.bool_]]:
    """Decode a batch: (words, length) float32 -> (words, info bits) uint8, (words,) bool."""
    words = len(llr)
    total = np.clip(np.ascontiguousarray(llr.T, np.float32), -_CLIP, _CLIP).reshape(BLOCKS, graph.lift, words)
    edges = [len(row) + 2 for row in graph.rows]
    messages = np.zeros((sum(edges), graph.lift, words), np.float32)
    bits, ok = np.zeros((words, graph.info * graph.lift), np.uint8), np.zeros(words, np.bool_)
    alive = np.arange(words)
    rows: list[tuple[_Moves, int]] = []
    for _ in range(iterations):
        if not rows:
            work = np.zeros((max(edges), graph.lift, len(alive)), np.float32)  # row 0 reads one place it never fills
            tanh = np.empty_like(work)
            rows = _moves(graph, total, work)
        first = 0
        for moves, weight in rows:
            _update(moves, work[:weight], tanh[:weight], messages[first : first + weight], first == 0)
            first += weight
        hard = (total < 0).view(np.uint8)
        done = _checks_hold(graph, hard)
        done[done] = np.abs(total[:, :, done]).min(axis=(0, 1)) > _SURE
        bits[alive[done]] = hard[: graph.info, :, done].reshape(bits.shape[1], -1).T
        ok[alive[done]] = True
        left = ~ok[alive]
        if not left.any():
            return bits, ok
        if np.count_nonzero(left) <= (1 - _DROP) * len(alive):
            alive, rows = alive[left], []
            total = np.ascontiguousarray(total[:, :, left])
            messages = np.ascontiguousarray(messages[:, :, left])
    left = ~ok[alive]
    bits[alive[left]] = (total[: graph.info, :, left] < 0).reshape(bits.shape[1], -1).T
    return bits, ok


def _update(moves: _Moves, work: Floats, tanh: Floats, messages: Floats, top: bool) -> None:
    """One base row: replace its check-to-bit `messages` and add the change to the blocks it joins.

    `work`, `tanh` and `messages` are (weight, lift, words). The message to a bit is 2 atanh(P / t) with P the product
    of all tanh(LLR / 2) of the check and t the bit's own, written log((t + P) / (t - P)): NumPy vectorises float32
    log on far more machines than arctanh.
    """
    for source, place in moves:
        place[...] = source
    np.subtract(work, messages, out=work)
    if top:
        work[-1, 0] = _CLIP  # the neighbour that the first check of the staircase lacks: a certain 0
    np.multiply(work, np.float32(0.5), out=tanh)
    np.tanh(tanh, out=tanh)
    np.add(tanh, _TINY, out=tanh)
    product = np.multiply.reduce(tanh, axis=0)
    product *= _SHRINK
    np.add(tanh, product, out=messages)
    np.subtract(tanh, product, out=tanh)
    np.divide(messages, tanh, out=messages)
    np.log(messages, out=messages)
    np.add(work, messages, out=work)
    for source, place in moves:
        source[...] = place


def _checks_hold(graph: _Graph, hard: Bits) -> NDArray[np.bool_]:
    """(BLOCKS, lift, words) uint8 -> (words,) bool: every check of the word holds."""
    good = np.ones(hard.shape[2], np.bool_)
    for row in range(len(graph.rows)):
        total = _row_sum(graph, row, hard) ^ hard[graph.info + row]
        if row:
            total ^= hard[graph.info + row - 1]
        else:
            total[1:] ^= hard[-1, :-1]
        good &= ~total.any(axis=0)
        if not good.any():  # nearly always after one row until words converge
            break
    return good
