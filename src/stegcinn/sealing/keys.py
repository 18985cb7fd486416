"""Keys of one photo: whatever the format permutes, whitens or seals with is derived here.

Password -> scrypt (RFC 7914) -> HKDF-SHA256 (RFC 5869) -> root -> one subkey per purpose -> ChaCha20 keystream
(RFC 8439). The salt of the first two steps is found in the carrier, which hiding leaves as it was in that: the receiver
computes it before reading anything, so no salt is carried.

Keys belong to a version of the container format. They are different ones for each, so what opens with a version's keys
was written by that version: nothing in a container tells it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from stegcinn.errors import UsageError

KEY_SIZE = 32

VERSION = 2  # of the container format, that writers use
VERSIONS = (2, 1)  # that readers try, in this order

# Fixed by the format, as nothing is readable before the password is stretched. Memory is 128 * N * r = 128 MiB (64 in
# version 1); one guess costs 0.36 s of one core (0.18; docs/decisions/sealing.md).
SCRYPT_N = {1: 1 << 16, 2: 1 << 17}
SCRYPT_R = 8
SCRYPT_P = 1

# Of codecs whose carriers all have the same salt, so that one guess serves for all containers of a password: 256 MiB,
# and 1.3 s of one core.
SHARED_N, SHARED_P = 1 << 18, 2

# RFC 8439's 32-bit block counter and 96-bit nonce, all zero: a subkey has one keystream, read from its start.
_COUNTER_AND_NONCE = bytes(16)

_BLOCK = 1 << 16  # words generated at a time; the result does not depend on it
_WORTH_THREADS = 1 << 18  # words: fewer are sorted by one
_RUNS = 8

RandomBytes = Callable[[int], bytes]  # n -> n uniform bytes: os.urandom when hiding, a keyed stream when rehearsing


@dataclass(frozen=True)
class Keys:
    """Source of every key for one carrier, password and format version; use a purpose once: it has one keystream."""

    root: bytes = field(repr=False)
    version: int = VERSION

    def subkey(self, purpose: str) -> bytes:
        """Derive the 32-byte key of `purpose`: HKDF-Expand (RFC 5869, 2.3) of the root, which is uniform."""
        return HKDFExpand(SHA256(), KEY_SIZE, _label(self.version, f"subkey {purpose}")).derive(self.root)

    def stream(self, purpose: str, n: int) -> bytes:
        """Return the first `n` bytes of the purpose's keystream."""
        return _keystream(self.subkey(purpose)).update(bytes(n))

    def masked(self, data: bytes, purpose: str) -> bytes:
        """`data` exclusive-or the purpose's keystream; its own inverse."""
        return _keystream(self.subkey(purpose)).update(data)

    def bits(self, purpose: str, n: int) -> npt.NDArray[np.uint8]:
        """Return `n` zeros and ones: the purpose's keystream, the most significant bit of each byte first."""
        return np.unpackbits(np.frombuffer(self.stream(purpose, (n + 7) // 8), np.uint8), count=n)

    def permutation(self, purpose: str, n: int) -> npt.NDArray[np.uint32]:
        """Return a permutation of range(n), n at most 2**32; peak memory is 12 bytes per position.

        It is the order of n little-endian 64-bit words of keystream, each with its low bits replaced by its
        own index. The words are thus distinct, so every correct sort, on any machine and in any release of
        NumPy, gives the same order. The 64 - log2(n) bits left to chance coincide for few pairs (about 4000
        among 48 million words), and only those keep their order.
        """
        mask = np.uint64((1 << max(n - 1, 0).bit_length()) - 1)
        keystream = _keystream(self.subkey(purpose))
        words = np.empty(n, np.uint64)
        for start in range(0, n, _BLOCK):
            stop = min(start + _BLOCK, n)
            chance = np.frombuffer(keystream.update(bytes(8 * (stop - start))), "<u8")
            words[start:stop] = (chance & ~mask) | np.arange(start, stop, dtype=np.uint64)
        if n < _WORTH_THREADS:
            words.sort()
        else:
            with ThreadPoolExecutor() as pool:
                list(pool.map(np.ndarray.sort, np.array_split(words, _RUNS)))
            words.sort(kind="stable")  # which merges sorted runs
        words &= mask
        return words.astype(np.uint32)


class Keystream:
    """The purpose's keystream read piece by piece: a reproducible stand-in for the system's random bytes."""

    def __init__(self, keys: Keys, purpose: str) -> None:
        self._cipher = _keystream(keys.subkey(purpose))

    def __call__(self, n: int) -> bytes:
        """Return the next `n` bytes."""
        return self._cipher.update(bytes(n))


class Keyring:
    """The keys under one password, derived once for each salt and version; UsageError as `derive` raises it."""

    def __init__(self, password: str | bytes | None) -> None:
        self._password = None if password is None else _password_bytes(password)
        self._keys: dict[tuple[bytes, int, bool], Keys] = {}

    @property
    def public(self) -> bool:
        """Whether there is no password, so that anyone has the keys."""
        return self._password is None

    def __call__(self, salt: bytes, version: int = VERSION, *, shared: bool = False) -> Keys:
        """The keys for a salt, see `derive`."""
        which = salt, version, shared
        if which not in self._keys:
            self._keys[which] = derive(self._password, salt, version, shared=shared)
        return self._keys[which]


def derive(password: str | bytes | None, salt: bytes, version: int = VERSION, *, shared: bool = False) -> Keys:
    """Derive the keys of a carrier that has the 32-byte `salt`, see `codecs.base.Codec.salt`.

    With a password this takes 0.36 s and 128 MiB, more where carriers share the salt; without one the keys are public.
    An empty password or one that is not Unicode text raises UsageError, a salt of another size ValueError.
    """
    if len(salt) != KEY_SIZE:
        raise ValueError(f"salt must be {KEY_SIZE} bytes, not {len(salt)}")
    secret = _public_secret(version) if password is None else _stretch(_password_bytes(password), salt, version, shared)
    return Keys(HKDF(SHA256(), KEY_SIZE, salt, _label(version, "root")).derive(secret), version)


def _label(version: int, purpose: str) -> bytes:
    return f"stegcinn v{version} {purpose}".encode()


def _public_secret(version: int) -> bytes:
    """Stands where scrypt's output would.

    Without a password the keys depend on the carrier alone, and anyone who reads this file can derive them. That
    whitens the embedded bytes and protects nothing.
    """
    return f"stegcinn v{version}: no password, no secrecy".encode()


def _password_bytes(password: str | bytes) -> bytes:
    """Encode a password as the UTF-8 of its NFC form; bytes are taken as they are."""
    if isinstance(password, str):
        try:
            # One system's keyboard enters "é" as one code point, another's as "e" and an accent. NFC makes
            # them one password, and Unicode promises that NFC of assigned characters never changes.
            password = unicodedata.normalize("NFC", password).encode()
        except UnicodeEncodeError:
            raise UsageError("the password is not valid Unicode text") from None
    elif not isinstance(password, bytes):
        raise UsageError(f"the password must be text, not {type(password).__name__}")
    if not password:
        raise UsageError("the password is empty, which would protect nothing: give one, or none at all")
    return password


def _stretch(password: bytes, salt: bytes, version: int, shared: bool = False) -> bytes:
    """Make guessing expensive: 32 bytes of scrypt."""
    n, p = (SHARED_N, SHARED_P) if shared else (SCRYPT_N[version], SCRYPT_P)
    return Scrypt(salt=salt, length=KEY_SIZE, n=n, r=SCRYPT_R, p=p).derive(password)


def _keystream(key: bytes) -> CipherContext:
    """Start the key's ChaCha20 keystream; encrypting zeros reads it."""
    return Cipher(ChaCha20(key, _COUNTER_AND_NONCE), mode=None).encryptor()
