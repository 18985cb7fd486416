"""The code of short headers."""

from __future__ import annotations

import numpy as np
import pytest

from stegcinn.coding import convolution
from stegcinn.coding.convolution import MEMORY


def message(seed: int, size: int = 88) -> np.ndarray:
    bits = np.random.default_rng(seed).integers(0, 2, size).astype(np.uint8)
    bits[-MEMORY:] = 0
    return bits


def test_the_first_bit_shows_the_generators():
    code = convolution.encode(np.array([1] + [0] * 16, np.uint8))
    for column, generator in enumerate((0o557, 0o663, 0o711)):
        assert code[:9, column].tolist() == [int(bit) for bit in f"{generator:09b}"]
        assert not code[9:, column].any()


def test_no_two_messages_are_nearer_than_the_free_distance():
    """18, by Larsen's table; a code of other generators would fall short of it."""
    zero = convolution.encode(np.zeros(24, np.uint8))
    assert not zero.any()
    least = min(
        int(convolution.encode(np.array([1, *map(int, f"{rest:07b}"), *[0] * 16], np.uint8)).sum())
        for rest in range(128)
    )
    assert least == 18


def test_what_noise_leaves_is_decoded():
    for seed in range(20):
        bits, rng = message(seed), np.random.default_rng(100 + seed)
        signs = 1 - 2.0 * convolution.encode(bits)
        llr = signs * 1.2 + rng.normal(0, 1, signs.shape)
        assert ((llr < 0) != (signs < 0)).mean() > 0.05
        assert np.array_equal(convolution.decode(llr.astype(np.float32)), bits)


def test_erased_bits_cost_nothing_but_themselves():
    bits = message(7)
    llr = (1 - 2.0 * convolution.encode(bits)).astype(np.float32)
    llr[::4] = 0
    assert np.array_equal(convolution.decode(llr), bits)


def test_a_message_ends_with_zeros():
    with pytest.raises(ValueError, match="zeros"):
        convolution.encode(np.ones(20, np.uint8))
