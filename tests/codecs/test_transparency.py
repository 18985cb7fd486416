"""Fully transparent pixels carry nothing: programs that save a photo anew give them any colour."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from photos import crop
from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Wish
from stegcinn.errors import CapacityError, RevealError
from stegcinn.sealing.envelope import Payload

KEEP, GENERATE = Wish("keep"), Wish("generate")
HOST = crop("chelsea", 83, 88, 60, 100)
EACH = [("stealth", KEEP), ("exact", KEEP), ("exact", GENERATE), ("cinn", KEEP), ("cinn", GENERATE)]
QUICK = EACH[:3]
SEEDS = st.integers(0, 2**32)
COLOURS = st.none() | st.tuples(*(st.integers(0, 255),) * 3)  # what a program puts there: noise, or one colour


def alpha_of(shape: str, share: float, seed: int, size: tuple[int, int] = HOST.shape[:2]) -> np.ndarray:
    """Of which about `share` is fully transparent, and the rest is opaque or not quite."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    hidden = {
        "any": rng.random(size) < share,
        "left": x < share * width,
        "round": np.hypot(2 * y / height - 1, 2 * x / width - 1) > 1.42 * (1 - share),
        "even": (y + x) % 2 == 0,
        "odd": (y + x) % 2 == 1,
        "rows": y % 2 == seed % 2,
        "columns": x % 2 == seed % 2,
        "cells": (y // 2 + x // 2) % 2 == seed % 2,
    }[shape]
    alpha = rng.choice(np.array([1, 100, 254, 255], np.uint8), size)
    alpha[hidden] = 0
    return alpha


SHAPES = st.sampled_from(["any", "left", "round", "even", "odd", "rows", "columns", "cells"])


def hosted(rgb: np.ndarray, alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([rgb, alpha]))


def repainted(rgba: np.ndarray, colour: tuple[int, int, int] | None, seed: int = 0) -> np.ndarray:
    """With another colour, or noise, in what is not seen."""
    rng = np.random.default_rng(seed)
    other = rng.integers(0, 256, (*rgba.shape[:2], 3), np.uint8) if colour is None else np.array(colour, np.uint8)
    hidden = rgba[..., 3] == 0
    return np.dstack([np.where(hidden[..., None], other, rgba[..., :3]), rgba[..., 3]])


def pixels_in(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        return np.array(image)


def comes_back(codec: str, wish: Wish, alpha: np.ndarray, colour, seed: int, suffix: str = ".png") -> bool:
    """Whether there is room at all."""
    host = hosted(HOST, alpha)
    room = stego.measure(Source(host), codec=codec, wish=wish).bytes
    data = np.random.default_rng(seed).bytes(room * (seed % 4) // 3)
    try:
        container = stego.conceal(Source(host), Payload(data), codec=codec, wish=wish, suffix=suffix)
    except CapacityError:
        container = None
    if container is None:
        assert room == 0
        return False
    saved = pixels_in(container.file)
    hidden = alpha == 0
    assert np.array_equal(saved[..., 3], alpha)
    assert np.array_equal(saved[hidden, :3], HOST[hidden])
    assert np.array_equal(luma_of(saved[..., :3]), luma_of(HOST))
    assert (saved[..., :3] != HOST).any(axis=-1).mean() == pytest.approx(container.changed)
    for image in (saved, repainted(saved, colour, seed)):
        assert stego.uncover(Source(image)).data == data
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "wish"), QUICK)
@settings(max_examples=25, deadline=None)
@given(SHAPES, st.floats(0, 1), COLOURS, SEEDS)
@example("odd", 0, None, 3)
@example("even", 0, (255, 255, 255), 3)
def test_whatever_is_transparent_what_is_hidden_comes_back(codec, wish, shape, share, colour, seed):
    """From what was saved, and from what another program made of it."""
    comes_back(codec, wish, alpha_of(shape, share, seed), colour, seed)


@pytest.mark.parametrize("shape", ["round", "any", "even", "odd", "cells"])
@pytest.mark.parametrize(("codec", "wish"), QUICK)
def test_round_corners_holes_and_checkerboards(codec, wish, shape):
    """`exact` needs some pixels of each step, which boards leave none of."""
    assert comes_back(codec, wish, alpha_of(shape, 0.2, 1), (255, 255, 255), 3) == (
        codec == "stealth" or shape in ("round", "any")
    )


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "wish"), EACH[3:])
def test_what_cinn_hides_comes_back(codec, wish):
    for shape, colour in (("round", None), ("left", (0, 0, 255))):
        assert comes_back(codec, wish, alpha_of(shape, 0.3, 2), colour, 3)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_every_format_keeps_the_colours_that_are_not_seen(suffix):
    assert comes_back("stealth", KEEP, alpha_of("round", 0.2, 0), (1, 2, 3), 1, suffix)


@pytest.mark.parametrize(("codec", "wish"), QUICK)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (17, 200, 90)])
def test_a_host_that_is_hardly_seen_takes_nothing(codec, wish, colour):
    """Whatever is left of it, and whatever lies below: it says so, and no more."""
    nothing = np.zeros(HOST.shape[:2], np.uint8)
    point, line = nothing.copy(), nothing.copy()
    point[40, 41] = 255
    line[:, 3:5] = 200
    for alpha in (nothing, point, line):
        flat = np.broadcast_to(np.array(colour, np.uint8), HOST.shape)
        for rgb in (HOST, np.where(alpha[..., None] > 0, HOST, flat)):
            host = hosted(rgb, alpha)
            assert stego.measure(Source(host), codec=codec, wish=wish).bytes == 0
            with pytest.raises(CapacityError) as error:
                stego.conceal(Source(host), Payload(b""), codec=codec, wish=wish)
            assert error.value.available == 0


@pytest.mark.slow
@pytest.mark.parametrize("wish", [KEEP, GENERATE])
def test_a_host_that_is_hardly_seen_takes_nothing_of_cinn(wish):
    for seen in (0, 1, 3):
        alpha = np.zeros(HOST.shape[:2], np.uint8)
        alpha[:seen, :seen] = 255
        host = hosted(HOST, alpha)
        assert stego.measure(Source(host), codec="cinn", wish=wish).bytes == 0
        with pytest.raises(CapacityError):
            stego.conceal(Source(host), Payload(b""), codec="cinn", wish=wish)


def test_who_may_choose_says_so_too():
    host = hosted(HOST, np.zeros(HOST.shape[:2], np.uint8))
    room = stego.measure(Source(host))
    assert (room.bytes, room.safe_bytes) == (0, 0)
    with pytest.raises(CapacityError):
        stego.conceal(Source(host), Payload(b""))
    with pytest.raises(RevealError):
        stego.uncover(Source(host))


@pytest.mark.parametrize("codec", ["stealth", "exact", "cinn"])
def test_keys_depend_on_what_is_seen(codec):
    """In format version 1 they depended on the rest, too."""
    alpha, each = alpha_of("round", 0.2, 0), load_codec(codec)
    photos = [Photo(HOST, alpha), Photo(repainted(np.dstack([HOST, alpha]), None)[..., :3], alpha)]
    bare = Photo(np.where(alpha[..., None] > 0, HOST, 0).astype(np.uint8))
    assert {each.salt(photo) for photo in (*photos, bare)} == {each.salt(bare, 1)}
    assert len({each.salt(photo, 1) for photo in photos}) == 2
    assert each.salt(photos[0], 1) == each.salt(Photo(HOST))  # what alpha is was nothing to it


@pytest.mark.parametrize("codec", ["stealth", "exact"])
def test_how_transparent_the_others_are_is_nothing_to_a_reader(codec):
    host = hosted(HOST, alpha_of("round", 0.2, 0))
    container = stego.conceal(Source(host), Payload(b"x"), codec=codec)
    saved = np.asarray(container).copy()
    saved[..., 3] = np.where(saved[..., 3] > 0, 255, 0)
    assert stego.uncover(Source(saved)).data == b"x"
    saved[..., 3] = np.where(saved[..., 3] > 0, 0, 255)
    with pytest.raises(RevealError):
        stego.uncover(Source(saved))


def test_room_grows_with_what_is_seen():
    for codec, wish in QUICK:
        alphas = [alpha_of("left", share, 0) for share in (0.8, 0.5, 0.2, 0)]
        rooms = [stego.measure(Source(hosted(HOST, alpha)), codec=codec, wish=wish).bytes for alpha in alphas]
        assert rooms == sorted(set(rooms))
        assert rooms[-1] == stego.measure(Source(HOST), codec=codec, wish=wish).bytes


def test_a_photo_is_gray_if_what_is_seen_is():
    """It is given colours like any gray one, and none is given to what is not seen."""
    alpha = alpha_of("left", 0.4, 0)
    gray = np.repeat(luma_of(HOST)[..., None], 3, axis=-1)
    host = hosted(np.where(alpha[..., None] > 0, gray, HOST), alpha)
    room = stego.measure(Source(host))
    assert (room.codec, room.colors, room.per_codec["stealth"]) == ("exact", "generate", 0)
    container = stego.conceal(Source(host), Payload(b"x"))
    assert container.colors == "generate"
    saved = np.asarray(container)
    assert np.array_equal(saved[alpha == 0, :3], HOST[alpha == 0])
    assert stego.uncover(Source(repainted(saved, None))).data == b"x"
