"""The header of `exact`: uniform bytes to whoever has no key."""

from __future__ import annotations

import numpy as np
import pytest

from stegcinn.codecs.exact.header import CODED_PHASES, HEADER_SIZE, SALT_SIZE, Load, mask, salt_size, unmask
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.errors import RevealError
from stegcinn.sealing import keys

PUBLIC = keys.derive(None, bytes(range(32)))
OLD = keys.derive(None, bytes(range(32)), version=1)


def test_header_bytes_are_uniform():
    rng = np.random.default_rng(0)
    load, fitted = Load(4, 1234), Calibration.none()
    headers = [mask(rng.bytes(SALT_SIZE), load, fitted, PUBLIC) for _ in range(600)]
    bits = np.unpackbits(np.frombuffer(b"".join(headers), np.uint8).reshape(600, HEADER_SIZE), axis=1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / 600**0.5
    values = np.bincount(np.frombuffer(b"".join(headers), np.uint8), minlength=256)
    expected = 600 * HEADER_SIZE / 256
    assert ((values - expected) ** 2 / expected).sum() < 255 + 5 * (2 * 255) ** 0.5
    for header in headers[:20]:
        salt, found, shifts = unmask(header, PUBLIC)
        assert (salt, found, shifts.to_bytes()) == (header[:SALT_SIZE], load, fitted.to_bytes())


def test_the_layout_is_pinned():
    shifts = bytes(range(36))
    header = mask(b"salt", Load(4, 1234), Calibration.from_bytes(shifts), PUBLIC)
    plain = b"\x04\x04\xd2" + shifts + bytes(4)
    assert header == b"salt" + bytes(
        a ^ b for a, b in zip(plain, PUBLIC.stream("exact header 73616c74", 43), strict=True)
    )


def test_a_header_of_format_1_has_a_longer_salt_and_no_zeros():
    assert (salt_size(PUBLIC), salt_size(OLD)) == (4, 8)
    shifts = bytes(range(36))
    plain = b"\x04\x04\xd2" + shifts
    mask_of_it = OLD.stream("exact header 3132333435363738", 39)
    header = b"12345678" + bytes(a ^ b for a, b in zip(plain, mask_of_it, strict=True))
    salt, load, fitted = unmask(header, OLD)
    assert (salt, load, fitted.to_bytes()) == (b"12345678", Load(4, 1234), shifts)
    for place in range(8, HEADER_SIZE):  # but for the first step, nothing tells it from anything else
        damaged = bytearray(header)
        damaged[place] ^= 1
        _, told, other = unmask(bytes(damaged), OLD)
        assert (told, other.to_bytes()) != (load, shifts)


def test_a_header_under_another_key_is_refused():
    """By the zero bytes at its end."""
    header = mask(bytes(SALT_SIZE), Load(1, 2), Calibration.none(), PUBLIC)
    for i in range(200):
        with pytest.raises(RevealError):
            unmask(header, keys.derive(None, i.to_bytes(32, "big")))


def test_a_header_of_format_1_under_another_key_is_refused_or_another():
    header = mask(bytes(8), Load(1, 2), Calibration.none(), OLD)
    refused = 0
    for i in range(200):
        key = keys.derive(None, i.to_bytes(32, "big"), version=1)
        try:
            _, load, fitted = unmask(header, key)
        except RevealError:
            refused += 1
        else:
            assert load != Load(1, 2)
            assert fitted.shifts.any()
    assert 180 < refused < 200  # 6 of 256 loads exist


def test_an_altered_header_is_refused_or_another():
    load, fitted = Load(3, 500), Calibration.from_bytes(bytes(range(36)))
    header = mask(b"salt", load, fitted, PUBLIC)
    for place in range(HEADER_SIZE):
        damaged = bytearray(header)
        damaged[place] ^= 1
        if place in range(4, 43):  # the envelope has to find these
            _, told, other = unmask(bytes(damaged), PUBLIC)
            assert (told, other.to_bytes()) != (load, fitted.to_bytes())
        else:
            with pytest.raises(RevealError):
                unmask(bytes(damaged), PUBLIC)


@pytest.mark.parametrize("key", [PUBLIC, OLD])
@pytest.mark.parametrize("first", [len(CODED_PHASES), 128, 255])
def test_a_load_that_does_not_exist_is_refused(first, key):
    with pytest.raises(RevealError):
        unmask(mask(bytes(salt_size(key)), Load(first, 0), Calibration.none(), key), key)
