"""Chroma: every chroma is a colour with exactly the luma it is given, and rounding keeps it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from stegcinn.carriers.luma import LUMA_WEIGHTS, luma_of
from stegcinn.codecs.cinn.chroma import (
    EDGE,
    HIGH,
    KB,
    KG,
    KR,
    LOW,
    MARGIN,
    _blue_interval,
    _red_interval,
    chroma_room,
    from_chroma,
    quantise,
    to_chroma,
)

LUMAS = np.arange(256, dtype=np.uint8)
HUGE = 1e300


def inside(y, share_r, share_b):
    """Red and blue at given shares (0..1) of what the luma leaves them."""
    red = _red_interval(y)
    r = red.low + share_r * (red.high - red.low)
    blue = _blue_interval(y, r)
    return r, blue.low + share_b * (blue.high - blue.low)


def real_luma(rgb):
    return KR * rgb[0] + KG * rgb[1] + KB * rgb[2]


# -- chroma to colour


def test_any_chroma_at_any_luma_keeps_the_luma():
    u, v = np.meshgrid(
        [-HUGE, -3.4e38, -1e4, -200, -50, -5, -0.4, 0, 0.4, 5, 50, 200, 1e4, 3.4e38, HUGE], np.r_[-HUGE, 0, HUGE]
    )
    shape = (256, u.size)
    y = np.broadcast_to(LUMAS[:, None], shape)
    chroma = np.stack([np.broadcast_to(c.ravel(), shape) for c in (u, v)])
    rgb = from_chroma(y.astype(np.float64), chroma)
    np.testing.assert_array_equal(luma_of(quantise(y, rgb)), y)


def test_heavy_tailed_chroma_keeps_the_luma():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 256, 300_000).astype(np.uint8)
    rgb = from_chroma(y.astype(np.float64), 30 * rng.standard_cauchy((2, y.size)))
    np.testing.assert_array_equal(luma_of(quantise(y, rgb)), y)


@settings(max_examples=60, deadline=None)
@given(st.floats(-HUGE, HUGE), st.floats(-HUGE, HUGE))
def test_hypothetical_chroma_keeps_the_luma(u, v):
    rgb = from_chroma(LUMAS.astype(np.float64), np.stack([np.full(256, u), np.full(256, v)]))
    pixels = quantise(LUMAS, rgb)
    assert pixels.shape == (256, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(luma_of(pixels), LUMAS)


def test_rounding_is_to_the_nearest_level():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 256, 100_000).astype(np.uint8)
    rgb = from_chroma(y.astype(np.float64), rng.normal(0, 80, (2, y.size)))
    pixels = quantise(y, rgb)
    # within 0..255: what is not the nearest level is a wrapped one, hundreds of levels away
    np.testing.assert_array_equal(pixels, np.clip(np.rint(rgb), 0, 255).T)


def test_ties_that_would_move_the_luma_are_settled_by_green():
    # All three channels end in .5 and round up (to even), which moves a luma of y by exactly one half: to y + 1.
    odd = np.arange(1, 255, 2)
    below = np.stack(np.meshgrid(odd, odd, odd)).reshape(3, -1)
    total = np.array(LUMA_WEIGHTS) @ below
    below = below[:, total % 65536 == 32768]
    rgb = below + 0.5
    y = np.rint(real_luma(rgb)).astype(np.uint8)
    assert len(y) > 10
    assert (real_luma(rgb) == y).all()
    assert (luma_of(np.rint(rgb).T.astype(np.uint8)) == y + 1).all()
    pixels = quantise(y, rgb)
    np.testing.assert_array_equal(luma_of(pixels), y)
    np.testing.assert_array_equal(np.abs(pixels - rgb.T), 0.5)


def test_real_valued_luma_is_exact():
    rng = np.random.default_rng(5)
    y = rng.uniform(0, 255, 100_000)
    rgb = from_chroma(y, 60 * rng.standard_cauchy((2, y.size)))
    assert np.abs(real_luma(rgb) - y).max() < 1e-9
    assert rgb.min() >= LOW - 1e-9
    assert rgb.max() <= HIGH + 1e-9


def test_black_and_white_have_no_colour_to_speak_of():
    for y in (0, 255):
        u, v = np.meshgrid(np.linspace(-300, 300, 25), np.linspace(-300, 300, 25))
        luma = np.full(u.shape, y, np.uint8)
        pixels = quantise(luma, from_chroma(luma.astype(np.float64), np.stack([u, v])))
        assert np.abs(pixels[..., 0].astype(int) - y).max() <= 1
        assert np.abs(pixels[..., 1].astype(int) - y).max() <= 1
        assert (luma_of(pixels) == y).all()


# -- colour to chroma and back


def test_chroma_is_undone():
    rng = np.random.default_rng(6)
    y = rng.uniform(0, 255, 100_000)
    red, blue = inside(y, *rng.random((2, y.size)))
    chroma = to_chroma(y, red, blue)
    assert chroma.shape == (2, y.size)
    back = from_chroma(y, chroma)
    assert np.abs(back[0] - red).max() < 1e-6
    assert np.abs(back[2] - blue).max() < 1e-6


def test_chroma_of_colours_is_undone():
    rng = np.random.default_rng(7)
    y = rng.uniform(15, 240, 50_000)
    chroma = rng.uniform(-1, 1, (2, y.size))
    rgb = from_chroma(y, chroma)
    assert np.abs(to_chroma(y, rgb[0], rgb[2]) - chroma).max() < 1e-6


def test_values_far_beyond_the_interval_are_read_at_the_end_of_its_margin():
    y = np.linspace(0, 255, 52)
    red = _red_interval(y)
    for end, sign in ((red.low, -1), (red.high, 1)):
        far = to_chroma(y, end + sign * 1000, y)
        last = to_chroma(y, end + sign * (MARGIN - EDGE), y)
        edge = to_chroma(y, end, y)
        np.testing.assert_allclose(far[0], last[0], rtol=1e-9)
        assert (sign * far[0] > sign * edge[0]).all()
        # and painted at the edge of the cube
        np.testing.assert_allclose(from_chroma(y, far)[0], end, atol=1e-9)
    assert np.isfinite(to_chroma(y, red.low - 1000, y + 1000)).all()


def test_chroma_is_not_steep_at_the_edge_of_the_cube():
    y = np.arange(256.0)
    red, h = _red_interval(y), 1e-4
    slopes = [
        (to_chroma(y, r + h, y) - to_chroma(y, r - h, y))[0] / (2 * h)
        for r in (red.low, (red.low + red.high) / 2, red.high)
    ]
    assert np.min(slopes) > 0.1
    assert 2.5 < np.max(slopes) < 3.6


def test_gray_is_zero():
    y = np.arange(256.0)
    chroma = to_chroma(y, y, y)
    assert np.abs(chroma).max() < 1e-9


def test_zero_is_gray():
    rgb = from_chroma(LUMAS.astype(np.float64), np.zeros((2, 256)))
    np.testing.assert_allclose(rgb, np.broadcast_to(LUMAS, (3, 256)), atol=1e-9)
    np.testing.assert_array_equal(quantise(LUMAS, rgb), np.repeat(LUMAS[:, None], 3, axis=1))


@pytest.mark.parametrize("y", [40.0, 128.0, 200.0])
def test_chroma_is_red_and_blue_minus_luma_near_gray(y):
    r, b = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9))
    u, v = to_chroma(np.full(r.shape, y), y + r, y + b)
    np.testing.assert_allclose(u, r, atol=0.05)
    np.testing.assert_allclose(v, b, atol=0.25)  # the interval of blue moves with red, its centre does not follow


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_photos_survive_the_round_trip(name):
    rgb = getattr(data, name)()[::2, ::2]
    y = luma_of(rgb)
    chroma = to_chroma(y.astype(np.float64), rgb[..., 0].astype(float), rgb[..., 2].astype(float))
    assert np.isfinite(chroma).all()
    assert np.abs(chroma).max() < 300
    back = quantise(y, from_chroma(y.astype(np.float64), chroma))
    np.testing.assert_array_equal(luma_of(back), y)
    # two levels of green can share a luma, and a real luma half a level off moves the edge of the cube
    difference = np.abs(back.astype(int) - rgb)
    assert difference.max() <= 2
    assert (difference[..., [0, 2]] > 0).mean() < 0.002
    # what was painted once is read and painted again as it is
    again = to_chroma(y.astype(np.float64), back[..., 0].astype(float), back[..., 2].astype(float))
    repainted = quantise(y, from_chroma(y.astype(np.float64), again))
    np.testing.assert_array_equal(repainted, back)


# -- room


def test_room_is_how_far_red_can_go():
    room = chroma_room(LUMAS)
    assert room.dtype == np.float32
    ends = [from_chroma(LUMAS.astype(np.float64), np.stack([np.full(256, u), np.zeros(256)]))[0] for u in (-HUGE, HUGE)]
    np.testing.assert_allclose(room, ends[1] - ends[0], atol=1e-4)
    assert room[0] < 2
    assert room[255] < 2
    assert room[128] == 256
    assert room.max() == 256
    assert (np.diff(room[:128]) >= 0).all()
    np.testing.assert_array_equal(chroma_room(np.array([[3, 200]], np.uint8)), room[[[3, 200]]])
