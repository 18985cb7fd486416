"""Changes that go the same way."""

from __future__ import annotations

import numpy as np

from photos import crop
from stegcinn.evaluation.baselines import cmdc, hill

HOST = crop("astronaut", 128, 128, 100, 100)


def steps(embed, bpp: float = 0.4) -> np.ndarray:
    return embed(HOST, bpp, np.random.default_rng(3)).astype(np.int16) - HOST


def test_changes_are_of_one_level_and_reproducible() -> None:
    found = steps(cmdc.embed)
    assert np.abs(found).max() == 1
    assert np.array_equal(found, steps(cmdc.embed))


def test_channels_and_neighbours_move_together() -> None:
    """The product of the changes of two channels, or of two neighbours: zero on average if they are independent."""
    alone, together = steps(hill.embed), steps(cmdc.embed)
    for first, second in (((..., 0), (..., 1)), ((slice(1, None),), (slice(None, -1),))):
        products = [float((each[first] * each[second]).mean()) for each in (alone, together)]
        assert abs(products[0]) < 0.002
        assert products[1] > 0.005


def test_a_larger_load_changes_more() -> None:
    assert (steps(cmdc.embed, 0.1) != 0).mean() < (steps(cmdc.embed, 0.8) != 0).mean() / 3


def test_channels_carry_alike() -> None:
    shares = (steps(cmdc.embed) != 0).mean(axis=(0, 1))
    assert shares.max() < 1.5 * shares.min()
