"""The header of a layered message: how long it is and what share of it each layer carries, masked, in the lowest layer.

    salt (2) | size of the message in bytes (4) | shares of all layers but the last (1 each)

What follows the salt is masked by a keystream of key and salt. Nothing in it is there to be checked: what is no header
tells a size that nearly no carrier has, and if it does, the envelope finds out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np

from stegcinn.coding import layered, stc
from stegcinn.coding.labels import bit
from stegcinn.coding.layered import FILLS, SHARES, Choices, Places, Report, Written
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.keys import Keys

SALT_SIZE = 2
LENGTH_SIZE = 4
ATTEMPTS = 16  # headers that are tried


def size(layers: int) -> int:
    """Bytes of a header."""
    return SALT_SIZE + LENGTH_SIZE + layers - 1


def write(
    choices: Choices, order: Places, split: int, stream: bytes, layers: int, codec: str, key: Keys, report: Report,
    drawn: Callable[[int], bytes] = os.urandom,
) -> tuple[Written, Written] | None:  # fmt: skip
    """Labels of the first `split` places of the `order` that carry a header, and of the others that carry the stream.

    None if there is no room for one of them. `report` is for the stream; `drawn` gives random bytes, see
    `layered.write`.
    """
    head, message = choices.taken(order[:split]), np.unpackbits(np.frombuffer(stream, np.uint8))
    for fill in FILLS:
        body = layered.write(choices, order[split:], message, layers, fill, report, drawn)
        if body is None:
            continue
        for bits in headers(codec, len(stream), body.shares, key, drawn):
            header = layered.write(head, np.arange(split), bits, 1, fill, drawn=drawn)
            if header is not None:
                return header, body
    return None


def headers(
    codec: str, length: int, shares: tuple[int, ...], key: Keys, drawn: Callable[[int], bytes] = os.urandom
) -> Iterator[UInt8]:
    """Bits of a header under one fresh salt after the other: each meets places that must stay in another way."""
    for _ in range(ATTEMPTS):
        yield np.unpackbits(np.frombuffer(masked(drawn(SALT_SIZE), codec, length, shares, key), np.uint8))


def masked(salt: bytes, codec: str, length: int, shares: tuple[int, ...], key: Keys) -> bytes:
    """A header of a message of `length` bytes."""
    plain = length.to_bytes(LENGTH_SIZE, "big") + bytes(shares)
    return salt + key.masked(plain, _purpose(codec, salt))


def read(labels: UInt8, layers: int, codec: str, key: Keys, places: int) -> tuple[int, tuple[int, ...]]:
    """Length and shares told by the labels of the places that hold a header.

    RevealError for what no header of a message in so many `places` tells.
    """
    header = np.packbits(stc.decode(bit(labels, 0), 8 * size(layers))).tobytes()
    salt = header[:SALT_SIZE]
    plain = key.masked(header[SALT_SIZE:], _purpose(codec, salt))
    length, shares = int.from_bytes(plain[:LENGTH_SIZE], "big"), tuple(plain[LENGTH_SIZE:])
    if sum(shares) > SHARES or max(layered.sizes(8 * length, shares)) > places:
        raise RevealError
    return length, shares


def _purpose(codec: str, salt: bytes) -> str:
    return f"{codec} header {salt.hex()}"
