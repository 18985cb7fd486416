"""The header of `exact`: uniform bytes to whoever has no key."""

from __future__ import annotations

import numpy as np
import pytest

from stegcinn.codecs.exact.header import CODED_PHASES, HEADER_SIZE, SALT_SIZE, Load, mask, unmask
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.errors import RevealError
from stegcinn.sealing import keys

PUBLIC = keys.derive(None, bytes(range(32)))


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


def test_a_header_under_another_key_is_refused_or_another():
    header = mask(bytes(8), Load(1, 2), Calibration.none(), PUBLIC)
    refused = 0
    for i in range(200):
        key = keys.derive(None, i.to_bytes(32, "big"))
        try:
            _, load, fitted = unmask(header, key)
        except RevealError:
            refused += 1
        else:
            assert load != Load(1, 2)
            assert fitted.shifts.any()
    assert 180 < refused < 200  # 6 of 256 loads exist


@pytest.mark.parametrize("first", [len(CODED_PHASES), 128, 255])
def test_a_load_that_does_not_exist_is_refused(first):
    with pytest.raises(RevealError):
        unmask(mask(bytes(8), Load(first, 0), Calibration.none(), PUBLIC), PUBLIC)
