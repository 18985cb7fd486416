"""Envelope: it opens what it sealed, fails in one way only, and looks like noise."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable

import numpy as np
import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stegcinn.errors import RevealError, UsageError
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import (
    HEAD_SIZE,
    MAX_NAME,
    NAMED,
    OVERHEAD,
    ZSTD,
    Payload,
    pack,
    safe_name,
    seal,
    stream_size,
    unseal,
)
from stegcinn.sealing.keys import Keys

KEYS = Keys(bytes(range(32)))
OLD = Keys(KEYS.root, version=1)
NOISE = hashlib.shake_256(b"incompressible").digest(1000)


def counted_random() -> Callable[[int], bytes]:
    """Return a deterministic `random` whose every call gives other bytes."""
    calls = iter(range(1 << 30))
    return lambda n: hashlib.shake_256(next(calls).to_bytes(8, "big")).digest(n)


def sealed(payload: Payload) -> bytes:
    return seal(pack(payload), KEYS, random=counted_random())


def forged(word: int, body: bytes, *, salt: bytes = bytes(8)) -> bytes:
    """Seal any head, its size less that of the body's box, and any body, as somebody who has the keys could."""
    both = HKDF(SHA256(), 36, salt, b"stegcinn v2 envelope").derive(KEYS.subkey("envelope"))
    head = struct.pack(">I", word + len(body) + 16)
    masked = bytes(a ^ b for a, b in zip(head, both[32:], strict=True))
    return salt + masked + ChaCha20Poly1305(both[:32]).encrypt(bytes(12), body, head)


def forged_1(head: tuple[int, int, int, int], body: bytes, *, salt: bytes = bytes(16)) -> bytes:
    """The same for an envelope of format version 1: its head has version, flags, size of the box and of the data."""
    both = HKDF(SHA256(), 64, salt, b"stegcinn v1 envelope head, body").derive(OLD.subkey("envelope"))
    head_box, body_box = ChaCha20Poly1305(both[:32]), ChaCha20Poly1305(both[32:])
    plain = struct.pack(">BBII", *head)
    return salt + head_box.encrypt(bytes(12), plain, None) + body_box.encrypt(bytes(12), body, plain)


def sealed_1(payload: Payload) -> bytes:
    """As the first release sealed it."""
    packed = pack(payload)
    body = bytes([len(packed.name)]) + packed.name + packed.stored
    head = 1, int(packed.compressed), len(body) + 16, len(payload.data)
    return forged_1(head, body, salt=counted_random()(16))


SMALL = sealed(Payload(b"attack at dawn", "note.txt"))
SMALL_1 = sealed_1(Payload(b"attack at dawn", "note.txt"))
BOTH = pytest.mark.parametrize(("small", "keys"), [(SMALL, KEYS), (SMALL_1, OLD)], ids=["version 2", "version 1"])


def assert_nothing_revealed(stream: bytes, keys: Keys = KEYS) -> None:
    with pytest.raises(RevealError) as caught:
        unseal(stream, keys)
    assert type(caught.value) is RevealError
    assert str(caught.value) == str(RevealError())


def test_format_2_is_pinned() -> None:
    stream = sealed(Payload(NOISE, "noise.bin"))
    assert hashlib.sha256(stream).hexdigest() == "f0dfaded7561682a63dc006f1e0f60fc2a8c8a2225c70d2d6cae60e7a24c8440"
    assert stream == forged(NAMED, b"\x09noise.bin" + NOISE, salt=stream[:8])


def test_a_compressed_envelope_of_format_2_still_opens() -> None:
    # Only opening is pinned: zstd's releases may compress the same data differently.
    stream = bytes.fromhex(
        "119141dce8980709ca1a30e4ec1a1125e444208804caef98f68309fa68a318e82a4535d270437f4c65698ee642ee6bd1"
        "c8233a6b543410178e3621"
    )
    assert unseal(stream, KEYS) == Payload(b"dawn " * 40, "dawn.txt")


def test_format_1_is_pinned() -> None:
    payload = Payload(NOISE, "noise.bin")
    stream = sealed_1(payload)
    assert hashlib.sha256(stream).hexdigest() == "a30fab573c37d0852473f9497dd78cb7cda63b4df6c3f3d30bb162298b701540"
    assert unseal(stream + b"filling", OLD) == payload
    assert stream_size(b"", OLD) == stream_size(stream[:41], OLD) == 42
    assert stream_size(stream[:42], OLD) == stream_size(stream, OLD) == len(stream)


def test_old_compressed_envelope_still_opens() -> None:
    stream = bytes.fromhex(
        "119141dce89807096095d9729b0da804f0051098466e715f8001c44374714b01748d38071c9ad56a7057b656553883fa"
        "ec6a7c8d922aa26d04813164fefe32958db109e41b1ed66299388c1a18a7fafea6c36d6507"
    )
    assert unseal(stream, OLD) == Payload(b"dawn " * 40, "dawn.txt")


@BOTH
def test_the_keys_of_a_version_open_only_its_envelopes(small: bytes, keys: Keys) -> None:
    assert unseal(small, keys).data == b"attack at dawn"
    assert_nothing_revealed(small, Keys(KEYS.root, version=3 - keys.version))


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
    assert OVERHEAD == 28
    assert len(sealed(Payload(b""))) == OVERHEAD
    assert len(sealed(Payload(NOISE))) == OVERHEAD + len(NOISE)
    assert len(sealed(Payload(NOISE, "a.txt"))) == OVERHEAD + len(NOISE) + 6
    assert len(sealed(Payload(bytes(1000)))) < OVERHEAD + 20


@pytest.mark.parametrize("data", [b"", NOISE, bytes(1000)], ids=["empty", "as it is", "compressed"])
@pytest.mark.parametrize("name", [None, "a", "größe.txt"])
def test_what_is_packed_knows_the_size_of_its_contents(data: bytes, name: str | None) -> None:
    packed = pack(Payload(data, name))
    assert OVERHEAD + packed.contents_size == len(seal(packed, KEYS))
    assert packed.compressed == (data == bytes(1000))
    assert packed.without_name().contents_size == packed.contents_size - (len(name.encode()) + 1 if name else 0)
    assert (packed.without_name().dropped_name, packed.without_name().payload.name) == (name, None)


def test_data_are_compressed_only_where_that_is_smaller_with_the_size_it_needs() -> None:
    """Zeros become 6 bytes (RFC 8878: a header of 2, a block of 4), and their size takes 4."""
    sizes = [(pack(Payload(bytes(n))).compressed, pack(Payload(bytes(n))).contents_size) for n in range(40)]
    assert all(size == n for n, (compressed, size) in enumerate(sizes) if not compressed)
    assert all(size < n for n, (compressed, size) in enumerate(sizes) if compressed)
    assert [n for n, (compressed, _) in enumerate(sizes) if not compressed] == list(range(18))


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


@BOTH
def test_every_flipped_bit_is_noticed(small: bytes, keys: Keys) -> None:
    for bit in range(8 * len(small)):
        altered = bytearray(small)
        altered[bit // 8] ^= 1 << bit % 8
        assert_nothing_revealed(bytes(altered), keys)
        assert_nothing_revealed(bytes(altered) + bytes(1000), keys)


@BOTH
def test_every_truncation_is_noticed(small: bytes, keys: Keys) -> None:
    for size in range(len(small)):
        assert_nothing_revealed(small[:size], keys)


def test_a_truncated_head_of_format_1_is_noticed() -> None:
    for size in range(42):
        with pytest.raises(RevealError):
            stream_size(SMALL_1[:size].ljust(42, b"\0"), OLD)


@settings(deadline=None)
@given(st.binary(min_size=HEAD_SIZE, max_size=HEAD_SIZE + 40))
def test_any_head_tells_a_size_that_an_envelope_can_have(start: bytes) -> None:
    """It is not authentic by itself: it tells how far to read, and no more than 1 GiB."""
    try:
        size = stream_size(start, KEYS)
    except RevealError:
        pass
    else:
        assert OVERHEAD <= size < HEAD_SIZE + (1 << 30)


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=200))
def test_random_bytes_reveal_nothing(stream: bytes) -> None:
    assert_nothing_revealed(stream)
    assert_nothing_revealed(stream, OLD)


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(min_size=32, max_size=32))
def test_wrong_keys_reveal_nothing(root: bytes) -> None:
    if root != KEYS.root:
        assert_nothing_revealed(SMALL, Keys(root))
        assert_nothing_revealed(SMALL_1, Keys(root, version=1))


def test_boxes_of_two_envelopes_do_not_mix() -> None:
    random = counted_random()
    first, second = (seal(pack(Payload(NOISE)), KEYS, random=random) for _ in range(2))
    assert_nothing_revealed(first[:HEAD_SIZE] + second[HEAD_SIZE:])


def bomb() -> bytes:
    return pack(Payload(bytes(50 << 20))).stored


def wide_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=25, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(1 << 25))


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def test_forged_envelopes_reveal_nothing() -> None:
    assert unseal(forged(0, b"abc"), KEYS) == Payload(b"abc")
    assert unseal(forged(NAMED, b"\x01nabc"), KEYS) == Payload(b"abc", "n")
    assert unseal(forged(NAMED, b"\x00abc"), KEYS) == Payload(b"abc")
    for flags, body in [
        (NAMED, b"\x04abc"),  # a name past the end
        (NAMED, b""),  # no size of a name
        (ZSTD, b"\x00\x00\x00"),  # no size of the data
        (ZSTD, u32(3) + b"abc"),  # not zstd
        (ZSTD, u32(10)),  # nothing of it
        (ZSTD | NAMED, u32(3)),
        (ZSTD | NAMED, u32(0) + b"\x01"),
        (ZSTD, u32(10) + bomb()),
        (ZSTD, u32((50 << 20) + 1) + bomb()),
        (ZSTD, u32((50 << 20) - 1) + bomb()),
        (ZSTD, u32(envelope.MAX_PAYLOAD + 1) + bomb()),
        (ZSTD, u32(1 << 25) + wide_window()),
    ]:
        assert_nothing_revealed(forged(flags, body))
    for more in (-1, 1, 1 << 28):  # the head tells another size than the box has
        assert_nothing_revealed(forged(more, b"abc"))
        assert_nothing_revealed(forged(more, b"abc") + bytes(10))
    for size in range(16):  # no box is so small
        for read in (unseal, stream_size):
            with pytest.raises(RevealError):
                read(forged(size - 19, b"abc"), KEYS)
    assert unseal(forged(ZSTD, u32(50 << 20) + bomb()), KEYS).data == bytes(50 << 20)


@pytest.mark.parametrize("flags", [ZSTD, NAMED, ZSTD | NAMED])
def test_flags_are_authentic(flags: int) -> None:
    """Whoever turns them over in the masked head turns the box's associated data over."""
    stream = bytearray(forged(0, bytes(100)))
    stream[8] ^= flags >> 24
    assert_nothing_revealed(bytes(stream))


def test_forged_envelopes_of_format_1_reveal_nothing() -> None:
    large, wide, too_large = b"\x00" + bomb(), b"\x00" + wide_window(), envelope.MAX_PAYLOAD + 1
    assert unseal(forged_1((1, 0, 20, 3), b"\x00abc"), OLD) == Payload(b"abc")
    for version, flags, data_size, body in [
        (0, 0, 3, b"\x00abc"),  # no such version
        (2, 0, 3, b"\x00abc"),  # whose keys would be other ones
        (255, 0, 3, b"\x00abc"),
        (1, 2, 3, b"\x00abc"),  # no such flag
        (1, 0, 2, b"\x00abc"),  # sizes that disagree
        (1, 0, 4, b"\x00abc"),
        (1, 0, 0, b"\x04abc"),  # a name past the end
        (1, 0, 0, b""),  # no name at all
        (1, 1, 3, b"\x00abc"),  # not zstd
        (1, 1, 10, large),
        (1, 1, (50 << 20) + 1, large),
        (1, 1, too_large, large),
        (1, 1, 1 << 25, wide),
    ]:
        assert_nothing_revealed(forged_1((version, flags, len(body) + 16, data_size), body), OLD)
    for size in (16, (1 << 30) + 1 + 255 + 16 + 1, 1 << 31):
        for read in (unseal, stream_size):
            with pytest.raises(RevealError):
                read(forged_1((1, 0, size, 3), b"\x00abc"), OLD)
    assert unseal(forged_1((1, 1, len(large) + 16, 50 << 20), large), OLD).data == bytes(50 << 20)


def test_names_of_others_are_made_safe() -> None:
    for stored, name in [(b"../../etc/passwd", "passwd"), (b"a\xffb", "a\ufffdb"), (b"..", None)]:
        body = bytes([len(stored)]) + stored
        assert unseal(forged(NAMED, body), KEYS) == Payload(b"", name)
        assert unseal(forged_1((1, 0, len(body) + 16, 0), body), OLD) == Payload(b"", name)


def test_what_hardly_compresses_is_refused_before_it_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box has less than 1 GiB, so that its size and two flags are four bytes."""
    monkeypatch.setattr(envelope, "_MAX_BOX", OVERHEAD + 1002)
    assert pack(Payload(NOISE, "a")).contents_size == 1002
    with pytest.raises(UsageError, match="hardly compress"):
        pack(Payload(NOISE, "ab"))


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
