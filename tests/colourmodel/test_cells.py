"""The lattice and what networks are shown: geometry, a slow reference, and the module that training uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.colourmodel import cells
from stegcinn.colourmodel.cells import (
    CENTRE,
    CHANNELS,
    COLOURED,
    GATHER,
    GRAY,
    NEAREST,
    PHASES,
    PLACES,
    UNIT,
    Neighbour,
    features,
)
from stegcinn.training.colourmodel.network import RADIUS, Shown


def offset(phase: int, n: Neighbour) -> tuple[int, int]:
    """Rows and columns from the pixel to be settled to a neighbour."""
    (row, column), (i, j) = PHASES[phase], PLACES[n.place]
    return 2 * n.down + i - row, 2 * n.right + j - column


def settled(phase: int, dy: int, dx: int) -> bool:
    """Whether the pixel at that offset is settled before `phase`: known, or of an earlier phase."""
    row, column = PHASES[phase]
    place = (row + dy) % 2, (column + dx) % 2
    return place == (0, 0) or place in PHASES[:phase]


@pytest.mark.parametrize("phase", range(3))
def test_neighbours_are_what_they_are_called(phase):
    for n in COLOURED[phase]:
        assert settled(phase, *offset(phase, n))
    for n in GRAY[phase]:
        assert not settled(phase, *offset(phase, n))
        assert offset(phase, n) != (0, 0)
    everyone = [*COLOURED[phase], *GRAY[phase]]
    assert len(set(everyone)) == len(everyone)
    assert all(abs(n.down) <= GATHER and abs(n.right) <= GATHER for n in everyone)


@pytest.mark.parametrize("phase", range(3))
@pytest.mark.parametrize("known", [True, False])
def test_rings_are_whole_and_the_nearest(phase, known):
    """Of all pixels on the infinite lattice that are (or are not) settled, none is nearer than the last ring."""
    found = {offset(phase, n) for n in (COLOURED if known else GRAY)[phase]}
    farthest = max(dy * dy + dx * dx for dy, dx in found)
    span = range(-8, 9)
    every = {(dy, dx) for dy in span for dx in span if (dy or dx) and settled(phase, dy, dx) == known}
    assert found == {(dy, dx) for dy, dx in every if dy * dy + dx * dx <= farthest}


@pytest.mark.parametrize("phase", range(3))
def test_the_nearest_four_surround_the_pixel(phase):
    offsets = [offset(phase, n) for n in COLOURED[phase]]
    distances = [dy * dy + dx * dx for dy, dx in offsets]
    assert distances == sorted(distances)
    nearest = offsets[:NEAREST]
    assert len({distances[i] for i in range(NEAREST)}) == 1
    assert {(-dy, -dx) for dy, dx in nearest} == set(nearest)


def test_counts():
    assert [len(c) for c in COLOURED] == [12, 12, 16]
    assert [len(g) for g in GRAY] == [8, 8, 4]
    assert CHANNELS == (48, 48, 56)
    assert cells.KNOWN == PLACES[0] == (0, 0)
    assert set(PLACES) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def planes(seed: int, size: tuple[int, int], spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Luma, r and b (4, h + 2 GATHER, w + 2 GATHER) of random colours, alike within `spread`."""
    rng = np.random.default_rng(seed)
    h, w = (side + 2 * GATHER for side in size)
    y, red, blue = (
        np.clip(rng.integers(0, 256) + rng.normal(0, spread, (4, h, w)), 0, 255).astype(np.int16) for _ in "yrb"
    )
    return y, red - y, blue - y


def shown_and_guessed(y, r, b, phase, level):
    h, w = (side - 2 * GATHER for side in y.shape[1:])
    out = np.full((CHANNELS[phase], h, w), 99, np.uint8)
    return out, features(y, r[: phase + 1], b[: phase + 1], phase, level, out)


def reference(y, r, b, phase, level, i, j) -> tuple[list[int], list[int]]:
    """Features and guesses of one pixel, in Python's integers, as the module promises them."""
    row, column = PHASES[phase]
    lattice = {}
    for place, (di, dj) in enumerate(PLACES):
        for u in range(y.shape[1]):
            for v in range(y.shape[2]):
                at = 2 * (u - GATHER) + di, 2 * (v - GATHER) + dj
                lattice[at] = int(y[place, u, v]), int(r[place, u, v]), int(b[place, u, v])
    here = 2 * i + row, 2 * j + column

    def at(n):
        dy, dx = offset(phase, n)
        return lattice[here[0] + dy, here[1] + dx]

    shown, sums = [], []
    for channel in (1, 2):
        sums.append(sum(at(n)[channel] for n in COLOURED[phase][:4]))
        shown += [4 * at(n)[channel] - sums[-1] + 128 for n in COLOURED[phase]]
    shown += [at(n)[0] - lattice[here][0] + 128 for n in (*COLOURED[phase], *GRAY[phase])]
    shown += [s // 4 + 128 for s in sums]
    shown += [lattice[here][0], 32 * min(level, 7)]
    return [min(max(value, 0), 255) for value in shown], [2 * s for s in sums]


@pytest.mark.parametrize("phase", range(3))
@pytest.mark.parametrize("spread", [3, 80])
def test_features_agree_with_a_pixel_by_pixel_reference(phase, spread):
    for level in (0, 1, 6, 7, 12):
        y, r, b = planes(10 * phase + level, (4, 3), spread)
        out, guesses = shown_and_guessed(y, r, b, phase, level)
        for i in range(4):
            for j in range(3):
                expected, guessed = reference(y, r, b, phase, level, i, j)
                assert out[:, i, j].tolist() == expected
                assert [int(g[i, j]) for g in guesses] == guessed


def test_guesses_are_means_in_finer_units():
    assert UNIT == 2 * NEAREST
    y = np.full((4, 5, 5), 100, np.int16)
    r, b = np.full((1, 5, 5), 7, np.int16), np.full((1, 5, 5), -20, np.int16)
    out, (guess_r, guess_b) = shown_and_guessed(y, r, b, 0, 0)
    assert (guess_r.item(), guess_b.item()) == (7 * UNIT, -20 * UNIT)
    assert out[:, 0, 0].tolist() == [CENTRE] * 44 + [CENTRE + 7, CENTRE - 20, 100, 0]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2), st.integers(0, 10), st.sampled_from([2, 20, 90, 400]),
       st.integers(2 * RADIUS + 1, 12), st.integers(2 * RADIUS + 1, 12))  # fmt: skip
def test_training_sees_the_same(seed, phase, level, spread, height, width):
    y, r, b = planes(seed, (height, width), spread)
    out, guesses = shown_and_guessed(y, r, b, phase, level)
    every = np.stack([y, r, b], axis=1).reshape(1, 12, *y.shape[1:])  # what is not settled must not matter
    x, inner = Shown(phase)(torch.from_numpy(every.astype(np.float32)), level)
    assert x.shape == (1, CHANNELS[phase], height, width)
    assert np.array_equal(x[0].numpy(), out)
    inside = (slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
    assert np.array_equal(inner[0].numpy(), np.stack([g[inside] for g in guesses]))
