"""The envelope: a payload sealed into bytes that nobody without the keys can tell from random ones.

Layout, version 1 (integers are big-endian):

    salt        16   random
    head box    26   version u8 | flags u8 | body box size u32 | data size u32, and a 16-byte tag
    body box    17+  name size u8 | name in UTF-8 | data, zstd (RFC 8878) if flagged, and a 16-byte tag

Both boxes are ChaCha20-Poly1305 (RFC 8439). Salt and head box keep their form in every version, so an older
stegcinn can tell a newer one's envelope from noise. The body's associated data is the head's plaintext, which
binds it to version, flags and sizes.
"""

from __future__ import annotations

import os
import re
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stegcinn.errors import RevealError, StegcinnError, UsageError
from stegcinn.sealing.keys import KEY_SIZE, Keys

VERSION = 1
FLAG_ZSTD = 1
MAX_PAYLOAD = 1 << 30  # bounds what unsealing can be made to allocate
MAX_NAME = 255  # bytes: what its size field holds, and what common file systems take
MAX_SUFFIX = 32  # bytes; a longer last part is no suffix worth keeping when a name is cut

SALT_SIZE = 16
TAG_SIZE = 16
_HEAD = struct.Struct(">BBII")
HEAD_SIZE = SALT_SIZE + _HEAD.size + TAG_SIZE
OVERHEAD = HEAD_SIZE + 1 + TAG_SIZE

# Safe because each key seals exactly one message: a fresh salt gives every envelope two keys of its own.
_NONCE = bytes(12)
_BOX_LABEL = b"stegcinn v1 envelope head, body"

# Of what zstd would write, the magic number and the content size are 4 to 7 bytes that the head answers for.
_ZSTD_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS
_ZSTD_WINDOW_LOG = 23  # 8 MiB, RFC 8878's recommended limit: decompression allocates no larger history
_ZSTD_EXPANSION = 1 << 15  # a block takes 4 bytes and yields 128 KiB, at the most: no frame grows by more
_ZSTD_BEST_BELOW = 4 << 20  # level 19 takes two seconds for this much text; larger data gets level 6

_RESERVED_CHARACTERS = frozenset('<>:"|?*')
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Payload:
    """A file to hide: its bytes, and a name that is a suggestion only; `unsafe_name` is another that it had before."""

    data: bytes = field(repr=False)
    name: str | None = None
    unsafe_name: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Packed:
    """A payload as envelopes store it: compressed, if that makes it smaller, and under a safe name, if any is left."""

    payload: Payload
    flags: int
    stored: bytes = field(repr=False)
    dropped_name: str | None = None  # that it had, if it had to go for the payload to fit

    @property
    def name(self) -> bytes:
        """The name as it is stored."""
        return (self.payload.name or "").encode()

    @property
    def sealed_size(self) -> int:
        """Bytes of its envelope."""
        return OVERHEAD + len(self.name) + len(self.stored)

    def without_name(self) -> Packed:
        """The same data, to be suggested no name for."""
        return replace(self, payload=replace(self.payload, name=None), dropped_name=self.payload.name)


class _Head(NamedTuple):
    version: int
    flags: int
    body_size: int
    data_size: int


def pack(payload: Payload) -> Packed:
    """Compress a payload and make its name safe, once for all envelopes; data above MAX_PAYLOAD raises UsageError."""
    if len(payload.data) > MAX_PAYLOAD:
        raise UsageError(f"the file has {len(payload.data):,} bytes; at most {MAX_PAYLOAD:,} can be hidden")
    return Packed(_safely_named(payload.data, payload.name or ""), *_stored(payload.data))


def seal(packed: Packed, keys: Keys, *, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """Seal a payload into `packed.sealed_size` bytes.

    `random` must never repeat its bytes, or two envelopes share a keystream.
    """
    body = bytes([len(packed.name)]) + packed.name + packed.stored
    head = _HEAD.pack(VERSION, packed.flags, len(body) + TAG_SIZE, len(packed.payload.data))
    salt = random(SALT_SIZE)
    head_box, body_box = _boxes(keys, salt)
    return salt + head_box.encrypt(_NONCE, head, None) + body_box.encrypt(_NONCE, body, head)


def unseal(stream: bytes, keys: Keys) -> Payload:
    """Open the envelope at the start of `stream`; whatever follows it is ignored.

    Raises RevealError, always the same, unless an authentic and complete envelope is there, and StegcinnError
    if a newer stegcinn sealed it.
    """
    head, body_box = _open_head(stream, keys)
    body = _open(body_box, stream[HEAD_SIZE : HEAD_SIZE + head.body_size], _HEAD.pack(*head))
    if len(body) + TAG_SIZE != head.body_size:  # the stream may end early, and a shorter body be authentic
        raise RevealError
    start = 1 + body[0]
    if start > len(body):
        raise RevealError
    data = _unpack(body[start:], head)
    return _safely_named(data, body[1:start].decode(errors="replace"))


def stream_size(start: bytes, keys: Keys) -> int:
    """How many bytes an envelope has as far as its beginning tells: its head's, or all; errors as for `unseal`."""
    return HEAD_SIZE if len(start) < HEAD_SIZE else HEAD_SIZE + _open_head(start, keys)[0].body_size


def safe_name(name: str) -> str | None:
    """Make a name safe to suggest for a new file on any system, or return None if nothing is left of it.

    Kept is the last path component without leading dots and dashes, trailing dots, outer spaces, control and
    format characters (the ones that reverse text among them) and Windows' reserved characters; its device
    names get an underscore in front. At most MAX_NAME bytes of UTF-8, cut before the suffix.
    """
    last = re.split(r"[/\\]", name)[-1]
    visible = (" " if c.isspace() else c for c in last if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    kept = "".join(c for c in visible if c not in _RESERVED_CHARACTERS)
    safe = _cut(kept.lstrip(" .-").rstrip(" ."))
    if _DEVICE.match(safe):
        safe = _cut("_" + safe)
    return safe or None


def _safely_named(data: bytes, name: str) -> Payload:
    safe = safe_name(name)
    return Payload(data, safe, None if name == (safe or "") else name)


def _cut(name: str) -> str:
    """Shorten a name to MAX_NAME bytes, at a character and before its suffix."""
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    tail = (dot + suffix).encode()
    if not dot or len(tail) > MAX_SUFFIX:
        stem, tail = name, b""
    short = stem.encode()[: MAX_NAME - len(tail)].decode(errors="ignore")
    return (short + tail.decode()).rstrip(" .")


def _boxes(keys: Keys, salt: bytes) -> tuple[ChaCha20Poly1305, ChaCha20Poly1305]:
    """Derive the keys of one envelope's head and body: HKDF-SHA256 of the envelope subkey under the salt."""
    both = HKDF(SHA256(), 2 * KEY_SIZE, salt, _BOX_LABEL).derive(keys.subkey("envelope"))
    return ChaCha20Poly1305(both[:KEY_SIZE]), ChaCha20Poly1305(both[KEY_SIZE:])


def _open(box: ChaCha20Poly1305, sealed: bytes, associated: bytes | None) -> bytes:
    """Decrypt one box, or raise RevealError."""
    try:
        return box.decrypt(_NONCE, sealed, associated)
    except InvalidTag:
        raise RevealError from None


def _open_head(stream: bytes, keys: Keys) -> tuple[_Head, ChaCha20Poly1305]:
    """Return the authentic head and the box that opens the body; errors as for `unseal`."""
    head_box, body_box = _boxes(keys, stream[:SALT_SIZE])
    head = _Head(*_HEAD.unpack(_open(head_box, stream[SALT_SIZE:HEAD_SIZE], None)))
    if head.version > VERSION:
        raise StegcinnError(f"a newer stegcinn hid this payload (format {head.version}): upgrade to read it")
    if (
        head.version < VERSION
        or head.flags not in (0, FLAG_ZSTD)
        or not 1 + TAG_SIZE <= head.body_size <= 1 + MAX_NAME + MAX_PAYLOAD + TAG_SIZE
        or head.data_size > MAX_PAYLOAD
    ):
        raise RevealError
    return head, body_box


def _stored(data: bytes) -> tuple[int, bytes]:
    """Return the flags and the stored form of the data: compressed only where that is smaller."""
    if len(zstandard.ZstdCompressor(level=1).compress(data)) >= len(data):
        return 0, data  # as most files people hide: not worth the time of a better level
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19 if len(data) < _ZSTD_BEST_BELOW else 6,
        source_size=len(data),
        format=_ZSTD_FORMAT,
        write_content_size=False,
    )
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    return (FLAG_ZSTD, packed) if len(packed) < len(data) else (0, data)


def _unpack(stored: bytes, head: _Head) -> bytes:
    """Undo `_stored`, never past the head's data size plus one byte; RevealError if the size is another."""
    data = stored
    if head.flags & FLAG_ZSTD:
        if head.data_size > _ZSTD_EXPANSION * len(stored):
            raise RevealError  # before memory is set aside for a size that nothing stands behind
        decompressor = zstandard.ZstdDecompressor(format=_ZSTD_FORMAT, max_window_size=1 << _ZSTD_WINDOW_LOG)
        try:
            # Not decompress(): it would allocate whatever content size the frame claims.
            data = decompressor.stream_reader(stored).read(head.data_size + 1)
        except zstandard.ZstdError:
            raise RevealError from None
    if len(data) != head.data_size:
        raise RevealError
    return data
