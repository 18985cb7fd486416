"""What the header of `stealth` tells, in the first pixels of the order; and how that of format version 1 reads."""

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

# Of format version 1, whose header has a sixteenth of the pixels, within bounds.
_LEAST_1, _SHARE_1, _MOST_1 = 1024, 16, 16384
_SALT_SIZE_1 = 8
_SIZES_1 = struct.Struct(f">{LAYERS}I")
_CHECK_SIZE_1 = 4  # zeros
_HEADER_SIZE_1 = _SALT_SIZE_1 + _SIZES_1.size + _CHECK_SIZE_1


def read_header(labels: UInt8, key: Keys) -> tuple[int, tuple[int, ...]]:
    """How many of a photo's pixels hold the header, by their labels, and how many bits each layer of the others has.

    RevealError if none tell.
    """
    if key.version == 1:
        return _read_1(labels, key)
    split, length, shares = layerheader.read(labels, len(labels), LAYERS, "stealth", key)
    return split, sizes(8 * length, shares)


def _read_1(labels: UInt8, key: Keys) -> tuple[int, tuple[int, ...]]:
    split = min(max(len(labels) // _SHARE_1, _LEAST_1), _MOST_1)
    header = np.packbits(stc.decode(bit(labels[:split], 0), 8 * _HEADER_SIZE_1)).tobytes()
    salt = header[:_SALT_SIZE_1]
    plain = key.masked(header[_SALT_SIZE_1:], f"stealth header {salt.hex()}")
    found: tuple[int, ...] = _SIZES_1.unpack(plain[: _SIZES_1.size])
    if any(plain[_SIZES_1.size :]) or sum(found) % 8 or max(found) > len(labels) - split:
        raise RevealError
    return split, found
