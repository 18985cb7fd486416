"""What a sample tells of a message before it is written: room beside the header, disturbance, the longest of all."""

from __future__ import annotations

import numpy as np
import pytest
from label_costs import Table

from stegcinn.coding import labels, layered, layerheader
from stegcinn.coding.loads import RESERVE, Load

LAYERS = 4
BITS = 8 * layerheader.size(LAYERS)


def changes(sample: Table, price: float, count: int, layers: int) -> float:
    """The root of how many labels other than the cheapest are expected to be taken."""
    likely = labels.chances(labels.of_lowest_layers(sample.costs(price), layers))
    return float(np.sqrt((1 - likely.max(axis=1)).mean(dtype=np.float64) * count))


def load(places: int = 32_000) -> Load[Table]:
    return Load(Table.of(4000, LAYERS, 3), places, LAYERS, changes)


def test_room_is_that_of_the_body_in_proportion_less_a_reserve():
    of_sample = layered.room(load().sample, 0.5, layered.PROMISED, LAYERS).sum()
    assert load().room(0.5) == pytest.approx(of_sample * (32_000 - 1024) / 4000 / RESERVE)
    assert load().room(8.0) < load().room(0.5)


def test_there_is_no_room_where_the_header_has_none():
    """In too few places, or where hardly any may change."""
    assert load(2047).room(0.5) == 0
    assert load(2048).room(0.5) > 0
    calm = Table.of(4000, LAYERS, 3, reached=0.0)
    calm.nats[::8] = Table.of(500, LAYERS, 3).nats
    assert Load(calm, 2048, LAYERS, changes).room(0.5) == 0
    assert Load(calm, 320_000, LAYERS, changes).room(0.5) > 0


def test_longer_messages_disturb_more_and_the_longest_as_much_as_is_allowed():
    found = load()
    sizes = [0, 50, 500, 2000]
    disturbances = [found.disturbance(size) for size in sizes]
    assert disturbances == sorted(set(disturbances))
    header = layered.expected_price(found.sample, BITS, 16_000, 1)
    assert disturbances[0] >= changes(found.sample, header, 16_000, 1)
    for allowed in np.geomspace(1.05 * disturbances[0], disturbances[-1], 12):
        longest = found.longest(allowed)
        assert 0 < longest < 2050
        assert 0.9 * allowed < found.disturbance(longest) <= allowed
        assert max(map(found.disturbance, range(0, longest, 1 + longest // 40))) <= allowed
    assert found.longest(0.8 * disturbances[0]) == 0


def test_grades_are_disturbances_of_sizes():
    found = load()
    grades = found.grades(2000)
    assert (0, found.disturbance(0)) in grades
    assert max(size for size, _ in grades) == 2000
    assert len(grades) > 5
    for size, disturbance in grades:
        assert disturbance == pytest.approx(found.disturbance(size), rel=0.03)
