"""Lattice: tiles cover the carried area once, and live positions follow from the luma alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.cinn.chroma import chroma_room, from_chroma, quantise
from stegcinn.codecs.cinn.lattice import CARRIERS, CELL, MIN_ROOM, TILE, Lattice, _tiles
from stegcinn.codecs.cinn.pyramid import DETAILS


def gray(height, width, value=128):
    return np.full((height, width), value, np.uint8)


def noisy_luma(height, width, seed=0):
    """Mid gray with a fifth of its pixels black or white."""
    rng = np.random.default_rng(seed)
    luma = rng.integers(60, 200, (height, width)).astype(np.uint8)
    luma[rng.random(luma.shape) < 0.01] = 0
    luma[rng.random(luma.shape) < 0.01] = 255
    return luma


# -- tiles

SIZES = [(64, 64), (67, 65), (1024, 1024), (1025, 1024), (1027, 70), (64, 5000), (5000, 66), (2051, 1030)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_tiles_cover_the_area_once(height, width):
    lattice = Lattice(gray(height, width))
    assert lattice.luma.shape == (height // CELL * CELL, width // CELL * CELL)
    for level in range(CARRIERS + 1):
        seen = np.zeros([side >> level for side in lattice.luma.shape], int)
        for tile in lattice.tiles:
            seen[tile.at(level)] += 1
        assert (seen == 1).all()
    assert [live.shape for live in lattice.live] == [
        (lattice.luma.shape[0] >> level, lattice.luma.shape[1] >> level) for level in range(1, CARRIERS + 1)
    ]


@settings(max_examples=200, deadline=None)
@given(st.integers(16, 1_000_000), st.integers(16, 1_000_000))
def test_tiles_are_whole_cells_of_bounded_size(height, width):
    # one row and one column of tiles tell all of them
    for tiles, side in ((_tiles(height // CELL * CELL, 64), "height"), (_tiles(64, width // CELL * CELL), "width")):
        starts = [t.top if side == "height" else t.left for t in tiles]
        sizes = [getattr(t, side) for t in tiles]
        total = (height if side == "height" else width) // CELL * CELL
        assert starts == [sum(sizes[:i]) for i in range(len(sizes))]
        assert sum(sizes) == total
        assert all(size % CELL == 0 and CELL <= size <= TILE for size in sizes)
        assert max(sizes) - min(sizes) <= CELL  # equal shares: no sliver at the end
        assert len(tiles) == -(-total // TILE)


def test_tiles_are_every_row_with_every_column():
    tiles = _tiles(2 * TILE, 3 * TILE)
    assert len(set(tiles)) == 6
    assert {(t.top, t.left) for t in tiles} == set(product((0, TILE), (0, TILE, 2 * TILE)))
    assert {(t.height, t.width) for t in tiles} == {(TILE, TILE)}


# -- live positions


def test_a_gray_photo_is_all_live():
    lattice = Lattice(gray(64, 128))
    # three of four samples at each level, two channels: 1.875 latents per pixel
    assert lattice.positions == 64 * 128 * 1.875
    assert all(live.all() for live in lattice.live)


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_are_dead(value):
    lattice = Lattice(gray(64, 64, value))
    assert lattice.positions == 0
    assert not any(live.any() for live in lattice.live)
    assert lattice.gather([np.ones((DETAILS, *live.shape), np.float32) for live in lattice.live]).size == 0


@pytest.mark.parametrize("value", [0, 255])
def test_one_dead_pixel_kills_its_own_blocks_only(value):
    luma = gray(64, 64)
    luma[21, 38] = value
    lattice = Lattice(luma)
    for level, live in enumerate(lattice.live, start=1):
        assert [tuple(p) for p in np.argwhere(~live)] == [(21 >> level, 38 >> level)]
    assert lattice.positions == 64 * 64 * 1.875 - 2 * DETAILS


def test_a_block_is_live_if_all_its_pixels_have_room():
    luma = np.random.default_rng(1).integers(0, 256, (64, 80)).astype(np.uint8)
    luma[::3] = np.linspace(0, 255, 80).astype(np.uint8)
    luma[luma < 2] = 30
    lattice = Lattice(luma)
    roomy = chroma_room(luma) >= MIN_ROOM
    for level, live in enumerate(lattice.live, start=1):
        side = 1 << level
        blocks = roomy.reshape(64 // side, side, 80 // side, side).all(axis=(1, 3))
        np.testing.assert_array_equal(live, blocks)
        assert 0 < live.mean() < 1
    assert lattice.positions == DETAILS * sum(live.sum() for live in lattice.live)


def test_live_follows_from_the_luma_alone():
    luma = noisy_luma(64, 64)
    chroma = np.random.default_rng(2).normal(0, 60, (2, 64, 64))
    rgb = quantise(luma, from_chroma(luma.astype(np.float64), chroma))
    assert (rgb[..., 0] != luma).mean() > 0.5
    one, other = Lattice(luma), Lattice(luma_of(rgb))
    assert one.positions == other.positions
    for a, b in zip(one.live, other.live, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_the_cut_leaves_out_does_not_matter():
    luma = noisy_luma(67, 66)
    cut = Lattice(luma[:64, :64].copy())
    assert Lattice(luma).positions == cut.positions
    assert Lattice(luma).tiles == cut.tiles


# -- gather and scatter


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_gather_undoes_scatter(dtype):
    lattice = Lattice(noisy_luma(72, 100))
    values = np.random.default_rng(3).integers(1, 100, lattice.positions).astype(dtype)
    levels = lattice.scatter(values)
    for level, live in zip(levels, lattice.live, strict=True):
        assert level.shape == (DETAILS, *live.shape)
        assert level.dtype == dtype
        assert not live.all()
        assert not level[:, ~live].any()  # dead positions hold 0
        assert level[:, live].all()
    np.testing.assert_array_equal(lattice.gather(levels), values)


def test_scatter_undoes_gather_at_live_positions():
    lattice = Lattice(noisy_luma(64, 64))
    rng = np.random.default_rng(4)
    levels = [rng.normal(size=(DETAILS, *live.shape)).astype(np.float32) for live in lattice.live]
    for before, after, live in zip(levels, lattice.scatter(lattice.gather(levels)), lattice.live, strict=True):
        np.testing.assert_array_equal(after, np.where(live, before, 0))


def test_every_position_is_a_place_of_its_own():
    lattice = Lattice(noisy_luma(64, 68))
    numbers = np.arange(1, lattice.positions + 1)
    placed = np.concatenate([level.ravel() for level in lattice.scatter(numbers)])
    np.testing.assert_array_equal(np.sort(placed[placed > 0]), numbers)
