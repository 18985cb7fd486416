"""How a payload is spread: all photos alike, fewer where that is better, and what may be lost is lost without loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.album.spreading import NO_SPARE, Spare, Spread, pooled, spread
from stegcinn.codecs.base import SAFE, Grades
from stegcinn.errors import CapacityError, UsageError
from stegcinn.sealing import sharing

ADDED = 10  # bytes that are sealed and none of the payload's: here numbers have two bytes or one


def photo(most: int, top: float, header: float = 0.1) -> Grades:
    """In proportion, beyond what the header disturbs."""
    return Grades((0, most), (header, top))


def holds(found: Spread, size: int, lost: int) -> bool:
    left = sorted(found.symbols, reverse=True)[lost:]
    return sum(left) >= sharing.source_symbols(size, found.words)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.none() | st.tuples(st.integers(0, 5000), st.floats(0.2, 60), st.floats(0, 0.15)), max_size=20),
    st.integers(9, 20_000),
    st.integers(0, 4),
    st.sampled_from([{}, {"safe": True}, {"full": True}]),
)
def test_what_is_spread_fits_and_may_be_lost(photos, size, spare, options):
    grades = [photo(*each) if each else None for each in photos]
    try:
        found = spread(grades, size, Spare(spare), **options)
    except CapacityError:
        return
    assert holds(found, size, spare)
    for number, each in enumerate(grades):
        if found.symbols[number]:
            carried = found.bytes_of(number) + found.header
            assert carried <= each.sizes[-1]
            assert each.at(carried) <= found.level * 1.0001 + 1e-6
    if "safe" in options:
        assert found.level <= SAFE


def test_all_photos_that_carry_are_disturbed_alike():
    grades = [photo(3000, 5), photo(3100, 5.5), photo(2000, 3), photo(400, 40)]
    found = spread(grades, 3500, NO_SPARE)
    disturbances = [grades[n].at(found.bytes_of(n) + ADDED) for n in found.used]
    assert len(found.used) > 1
    assert max(disturbances) - min(disturbances) < 0.05
    assert max(disturbances) == pytest.approx(found.level, abs=0.01)


def test_no_more_is_disturbed_than_is_needed():
    grades = [photo(2000, 10)] * 8
    small, large = (spread(grades, size, NO_SPARE) for size in (500, 5000))
    assert small.level < large.level
    total = sum(small.bytes_of(number) for number in range(8))
    assert 500 <= total <= 500 + 8 * 2


def test_photos_that_cost_more_than_they_carry_are_left_out():
    """A tiny payload goes into one photo, not into eight envelopes; a photo that carries little is not disturbed."""
    grades = [photo(2000, 10, header=0.5)] * 8
    assert len(spread(grades, 30, NO_SPARE).used) == 1
    assert len(spread(grades, 30, Spare(2)).used) == 3
    mixed = [photo(4000, 10)] * 6 + [photo(80, 10)] * 6
    assert set(spread(mixed, 3000, NO_SPARE).used) <= set(range(6))
    whole = spread([photo(4000, 10)] * 6, 12_000, NO_SPARE)
    assert len(whole.used) == 6


def test_the_disturbance_of_the_whole_album_is_the_least_of_those_tried():
    rng = np.random.default_rng(0)
    grades = [photo(int(rng.integers(100, 3000)), float(rng.uniform(3, 30))) for _ in range(40)]
    found = spread(grades, 2000, NO_SPARE)
    ours = pooled([grades[n].at(found.bytes_of(n) + ADDED) for n in found.used])
    everyone = [each.sizes[-1] - ADDED for each in grades]
    alike = [grades[n].at(int(2000 * size / sum(everyone)) + ADDED) for n, size in enumerate(everyone)]
    one = min(each.at(2000 + ADDED) for each in grades if each.sizes[-1] > 2000 + ADDED)
    assert ours < pooled(alike)
    assert ours < one


def test_each_photo_is_to_be_safe_before_the_whole_album_is_disturbed_less():
    grades = [photo(3000, 6, 0)] + [photo(700, 6, 0)] * 12
    assert len(spread(grades, 1200, NO_SPARE).used) == 1
    found = spread(grades, 1700, NO_SPARE)
    one = grades[0].at(1700 + ADDED)
    assert one > SAFE >= found.level
    assert pooled([grades[n].at(found.bytes_of(n) + ADDED) for n in found.used]) > one


def test_safe_refuses_and_tells_what_there_is():
    grades = [photo(1000, 6, header=0)] * 4
    found = spread(grades, 4 * (500 - ADDED) - 40, NO_SPARE, safe=True)
    assert found.level <= SAFE
    with pytest.raises(CapacityError) as error:
        spread(grades, 4 * (500 - ADDED) + 40, NO_SPARE, safe=True)
    assert error.value.available == pytest.approx(4 * (500 - ADDED), abs=8)
    assert "these 4 photos take" in str(error.value)
    assert spread(grades, 4 * (500 - ADDED) + 40, NO_SPARE).level > SAFE
    with pytest.raises(CapacityError) as error:
        spread(grades, 10_000, Spare(1))
    assert (error.value.needed, error.value.photos) == (10_000, 4)
    assert error.value.available == pytest.approx(3 * (1000 - ADDED), abs=8)


def test_full_makes_spare_of_what_is_left():
    grades = [photo(1000, 6, header=0)] * 10
    found = spread(grades, 1000, NO_SPARE, full=True)
    assert found.level == SAFE
    assert len(found.used) == 10
    assert holds(found, 1000, 7)
    beyond = spread(grades, 10 * (500 - ADDED) + 200, NO_SPARE, full=True)
    assert beyond.level > SAFE


def test_the_largest_photos_may_be_the_ones_that_are_lost():
    grades = [photo(10_000, 6, 0)] + [photo(600, 6, 0)] * 9
    found = spread(grades, 1500, Spare(1))
    assert holds(found, 1500, 1)


def test_many_photos_have_symbols_of_more_words():
    found = spread([photo(2000, 5, 0)] * 400, 500_000, NO_SPARE)
    assert found.words > 1
    assert sum(found.symbols) <= sharing.MAX_SYMBOLS
    assert holds(found, 500_000, 0)


def test_photos_that_take_next_to_nothing_are_no_part_that_may_be_lost():
    """A tenth of twenty photos are two, of the ten that carry most of it one."""
    grades = [photo(1000, 6, 0)] * 10 + [photo(72, 6, 0)] * 10
    size = 9 * (1000 - ADDED - 20)
    found = spread(grades, size, Spare(part=0.1))
    assert len(found.used) == 10
    assert holds(found, size, 1)
    with pytest.raises(CapacityError) as error:
        spread(grades, 2 * size, Spare(part=0.1))
    assert error.value.available >= size
    with pytest.raises(CapacityError):
        spread(grades, size, Spare(2))


@pytest.mark.parametrize(("text", "used", "lost"), [
    ("0", 10, 0), (3, 10, 3), ("20%", 10, 2), ("20%", 3, 1), (" 20 % ", 11, 3), ("0%", 5, 0), ("7.5%", 40, 3),
])  # fmt: skip
def test_spare(text, used, lost):
    assert Spare.read(text).of(used) == lost


@pytest.mark.parametrize("text", ["-1", "100%", "x", "", "%", "1.5", "-5%", "nan%"])
def test_no_spare(text):
    with pytest.raises(UsageError, match="the spare is a number of photos or a part of them such as 20%"):
        Spare.read(text)


def test_pooled_is_the_root_of_the_sum_of_squares():
    assert pooled([3.0, 4.0]) == 5.0
    assert pooled([3.0] * 100) == pytest.approx(3 * math.sqrt(100))
