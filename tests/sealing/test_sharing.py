"""Shares: enough of them give the payload back, whichever they are; nothing else is mistaken for it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.errors import RevealError, SharesError
from stegcinn.sealing import envelope, sharing
from stegcinn.sealing.envelope import SHARE, Payload
from stegcinn.sealing.keys import Keys
from stegcinn.sealing.sharing import MAX_SHARES, MAX_SYMBOLS, Share, block_of, by_set, cut, header_size, joined, read

KEYS = Keys(hashlib.sha256(b"shares").digest())
SALT = bytes(range(8))
NOISE = np.random.default_rng(0).bytes(500)


def block(payload: Payload = Payload(NOISE, "noise.bin"), salt: bytes = SALT) -> bytes:  # noqa: B008 -- frozen
    return block_of(envelope.pack(payload), salt)


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=300) | st.binary(min_size=1, max_size=3).map(lambda part: 200 * part),
    st.none() | st.text(max_size=20),
    st.integers(1, 9),
    st.lists(st.integers(1, 60), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_any_enough_shares_give_the_payload_back(data, name, words, counts, random):
    whole = block(Payload(data, name))
    source = sharing.source_symbols(len(whole), words)
    counts[-1] += max(0, source - sum(counts))
    shares = cut(whole, words, counts)
    packed = envelope.pack(Payload(data, name)).payload
    back = [read(share.to_bytes()) for share in shares]
    assert back == shares
    random.shuffle(back)
    kept: list[Share] = []
    while sum(counts[share.index] for share in kept) < source:
        if kept:
            with pytest.raises(SharesError) as short:
                joined(kept)
            symbols = sum(counts[share.index] for share in kept)
            assert short.value.missing == 2 * words * (source - symbols)
            assert (short.value.found, short.value.count) == (len(kept), len(counts))
            assert set(short.value.absent) == set(range(len(counts))) - {share.index for share in kept}
        kept.append(back.pop())
    found = joined(kept)
    assert (found.data, found.name or "", found.share) == (data, packed.name or "", False)


def test_sets_never_mix():
    """The same payload twice makes two sets, as another one does."""
    ours = cut(block(), 4, [30, 30, 30])
    again = cut(block(salt=bytes(8)), 4, [30, 30, 30])
    other = cut(block(Payload(bytes(500))), 4, [30, 30, 30])
    assert len({each[0].set for each in (ours, again, other)}) == 3
    found = by_set([again[0], ours[2], other[1], ours[0], ours[2], ours[1]])
    assert found[ours[0].set] == ours
    with pytest.raises(SharesError, match="this is one of 3 shares of an album"):
        joined(found[again[0].set])


def test_the_same_file_twice_counts_once():
    shares = cut(block(), 4, [40, 40])
    with pytest.raises(SharesError) as short:
        joined(by_set([shares[0]] * 5)[shares[0].set])
    assert short.value.found == 1


def test_a_share_is_an_envelope_with_a_flag_of_its_own():
    (share,) = cut(block(), 3, [100])
    packed = envelope.pack(Payload(share.to_bytes(), share=True))
    assert (packed.flags, packed.contents_size) == (SHARE, len(share.to_bytes()))
    stream = envelope.seal(packed, KEYS)
    opened = envelope.unseal(stream, KEYS)
    assert (opened.share, opened.name) == (True, None)
    assert joined([read(opened.data)]) == Payload(NOISE, "noise.bin")
    for at in (8, 9, 30):  # the flag is authentic
        turned = bytearray(stream)
        turned[at] ^= 0x20
        with pytest.raises(RevealError):
            envelope.unseal(bytes(turned), KEYS)
    assert not envelope.unseal(envelope.seal(envelope.pack(Payload(share.to_bytes())), KEYS), KEYS).share


def test_a_share_is_stored_as_it_is():
    assert envelope.pack(Payload(bytes(1000), share=True)).stored == bytes(1000)


@pytest.mark.parametrize(("field", "value"), [
    ("size", 8), ("size", (1 << 30) + 270), ("size", 4 * 65536 + 1), ("words", 0), ("words", 3), ("words", 65536),
    ("first", 65500), ("first", (1 << 35) - 1), ("index", 2), ("count", 0), ("count", MAX_SHARES + 1),
])  # fmt: skip
def test_malformed_shares_are_refused(field, value):
    share = cut(block(), 2, [200, 200])[0]
    assert read(share.to_bytes()) == share
    of = replace(share.set, **{field: value}) if hasattr(share.set, field) else share.set
    with pytest.raises(RevealError):
        read(replace(share, set=of, **({} if hasattr(of, field) else {field: value})).to_bytes())


def test_numbers_have_as_many_bytes_as_they_need():
    small, large = cut(block(Payload(bytes(200))), 1, [100]), cut(block(), 300, [1, 1])
    assert len(small[0].to_bytes()) == 4 + 5 + 200
    assert len(large[0].to_bytes()) == 4 + (2 + 2 + 1 + 1 + 1) + 600
    for shares, symbols in ((small, 100), (large, 2)):
        of = shares[0].set
        room = header_size(of.size, of.words, symbols, len(shares))
        assert all(len(share.to_bytes()) - len(share.symbols) <= room for share in shares)
    assert header_size(1 << 29, 1 << 14, 65535, 60000) == 4 + 5 + 3 + 3 + 3 + 3


def test_shares_that_are_cut_short_are_refused():
    data = cut(block(), 2, [200])[0].to_bytes()
    header = len(data) - 800
    for size in (*range(header + 1), len(data) - 1):
        with pytest.raises(RevealError):
            read(data[:size])
    with pytest.raises(RevealError):
        read(data[:4] + b"\x80\x80\x80\x80\x80\x01" + data[5:])


def test_what_was_not_cut_is_refused():
    """Somebody with the keys may forge a share; then the digest is another one."""
    shares = cut(block(), 2, [200, 200])
    bad = replace(shares[0], symbols=bytes(800))
    with pytest.raises(RevealError):
        joined([bad])
    strange = block()[:8] + b"\x20" + block()[9:]  # a flag that a block does not have
    with pytest.raises(RevealError):
        joined(cut(strange, 2, [200]))


def test_what_is_claimed_takes_no_memory():
    share = cut(block(), 2, [200])[0]
    claimed = read(replace(share, set=replace(share.set, size=200_000)).to_bytes())
    with pytest.raises(SharesError):
        joined([claimed])


@pytest.mark.parametrize("counts", [[], [10], [200, 0], [1] * (MAX_SHARES + 1), [MAX_SYMBOLS, 1]])
def test_cuts_that_cannot_be_are_refused(counts):
    with pytest.raises(ValueError, match=r"shares with|no symbols"):
        cut(block(), 2, counts)


def test_sixty_thousand_shares():
    data = np.random.default_rng(1).bytes(100_000)
    shares = cut(block(Payload(data)), 1, [1] * MAX_SHARES)
    kept = np.random.default_rng(2).permutation(MAX_SHARES)[: (100_000 + 9 + 1) // 2]
    assert joined([shares[number] for number in kept]).data == data


def test_the_format_is_pinned():
    shares = cut(block(), 3, [50, 40, 30])
    digest = hashlib.sha256(b"".join(share.to_bytes() for share in shares)).hexdigest()
    assert digest == "d4718d1cc666d05d6e2d49a7ace6708195caa2b09ad21670812f7e7ee49c8866"
