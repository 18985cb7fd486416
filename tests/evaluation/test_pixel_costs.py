"""S-UNIWARD and MiPOD: costs by their definitions, and what is embedded at them."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop, rough
from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import mipod, suniward, ternary, wavelet

HOST = crop("astronaut", 64, 64, 100, 100)
EMBEDS = [suniward.embed, mipod.embed]


def test_suniward_costs_are_relative_changes_of_wavelets() -> None:
    """The change of every wavelet when one pixel moves, by convolutions written out."""
    plane = rough((40, 44)).astype(float)

    def wavelets(x: np.ndarray) -> list[np.ndarray]:
        found = []
        for down, along in wavelet.BANDS:
            rows = np.stack([np.convolve(row, along) for row in x])
            found.append(np.stack([np.convolve(column, down) for column in rows.T]).T)
        return found

    cost = suniward.cost(plane.astype(np.uint8))
    was = wavelets(plane)
    for y, x in ((20, 20), (16, 25), (24, 18)):  # far from the border, which is mirrored
        moved = plane.copy()
        moved[y, x] += 1
        expected = sum((np.abs(a - b) / (1 + np.abs(b))).sum() for a, b in zip(wavelets(moved), was, strict=True))
        assert cost[y, x] == pytest.approx(expected)


def test_suniward_is_dearest_where_nothing_moves() -> None:
    plane = rough((64, 96))
    plane[:, :48] = 90
    cost = suniward.cost(plane)
    dearest = sum(np.abs(down).sum() * np.abs(along).sum() for down, along in wavelet.BANDS)
    assert np.allclose(cost[20:44, :24], dearest)
    assert cost[:, 60:].max() < 0.8 * dearest


def test_mipod_variances_by_least_squares() -> None:
    """The Fisher information of an inner pixel, its surroundings fitted by cosines with a solver."""
    plane = rough((40, 44))
    residual = mipod._residual(plane.astype(float))
    places = np.arange(9)
    waves = [np.cos(np.pi / 9 * k * (places + 0.5)) for k in range(9)]
    fitted = np.stack([np.outer(waves[v], waves[u]).ravel() for v in range(9) for u in range(9 - v)], axis=1)
    assert fitted.shape == (81, 45)

    def variance(y: int, x: int) -> float:
        block = residual[y - 4 : y + 5, x - 4 : x + 5].ravel()
        left = block - fitted @ np.linalg.lstsq(fitted, block, rcond=None)[0]
        return max(0.01, float(left @ left) / (81 - 45))

    y, x = 20, 22
    near = [variance(y + i, x + j) ** -2 for i in range(-3, 4) for j in range(-3, 4)]
    assert mipod.information(plane)[y, x] == pytest.approx(np.mean(near))


def test_mipod_residual_of_a_hand_computed_case() -> None:
    """Windows of a checkerboard within the picture all have mean 15 and variance 25: below the mean of all, so that
    they are taken for noise, while the border's are larger."""
    plane = np.where(np.indices((40, 40)).sum(0) % 2, 20.0, 10.0)
    assert np.allclose(mipod._residual(plane)[:-1, :-1], plane[:-1, :-1] - 15)


def test_mipod_rates_solve_its_equation() -> None:
    fisher = np.exp(3 * np.random.default_rng(0).standard_normal((30, 40)))
    for load in (0.05, 0.4, 1.2):
        beta = mipod.rates(fisher, load * fisher.size)
        benefit = np.log(1 / beta - 2)
        multiplier = np.median(benefit / (beta * fisher))
        assert np.allclose(benefit, multiplier * beta * fisher, rtol=1e-3, atol=1e-3)
        assert ternary.entropy(beta, beta) == pytest.approx(load * fisher.size, rel=1e-5)
    with pytest.raises(CapacityError):
        mipod.rates(fisher, 1.6 * fisher.size)


def test_flat_planes_have_finite_costs() -> None:
    flat = np.full((64, 64), 77, np.uint8)
    assert np.allclose(mipod.information(flat)[10:50, 10:50], 1e4)
    for embed in EMBEDS:
        changed = embed(flat, 0.4, np.random.default_rng(0))
        assert np.isfinite(suniward.cost(flat)).all()
        assert 0 < (changed != flat).mean() < 0.2


@pytest.mark.parametrize("embed", EMBEDS)
@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3)])
def test_changes_are_where_it_is_rough(embed, shape) -> None:
    host = rough(shape)
    changed = embed(host, 0.4, np.random.default_rng(1)) != host
    assert changed[:, 48:].mean() > 3 * changed[:, :16].mean()
    assert np.array_equal(embed(host, 0.0, np.random.default_rng(0)), host)


@pytest.mark.parametrize(("embed", "chances"), [
    (suniward.embed, lambda plane, bits: sum(ternary.probabilities(*ternary.wet(plane, suniward.cost(plane)), bits))),
    (mipod.embed, lambda plane, bits: 2 * mipod.rates(mipod.information(plane), bits)),
])  # fmt: skip
def test_each_channel_carries_a_third(embed, chances) -> None:
    """As many changes as the chances say that carry a third of the load."""
    stegos = [embed(HOST, 0.9, np.random.default_rng(seed)) for seed in range(6)]
    for channel in range(3):
        expected = chances(HOST[..., channel], 0.3 * HOST[..., 0].size).mean()
        rate = np.mean([(stego != HOST)[..., channel].mean() for stego in stegos])
        assert rate == pytest.approx(expected, rel=0.06)
