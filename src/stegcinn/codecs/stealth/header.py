"""The header of `stealth`: how many bits each layer carries, masked, in the first pixels of the key's order."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from stegcinn.codecs.stealth.moves import LAYERS
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.keys import Keys

SALT_SIZE = 8
_SIZES = struct.Struct(f">{LAYERS}I")
CHECK_SIZE = 4  # bytes that tell a header from anything else, but for a chance of 2**-32
HEADER_SIZE = SALT_SIZE + _SIZES.size + CHECK_SIZE
HEADER_SHARE = 16  # one pixel in so many is the header's, within these bounds
HEADER_LEAST, HEADER_MOST = 1024, 16384
HEADERS = 16  # that are tried


def header_pixels(pixels: int) -> int:
    """How many of a photo's pixels hold the header."""
    return min(max(pixels // HEADER_SHARE, HEADER_LEAST), HEADER_MOST)


def headers(sizes: Sequence[int], key: Keys) -> Iterator[UInt8]:
    """Bits of a header under one fresh salt after the other: each meets the pixels that must stay in another way."""
    for _ in range(HEADERS):
        yield np.unpackbits(np.frombuffer(masked(os.urandom(SALT_SIZE), sizes, key), np.uint8))


def masked(salt: bytes, sizes: Sequence[int], key: Keys) -> bytes:
    """Salt, then how many bits each layer holds under a keystream of key and salt, and a piece of that keystream."""
    return salt + key.masked(_SIZES.pack(*sizes) + bytes(CHECK_SIZE), f"stealth header {salt.hex()}")


def unmasked(header: bytes, key: Keys) -> tuple[int, ...]:
    """The inverse of `masked`; RevealError if it is no header."""
    plain = key.masked(header[SALT_SIZE:], f"stealth header {header[:SALT_SIZE].hex()}")
    if any(plain[_SIZES.size :]):
        raise RevealError
    return _SIZES.unpack(plain[: _SIZES.size])
