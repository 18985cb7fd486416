"""Headers of layered messages: uniform bytes to whoever has no key, and nothing but a header is taken for one."""

from __future__ import annotations

import os
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stegcinn.coding import layerheader, stc
from stegcinn.errors import RevealError
from stegcinn.sealing import keys

KEY = keys.derive(None, bytes(range(32)))
OTHER = keys.derive(None, bytes(range(1, 33)))
TOLD = 1_000_003, (100, 90, 40)
PLACES = 1 << 36  # in which any length fits: a header has MOST of them


def labels_of(header: bytes, split: int = layerheader.MOST, seed: int = 0) -> np.ndarray:
    """Labels of places whose lowest bits carry a header; the others are anything."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, split, np.uint8)
    message = np.unpackbits(np.frombuffer(header, np.uint8))
    carried = stc.encode(bits, np.ones(split, np.int16), message)
    return carried | (rng.integers(0, 8, split, np.uint8) << 1)


def written(length: int, shares: tuple[int, ...], *, salt: bytes = b"sa", codec: str = "stealth") -> bytes:
    return layerheader.masked(salt, codec, length, shares, KEY)


def read(
    header: bytes, layers: int = 4, codec: str = "stealth", key: keys.Keys = KEY, places: int = PLACES
) -> tuple[int, tuple[int, ...]]:
    split, *told = layerheader.read(labels_of(header), places, layers, codec, key)
    assert split == layerheader.MOST
    return tuple(told)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(0, 85), min_size=1, max_size=3), st.binary(min_size=2, max_size=2)
)
@example(0, [0, 0, 0], bytes(2))
@example(2**32 - 1, [85, 85, 85], b"\xff" * 2)
def test_what_is_written_is_read(length, shares, salt):
    header = written(length, tuple(shares), salt=salt)
    assert len(header) == layerheader.size(len(shares) + 1) == 6 + len(shares)
    assert read(header, len(shares) + 1) == (length, tuple(shares))


def test_the_layout_is_pinned():
    header = written(*TOLD)
    plain = (1_000_003).to_bytes(4, "big") + bytes([100, 90, 40])
    mask = KEY.stream("stealth header 7361", len(plain))
    assert header == b"sa" + bytes(a ^ b for a, b in zip(plain, mask, strict=True))


def test_every_header_has_a_salt_of_its_own():
    found = list(layerheader.headers("stealth", *TOLD, KEY))
    assert len(found) == layerheader.ATTEMPTS == len({bits.tobytes() for bits in found})
    for bits in found:
        header = np.packbits(bits).tobytes()
        assert len(bits) == 8 * layerheader.size(4)
        assert read(header) == TOLD


def test_headers_are_uniform():
    headers = b"".join(layerheader.masked(os.urandom(2), "stealth", *TOLD, KEY) for _ in range(600))
    bits = np.unpackbits(np.frombuffer(headers, np.uint8)).reshape(600, -1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 6.5 * 0.5 / 600**0.5
    values = np.bincount(np.frombuffer(headers, np.uint8), minlength=256)
    expected = len(headers) / 256
    assert ((values - expected) ** 2 / expected).sum() < 431  # 6.5 standard deviations up


def test_whatever_is_altered_tells_something_else():
    """That is for the envelope to find, where there is room for it."""
    header = written(*TOLD)
    for place in range(len(header)):
        damaged = bytearray(header)
        damaged[place] ^= 1
        with suppress(RevealError):
            assert read(bytes(damaged)) != TOLD


@pytest.mark.parametrize(("length", "shares", "layer"), [
    (2_000_000, (255, 0, 0), 16_000_000), (2_000_000, (0, 0, 255), 16_000_000), (2_000_000, (0, 0, 0), 16_000_000),
    (2**32 - 1, (85, 85, 85), -(-(2**32 - 1) * 8 // 3)),
])  # fmt: skip
def test_more_than_the_places_of_a_layer_is_refused(length, shares, layer):
    places = layer + layerheader.MOST
    assert read(written(length, shares), places=places) == (length, shares)
    with pytest.raises(RevealError):
        read(written(length, shares), places=places - 1)


@pytest.mark.parametrize(("places", "found"), [
    (0, []), (2047, []), (2048, [1024]), (16384, [8192, 2048, 1024]), (100_000, [50_000, 12_500, 3125, 1024]),
    (1_000_000, [65_536, 31_250, 7812]), (50_000_000, [65_536]),
])  # fmt: skip
def test_a_header_has_one_of_a_few_numbers_of_places(places, found):
    """The most for short messages; and wherever it is, it is found."""
    assert layerheader.splits(places) == found
    header, rng = written(100, (200, 30, 20)), np.random.default_rng(3)
    for split in found:
        labels = np.append(labels_of(header, split), rng.integers(0, 16, places - split, np.uint8))
        assert layerheader.read(labels, places, 4, "stealth", KEY) == (split, 100, (200, 30, 20))
    if found:
        wanted = [layerheader.split_for(places, length, 4) for length in (0, 10, 100, 1000, 10_000, 1_000_000)]
        assert wanted == sorted(wanted, reverse=True)
        assert wanted[0] == found[0]
        for split in found[:-1]:
            longest = layerheader.longest_for(places, split, 4)
            assert layerheader.split_for(places, longest, 4) >= split > layerheader.split_for(places, longest + 1, 4)


@pytest.mark.parametrize("shares", [(255, 0, 1), (86, 85, 85), (255, 255, 255)])
def test_shares_of_more_than_all_are_refused(shares):
    with pytest.raises(RevealError):
        read(written(100, shares))
    assert read(written(100, (255, 0, 0))) == (100, (255, 0, 0))


def test_another_codec_or_key_reads_nothing():
    header = written(*TOLD)
    for options in ({"codec": "jpeg"}, {"key": OTHER}):
        with pytest.raises(RevealError):
            read(header, places=10_000_000, **options)


def test_what_is_no_header_is_none():
    rng = np.random.default_rng(1)
    for count in (*range(0, 130, 7), 1024, 16384):
        with pytest.raises(RevealError):
            layerheader.read(rng.integers(0, 16, count, np.uint8), count, 4, "stealth", KEY)
