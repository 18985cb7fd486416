"""Red and blue that move as green did."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop
from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import gina, hill, ternary

HOST = crop("astronaut", 128, 128, 100, 100)


def steps(host: np.ndarray, bpp: float = 0.4, seed: int = 3, embed=gina.embed) -> np.ndarray:
    return embed(host, bpp, np.random.default_rng(seed)).astype(np.int16) - host


def test_changes_are_of_one_level_and_reproducible() -> None:
    found = steps(HOST)
    assert np.abs(found).max() == 1
    assert np.array_equal(found, steps(HOST))
    assert not np.array_equal(found, steps(HOST, seed=4))


def test_red_and_blue_go_with_green() -> None:
    """Of the pixels where both change, most go the same way, and half if channels are independent."""
    for embed, least, most in ((gina.embed, 0.8, 1.0), (hill.embed, 0.3, 0.7)):
        found = steps(HOST, embed=embed)
        for channel in (gina.RED, gina.BLUE):
            both = (found[..., channel] != 0) & (found[..., gina.GREEN] != 0)
            assert least < (found[both, channel] == found[both, gina.GREEN]).mean() < most


def test_neighbours_go_the_same_way_in_every_channel() -> None:
    for embed, least in ((gina.embed, 0.004), (hill.embed, -0.002)):
        found = steps(HOST, embed=embed).astype(float)
        products = (found[1:] * found[:-1]).mean((0, 1))
        assert products.min() > least
        assert (products.max() < 0.002) == (embed is hill.embed)


def test_red_and_blue_do_not_go_with_each_other_but_by_green() -> None:
    """Where green stays, and neighbours do not matter: of both ways, half."""
    flat = np.random.default_rng(0).integers(100, 140, (192, 192, 3), np.uint8)
    found = steps(flat, 0.15)
    both = (found[..., gina.GREEN] == 0) & (found[..., gina.RED] != 0) & (found[..., gina.BLUE] != 0)
    together = (found[both, gina.RED] == found[both, gina.BLUE]).mean()
    assert 0.3 < together < 0.7


def test_rough_channels_carry_more() -> None:
    """As the bits are given out by the costs of all channels together."""
    host = HOST.copy()
    host[..., gina.BLUE] = 100 + host[..., gina.BLUE] // 16
    changed = (steps(host) != 0).mean((0, 1))
    assert changed[gina.BLUE] < 0.5 * changed[gina.RED]
    shares = (steps(host, embed=hill.embed) != 0).mean((0, 1))
    assert shares[gina.BLUE] > 0.7 * shares[gina.RED]


def test_the_load_is_carried(monkeypatch) -> None:
    """Bits of green, red and blue, as they are drawn: all that was asked for."""
    carried = []

    def change(plane, down, up, rng):
        carried.append(ternary.entropy(down, up))
        return plane

    monkeypatch.setattr(ternary, "change", change)
    gina.embed(HOST, 0.4, np.random.default_rng(0))
    assert sum(carried) == pytest.approx(0.4 * HOST[..., 0].size, rel=1e-3)


def test_too_much_is_refused() -> None:
    with pytest.raises(CapacityError):
        gina.embed(HOST, 3 * np.log2(3) + 0.01, np.random.default_rng(0))
