"""Envelope: it opens what it sealed, fails in one way only, and looks like noise."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import numpy as np
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stegcinn.errors import RevealError, StegcinnError, UsageError
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import HEAD_SIZE, MAX_NAME, OVERHEAD, Payload, pack, safe_name, seal, stream_size, unseal
from stegcinn.sealing.keys import Keys

KEYS = Keys(bytes(range(32)))
NOISE = hashlib.shake_256(b"incompressible").digest(1000)


def counted_random() -> Callable[[int], bytes]:
    """Return a deterministic `random` whose every call gives other bytes."""
    calls = iter(range(1 << 30))
    return lambda n: hashlib.shake_256(next(calls).to_bytes(8, "big")).digest(n)


def sealed(payload: Payload) -> bytes:
    return seal(pack(payload), KEYS, random=counted_random())


SMALL = sealed(Payload(b"attack at dawn", "note.txt"))


def assert_nothing_revealed(stream: bytes, keys: Keys = KEYS) -> None:
    with pytest.raises(RevealError) as caught:
        unseal(stream, keys)
    assert type(caught.value) is RevealError
    assert str(caught.value) == str(RevealError())


def test_format_1_is_pinned() -> None:
    stream = sealed(Payload(NOISE, "noise.bin"))
    assert hashlib.sha256(stream).hexdigest() == "a30fab573c37d0852473f9497dd78cb7cda63b4df6c3f3d30bb162298b701540"


def test_old_compressed_envelope_still_opens() -> None:
    # Only opening is pinned: zstd's releases may compress the same data differently.
    stream = bytes.fromhex(
        "119141dce89807096095d9729b0da804f0051098466e715f8001c44374714b01748d38071c9ad56a7057b656553883fa"
        "ec6a7c8d922aa26d04813164fefe32958db109e41b1ed66299388c1a18a7fafea6c36d6507"
    )
    assert unseal(stream, KEYS) == Payload(b"dawn " * 40, "dawn.txt")


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=300), st.binary(max_size=20))
@example(b"", b"")
@example(bytes(100_000), b"\x00")
@example(NOISE * 300, b"")
def test_round_trip(data: bytes, following: bytes) -> None:
    stream = sealed(Payload(data))
    assert len(stream) <= OVERHEAD + len(data)
    assert stream_size(b"", KEYS) == stream_size(stream[: HEAD_SIZE - 1], KEYS) == HEAD_SIZE
    assert stream_size(stream[:HEAD_SIZE], KEYS) == stream_size(stream + following, KEYS) == len(stream)
    assert unseal(stream + following, KEYS) == Payload(data)


def test_overhead() -> None:
    assert OVERHEAD == 59
    assert len(sealed(Payload(b""))) == OVERHEAD
    assert len(sealed(Payload(NOISE))) == OVERHEAD + len(NOISE)
    assert len(sealed(Payload(NOISE, "a.txt"))) == OVERHEAD + len(NOISE) + 5
    assert len(sealed(Payload(bytes(1000)))) < OVERHEAD + 20


@pytest.mark.parametrize("size", [(1 << 20) + 1, (4 << 20) + 1])
def test_large_data(size: int) -> None:
    data = (NOISE[:100] * (size // 100 + 1))[:size]
    assert unseal(sealed(Payload(data)), KEYS).data == data


def test_payload_repr_shows_no_data() -> None:
    assert repr(Payload(b"secret", "a")) == "Payload(name='a')"


def test_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "MAX_PAYLOAD", 9)
    assert unseal(sealed(Payload(bytes(9))), KEYS).data == bytes(9)
    with pytest.raises(UsageError):
        sealed(Payload(bytes(10)))


def test_every_flipped_bit_is_noticed() -> None:
    for bit in range(8 * len(SMALL)):
        altered = bytearray(SMALL)
        altered[bit // 8] ^= 1 << bit % 8
        assert_nothing_revealed(bytes(altered))


def test_every_truncation_is_noticed() -> None:
    for size in range(len(SMALL)):
        assert_nothing_revealed(SMALL[:size])
    for size in range(HEAD_SIZE):
        with pytest.raises(RevealError):
            stream_size(SMALL[:size].ljust(HEAD_SIZE, b"\0"), KEYS)


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=200))
def test_random_bytes_reveal_nothing(stream: bytes) -> None:
    assert_nothing_revealed(stream)


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(min_size=32, max_size=32))
def test_wrong_keys_reveal_nothing(root: bytes) -> None:
    if root != KEYS.root:
        assert_nothing_revealed(SMALL, Keys(root))


def test_boxes_of_two_envelopes_do_not_mix() -> None:
    random = counted_random()
    first, second = (seal(pack(Payload(NOISE)), KEYS, random=random) for _ in range(2))
    assert_nothing_revealed(first[:HEAD_SIZE] + second[HEAD_SIZE:])


def forged(head: tuple[int, int, int, int], body: bytes) -> bytes:
    """Seal any head and body, as somebody who has the keys could."""
    salt = bytes(16)
    head_box, body_box = envelope._boxes(KEYS, salt)
    plain = envelope._HEAD.pack(*head)
    return salt + head_box.encrypt(bytes(12), plain, None) + body_box.encrypt(bytes(12), body, plain)


def test_newer_version_says_so() -> None:
    stream = forged((2, 0xFF, 0, 0), b"")
    for read in (unseal, stream_size):
        with pytest.raises(StegcinnError, match="newer stegcinn") as caught:
            read(stream, KEYS)
        assert not isinstance(caught.value, RevealError)


def test_forged_envelopes_reveal_nothing() -> None:
    bomb = b"\x00" + pack(Payload(bytes(50 << 20))).stored
    wide = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=25, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
    )
    wide_window = b"\x00" + zstandard.ZstdCompressor(compression_params=wide).compress(bytes(1 << 25))
    too_large = envelope.MAX_PAYLOAD + 1
    assert unseal(forged((1, 0, 20, 3), b"\x00abc"), KEYS) == Payload(b"abc")
    for version, flags, data_size, body in [
        (0, 0, 3, b"\x00abc"),  # no such version
        (1, 2, 3, b"\x00abc"),  # no such flag
        (1, 0, 2, b"\x00abc"),  # sizes that disagree
        (1, 0, 4, b"\x00abc"),
        (1, 0, 0, b"\x04abc"),  # a name past the end
        (1, 0, 0, b""),  # no name at all
        (1, 1, 3, b"\x00abc"),  # not zstd
        (1, 1, 10, bomb),
        (1, 1, (50 << 20) + 1, bomb),
        (1, 1, too_large, bomb),
        (1, 1, 1 << 25, wide_window),
    ]:
        assert_nothing_revealed(forged((version, flags, len(body) + 16, data_size), body))
    assert_nothing_revealed(forged((1, 0, 1 << 31, 3), b"\x00abc"))
    assert unseal(forged((1, 1, len(bomb) + 16, 50 << 20), bomb), KEYS).data == bytes(50 << 20)


def test_names_of_others_are_made_safe() -> None:
    for stored, name in [(b"../../etc/passwd", "passwd"), (b"a\xffb", "a\ufffdb"), (b"..", None)]:
        body = bytes([len(stored)]) + stored
        assert unseal(forged((1, 0, len(body) + 16, 0), body), KEYS) == Payload(b"", name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.jpg", "photo.jpg"),
        ("/home/me/größe.tar.gz", "größe.tar.gz"),
        ("C:\\Users\\me\\a b.txt", "a b.txt"),
        ("a/b\\c/d.txt", "d.txt"),
        ("dir/", None),
        ("", None),
        (".", None),
        ("..", None),
        ("...", None),
        ("- . -", None),
        ("???", None),
        ("\u3000\u2003", None),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("a-b.c-d", "a-b.c-d"),
        ("end. . ", "end"),
        ("a:b*c?.txt", "abc.txt"),
        ("a\x00b\x1b[31m\n.txt", "ab[31m.txt"),
        ("gpj.\u202eexe.txt", "gpj.exe.txt"),
        ("\ud800x", "x"),
        ("3.14\u202fPM.png", "3.14 PM.png"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("lpt1 .tar.gz", "_lpt1 .tar.gz"),
        ("lpt1 .gz", "_lpt1.gz"),
        ("COM¹", "_COM¹"),
        ("c:on", "_con"),
        ("console.log", "console.log"),
        ("n" * 300 + ".jpg", "n" * 251 + ".jpg"),
        ("é" * 200 + ".jpg", "é" * 125 + ".jpg"),
        ("n" * 300, "n" * 255),
        ("a." + "n" * 300, "a." + "n" * 253),
        ("CON" + " " * 300 + "x", "_CON"),
        ("CON" + " " * 300 + ".txt", "_CON.txt"),
        ("invoice.pdf" + " " * 40 + ".exe", "invoice.pdf.exe"),
        ("a \u3164\u2800.txt", "a.txt"),
        ("n" * 250 + " " * 50 + ".jpg", "n" * 250 + ".jpg"),
        ("\u3164", None),
        ("\u115f\u1160\u2800\uffa0\u3000", None),
        ("\u034f\ufe0f\U000e0100", None),
        ("\u200b\u200d\u2060\ufeff\u00ad\U000e0041", None),
        ("\ufe0f.txt", "txt"),
        ("葛\U000e0100.txt", "葛\U000e0100.txt"),
        ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
        ("क्\u200dष.txt", "क्\u200dष.txt"),
        ("\U0001f469\U0001f3fd\u200d\U0001f4bb.txt", "\U0001f469\U0001f3fd\u200d\U0001f4bb.txt"),
        ("❤\ufe0f\u200d\U0001f525", "❤\ufe0f\u200d\U0001f525"),
        ("\u200da\u200d\u200c.t\u200dx1\u200d2", "a.t\u200dx12"),
    ],
)
def test_safe_name(name: str, expected: str | None) -> None:
    assert safe_name(name) == expected


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.text(max_size=300)
    | st.text(st.sampled_from("./\\ -_:*\x00\u202eCONcon1¹ét\ud800"), max_size=40)
    | st.text(st.sampled_from("a1. -\u200c\u200d\u0301\ufe0f\u3164\u2800\u2060\U0001f469"), max_size=40)
    | st.lists(st.sampled_from(["con", "LPT1", ".", " " * 130, "é" * 130, ".txt", "/", "x"])).map("".join)
)
def test_safe_name_is_safe(name: str) -> None:
    safe = safe_name(name)
    if safe is not None:
        assert safe not in ("", ".", "..")
        assert not set(safe) & set('/\\<>:"|?*\x00\n\u202e')
        assert safe[0] not in " .-"
        assert safe[-1] not in " ."
        assert not re.search(r"\s\.[^.]{0,8}$", safe)
        assert len(safe.encode()) <= MAX_NAME
        assert safe_name(safe) == safe
    assert unseal(sealed(Payload(b"x", name)), KEYS).name == safe


def test_every_bit_is_balanced_and_alone() -> None:
    """4096 envelopes of one all-zero payload: each bit, each byte, and each pair of bits looks random."""
    trials, random, payload = 4096, counted_random(), Payload(bytes(12))
    envelopes = b"".join(seal(pack(payload), KEYS, random=random) for _ in range(trials))
    octets = np.frombuffer(envelopes, np.uint8).reshape(trials, -1)

    # Chance passes these bounds with p < 1e-7 over all positions. `random` is fixed, so a run repeats.
    signs = 1 - 2 * np.unpackbits(octets, axis=1).astype(np.float32)
    assert np.abs(signs.sum(axis=0)).max() < 6.5 * np.sqrt(trials)

    # Chi-square with 255 degrees of freedom; 431 is 6.5 standard deviations up (Wilson and Hilferty).
    for column in octets.T:
        counts = np.bincount(column, minlength=256)
        assert ((counts - trials / 256) ** 2).sum() / (trials / 256) < 431

    products = signs.T @ signs
    np.fill_diagonal(products, 0)
    assert np.abs(products).max() < 7.5 * np.sqrt(trials)


def test_same_payload_twice_is_unrelated() -> None:
    random, payload = counted_random(), Payload(NOISE * 20)
    first, second = (np.frombuffer(seal(pack(payload), KEYS, random=random), np.uint8) for _ in range(2))
    bits = 8 * first.size
    differing = int(np.unpackbits(first ^ second).sum())
    assert abs(differing - bits / 2) < 6.5 * np.sqrt(bits) / 2
    assert seal(pack(payload), KEYS) != seal(pack(payload), KEYS)
