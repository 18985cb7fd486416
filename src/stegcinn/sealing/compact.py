"""An envelope for where every byte counts: AES-SIV (RFC 5297) over a byte of flags and the contents.

    synthetic IV (16) | flags (1) | [size of the data] [name] stored data, or a share

The IV is a tag over all of it, and makes the keystream: no salt is carried, and none can come twice. There is no size:
a codec that has this envelope knows where its streams end. OVERHEAD is what it adds.

In format version 1 all codecs had the same envelope, which is still opened.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from stegcinn.errors import RevealError
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import NAMED, SHARE, ZSTD, Packed, Payload, unpack
from stegcinn.sealing.keys import Keys

IV_SIZE = 16
OVERHEAD = IV_SIZE + 1
KEY_SIZE = 64  # of AES-256 twice

_FLAGS = {0: 0, 1: ZSTD, 2: NAMED, 3: ZSTD + NAMED, 4: SHARE}  # those there are, and what a head would tell


def seal(packed: Packed, keys: Keys) -> bytes:
    """Seal a payload: the same one under the same keys gives the same bytes."""
    (flags,) = (byte for byte, told in _FLAGS.items() if told == packed.flags)
    return _box(keys).encrypt(bytes([flags]) + packed.body, None)


def unseal(stream: bytes, keys: Keys) -> Payload:
    """Open the envelope that `stream` is, to its last byte; RevealError unless it is authentic."""
    if keys.version == 1:
        return envelope.unseal(stream, keys)
    if len(stream) < OVERHEAD:
        raise RevealError
    try:
        body = _box(keys).decrypt(stream, None)
    except InvalidTag:
        raise RevealError from None
    if body[0] not in _FLAGS:
        raise RevealError
    return unpack(body[1:], _FLAGS[body[0]])


def stream_size(start: bytes, keys: Keys) -> int:
    """How many bytes an envelope has at least: its beginning does not tell more."""
    return envelope.stream_size(start, keys) if keys.version == 1 else max(OVERHEAD, len(start))


def _box(keys: Keys) -> AESSIV:
    return AESSIV(keys.stream("compact envelope", KEY_SIZE))
