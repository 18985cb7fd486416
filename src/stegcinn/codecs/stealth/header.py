"""Where the header of `stealth` is: in the first pixels of the key's order; and how that of format version 1 reads."""

from __future__ import annotations

import struct

import numpy as np

from stegcinn.codecs.stealth.moves import LAYERS
from stegcinn.coding import layerheader, stc
from stegcinn.coding.labels import bit
from stegcinn.coding.layered import sizes
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.keys import Keys

HEADER_SIZE = layerheader.size(LAYERS)
HEADER_SHARE = {1: 16, 2: 8}  # by format version: one pixel in so many is the header's, within these bounds
HEADER_LEAST, HEADER_MOST = 1024, 16384

_SALT_SIZE_1 = 8
_SIZES_1 = struct.Struct(f">{LAYERS}I")
_CHECK_SIZE_1 = 4  # zeros
_HEADER_SIZE_1 = _SALT_SIZE_1 + _SIZES_1.size + _CHECK_SIZE_1


def header_pixels(pixels: int, version: int) -> int:
    """How many of a photo's pixels hold the header."""
    return min(max(pixels // HEADER_SHARE[version], HEADER_LEAST), HEADER_MOST)


def read_header(labels: UInt8, key: Keys, places: int) -> tuple[int, ...]:
    """How many bits each layer of the body carries, by the labels of the header's pixels.

    RevealError if none tell, or more than a body of so many `places` has.
    """
    if key.version == 1:
        return _read_1(labels, key, places)
    length, shares = layerheader.read(labels, LAYERS, "stealth", key, places)
    return sizes(8 * length, shares)


def _read_1(labels: UInt8, key: Keys, places: int) -> tuple[int, ...]:
    header = np.packbits(stc.decode(bit(labels, 0), 8 * _HEADER_SIZE_1)).tobytes()
    salt = header[:_SALT_SIZE_1]
    plain = key.masked(header[_SALT_SIZE_1:], f"stealth header {salt.hex()}")
    found: tuple[int, ...] = _SIZES_1.unpack(plain[: _SIZES_1.size])
    if any(plain[_SIZES_1.size :]) or sum(found) % 8 or max(found) > places:
        raise RevealError
    return found
