"""Keys: pinned values that may never change, the published vectors beneath them, and their randomness."""

from __future__ import annotations

import hashlib
import unicodedata

import numpy as np
import pytest

from stegcinn.errors import UsageError
from stegcinn.sealing import keys
from stegcinn.sealing.keys import Keyring, Keys, derive

SALT = bytes(range(32))
KEYS = Keys(bytes(32))
OTHER = Keys(bytes(31) + b"\x01")


def test_keystream_is_rfc_8439() -> None:
    # Appendix A.1, test vectors 1 and 2: key and nonce zero, block counters 0 and 1.
    blocks = (
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    )
    assert keys._keystream(bytes(32)).update(bytes(128)).hex() == blocks


def test_scrypt_is_rfc_7914(monkeypatch: pytest.MonkeyPatch) -> None:
    # Section 12, third vector: N = 16384, r = 8, p = 1; the first 32 of its 64 bytes.
    monkeypatch.setitem(keys.SCRYPT_N, 7, 16384)
    expected = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    assert keys._stretch(b"pleaseletmein", b"SodiumChloride", 7).hex() == expected


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.astype("<u4").tobytes()).hexdigest()


def test_format_1_is_pinned() -> None:
    roots = [derive(password, SALT, version=1).root.hex() for password in ("correct horse", None)]
    assert roots == [
        "4a5ec2688600c29815f5ab9041d7c7f98cbec2318468072a702793816ca12806",
        "57e09885ad34c829c59c5a3e0c87d37f48703200eaafe0e56af8f45a9ceb670f",
    ]
    old = Keys(bytes(32), version=1)
    assert old.subkey("a").hex() == "900745ce37f29bca1b83e61711f9f24a024863b4326e48f7c20172490b75efc9"
    assert old.stream("a", 16).hex() == "dd09026c13011fea0b1ba6d661df72f7"
    assert "".join(map(str, old.bits("a", 20))) == "11011101000010010000"
    assert old.permutation("a", 10).tolist() == [7, 9, 6, 3, 4, 5, 2, 0, 8, 1]
    expected = "4198000e9e9290227a4c9d84dfe4823a0a2a512db00e2e261c0fce45b927d866"
    assert sha256(old.permutation("a", 200_000)) == expected


def test_format_2_is_pinned() -> None:
    assert keys.VERSION == KEYS.version == 2
    assert keys.VERSIONS == (2, 1)
    roots = [derive(password, SALT).root.hex() for password in ("correct horse", None)]
    assert roots == [
        "4e4aada4c2dfb183ae0b7a6efaddbda8a2e88f5fcf94f4bce2bd64feb818e82c",
        "520eecb3a4fb3991e41b132e236feb2be29dad25b8ed7015cc23d0c08db5f9f4",
    ]
    assert KEYS.subkey("a").hex() == "87c7437ebe2b02cf99ff202383e700160e1952d4c558a48314df0ab57539f9a6"
    assert KEYS.stream("a", 16).hex() == "5af76f5d1557634c86e13c8fabb8690c"
    assert KEYS.masked(bytes(16), "a").hex() == "5af76f5d1557634c86e13c8fabb8690c"
    assert "".join(map(str, KEYS.bits("a", 20))) == "01011010111101110110"
    assert KEYS.permutation("a", 10).tolist() == [1, 8, 5, 0, 4, 6, 7, 9, 2, 3]
    assert sha256(KEYS.permutation("a", 200_000)) == "2d7f823075f1473be15b3ec2468867dc578b783d5323eeefe09843a885347c07"


@pytest.mark.parametrize("password", [None, "correct horse"])
def test_keys_of_the_versions_have_nothing_in_common(password: str | None) -> None:
    roots = [derive(password, SALT, version).root for version in keys.VERSIONS]
    assert roots[0] != roots[1]
    subkeys = {Keys(root, version).subkey("a") for root in roots for version in keys.VERSIONS}
    assert len(subkeys) == 4


def test_repr_shows_no_key() -> None:
    assert repr(derive(None, SALT)) == "Keys(version=2)"


def test_keys_of_a_shared_salt_are_pinned_and_others() -> None:
    shared = derive("correct horse", SALT, shared=True)
    assert shared.root.hex() == "75baa2a9aa2927eae1cf8ca42d4e692503fb00a9dcf3debe18685467647040b1"
    keyring = Keyring("correct horse")
    assert (keyring(SALT, shared=True), keyring(SALT)) == (shared, derive("correct horse", SALT))
    assert shared != keyring(SALT)


@pytest.fixture
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SCRYPT_N", dict.fromkeys(keys.VERSIONS, 2))


@pytest.mark.usefixtures("cheap_scrypt")
def test_roots_differ_by_password_and_photo() -> None:
    secrets = [None, "a", "b", "A", "a ", b"\xff", *map(keys._public_secret, keys.VERSIONS)]
    roots = {
        derive(secret, salt, version).root
        for secret in secrets for salt in (SALT, bytes(32)) for version in keys.VERSIONS
    }  # fmt: skip
    assert len(roots) == 4 * len(secrets)


@pytest.mark.usefixtures("cheap_scrypt")
def test_one_password_however_typed() -> None:
    composed, decomposed = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert derive(composed, SALT) == derive(decomposed, SALT) == derive(composed.encode(), SALT)


@pytest.mark.parametrize("password", ["", b"", "\ud800"])
def test_unusable_passwords_are_refused(password: str | bytes) -> None:
    with pytest.raises(UsageError):
        derive(password, SALT)


def test_salt_size_is_checked() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        derive(None, bytes(16))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 1000, keys._BLOCK, keys._BLOCK + 1])
def test_permutation_is_one(n: int) -> None:
    result = KEYS.permutation("p", n)
    assert result.dtype == np.uint32
    assert np.array_equal(np.sort(result), np.arange(n))


def test_permutation_ignores_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = KEYS.permutation("p", 1000)
    monkeypatch.setattr(keys, "_BLOCK", 7)
    assert np.array_equal(KEYS.permutation("p", 1000), expected)


def test_permutation_is_the_same_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (1, 3, 70_000):
        expected = KEYS.permutation("p", n)
        with monkeypatch.context() as patched:
            patched.setattr(keys, "_WORTH_THREADS", 1)
            assert np.array_equal(KEYS.permutation("p", n), expected)


def test_permutations_are_uniform() -> None:
    """Where each of 16 items lands over 4096 permutations: chi-square, 15 * 15 degrees of freedom."""
    size, trials = 16, 4096
    counts = np.zeros((size, size))
    for trial in range(trials):
        counts[np.arange(size), KEYS.permutation(f"trial {trial}", size)] += 1
    expected = trials / size
    # 391 is 6.5 standard deviations up (Wilson and Hilferty): chance exceeds it with p < 1e-10.
    assert ((counts - expected) ** 2 / expected).sum() < 391


def test_large_permutation_is_scattered() -> None:
    """Neither order nor place survives: rank correlation and fixed points of 100,000 positions."""
    n = 100_000
    result = KEYS.permutation("p", n)
    assert abs(np.corrcoef(np.arange(n), result)[0, 1]) < 6.5 / np.sqrt(n)
    assert np.count_nonzero(result == np.arange(n)) < 15  # Poisson of mean 1


@pytest.mark.parametrize(("other", "purpose"), [(OTHER, "p"), (KEYS, "q")])
def test_other_key_or_purpose_is_unrelated(other: Keys, purpose: str) -> None:
    n = 100_000
    mine, theirs = KEYS.permutation("p", n), other.permutation(purpose, n)
    assert abs(np.corrcoef(mine, theirs)[0, 1]) < 6.5 / np.sqrt(n)
    equal_bits = np.count_nonzero(KEYS.bits("p", n) == other.bits(purpose, n))
    assert abs(equal_bits - n / 2) < 6.5 * np.sqrt(n) / 2


def test_bits_are_the_stream() -> None:
    assert np.packbits(KEYS.bits("p", 800)).tobytes() == KEYS.stream("p", 100)
    assert KEYS.bits("p", 0).size == 0
    assert KEYS.bits("p", 13).tolist() == KEYS.bits("p", 800)[:13].tolist()


@pytest.mark.usefixtures("cheap_scrypt")
def test_a_keyring_derives_once_for_each_salt_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    stretched = []
    stretch = keys._stretch
    monkeypatch.setattr(keys, "_stretch", lambda *each: stretched.append(each) or stretch(*each))
    keyring = Keyring("a password")
    for version in keys.VERSIONS:
        for salt in (SALT, bytes(32), SALT, bytes(32)):
            assert keyring(salt, version) == derive("a password", salt, version)
    assert keyring(SALT) == keyring(SALT, 2)
    stretched.clear()
    for version in keys.VERSIONS:
        keyring(SALT, version)
    assert stretched == []
    assert not keyring.public


def test_a_keyring_without_a_password_is_public() -> None:
    assert Keyring(None).public
    assert Keyring(None)(SALT) == derive(None, SALT)


@pytest.mark.parametrize("password", ["", b"", "\ud800", 7])
def test_a_keyring_refuses_at_once(password: str | bytes) -> None:
    with pytest.raises(UsageError):
        Keyring(password)
