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
PLACES = 1 << 36  # in which any length fits


def labels_of(header: bytes, seed: int = 0) -> np.ndarray:
    """Labels of 1024 places whose lowest bits carry a header; the others are anything."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, 1024, np.uint8)
    message = np.unpackbits(np.frombuffer(header, np.uint8))
    carried = stc.encode(bits, np.ones(1024, np.int16), message)
    return carried | (rng.integers(0, 8, 1024, np.uint8) << 1)


def written(length: int, shares: tuple[int, ...], *, salt: bytes = b"sa", codec: str = "stealth") -> bytes:
    return layerheader.masked(salt, codec, length, shares, KEY)


def read(
    header: bytes, layers: int = 4, codec: str = "stealth", key: keys.Keys = KEY, places: int = PLACES
) -> tuple[int, tuple[int, ...]]:
    return layerheader.read(labels_of(header), layers, codec, key, places)


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
    (2000, (255, 0, 0), 16_000), (2000, (0, 0, 255), 16_000), (2000, (0, 0, 0), 16_000),
    (2**32 - 1, (85, 85, 85), -(-(2**32 - 1) * 8 // 3)),
])  # fmt: skip
def test_more_than_the_places_of_a_layer_is_refused(length, shares, layer):
    assert read(written(length, shares), places=layer) == (length, shares)
    with pytest.raises(RevealError):
        read(written(length, shares), places=layer - 1)


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
            layerheader.read(rng.integers(0, 16, count, np.uint8), 4, "stealth", KEY, 15 * count)
