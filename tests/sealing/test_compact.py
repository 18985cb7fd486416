"""The envelope that adds as little as it can."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from stegcinn.errors import RevealError
from stegcinn.sealing import compact, envelope
from stegcinn.sealing.compact import OVERHEAD, seal, stream_size, unseal
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import Keys

KEYS, OTHER = Keys(bytes(range(32))), Keys(bytes(32))
PAYLOADS = [Payload(b""), Payload(b"x"), Payload(os.urandom(500), "a name.bin"), Payload(bytes(5000), "zeros")]
SHARE = Payload(os.urandom(40), share=True)


def sealed(payload: Payload) -> bytes:
    return seal(envelope.pack(payload), KEYS)


@pytest.mark.parametrize("payload", [*PAYLOADS, SHARE], ids=lambda payload: f"{len(payload.data)}")
def test_what_is_sealed_opens(payload: Payload) -> None:
    stream = sealed(payload)
    assert len(stream) == OVERHEAD + envelope.pack(payload).contents_size
    opened = unseal(stream, KEYS)
    assert (opened, opened.share) == (payload, payload.share)
    assert stream_size(stream[:1], KEYS) <= len(stream)
    with pytest.raises(RevealError):
        unseal(stream, OTHER)


def test_it_adds_seventeen_bytes() -> None:
    assert len(sealed(Payload(b"abc"))) == 20


def test_it_is_pinned() -> None:
    assert sealed(Payload(b"for ever")).hex() == "8ba580e8674d070ed10f10ea20604a0e5867e5db4ef1efc587"


def test_a_changed_bit_or_length_is_refused() -> None:
    stream = sealed(Payload(b"payload"))
    for at in range(len(stream)):
        with pytest.raises(RevealError):
            unseal(stream[:at] + bytes([stream[at] ^ 1]) + stream[at + 1 :], KEYS)
    for other in (stream[:-1], stream + b"\0", stream[: OVERHEAD - 1], b""):
        with pytest.raises(RevealError):
            unseal(other, KEYS)


@pytest.mark.parametrize("body", [b"\x08abc", b"\x05abc", b"\x06abc", b"\x80", b"\x01\0\0\0\x05abc", b"\x02\x09abc"])
def test_what_is_authentic_but_malformed_is_refused(body: bytes) -> None:
    """Unknown flags, and a share with others; data of another size than told; a name beyond the end."""
    box = AESSIV(KEYS.stream("compact envelope", compact.KEY_SIZE))
    with pytest.raises(RevealError):
        unseal(box.encrypt(body, None), KEYS)
