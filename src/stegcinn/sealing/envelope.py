"""The envelope: a payload as uniform bytes that only the right keys can open.

    salt (8) | head (4) | box (16 + ...)
    head: flags, size of the box        box: [size of the data] [name] stored data

Salt and box are HKDF's and ChaCha20-Poly1305's (RFC 5869, RFC 8439); the head is exclusive-or a piece of HKDF's output,
and is the box's associated data. It is no more authentic than the box: whoever reads it learns only how far to read.

Envelopes of format version 1 are still opened: salt (16), a box around the head (26), and the body's box.
"""

from __future__ import annotations

import os
import re
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple, Protocol

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stegcinn.errors import RevealError, UsageError
from stegcinn.sealing.keys import KEY_SIZE, Keys

MAX_PAYLOAD = 1 << 30  # bounds what unsealing can be made to allocate
MAX_NAME = 255  # bytes: what its size field holds, and what common file systems take
MAX_SUFFIX = 32  # bytes; a longer last part is no suffix worth keeping when a name is cut

SALT_SIZE = 8  # a salt comes again once in 2**32 envelopes under one password in one carrier
TAG_SIZE = 16
_U32 = struct.Struct(">I")
HEAD_SIZE = SALT_SIZE + _U32.size
OVERHEAD = HEAD_SIZE + TAG_SIZE
ZSTD = 1 << 31  # flags of the head; the other bits are the size of the box
NAMED = 1 << 30
SHARE = 1 << 29
_MAX_BOX = SHARE - 1

# Safe because each key seals exactly one message: a fresh salt gives every envelope a key of its own.
_NONCE = bytes(12)
_LABEL = b"stegcinn v2 envelope"

# Of format version 1.
_HEAD_1 = struct.Struct(">BBII")
_SALT_SIZE_1 = 16
_HEAD_SIZE_1 = _SALT_SIZE_1 + _HEAD_1.size + TAG_SIZE
_LABEL_1 = b"stegcinn v1 envelope head, body"

# Of what zstd would write, the magic number and the content size are 4 to 7 bytes that the head answers for.
_ZSTD_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS
_ZSTD_WINDOW_LOG = 23  # 8 MiB, RFC 8878's recommended limit: decompression allocates no larger history
_ZSTD_EXPANSION = 1 << 15  # a block takes 4 bytes and yields 128 KiB, at the most: no frame grows by more
_ZSTD_BEST_BELOW = 4 << 20  # level 19 takes two seconds for this much text; larger data gets level 6

_RESERVED_CHARACTERS = frozenset('<>:"|?*')
_JOINERS = "\u200c\u200d"  # part of Persian and Indic words, and of emoji; elsewhere nobody sees them
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a symbol that show as one
_UNSEEN = re.compile("[\u2065\ufff0-\ufff8\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]")  # kept for what shows nothing
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Payload:
    """A file to hide: its bytes, and a name that is a suggestion only; `unsafe_name` is another that it had before.

    `share`: whether it is one of those that `sharing` makes of a file, and has no name.
    """

    data: bytes = field(repr=False)
    name: str | None = None
    unsafe_name: str | None = field(default=None, repr=False, compare=False)
    share: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class Packed:
    """A payload as envelopes store it: compressed, if that makes it smaller, and under a safe name, if any is left."""

    payload: Payload
    compressed: bool
    stored: bytes = field(repr=False)
    dropped_name: str | None = None  # that it had, if it had to go for the payload to fit

    @property
    def name(self) -> bytes:
        """The name as it is stored."""
        return (self.payload.name or "").encode()

    @property
    def contents_size(self) -> int:
        """Bytes that are sealed: those of its envelope but for what that adds."""
        return self.size_field + self.name_field + len(self.stored)

    @property
    def size_field(self) -> int:
        """Bytes that tell the size of data that are not stored as they are."""
        return _U32.size if self.compressed else 0

    @property
    def name_field(self) -> int:
        """Bytes that the name takes."""
        return 1 + len(self.name) if self.name else 0

    @property
    def flags(self) -> int:
        """As a head tells them."""
        return ZSTD * self.compressed + NAMED * bool(self.name) + SHARE * self.payload.share

    @property
    def body(self) -> bytes:
        """What is in the box: the size of the data, the name, the stored data."""
        data_size = _U32.pack(len(self.payload.data)) if self.compressed else b""
        name = bytes([len(self.name)]) + self.name if self.name else b""
        return data_size + name + self.stored

    def without_name(self) -> Packed:
        """The same data, to be suggested no name for."""
        return replace(self, payload=replace(self.payload, name=None), dropped_name=self.payload.name)


class Envelope(Protocol):
    """A kind of envelope: this module, or another one."""

    OVERHEAD: int  # bytes that it adds to the contents

    def seal(self, packed: Packed, keys: Keys) -> bytes:
        """Seal a payload into `OVERHEAD + packed.contents_size` bytes."""

    def unseal(self, stream: bytes, keys: Keys) -> Payload:
        """Open what was sealed; RevealError, always the same, unless it is authentic."""

    def stream_size(self, start: bytes, keys: Keys) -> int:
        """How many bytes it has as far as its beginning tells."""


class _Head(NamedTuple):
    """What the beginning of an envelope tells."""

    size: int  # bytes before the box
    box_size: int
    box: ChaCha20Poly1305
    associated: bytes
    flags: int
    data_size: int | None  # in the box where it is None


def pack(payload: Payload) -> Packed:
    """Compress a payload and make its name safe, once for all envelopes; UsageError for more than can be stored."""
    if len(payload.data) > MAX_PAYLOAD:
        raise UsageError(f"the file has {len(payload.data):,} bytes; at most {MAX_PAYLOAD:,} can be hidden")
    if payload.share:  # which is stored as it is
        packed = Packed(payload, False, payload.data)
    else:
        packed = Packed(_safely_named(payload.data, payload.name or ""), *_stored(payload.data))
    if OVERHEAD + packed.contents_size > _MAX_BOX:
        raise UsageError(f"the file has {len(payload.data):,} bytes that hardly compress; hide a smaller one")
    return packed


def seal(packed: Packed, keys: Keys, *, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """Seal a payload into `OVERHEAD + packed.contents_size` bytes.

    `random` must never repeat its bytes, or two envelopes share a keystream.
    """
    body = packed.body
    head, salt = _U32.pack(packed.flags + len(body) + TAG_SIZE), random(SALT_SIZE)
    box, mask = _box(keys, salt)
    return salt + _xor(head, mask) + box.encrypt(_NONCE, body, head)


def unseal(stream: bytes, keys: Keys) -> Payload:
    """Open the envelope at the start of `stream`; whatever follows it is ignored.

    Raises RevealError, always the same, unless an authentic and complete envelope is there.
    """
    head = _head(stream, keys)
    body = _open(head.box, stream[head.size : head.size + head.box_size], head.associated)
    if len(body) + TAG_SIZE != head.box_size:  # the stream may end early, and a shorter body be authentic
        raise RevealError
    return unpack(body, head.flags, head.data_size)


def unpack(body: bytes, flags: int, data_size: int | None = None) -> Payload:
    """The payload in what `Packed.body` made, with its flags; RevealError if that is malformed.

    `data_size`: of the data, where the body does not tell.
    """
    if flags & SHARE:
        return Payload(body, share=True)
    at, name = 0, b""
    compressed = bool(flags & ZSTD)
    if compressed and data_size is None:
        (data_size,) = _U32.unpack(body[: _U32.size].ljust(_U32.size, b"\0"))
        at = _U32.size
    if flags & NAMED:
        start, at = at + 1, at + 1 + sum(body[at : at + 1])
        name = body[start:at]
    if at > len(body):
        raise RevealError
    data = _decompressed(body[at:], data_size) if compressed and data_size is not None else body[at:]
    if data_size not in (None, len(data)):
        raise RevealError
    return _safely_named(data, name.decode(errors="replace"))


def stream_size(start: bytes, keys: Keys) -> int:
    """How many bytes an envelope has as far as its beginning tells: its head's, or all; errors as for `unseal`."""
    size = _head_size(keys)
    if len(start) < size:
        return size
    head = _head(start, keys)
    return head.size + head.box_size


def safe_name(name: str) -> str | None:
    """Make a name safe to suggest for a new file on any system, or return None if nothing to be seen is left of it.

    Kept is the last path component without leading dots, dashes and marks, trailing dots, outer blanks and those
    before a suffix, control and format characters (the ones that reverse text among them; joiners stay between letters
    or emoji) and Windows' reserved characters; its device names get an underscore in front. At most MAX_NAME bytes of
    UTF-8, cut before the suffix.
    """
    shown = [c for c in re.split(r"[/\\]", name)[-1] if c in _JOINERS or _is_shown(c)]
    kept = ""
    for c, following in pairwise([*shown, ""]):
        if c not in _JOINERS:
            kept += " " if c.isspace() or c in _BLANKS else c
        elif kept and _may_be_joined(kept[-1]) and _may_be_joined(following) and following not in _BLANKS:
            kept += c
    start = next((i for i, c in enumerate(kept) if _may_begin(c)), len(kept))
    safe = _cut(kept[start:].rstrip(" ."))
    if _DEVICE.match(safe):
        safe = _cut("_" + safe)
    return safe or None


def _safely_named(data: bytes, name: str) -> Payload:
    safe = safe_name(name)
    return Payload(data, safe, None if name == (safe or "") else name)


def _is_shown(c: str) -> bool:
    hidden = unicodedata.category(c) in ("Cc", "Cf", "Cs") or _UNSEEN.match(c)
    return not hidden and c not in _RESERVED_CHARACTERS


def _may_begin(c: str) -> bool:
    """Not what hides a file or looks like an option, nor marks, which show nothing or go with what stands before."""
    return c not in " .-" + _JOINERS and unicodedata.category(c) not in ("Mn", "Me")


def _may_be_joined(c: str) -> bool:
    """Letters, marks, and the symbols that emoji are, with the tones of their skin."""
    return bool(c) and unicodedata.category(c) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "So", "Sk")


def _cut(name: str) -> str:
    """Shorten a name to MAX_NAME bytes, at a character and before its suffix, and take blanks away from there."""
    stem, dot, suffix = name.rpartition(".")
    tail = dot + suffix
    if not dot or len(tail.encode()) > MAX_SUFFIX:
        stem, tail = name, ""
    short = stem.encode()[: MAX_NAME - len(tail.encode())].decode(errors="ignore")
    return short.rstrip((" " if tail else " .") + _JOINERS) + tail


def _box(keys: Keys, salt: bytes) -> tuple[ChaCha20Poly1305, bytes]:
    """The box of one envelope, and what masks its head: HKDF-SHA256 of the envelope subkey under the salt."""
    both = HKDF(SHA256(), KEY_SIZE + _U32.size, salt, _LABEL).derive(keys.subkey("envelope"))
    return ChaCha20Poly1305(both[:KEY_SIZE]), both[KEY_SIZE:]


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def _open(box: ChaCha20Poly1305, sealed: bytes, associated: bytes | None) -> bytes:
    """Decrypt one box, or raise RevealError."""
    try:
        return box.decrypt(_NONCE, sealed, associated)
    except InvalidTag:
        raise RevealError from None


def _head_size(keys: Keys) -> int:
    return _HEAD_SIZE_1 if keys.version == 1 else HEAD_SIZE


def _head(stream: bytes, keys: Keys) -> _Head:
    """What the stream begins with, if that is a whole head of a possible envelope; else RevealError."""
    if len(stream) < _head_size(keys):
        raise RevealError
    if keys.version == 1:
        return _head_1(stream, keys)
    box, mask = _box(keys, stream[:SALT_SIZE])
    head = _xor(stream[SALT_SIZE:HEAD_SIZE], mask)
    (word,) = _U32.unpack(head)
    flags, size = word & ~_MAX_BOX, word & _MAX_BOX
    if size < TAG_SIZE + (_U32.size if flags & ZSTD else 0) + bool(flags & NAMED):
        raise RevealError
    if flags & SHARE and flags != SHARE:
        raise RevealError
    return _Head(HEAD_SIZE, size, box, head, flags, None)


def _head_1(stream: bytes, keys: Keys) -> _Head:
    """The head of format version 1, which is authentic by itself."""
    both = HKDF(SHA256(), 2 * KEY_SIZE, stream[:_SALT_SIZE_1], _LABEL_1).derive(keys.subkey("envelope"))
    head = _open(ChaCha20Poly1305(both[:KEY_SIZE]), stream[_SALT_SIZE_1:_HEAD_SIZE_1], None)
    version, flags, size, data_size = _HEAD_1.unpack(head)
    if (
        version != 1
        or flags not in (0, 1)
        or not 1 + TAG_SIZE <= size <= 1 + MAX_NAME + MAX_PAYLOAD + TAG_SIZE
        or data_size > MAX_PAYLOAD
    ):
        raise RevealError
    return _Head(_HEAD_SIZE_1, size, ChaCha20Poly1305(both[KEY_SIZE:]), head, NAMED + ZSTD * flags, data_size)


def _stored(data: bytes) -> tuple[bool, bytes]:
    """Whether the data are compressed, which they are only where that is smaller, and their stored form."""
    if len(zstandard.ZstdCompressor(level=1).compress(data)) >= len(data):
        return False, data  # as most files people hide: not worth the time of a better level
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19 if len(data) < _ZSTD_BEST_BELOW else 6,
        source_size=len(data),
        format=_ZSTD_FORMAT,
        write_content_size=False,
    )
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    return (True, packed) if len(packed) + _U32.size < len(data) else (False, data)


def _decompressed(stored: bytes, size: int) -> bytes:
    """What was stored as `size` bytes of data, never past them plus one."""
    if size > min(MAX_PAYLOAD, _ZSTD_EXPANSION * len(stored)):
        raise RevealError  # before memory is set aside for a size that nothing stands behind
    decompressor = zstandard.ZstdDecompressor(format=_ZSTD_FORMAT, max_window_size=1 << _ZSTD_WINDOW_LOG)
    try:
        # Not decompress(): it would allocate whatever content size the frame claims.
        return decompressor.stream_reader(stored).read(size + 1)
    except zstandard.ZstdError:
        raise RevealError from None
