"""The rich model of colour: what it counts, and that it sees what is added to colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data as skimage_data

from stegcinn.evaluation.baselines import lsb
from stegcinn.evaluation.steganalysis import rich
from stegcinn.evaluation.steganalysis.linear import accuracy


def photo(seed: int, height: int = 24, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_every_count_is_of_everything() -> None:
    """Histograms sum to one; pairs and signs that are alike stand for as many as there are."""
    squares = np.square(rich.features(photo(0)))
    assert squares.shape == (173,)
    sizes = [most + 1 for _, _, most in rich.FAMILIES] * 6
    ends = np.cumsum(sizes)
    for start, end in zip(ends - sizes, ends, strict=True):
        assert squares[start:end].sum() == pytest.approx(1)
    assert squares[ends[-1] + 27 :].sum() == pytest.approx(1)


def test_counts_by_hand() -> None:
    rng = np.random.default_rng(1)
    residual = rng.integers(-4, 5, (6, 7))
    found = {}
    for y, x in itertools.product(range(6), range(7)):
        for below, right in ((0, 1), (1, 0)):
            if y + below < 6 and x + right < 7:
                pair = [max(-2, min(2, int(residual[p]))) for p in ((y, x), (y + below, x + right))]
                for a, b in (pair, pair[::-1], [-v for v in pair], [-v for v in pair[::-1]]):
                    found[a, b] = found.get((a, b), 0) + 1
    total = 6 * 6 + 5 * 7
    expected = [found.get((a, b), 0) / total for a in range(-2, 1) for b in range(a, -a + 1)]
    np.testing.assert_allclose(rich._pairs(residual), expected)
    signs = rich._signs(np.array([2, -1, 0]), np.array([0, 0, 0]), np.array([-5, 3, 0]))
    assert signs[8] == pytest.approx(2 / 3)
    assert signs[0] == pytest.approx(1 / 3)
    plane = np.array([[0, 3, 1], [0, 0, 9]], np.float32)
    assert rich._magnitudes(plane, (rich.FIRST, rich.FIRST.T), 1.0, 3).tolist() == [2 / 7, 0, 1 / 7, 4 / 7]


def test_residuals_are_correlations() -> None:
    plane = np.random.default_rng(2).normal(0, 9, (9, 8)).astype(np.float32)
    found = rich._filtered(plane, rich.SQUARE)
    assert found.shape == (5, 4)
    assert found[2, 1] == pytest.approx((plane[2:7, 1:6] * rich.SQUARE).sum(), rel=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), symmetry=st.integers(0, 7))
def test_nothing_depends_on_how_the_photo_is_held(seed: int, symmetry: int) -> None:
    rgb = photo(seed)
    turned = np.rot90(rgb, symmetry % 4)
    turned = turned[:, ::-1] if symmetry >= 4 else turned
    np.testing.assert_allclose(rich.features(turned), rich.features(rgb), rtol=1e-12)
    np.testing.assert_allclose(rich.features(255 - rgb), rich.features(rgb), rtol=1e-12)


@pytest.mark.slow
def test_lsb_matching_is_seen() -> None:
    astronaut = skimage_data.astronaut()
    hosts = [astronaut[y : y + 64, x : x + 64] for y in range(0, 448, 64) for x in range(0, 448, 64)]
    covers = np.stack([rich.features(host) for host in hosts])
    stegos = np.stack([rich.features(lsb.embed(h, 3.0, np.random.default_rng(i))) for i, h in enumerate(hosts)])
    order = np.random.default_rng(0).permutation(len(hosts))
    assert accuracy(covers, stegos, order[:34], order[34:]) > 0.9
    assert accuracy(covers, covers, order[:34], order[34:]) == 0.5


# the gray-scale


def test_gray_counts_are_of_everything() -> None:
    squares = np.square(rich.gray_features(photo(0)[..., 1]))
    ends = np.cumsum([most + 1 for _, _, most in rich.FAMILIES])
    for start, end in zip(ends - [most + 1 for _, _, most in rich.FAMILIES], ends, strict=True):
        assert squares[start:end].sum() == pytest.approx(1)
    assert squares.size == ends[-1] + 4 * 39 == 178


def test_runs_by_hand() -> None:
    """Of 125 runs, those that are one when read backwards or negated, counted one by one."""
    along, down = np.random.default_rng(3).integers(0, 5, (2, 6, 7))
    runs = [tuple(int(v) for v in along[y, x : x + 3] - 2) for y in range(6) for x in range(5)]
    runs += [tuple(int(v) for v in down[y : y + 3, x] - 2) for y in range(4) for x in range(7)]

    def alike(run: tuple[int, ...]) -> list[tuple[int, ...]]:
        negated = tuple(-v for v in run)
        return [run, run[::-1], negated, negated[::-1]]

    kept = [run for run in itertools.product(range(-2, 3), repeat=3) if run == min(alike(run))]
    expected = [sum(alike(other).count(run) for other in runs) / len(runs) for run in kept]
    np.testing.assert_allclose(rich._runs(along, down), expected)


def test_nothing_depends_on_how_a_gray_photo_is_held() -> None:
    gray = photo(4)[..., 0]
    for turned in (gray[::-1], gray[:, ::-1], gray.T, 255 - gray):
        np.testing.assert_allclose(rich.gray_features(turned), rich.gray_features(gray), atol=1e-12)


def test_lsb_matching_is_seen_in_gray() -> None:
    image = skimage_data.astronaut()
    covers = np.stack([image[y : y + 64, x : x + 64, 1] for y in range(0, 448, 64) for x in range(0, 448, 64)])
    stegos = np.stack([lsb.embed(cover, 1.0, np.random.default_rng(i)) for i, cover in enumerate(covers)])
    before, after = (np.stack([rich.gray_features(each) for each in images]) for images in (covers, stegos))
    train, test = np.arange(0, 49, 2), np.arange(1, 49, 2)
    assert accuracy(before, after, train, test) > 0.7
