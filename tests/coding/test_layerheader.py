"""Headers of layered messages: uniform bytes to whoever has no key, and nothing but a header is taken for one."""

from __future__ import annotations

import os

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


def labels_of(header: bytes, seed: int = 0) -> np.ndarray:
    """Labels of 1024 places whose lowest bits carry a header; the others are anything."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, 1024, np.uint8)
    message = np.unpackbits(np.frombuffer(header, np.uint8))
    carried = stc.encode(bits, np.ones(1024, np.int16), message)
    return carried | (rng.integers(0, 8, 1024, np.uint8) << 1)


def written(length: int, shares: tuple[int, ...], *, salt: bytes = b"salt", codec: str = "stealth") -> bytes:
    return layerheader.masked(salt, codec, length, shares, KEY)


def read(header: bytes, layers: int = 4, codec: str = "stealth", key: keys.Keys = KEY) -> tuple[int, tuple[int, ...]]:
    return layerheader.read(labels_of(header), layers, codec, key)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(0, 85), min_size=1, max_size=3), st.binary(min_size=4, max_size=4)
)
@example(0, [0, 0, 0], bytes(4))
@example(2**32 - 1, [85, 85, 85], b"\xff" * 4)
def test_what_is_written_is_read(length, shares, salt):
    header = written(length, tuple(shares), salt=salt)
    assert len(header) == layerheader.size(len(shares) + 1) == 13 + len(shares) - 1
    assert read(header, len(shares) + 1) == (length, tuple(shares))


def test_the_layout_is_pinned():
    header = written(*TOLD)
    plain = (1_000_003).to_bytes(4, "big") + bytes([100, 90, 40]) + bytes(4)
    mask = KEY.stream("stealth header 73616c74", len(plain))
    assert header == b"salt" + bytes(a ^ b for a, b in zip(plain, mask, strict=True))


def test_every_header_has_a_salt_of_its_own():
    found = list(layerheader.headers("stealth", *TOLD, KEY))
    assert len(found) == layerheader.ATTEMPTS == len({bits.tobytes() for bits in found})
    for bits in found:
        header = np.packbits(bits).tobytes()
        assert len(bits) == 8 * layerheader.size(4)
        assert read(header) == TOLD


def test_headers_are_uniform():
    headers = b"".join(layerheader.masked(os.urandom(4), "stealth", *TOLD, KEY) for _ in range(600))
    bits = np.unpackbits(np.frombuffer(headers, np.uint8)).reshape(600, -1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 6.5 * 0.5 / 600**0.5
    values = np.bincount(np.frombuffer(headers, np.uint8), minlength=256)
    expected = len(headers) / 256
    assert ((values - expected) ** 2 / expected).sum() < 431  # 6.5 standard deviations up


def test_whatever_is_altered_is_noticed_but_what_it_tells():
    """That is for the envelope to find."""
    header = written(*TOLD)
    for place in range(len(header)):
        damaged = bytearray(header)
        damaged[place] ^= 1
        if place in range(4, 11):
            assert read(bytes(damaged)) != TOLD
        else:
            with pytest.raises(RevealError):
                read(bytes(damaged))


@pytest.mark.parametrize("shares", [(255, 0, 1), (86, 85, 85), (255, 255, 255)])
def test_shares_of_more_than_all_are_refused(shares):
    with pytest.raises(RevealError):
        read(written(100, shares))
    assert read(written(100, (255, 0, 0))) == (100, (255, 0, 0))


def test_another_codec_or_key_reads_nothing():
    header = written(*TOLD)
    for options in ({"codec": "jpeg"}, {"key": OTHER}):
        with pytest.raises(RevealError):
            read(header, **options)


def test_what_is_no_header_is_none():
    rng = np.random.default_rng(1)
    for count in (*range(0, 130, 7), 1024, 16384):
        with pytest.raises(RevealError):
            layerheader.read(rng.integers(0, 16, count, np.uint8), 4, "stealth", KEY)
