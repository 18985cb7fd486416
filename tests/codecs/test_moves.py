"""Moves and labels: against plain enumeration, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.stealth import moves
from stegcinn.codecs.stealth.moves import LABELS, LAYERS, Pixels
from stegcinn.coding import labels, stc

colours = st.lists(st.tuples(*(st.integers(0, 255),) * 3), min_size=1, max_size=6)


def enumerated(pixel: np.ndarray, prices: np.ndarray, reluctance: np.ndarray) -> dict[int, tuple[float, np.ndarray]]:
    """For each label in reach, the chance and the colour of its cheapest move; chances sum to one."""
    found: dict[int, tuple[float, np.ndarray]] = {}
    for move in np.ndindex(3, 3, 3):
        after = pixel.astype(int) + np.array(move) - 1
        if after.min() < 0 or after.max() > 255:
            continue
        after = after.astype(np.uint8)
        if luma_of(after[None]) != luma_of(pixel[None]):
            continue
        cost = float((prices * (np.array(move) != 1)).sum())
        cost += moves.PULL * int(reluctance[np.ravel_multi_index(move, (3, 3, 3))]) / labels.NATS
        chance = math.exp(-cost)
        label = int(after.astype(int) @ (1, 3, 6)) % LABELS
        if chance > found.get(label, (0, None))[0]:
            found[label] = chance, after
    total = sum(chance for chance, _ in found.values())
    return {label: (chance / total, after) for label, (chance, after) in found.items()}


def random_pixels(count: int, seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    return random_costs(rng.integers(0, 256, (count, 3), dtype=np.uint8), rng)


def random_costs(rgb: np.ndarray, rng: np.random.Generator) -> Pixels:
    prices = rng.exponential(2, rgb.shape).astype(np.float32)
    reluctance = rng.integers(-40, 41, (len(rgb), 27)).astype(np.int8)
    reluctance[:, moves.STAY] = 0
    return Pixels(rgb, prices, reluctance)


@settings(max_examples=60, deadline=None)
@given(colours, st.integers(0, 2**32))
def test_chances_are_those_of_the_cheapest_moves(pixels, seed):
    """But for what bytes round off: half a unit, and half a step of the dear ones."""
    rgb = np.array(pixels, np.uint8)
    given_ = random_costs(rgb, np.random.default_rng(seed))
    costs, best = moves.label_costs(given_, 1.0)
    likely = labels.chances(costs)
    for i, pixel in enumerate(rgb):
        expected = enumerated(pixel, given_.prices[i], given_.reluctance[i])
        assert set(np.flatnonzero(likely[i])) == set(expected)
        assert (best[i][likely[i] == 0] == moves.STAY).all()
        for label, (chance, _) in expected.items():
            dear = chance < math.exp(-labels.BEND / labels.NATS) * max(chance for chance, _ in expected.values())
            assert math.log(likely[i, label] / chance) == pytest.approx(0, abs=0.7 if dear else 0.07)
            after = (pixel + moves.MOVES[best[i, label]]).astype(np.uint8)
            assert moves.labels(after[None]) == label
            assert luma_of(after[None]) == luma_of(pixel[None])


def test_prices_beyond_measure_still_leave_a_way():
    """Rather a dear move than a message that does not fit."""
    rgb = np.full((1, 3), 128, np.uint8)
    nothing = np.zeros((1, 27), np.int8)
    costs = moves.label_costs(Pixels(rgb, np.full((1, 3), 1e5, np.float32), nothing), 1e4)[0]
    assert {0, labels.NO_MOVE - 1} <= set(costs[0]) <= {0, labels.NO_MOVE - 1, labels.NO_MOVE}
    assert (labels.chances(costs) > 0).sum() == len(enumerated(rgb[0], np.ones(3), nothing[0]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_settled_layer_by_layer_a_pixel_gets_the_label_it_was_given(seed):
    """Whatever bits are chosen among those in reach."""
    rng = np.random.default_rng(seed)
    pixels = random_pixels(200, seed)
    rgb, every = pixels.rgb, moves.label_costs(pixels, 1.0)[0]
    settled = np.zeros(len(rgb), np.uint8)
    for layer in range(LAYERS):
        bits, prices = labels.preferences(every, settled, layer)
        assert (prices >= 0).all()
        flips = (rng.random(len(rgb)) < 0.5) & (prices != stc.NEVER)
        settled |= (bits ^ flips).astype(np.uint8) << np.uint8(layer)
        after = moves.moved(pixels, 1.0, labels.cheapest(every, settled, layer + 1))
        assert np.array_equal(moves.labels(after) % (2 << layer), settled)
        assert np.array_equal(luma_of(after), luma_of(rgb))
        assert np.abs(after.astype(int) - rgb).max() <= 1


def test_pieces_make_no_difference():
    """Work is spread over threads by pieces."""
    pixels = random_pixels(2 * labels.PIECE + 77, 6)
    costs = moves.label_costs(pixels, 0.7)[0]
    in_reach = np.random.default_rng(7).random(costs.shape) * (costs != labels.NO_MOVE)
    settled = in_reach.argmax(axis=1).astype(np.uint8)
    last = slice(2 * labels.PIECE, None)
    assert np.array_equal(costs[last], moves.label_costs(pixels.part(last), 0.7)[0])
    after = moves.moved(pixels, 0.7, settled)
    assert np.array_equal(moves.labels(after), settled)
    assert np.array_equal(after[last], moves.moved(pixels.part(last), 0.7, settled[last]))


def test_costs_of_some_pixels_are_those_of_all():
    pixels, places = random_pixels(50, 8), np.array([7, 3, 3, 40])
    costs = moves.label_costs(pixels, 0.5)[0]
    assert np.array_equal(pixels.costs(0.5), costs)
    assert np.array_equal(pixels.costs(0.5, places), costs[places])
    assert np.array_equal(pixels.taken(places).costs(0.5), costs[places])
    assert [len(pixels), len(pixels.taken(places)), len(pixels.part(slice(5)))] == [50, 4, 5]


def test_what_costs_nothing_is_nearly_all_that_moves_could_carry():
    """The weights of the label keep moves apart: 0.3 % of the distortion at the bound is what they lose."""
    pixels = random_pixels(400, 4)
    pixels.reluctance[:] = 0
    costs, every = moves.label_costs(pixels, 1.0)[0], []
    for pixel, price in zip(pixels.rgb, pixels.prices, strict=True):
        weights = [
            math.exp(-float((price * (np.array(move) != 1)).sum()))
            for move in np.ndindex(3, 3, 3)
            if (after := pixel.astype(int) + np.array(move) - 1).min() >= 0 and after.max() <= 255
            and luma_of(after.astype(np.uint8)[None]) == luma_of(pixel[None])
        ]  # fmt: skip
        p = np.array(weights) / sum(weights)
        every.append(-(p * np.log2(p)).sum())
    carried = labels.entropies(costs)[0].sum()
    assert 0.97 * sum(every) < carried <= sum(every) * 1.0001
