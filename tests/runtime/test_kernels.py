"""Compiled loops of networks and senders against plain Python or NumPy, in every library."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_arrays import extreme, strided

from stegcinn.carriers.jpegfile.entropy import MINUS, PLUS
from stegcinn.carriers.luma import LUMA_WEIGHTS, luma_of
from stegcinn.codecs.jpeg import coefficients
from stegcinn.codecs.stealth import moves, noise
from stegcinn.coding import labels
from stegcinn.colourmodel import cells, networks

CASES = settings(max_examples=50, deadline=None)
SEEDS = st.integers(0, 2**32)
SIDES = st.integers(0, 9)
WR, WG, WB = LUMA_WEIGHTS


# -- what networks are shown


@CASES
@given(st.integers(1, 9), st.integers(1, 9), st.integers(-9, 9), st.integers(-9, 9), SIDES, SIDES, st.integers(1, 4),
       SEEDS)  # fmt: skip
def test_gather_cells(run, height, width, top, left, rows, columns, settled, seed):
    rng = np.random.default_rng(seed)
    rgb = extreme(rng, (height, width, 3), np.uint8)
    luma = luma_of(rgb)
    y, r, b = (np.empty((count, rows, columns), np.int16) for count in (4, settled, settled))
    places = np.array(cells.PLACES, np.int64)
    run(
        networks._GATHER, strided(rng, luma), strided(rng, rgb), height, width, places, top, left, rows, columns,
        settled, y, r, b,
    )  # fmt: skip
    for place, (i, j) in enumerate(cells.PLACES):
        down, right = (np.arange(height)[i::2], np.arange(width)[j::2])
        down, right = down if len(down) else np.array([0]), right if len(right) else np.array([0])
        at = np.ix_(down[(top + np.arange(rows)).clip(0, len(down) - 1)],
                    right[(left + np.arange(columns)).clip(0, len(right) - 1)])  # fmt: skip
        assert np.array_equal(y[place], luma[at])
        if place < settled:
            assert np.array_equal(r[place], rgb[at][..., 0].astype(int) - luma[at])
            assert np.array_equal(b[place], rgb[at][..., 2].astype(int) - luma[at])


@CASES
@given(SIDES, SIDES, st.integers(0, 2), st.integers(1, 4), st.integers(0, 8), SEEDS)
def test_show_neighbours(run, height, width, margin, count, shown, seed):
    rng = np.random.default_rng(seed)
    planes = extreme(rng, (count, height + 2 * margin, width + 2 * margin), np.int16)
    zero = extreme(rng, (height, width), np.int16)
    near = rng.integers([0, -margin, -margin], [count, margin + 1, margin + 1], (shown, 3))
    out = np.empty((shown, height, width), np.uint8)
    run(cells._NEIGHBOURS, planes, near, shown, margin, zero, height, width, out)
    for channel, (plane, down, right) in enumerate(near):
        part = planes[plane, margin + down :, margin + right :][:height, :width].astype(int)
        assert np.array_equal(out[channel], (part - zero).clip(0, 255))


# -- how likely moves are


def greens(y: int, r: int, b: int) -> list[int]:
    """Levels of green that have this luma; none for colours out of range, as a move's may be."""
    return [g for g in range(256) if (WR * r + WG * g + WB * b + 32768) >> 16 == y]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12), SEEDS)
def test_move_reluctance(run, count, seed):
    """Over all three channels, by looking up each colour's chances in the tables."""
    rng = np.random.default_rng(seed)
    far = noise.GREEN_FAR
    expected = extreme(rng, (count, noise.EXPECTED), np.int8)
    rgb = extreme(rng, (count, 3), np.uint8)
    luma = luma_of(rgb)
    near, green = (rng.integers(-3000, 1, shape).astype(np.int16) for shape in ((2, 256, 256), (256, 2 * far + 1, 2)))
    out = np.empty((count, 27), np.int8)
    run(noise._RELUCTANCE, expected, rgb, luma, count, near, green, out)
    for i in range(count):
        r, g, b = map(int, rgb[i])
        told = expected[i].astype(int)
        off = [min(max(int(told[noise.OFF_R + s]), -noise.FAR), noise.FAR) for s in range(2)]
        scale_r, scale_b, scale_g = (told[plane] + 128 for plane in (noise.SCALE_R, noise.SCALE_B, noise.SCALE_G))
        follows = int(told[noise.FOLLOWS])

        def likely(dr: int, dg: int, db: int) -> int:
            possible = [level for level in greens(luma[i], r + dr, b + db) if abs(level - g) <= 2]  # noqa: B023
            total = int(near[0, scale_r, off[0] + 8 * dr + 128])  # noqa: B023
            total += int(near[1, scale_b, off[1] + 8 * db - follows * dr // 8 + 128])  # noqa: B023
            if len(possible) == 2:
                rest = 65536 * int(luma[i]) - WR * (r + dr) - WG * g - WB * (b + db)  # noqa: B023
                distance = 64 * (possible[0] - g) + 32 - 64 * rest // WG - int(told[noise.OFFSET_G])  # noqa: B023
                entry = min(max(distance, -far), far) + far
                total += int(green[scale_g, entry, possible.index(g + dg)])  # noqa: B023
            return total

        for index, (dr, dg, db) in enumerate(moves.MOVES):
            if g + dg not in greens(luma[i], r + dr, b + db):
                assert out[i][index] == noise.MOST
                continue
            less = likely(0, 0, 0) - likely(int(dr), int(dg), int(db))
            assert out[i][index] == min(max((less + noise.FINER // 2) // noise.FINER, -noise.MOST), noise.MOST)


# -- moves


def as_bytes(units: np.ndarray, bend: np.float32, gentle: np.float32) -> np.ndarray:
    """Costs of moves that there are, (...) float32."""
    bent = np.where(units < bend, units, bend + (units - bend) * gentle)
    return np.minimum(bent + np.float32(0.5), labels.NO_MOVE - 1).astype(np.uint8)


@CASES
@given(st.integers(0, 12), st.sampled_from([0.0, 1.0, 1e4]), SEEDS)
def test_move_costs(run, count, price, seed):
    """In numbers of 32 bits, in the same order: to the last bit."""
    rng = np.random.default_rng(seed)
    rgb, reluctance = extreme(rng, (count, 3), np.uint8), extreme(rng, (count, 27), np.int8)
    prices = rng.choice([0, 1e-3, 1, 40, 1e30], (count, 3)).astype(np.float32) * rng.random((count, 3), np.float32)
    costs, best = (np.full((count, 16), 77, np.uint8) for _ in range(2))
    scale = moves.PULL / labels.NATS, labels.NATS, labels.BEND, 1 / labels.STEEP
    run(moves._COSTS, rgb, prices, price, reluctance, count, *scale, costs, best)
    pull, nats, bend, gentle = map(np.float32, scale)
    for i in range(count):
        cost, by = np.full(16, np.inf, np.float32), np.full(16, moves.STAY)
        for index, move in enumerate(moves.MOVES):
            after = rgb[i].astype(int) + move
            if after.min() < 0 or after.max() > 255 or luma_of(after.astype(np.uint8)) != luma_of(rgb[i]):
                continue
            ours = np.where(move, prices[i] * np.float32(price), np.float32(0))
            each = pull * np.float32(reluctance[i, index]) + ours[0] + ours[1] + ours[2]
            label = int(after @ moves.LABEL_WEIGHTS) % 16
            if each < cost[label]:
                cost[label], by[label] = each, index
        expected = as_bytes((cost - cost.min()) * nats, bend, gentle)
        assert np.array_equal(costs[i], np.where(np.isinf(cost), labels.NO_MOVE, expected))
        assert np.array_equal(best[i], by)


@CASES
@given(st.integers(1, 12), st.integers(0, 20), st.booleans(), SEEDS)
def test_ternary_costs(run, total, count, told, seed):
    """In numbers of 32 bits, in the same order: to the last bit."""
    rng = np.random.default_rng(seed)
    values, places = extreme(rng, (total,), np.int16), rng.integers(0, total, count, np.uint32)
    classes, ways = extreme(rng, (total,), np.uint8), extreme(rng, (total,), np.uint8)
    prices = rng.choice([0, 1e-3, 1, 40, 1e4, 1e30], 256).astype(np.float32) * rng.random(256, np.float32)
    errors = extreme(rng, (total,), np.int8) if told else np.empty(0, np.int8)
    costs = np.full((count, 4), 77, np.uint8)
    scale = labels.BEND, 1 / labels.STEEP
    given_ = values, places, classes, prices, errors, len(errors), ways, total, count, *scale
    assert run(coefficients._COSTS, *given_, costs) == 0
    bend, gentle = map(np.float32, scale)
    for i, at in enumerate(places):
        expected = np.full(4, labels.NO_MOVE)
        expected[int(values[at]) % 4] = 0
        for way, step in ((PLUS, 1), (MINUS, -1)):
            easier = np.float32(step * int(errors[at]) / 64) if told else np.float32(0)
            units = prices[classes[at]] * (np.float32(1) - easier)
            if ways[at] & way:
                expected[(int(values[at]) + step) % 4] = as_bytes(max(units, np.float32(0)), bend, gentle)
        assert np.array_equal(costs[i], expected)


@CASES
@given(st.integers(0, 5), st.sampled_from([0, 1, 2**31, 2**32 - 6]), SEEDS)
def test_ternary_costs_of_places_that_are_none(run, total, beyond, seed):
    """Nothing behind the arrays is read."""
    rng = np.random.default_rng(seed)
    places = np.array([*rng.integers(0, total, 3 if total else 0), total + beyond], np.uint32)
    values, errors, ways = (np.zeros(total, kind) for kind in (np.int16, np.int8, np.uint8))
    costs = np.full((len(places) + 1, 4), 77, np.uint8)
    prices, scale = np.zeros(256, np.float32), (labels.BEND, 1 / labels.STEEP)
    given_ = values, places, ways, prices, errors, total, ways, total, len(places), *scale
    assert run(coefficients._COSTS, *given_, costs) == -1
    assert (costs[len(places) - 1 :] == 77).all()


LAYERS = st.sampled_from([2, 4])


def label_costs(rng: np.random.Generator, count: int, layers: int) -> np.ndarray:
    """Any bytes, but one label of each place that costs nothing."""
    shape = count, 1 << layers
    costs = rng.choice([extreme(rng, shape, np.uint8), rng.integers(0, 60, shape, np.uint8)], axis=0)
    costs[np.arange(count), rng.integers(0, 1 << layers, count)] = 0
    return np.ascontiguousarray(costs)


@CASES
@given(st.integers(0, 20), LAYERS, SEEDS)
def test_label_entropies(run, count, layers, seed):
    costs = label_costs(np.random.default_rng(seed), count, layers)
    totals = np.full((2, layers), 5.0)
    run(labels._ENTROPIES, costs, count, layers, labels._CHANCES, labels._LOGS, totals)
    expected = np.full((2, layers), 5.0)
    for chances in labels._CHANCES[costs].astype(float):
        for layer in range(layers):
            for low in range(1 << layer):
                pair = np.array([chances[low + (bit << layer) :: 2 << layer].sum() for bit in (0, 1)])
                if pair.min() > 0:
                    expected[0, layer] -= (pair * np.log2(pair / pair.sum())).sum() / chances.sum()
                    expected[1, layer] += pair.sum() / chances.sum()
    assert np.allclose(totals, expected, rtol=1e-9, atol=1e-9)


@CASES
@given(st.integers(0, 20), LAYERS, st.integers(0, 3), SEEDS)
def test_label_preferences(run, count, layers, layer, seed):
    """What bits above the layer say does not matter."""
    rng, layer = np.random.default_rng(seed), layer % layers
    costs, settled = label_costs(rng, count, layers), rng.integers(0, 256, count, np.uint8)
    bits, flips = np.full(count, 9, np.uint8), np.full(count, -1, np.float32)
    run(labels._PREFERENCES, costs, count, layers, labels._CHANCES, settled, layer, bits, flips)
    for i, low in enumerate(settled % (1 << layer)):
        zero, one = (labels._CHANCES[costs[i, low + (bit << layer) :: 2 << layer]].sum() for bit in (0, 1))
        assert bits[i] == (one > zero) or np.isclose(one, zero, rtol=1e-6)
        expected = abs(np.log(one / zero)) if min(one, zero) > 0 else np.inf
        assert np.isclose(flips[i], expected, rtol=1e-5, atol=1e-6)
