"""Shares: a payload cut into pieces for many carriers, of which enough give it back, whichever they are.

    share: digest of the block (4) | its size | words | first | index | count | symbols
    block: salt (8) | flags (1) | body, as an envelope has it

Numbers have as many bytes as they need: what is safe in a photo may be less than a hundred bytes.

A share is the payload of an envelope that is flagged as such, and thus encrypted and authentic by itself. The block is
cut into symbols of so many words of 16 bits, to which `erasure` adds others; each share has a run of them, as long as
its carrier has room for. The set is named by a digest of the block, so that what is put together is what was cut, and
shares of two sets never mix.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from stegcinn.errors import RevealError, SharesError
from stegcinn.sealing import envelope, erasure
from stegcinn.sealing.envelope import MAX_NAME, MAX_PAYLOAD, NAMED, ZSTD, Packed, Payload

MAX_SHARES = 60_000
MAX_SYMBOLS = erasure.MOST
MAX_WORDS = (1 << 16) - 1  # of a symbol
WORD = 2  # bytes

SALT_SIZE = 8
_DIGEST_SIZE = 4  # against accidents alone, as shares are authentic
_NUMBERS = 5
_MOST_BYTES = 5  # of a number
_LABEL = b"stegcinn v2 album"
_FLAGS_SHIFT = 24  # of the flags in the head of an envelope, which are in its first byte
_LEAST_BLOCK = SALT_SIZE + 1
_MAX_BLOCK = _LEAST_BLOCK + 4 + 1 + MAX_NAME + MAX_PAYLOAD


@dataclass(frozen=True)
class Set:
    """What all shares of one payload tell of it."""

    digest: bytes  # of the block
    size: int  # bytes of the block
    words: int  # of a symbol
    count: int  # shares

    @property
    def source(self) -> int:
        """Symbols that the block has, and that are needed of all."""
        return source_symbols(self.size, self.words)


@dataclass(frozen=True)
class Share:
    """Some of the symbols of a set."""

    set: Set
    index: int  # among the shares
    first: int  # number of its first symbol
    symbols: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """As envelopes seal it."""
        of = self.set
        numbers = map(_number, (of.size, of.words, self.first, self.index, of.count))
        return b"".join((of.digest, *numbers, self.symbols))


def header_size(size: int, words: int, symbols: int, count: int) -> int:
    """Bytes before the symbols, at most: of `count` shares of a block of so many bytes, with so many symbols in all."""
    return _DIGEST_SIZE + sum(len(_number(each)) for each in (size, words, symbols, count, count))


def source_symbols(size: int, words: int) -> int:
    """How many symbols of so many words a block of `size` bytes has."""
    return -(-size // (WORD * words))


def block_of(packed: Packed, salt: bytes) -> bytes:
    """What is shared of a packed payload; another `salt` of SALT_SIZE bytes makes another set."""
    return salt + bytes([packed.flags >> _FLAGS_SHIFT]) + packed.body


def new_salt(random: Callable[[int], bytes] = os.urandom) -> bytes:
    """For a new set."""
    return random(SALT_SIZE)


def cut(block: bytes, words: int, symbols: Sequence[int]) -> list[Share]:
    """The shares of a block, the i-th with `symbols[i]` symbols of so many words; none has no symbols.

    ValueError for more shares or symbols than there may be, or fewer symbols than the block has.
    """
    total = sum(symbols)
    of = Set(_digest(block), len(block), words, len(symbols))
    if not (0 < len(symbols) <= MAX_SHARES and of.source <= total <= MAX_SYMBOLS and 0 < words <= MAX_WORDS):
        raise ValueError(f"{len(symbols)} shares with {total} symbols cannot hold {of.source}")
    if min(symbols) < 1:
        raise ValueError("a share has no symbols")
    source = _rows(block.ljust(of.source * WORD * words, b"\0"), words)
    more = np.arange(of.source, total, dtype=np.int64)
    every = np.concatenate([source, erasure.recovered(np.arange(of.source), source, more, of.source)])
    starts = [0, *accumulate(symbols)][:-1]
    return [
        Share(of, index, start, every[start : start + number].astype(">u2").tobytes())
        for index, (start, number) in enumerate(zip(starts, symbols, strict=True))
    ]


def read(data: bytes) -> Share:
    """The share that an envelope held; RevealError if it is malformed."""
    at, numbers = _DIGEST_SIZE, []
    for _ in range(_NUMBERS):
        number, at = _read_number(data, at)
        numbers.append(number)
    size, words, first, index, count = numbers
    digest, symbols = data[:_DIGEST_SIZE], data[at:]
    if (
        not _LEAST_BLOCK <= size <= _MAX_BLOCK
        or not index < count <= MAX_SHARES
        or not 0 < words <= MAX_WORDS
        or len(symbols) % (WORD * words)
        or not 0 < len(symbols) // (WORD * words) <= MAX_SYMBOLS - first
        or source_symbols(size, words) > MAX_SYMBOLS
    ):
        raise RevealError
    return Share(Set(digest, size, words, count), index, first, symbols)


def by_set(shares: Iterable[Share]) -> dict[Set, list[Share]]:
    """Shares of each set, every one once, in their order."""
    found: dict[Set, dict[int, Share]] = defaultdict(dict)
    for share in shares:
        found[share.set].setdefault(share.index, share)
    return {of: [each[index] for index in sorted(each)] for of, each in found.items()}


def joined(shares: Sequence[Share]) -> Payload:
    """The payload of shares of one set, every one once.

    SharesError if they are too few; RevealError if what they make is not what was cut.
    """
    of = shares[0].set
    rows = [_rows(share.symbols, of.words) for share in shares]
    runs = [np.arange(share.first, share.first + len(each)) for share, each in zip(shares, rows, strict=True)]
    places, which = np.unique(np.concatenate(runs), return_index=True)
    if len(places) < of.source:
        here = {share.index for share in shares}
        absent = [index for index in range(of.count) if index not in here]
        raise SharesError(len(here), of.count, (of.source - len(places)) * WORD * of.words, absent)
    symbols = np.concatenate(rows)[which]
    block = np.empty((of.source, of.words), np.uint16)
    known = places < of.source
    block[places[known]] = symbols[known]
    lost = np.setdiff1d(np.arange(of.source), places[known])
    block[lost] = erasure.recovered(places, symbols, lost, of.source)
    data = block.astype(">u2").tobytes()[: of.size]
    if _digest(data) != of.digest:
        raise RevealError
    flags = data[SALT_SIZE] << _FLAGS_SHIFT
    if flags & ~(ZSTD | NAMED):
        raise RevealError
    return envelope.unpack(data[SALT_SIZE + 1 :], flags)


def _digest(block: bytes) -> bytes:
    return hashlib.sha256(_LABEL + block).digest()[:_DIGEST_SIZE]


def _number(value: int) -> bytes:
    """Seven bits in each byte, the lowest first; the highest bit of all but the last is 1 (LEB128)."""
    found = bytearray()
    while value > 127:
        found.append(128 | value & 127)
        value >>= 7
    return bytes([*found, value])


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a place, and the place where it ends; RevealError if it does not end."""
    value = 0
    for place, byte in enumerate(data[at : at + _MOST_BYTES]):
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise RevealError


def _rows(data: bytes, words: int) -> erasure.Words:
    """Symbols as rows of words, (symbols, words)."""
    return np.frombuffer(data, ">u2").astype(np.uint16).reshape(-1, words)
