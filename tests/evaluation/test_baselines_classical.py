"""LSB matching and HILL."""

from __future__ import annotations

import numpy as np
import pytest

from photos import rough
from stegcinn.evaluation.baselines import hill, lsb, mipod, suniward
from stegcinn.evaluation.baselines.ternary import probabilities, wet


@pytest.mark.parametrize("embed", [lsb.embed, lsb.embed_coded, hill.embed, suniward.embed, mipod.embed])
@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3)])
def test_changes_of_one_level_by_the_generator(embed, shape) -> None:
    host = rough(shape)
    one, again, other = (embed(host, 0.4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == host.shape
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.abs(one.astype(int) - host).max() == 1


@pytest.mark.parametrize(("bpp", "shape", "rate"), [(1.0, (300, 300), 0.5), (1.0, (300, 300, 3), 1 / 6)])
def test_lsb_matching_changes_half_of_the_samples_in_use(bpp, shape, rate) -> None:
    host = rough(shape)
    assert abs((lsb.embed(host, bpp, np.random.default_rng(0)) != host).mean() - rate) < 0.01


def test_lsb_matching_stays_in_range_and_goes_both_ways() -> None:
    host = np.array([[0, 128, 255] * 60] * 60, np.uint8)
    step = lsb.embed(host, 1.0, np.random.default_rng(0)).astype(int) - host
    assert set(np.unique(step[host == 0])) == {0, 1}
    assert set(np.unique(step[host == 128])) == {-1, 0, 1}
    assert set(np.unique(step[host == 255])) == {-1, 0}
    with pytest.raises(ValueError, match="bits per pixel"):
        lsb.embed(host, 1.1, np.random.default_rng(0))


def test_a_code_changes_less() -> None:
    """At a third of a bit per sample the ternary bound is h(p) + p = 1/3: p = 0.0497, of plain matching a sixth."""
    host = rough((300, 300, 3))
    assert abs((lsb.embed_coded(host, 1.0, np.random.default_rng(0)) != host).mean() - 0.0497) < 0.003


def test_hill_costs_by_the_definition() -> None:
    """Against the formula written out pixel by pixel, on a plane mirrored far beyond its border."""
    plane = rough((20, 24))
    kernel = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])

    def filtered(x: np.ndarray, taps: np.ndarray) -> np.ndarray:
        reach = len(taps) // 2
        padded = np.pad(x, reach, mode="symmetric")
        out = np.zeros_like(x)
        for y in range(x.shape[0]):
            for z in range(x.shape[1]):
                out[y, z] = (padded[y : y + len(taps), z : z + len(taps)] * taps).sum()
        return out

    residual = np.abs(filtered(plane.astype(float), kernel))
    expected = filtered(1 / filtered(residual, np.full((3, 3), 1 / 9)), np.full((15, 15), 1 / 225))
    assert np.allclose(hill.cost(plane), expected)


def test_hill_avoids_what_is_smooth() -> None:
    host = rough((128, 128))
    changed = hill.embed(host, 0.4, np.random.default_rng(0)) != host
    assert changed[:, 96:].mean() > 3 * changed[:, :32].mean()


def test_hill_carries_its_load_in_each_channel() -> None:
    host = rough((96, 96, 3))
    channel = host[..., 1]
    cost = hill.cost(channel)
    expected = sum(p.mean() for p in probabilities(*wet(channel, cost), 0.4 / 3 * channel.size))
    rates = [(hill.embed(host, 0.4, np.random.default_rng(s)) != host)[..., 1].mean() for s in range(8)]
    assert abs(np.mean(rates) - expected) < 0.003


def test_a_flat_plane_takes_hill_too() -> None:
    """Equal costs, as nothing tells its pixels apart."""
    flat = np.full((64, 64), 77, np.uint8)
    assert np.isfinite(hill.cost(flat)).all()
    assert (hill.embed(flat, 0.4, np.random.default_rng(0)) != flat).any()
