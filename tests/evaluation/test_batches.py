"""Ways to spread the same payload."""

from __future__ import annotations

import numpy as np
import pytest

from stegcinn.codecs.base import Grades
from stegcinn.errors import CapacityError
from stegcinn.evaluation.benchmark.batches import STRATEGIES, sizes

PHOTOS = [Grades((0, 1000), (0.1, 10.0)), Grades((0, 4000), (0.1, 10.0)), None, Grades((0, 200), (0.1, 40.0))]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_payload_is_the_same(strategy: str) -> None:
    for total in (100, 1500, 4500):
        found = sizes(strategy, PHOTOS, total)
        assert abs(sum(found) - total) <= len(PHOTOS)
        assert all(size <= (each.sizes[-1] if each else 0) for size, each in zip(found, PHOTOS, strict=True))
    with pytest.raises(CapacityError):
        sizes(strategy, PHOTOS, 6000)


def test_strategies_are_what_they_are_called() -> None:
    assert sizes("equal-bytes", PHOTOS, 300) == pytest.approx([100, 100, 0, 100], abs=1)
    assert sizes("equal-bytes", PHOTOS, 900) == pytest.approx([350, 350, 0, 200], abs=1)
    assert sizes("one-full", PHOTOS, 4100) == [100, 4000, 0, 0]
    level = [each.at(size) for each, size in zip(PHOTOS, sizes("equal-disturbance", PHOTOS, 1500), strict=True) if each]
    assert np.ptp(level) < 0.3
    assert sizes("hardest-half", PHOTOS, 1500) == pytest.approx([300, 1200, 0, 0], abs=1)
    assert sizes("album", PHOTOS, 1500) == pytest.approx([0, 1500, 0, 0], abs=1)  # others would pay for their headers
    assert sizes("album", PHOTOS, 4500) == pytest.approx([900, 3600, 0, 0], abs=2)


def test_photos_are_left_alone_whose_header_disturbs_more_than_all_of_others() -> None:
    loud = Grades((0, 1000), (5.0, 10.0))
    assert sizes("equal-disturbance", [PHOTOS[0], loud], 200)[1] == 0


def test_nothing_takes_nothing() -> None:
    for strategy in STRATEGIES:
        with pytest.raises(CapacityError):
            sizes(strategy, [None, None], 1)
