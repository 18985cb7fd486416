"""The header of a layered message: how long it is and what share of it each layer carries, masked, in the lowest layer.

    salt (2) | size of the message in bytes (4) | shares of all layers but the last (1 each)

What follows the salt is masked by a keystream of key and salt. Nothing in it is there to be checked: what is no header
tells a size that nearly no carrier has, and if it does, the envelope finds out. How many places it has is the writer's
choice, who takes more of them for short messages.
"""

from __future__ import annotations

import bisect
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
SHIFTS = (1, 3, 5, 7)  # one of 2**shift places is the header's, within these bounds; which, nobody tells a reader
LEAST, MOST = 1024, 65536


def size(layers: int) -> int:
    """Bytes of a header."""
    return SALT_SIZE + LENGTH_SIZE + layers - 1


def splits(places: int) -> list[int]:
    """How many of so many places a header may have, the most first; none where they are too few."""
    if places < 2 * LEAST:
        return []
    return sorted({min(max(places >> shift, LEAST), MOST) for shift in SHIFTS}, reverse=True)


def split_for(places: int, length: int, layers: int) -> int:
    """How many of them it shall have, with a message of `length` bytes in the others.

    What changes disturb adds up by squares, and is about as the share of bits among places: so the sum is least.
    """
    return min(splits(places), key=lambda split: size(layers) ** 2 / split + length**2 / (places - split))


def longest_for(places: int, split: int, layers: int) -> int:
    """The longest message, in bytes, for which a header has `split` places or more."""
    lengths = range(1 << 8 * LENGTH_SIZE)
    return bisect.bisect_left(lengths, True, key=lambda length: split_for(places, length, layers) < split) - 1


def write(
    choices: Choices, order: Places, stream: bytes, layers: int, codec: str, key: Keys, report: Report,
    drawn: Callable[[int], bytes] = os.urandom,
) -> tuple[Written, Written] | None:  # fmt: skip
    """Labels of the first places of the `order` that carry a header, and of the others, which carry the stream.

    None if there is no room for one of them. `report` is for the stream; `drawn` gives random bytes, see
    `layered.write`.
    """
    message, wanted = np.unpackbits(np.frombuffer(stream, np.uint8)), split_for(len(order), len(stream), layers)
    for split in sorted(each for each in splits(len(order)) if each >= wanted):
        head = choices.taken(order[:split])
        for fill in FILLS:
            body = layered.write(choices, order[split:], message, layers, fill, report, drawn)
            if body is None:
                continue
            for bits in headers(codec, len(stream), body.shares, key, drawn):
                header = layered.write(head, np.arange(split), bits, 1, fill, drawn=drawn)
                if header is None:
                    continue
                first = np.concatenate([header.labels, body.labels[: max(0, MOST - split)]])
                larger = (each for each in splits(len(order)) if each > split)  # which readers try before
                if not any(_told(first, each, len(order), layers, codec, key) for each in larger):
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


def read(labels: UInt8, places: int, layers: int, codec: str, key: Keys) -> tuple[int, int, tuple[int, ...]]:
    """How many places have the header, and the length and shares that it tells.

    `labels`: of the first of all `places`, MOST of them or all. RevealError for what no header tells of so many.
    """
    for split in splits(places):
        if told := _told(labels, split, places, layers, codec, key):
            return split, *told
    raise RevealError


def _told(
    labels: UInt8, split: int, places: int, layers: int, codec: str, key: Keys
) -> tuple[int, tuple[int, ...]] | None:
    """Length and shares, if the first `split` places seem to have a header."""
    header = np.packbits(stc.decode(bit(labels[:split], 0), 8 * size(layers))).tobytes()
    salt = header[:SALT_SIZE]
    plain = key.masked(header[SALT_SIZE:], _purpose(codec, salt))
    length, shares = int.from_bytes(plain[:LENGTH_SIZE], "big"), tuple(plain[LENGTH_SIZE:])
    fits = sum(shares) <= SHARES and max(layered.sizes(8 * length, shares)) <= places - split
    return (length, shares) if fits else None


def _purpose(codec: str, salt: bytes) -> str:
    return f"{codec} header {salt.hex()}"
