"""A message in layers of labels: it comes back, in labels that are in reach, at the highest price it finds room at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_costs import Table

from stegcinn.coding import labels, layered, stc
from stegcinn.coding.layered import EXPONENTS, FILLS, SEARCH_STEPS, SHARES

SEEDS = st.integers(0, 2**32)


def bits(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, count, np.uint8)


def order(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(count)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([2, 4]), st.integers(1, 4), st.floats(0.02, 1), st.sampled_from(FILLS), SEEDS)
def test_a_message_comes_back(labelled, lowest, load, fill, seed):
    """In the lowest layers of labels of more, too, as headers are."""
    lowest, choices, places = min(lowest, labelled), Table.of(3000, labelled, seed), order(3000, seed)
    most = layered.room(choices, 2.0 ** EXPONENTS[0], fill, lowest).sum()
    message = bits(8 * int(load * 0.6 * most / 8), seed)
    written = layered.write(choices, places, message, lowest, fill)
    assert written is not None
    assert np.isfinite(choices.nats[places, written.labels]).all()
    assert len(written.shares) == lowest - 1
    assert 0 <= sum(written.shares) <= SHARES
    sizes = layered.sizes(len(message), written.shares)
    assert layered.read(written.labels, sizes) == np.packbits(message).tobytes()


def test_small_messages_change_little():
    choices, places = Table.of(6000, 4, 0), order(6000)
    own = choices.nats.argmin(axis=1)[places]
    changed, prices = [], []
    for size in (80, 800, 4000):
        written = layered.write(choices, places, bits(size), 4, FILLS[0])
        changed.append(float((written.labels != own).mean()))
        prices.append(written.price)
    assert changed == sorted(changed)
    assert changed[0] < 0.01
    assert prices == sorted(prices, reverse=True)


def test_dear_labels_are_left_alone():
    nats = np.full((8000, 4), np.inf)
    nats[:, 0], nats[:, 1] = 0, np.where(np.arange(8000) < 4000, 0.5, 20)
    places = order(8000)
    written = layered.write(Table(nats), places, bits(400), 2, FILLS[0])
    changed = np.zeros(8000, bool)
    changed[places] = written.labels != 0
    assert changed[:4000].sum() > 20 * changed[4000:].sum()


@pytest.mark.parametrize("size", [400, 4000])
def test_labels_that_cost_the_same_are_as_likely(size):
    """As steps up and down do: were one always preferred, changes would have a sign."""
    choices, places = Table(np.tile([0, 1, np.inf, 1], (8000, 1))), order(8000)
    written = layered.write(choices, places, bits(size), 2, FILLS[0])
    up, down = (int((written.labels == label).sum()) for label in (1, 3))
    assert up + down > 40
    assert abs(up - down) < 5.5 * np.sqrt(up + down)  # chance passes with p < 1e-7


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("lowest", [1, 2, 3, 4])
def test_room_is_what_bits_are_open_to_or_can_choose_of(lowest, fill):
    """Of the two the lesser: at a price of nothing what the code can fill counts, at a high one the entropy."""
    choices, least = Table.of(2000, 4, 1), []
    for price in (2.0**-20, 1.0, 100.0):
        entropy, open_ = labels.entropies(labels.of_lowest_layers(choices.costs(price), lowest))[:, :lowest]
        expected = np.minimum(entropy, fill * open_**2 / 2000)
        assert layered.room(choices, price, fill, lowest) == pytest.approx(expected)
        least.append(bool((entropy < expected + 1e-9).all()))
    assert least == [False, least[1], True]


def test_the_price_is_the_highest_at_which_there_is_room():
    choices = Table.of(4000, 4, 2)
    step = 2 ** ((EXPONENTS[1] - EXPONENTS[0]) / 2**SEARCH_STEPS)
    for wanted in (50, 500, 2500):
        price, room = layered.price_of_change(choices, wanted, 0.8, 4)
        assert room.sum() >= wanted > layered.room(choices, price * step, 0.8, 4).sum()
        assert room == pytest.approx(layered.room(choices, price, 0.8, 4))
    assert layered.price_of_change(choices, 4 * 4000, 0.8, 4) is None


def test_what_finds_no_room_is_not_written():
    choices, places = Table.of(2000, 2, 3), order(2000)
    assert layered.write(choices, places, bits(4000), 2, FILLS[0]) is None
    nothing = np.full((2000, 4), np.inf)
    nothing[:, 2] = 0
    assert layered.write(Table(nothing), places, bits(8), 2, FILLS[0]) is None


@pytest.mark.parametrize("refused", [1, 2])
def test_a_layer_that_cannot_be_written_is_told(monkeypatch, refused):
    real, calls = stc.encode, []

    def refusing(*arguments):
        calls.append(len(arguments[2]))
        return None if len(calls) == refused else real(*arguments)

    monkeypatch.setattr(stc, "encode", refusing)
    assert layered.write(Table.of(2000, 2, 4), order(2000), bits(400), 2, FILLS[0]) is None
    assert len(calls) == refused


def test_layers_are_told_as_they_are_written():
    told: list[float] = []
    layered.write(Table.of(2000, 4, 5), order(2000), bits(400), 4, FILLS[0], told.append)
    assert told == [0.2, 0.4, 0.6, 0.8]


@settings(deadline=None)
@given(st.integers(0, 2**35), st.lists(st.integers(0, SHARES), max_size=3))
def test_sizes_are_shares_of_all_bits(total, shares):
    """And the last layer has what is left."""
    while sum(shares) > SHARES:
        shares[shares.index(max(shares))] //= 2
    sizes = layered.sizes(total, tuple(shares))
    assert len(sizes) == len(shares) + 1
    assert sum(sizes) == total
    for size, share in zip(sizes, shares, strict=False):
        assert size >= 0
        assert abs(size - total * share / SHARES) < 1
    assert sizes[-1] >= total * (SHARES - sum(shares)) // SHARES


@pytest.mark.parametrize(("total", "shares", "expected"), [
    (120, (), (120,)),
    (1000, (128, 64, 32), (501, 251, 126, 122)),
    (1000, (255, 0, 0), (1000, 0, 0, 0)),
    (1000, (0, 0, 0), (0, 0, 0, 1000)),
    (8, (100, 100), (3, 3, 2)),
])  # fmt: skip
def test_sizes_are_pinned(total, shares, expected):
    assert layered.sizes(total, shares) == expected


def test_no_layer_has_nothing_to_read():
    assert layered.read(np.zeros(100, np.uint8), (0, 0, 0, 0)) == b""
