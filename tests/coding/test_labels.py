"""Labels of several bits: against plain sums over all of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_costs import random_costs

from stegcinn.coding import labels, stc

LAYERS = (2, 4)
SEEDS = st.integers(0, 2**32)
EACH_LAYER = [(layers, layer) for layers in LAYERS for layer in range(layers)]


def nats(cost: int) -> float:
    """What a byte stands for, by the module's first lines."""
    return (cost if cost < labels.BEND else labels.BEND + labels.STEEP * (cost - labels.BEND)) / labels.NATS


@pytest.mark.parametrize("layers", LAYERS)
def test_labels_have_as_many_bits_as_there_are_layers(layers):
    assert labels.layers_of(random_costs(3, layers, 0)) == layers


@pytest.mark.parametrize("layers", LAYERS)
def test_chances_are_those_of_the_costs(layers):
    costs = random_costs(200, layers, 1)
    likely = labels.chances(costs)
    assert likely.dtype == np.float32
    assert likely.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(likely == 0, costs == labels.NO_MOVE)
    for cost, chance in zip(costs, likely, strict=True):
        least = int(cost.argmin())
        for a, p in zip(cost, chance, strict=True):
            if p > 1e-30:
                assert math.log(chance[least] / p) == pytest.approx(nats(int(a)), rel=1e-5, abs=1e-5)


def test_the_dearest_change_is_better_than_none():
    """It has a chance, and stays apart from what is out of reach."""
    likely = labels.chances(np.array([[0, labels.NO_MOVE - 1, labels.NO_MOVE, labels.NO_MOVE]], np.uint8))[0]
    assert likely[1] > 0
    assert list(likely[2:]) == [0, 0]
    assert 80 < nats(labels.NO_MOVE - 1) < 84


@pytest.mark.parametrize(("layers", "layer"), EACH_LAYER)
def test_entropies_are_those_of_bits_given_lower_bits(layers, layer):
    costs = random_costs(50, layers, 2)
    bits, changeable = 0.0, 0.0
    for chances in labels.chances(costs).astype(np.float64):
        for low in range(1 << layer):
            pair = [chances[low + (bit << layer) :: 2 << layer].sum() for bit in (0, 1)]
            if min(pair) > 0:
                changeable += sum(pair)
                bits -= sum(p * math.log2(p / sum(pair)) for p in pair)
    assert labels.entropies(costs)[:, layer] == pytest.approx((bits, changeable), rel=1e-4)


@pytest.mark.parametrize("layers", LAYERS)
def test_entropies_of_all_layers_are_that_of_the_label(layers):
    costs = random_costs(300, layers, 3)
    likely = labels.chances(costs).astype(np.float64)
    whole = -(likely * np.log2(np.where(likely > 0, likely, 1))).sum()
    assert labels.entropies(costs)[0].sum() == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("layers", LAYERS)
def test_preferences_are_log_ratios(layers):
    costs = random_costs(100, layers, 4, reached=0.2)
    likely = labels.chances(costs).astype(np.float64)
    bits, prices = labels.preferences(costs, np.zeros(100, np.uint8), 0)
    zero, one = likely[:, ::2].sum(axis=1), likely[:, 1::2].sum(axis=1)
    assert np.array_equal(bits, one > zero)
    with np.errstate(divide="ignore"):
        ratios = np.abs(np.log(one / zero)).astype(np.float32)
    assert np.abs(prices - stc.rounded(ratios)).max() <= 1
    assert ((prices == stc.NEVER) == np.isinf(ratios)).all()
    assert (prices == stc.NEVER).any()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(LAYERS), SEEDS)
def test_settled_layer_by_layer_a_place_gets_a_label_in_reach(layers, seed):
    """Whatever bits are chosen among those in reach; after every layer it gets the cheapest that is left."""
    rng, costs = np.random.default_rng(seed), random_costs(200, layers, seed)
    settled = np.zeros(len(costs), np.uint8)
    for layer in range(layers):
        bits, prices = labels.preferences(costs, settled, layer)
        assert (prices >= 0).all()
        other = (rng.random(len(costs)) < 0.5) & (prices != stc.NEVER)
        settled |= (bits ^ other).astype(np.uint8) << np.uint8(layer)
        label = labels.cheapest(costs, settled, layer + 1)
        assert np.array_equal(label % (2 << layer), settled)
        for i, found in enumerate(label):
            alike = costs[i, settled[i] :: 2 << layer]
            assert costs[i, found] == alike.min() < labels.NO_MOVE
    assert np.array_equal(label, settled)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(LAYERS), st.integers(1, 4), SEEDS)
def test_where_only_the_lowest_layers_count_only_the_cheapest_of_labels_alike_stay(layers, lowest, seed):
    lowest = min(lowest, layers)
    costs = random_costs(30, layers, seed)
    before = costs.copy()
    after = labels.of_lowest_layers(costs, lowest)
    assert after is costs
    for i, low in itertools.product(range(len(costs)), range(1 << lowest)):
        alike, left = before[i, low :: 1 << lowest], after[i, low :: 1 << lowest]
        if lowest == layers:
            assert np.array_equal(left, alike)
        else:
            assert left.min() == alike.min()
            assert (left != labels.NO_MOVE).sum() == (alike.min() != labels.NO_MOVE)
    if lowest < layers:  # so there is nothing to choose in the layers above
        assert not labels.entropies(after)[:, lowest:].any()


@pytest.mark.parametrize("layers", LAYERS)
def test_pieces_make_no_difference(layers):
    """Work is spread over threads by pieces."""
    costs = random_costs(2 * labels.PIECE + 77, layers, 6)
    in_reach = np.random.default_rng(7).random(costs.shape) * (costs != labels.NO_MOVE)
    settled = in_reach.argmax(axis=1).astype(np.uint8)
    last = slice(2 * labels.PIECE, None)
    totals = sum(labels.entropies(costs[i : i + 1000]) for i in range(0, len(costs), 1000))
    assert labels.entropies(costs) == pytest.approx(totals)
    whole, part = (labels.preferences(costs[at], settled[at] & 1, 1) for at in (slice(None), last))
    assert all(np.array_equal(x[last], y) for x, y in zip(whole, part, strict=True))
    assert np.array_equal(labels.cheapest(costs, settled, layers), settled)


@pytest.mark.parametrize("layers", LAYERS)
def test_no_places_have_nothing(layers):
    none = np.empty((0, 1 << layers), np.uint8)
    assert not labels.entropies(none).any()
    assert [len(found) for found in labels.preferences(none, none[:, 0], 0)] == [0, 0]
    assert labels.chances(none).shape == none.shape


def test_bits_of_labels():
    label = np.arange(16, dtype=np.uint8)
    assert np.array_equal(sum(labels.bit(label, layer).astype(int) << layer for layer in range(4)), label)
