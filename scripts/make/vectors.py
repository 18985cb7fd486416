"""Make the test vectors of format version 2 that are missing: tests/format/vectors/*.json and images.

python scripts/make/vectors.py

A vector that exists is never made again: it has to be readable as it is, for ever. Those whose names do not begin with
"v2" are of version 1, which is no longer written. Every negative vector holds one fault and is named after the layer
that must refuse it. Hosts are drawn here, so that nobody's photo is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESSIV, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from PIL import Image

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Colors, Wish, silent
from stegcinn.codecs.cinn import codec as cinn
from stegcinn.codecs.exact import codec as exact
from stegcinn.codecs.exact.header import HEADER_SIZE, LAST_PHASE, Header, Load
from stegcinn.codecs.robust import codec as robust
from stegcinn.codecs.stealth import header as stealth_header
from stegcinn.codecs.stealth import moves
from stegcinn.coding import convolution, layerheader, ldpc
from stegcinn.colourmodel import networks
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import compact, envelope, sharing
from stegcinn.sealing.envelope import NAMED, SHARE, ZSTD, Payload
from stegcinn.sealing.keys import VERSION, Keyring, Keys

VECTORS = Path(__file__).parents[2] / "tests" / "format" / "vectors"
PASSWORD = "for ever and a day, 永遠"
ROOT = Keys(hashlib.sha256(b"stegcinn vectors").digest())
NAME = "note.txt"
TEXT = b"all work and no play " * 100


def data(size: int) -> bytes:
    """Bytes that do not compress."""
    return hashlib.shake_256(b"stegcinn vectors").digest(size)


def host(height: int, width: int, depth: int = 10, grain: int = 13) -> UInt8:
    """Coloured waves under a texture, in integers only."""
    y, x = np.mgrid[:height, :width]
    waves = [np.abs((3 * x + 2 * y) % 160 - 80), np.abs((x - 3 * y) % 190 - 95), np.abs((2 * x + 5 * y) % 240 - 120)]
    texture = [(x * x * 7 + y * y * 3 + x * y * 5 + c * (x + y)) // 3 % grain for c in range(3)]
    return np.stack([40 + w * depth // 10 + t for w, t in zip(waves, texture, strict=True)], axis=-1).astype(np.uint8)


def rounded(height: int, width: int, reach: int) -> UInt8:
    """Opacity that fades towards the corners, which are fully transparent beyond a distance from the middle."""
    y, x = np.mgrid[:height, :width]
    distance = np.sqrt((2 * y - height + 1) ** 2 + (2 * x - width + 1) ** 2).astype(np.int64) // 2
    return np.clip(64 * (reach - distance), 0, 255).astype(np.uint8)


# envelopes


def forged(body: bytes, *, flags: int = 0, size: int | None = None, key: Keys = ROOT) -> bytes:
    """Any head around any body, sealed as somebody who has the keys could; `size` that its head tells of the box."""
    salt = hashlib.sha256(body).digest()[:8]
    both = HKDF(SHA256(), 36, salt, b"stegcinn v2 envelope").derive(key.subkey("envelope"))
    head = struct.pack(">I", flags + (len(body) + 16 if size is None else size))
    masked = bytes(a ^ b for a, b in zip(head, both[32:], strict=True))
    return salt + masked + ChaCha20Poly1305(both[:32]).encrypt(bytes(12), body, head)


def frame(plain: bytes, window_log: int = 20) -> bytes:
    """A zstd frame without magic number and content size."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, window_log=window_log, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(plain)


def told(size: int) -> bytes:
    """A size as a box has it."""
    return struct.pack(">I", size)


def flipped(stream: bytes, at: int, bit: int = 1) -> bytes:
    """The same with one bit turned over."""
    return stream[:at] + bytes([stream[at] ^ bit]) + stream[at + 1 :]


def envelopes() -> Iterator[dict[str, Any]]:
    """All envelopes: `opens` to a payload, or refused at `layer`."""
    good = envelope.seal(envelope.pack(Payload(data(100), NAME)), ROOT)
    nameless = envelope.seal(envelope.pack(Payload(data(100))), ROOT)
    for name, payload in (
        ("plain", Payload(data(100), NAME)),
        ("nameless", Payload(data(1))),
        ("empty", Payload(b"")),
        ("compressed", Payload(TEXT, "größe.txt")),
        ("compressed-nameless", Payload(TEXT)),
    ):
        yield _opens(name, envelope.seal(envelope.pack(payload), ROOT), payload)
    yield _opens("followed-by-filling", good + data(50), Payload(data(100), NAME))
    long = Payload(b"x", "n" * 255)
    yield _opens("longest-name", forged(b"\xff" + b"n" * 255 + b"x", flags=NAMED), long)
    yield _opens("shortest-name", forged(b"\0abc", flags=NAMED), Payload(b"abc"))
    refused = {
        "too-short": ("envelope", good[:11]),
        "head-salt": ("box", flipped(good, 0)),
        "head-size": ("box", flipped(good, 11)),
        "head-zstd": ("box", flipped(good, 8, 0x80)),
        "head-named": ("box", flipped(good, 8, 0x40)),
        "head-size-small": ("sizes", forged(b"abc", size=15)),
        "head-size-small-zstd": ("sizes", forged(b"abc", flags=ZSTD, size=19)),
        "head-size-small-named": ("sizes", forged(b"abc", flags=NAMED, size=16)),
        "head-size-small-both": ("sizes", forged(b"abcde", flags=NAMED + ZSTD, size=20)),
        "head-share-zstd": ("flags", forged(told(3) + b"abc", flags=SHARE + ZSTD)),
        "head-share-named": ("flags", forged(b"\0abc", flags=SHARE + NAMED)),
        "head-share": ("box", flipped(nameless, 8, 0x20)),
        "head-size-large": ("box", forged(b"abc", size=(1 << 30) - 1)),
        "box-text": ("box", flipped(good, 12)),
        "box-tag": ("box", flipped(good, len(good) - 1)),
        "box-cut-short": ("box", good[:-1]),
        "box-shorter-than-told": ("box", forged(b"abc", size=20)),
        "box-longer-than-told": ("box", forged(b"abc", size=18)),
        "box-of-another": ("box", good[:12] + envelope.seal(envelope.pack(Payload(data(100), NAME)), ROOT)[12:]),
        "name-beyond-end": ("name", forged(b"\x04abc", flags=NAMED)),
        "name-missing": ("name", forged(b"\x01", flags=NAMED)),
        "zstd-garbage": ("zstd", forged(told(3) + data(40), flags=ZSTD)),
        "zstd-with-magic": ("zstd", forged(told(1000) + zstandard.compress(bytes(1000)), flags=ZSTD)),
        "zstd-fewer": ("data size", forged(told(1001) + frame(bytes(1000)), flags=ZSTD)),
        "zstd-more": ("data size", forged(told(999) + frame(bytes(1000)), flags=ZSTD)),
        "zstd-bomb": ("data size", forged(told(1000) + frame(bytes(1 << 21)), flags=ZSTD)),
        "zstd-claim": ("zstd", forged(told(1 << 30) + frame(b""), flags=ZSTD)),
        "zstd-window": ("zstd", forged(told(1 << 25) + frame(bytes(1 << 25), 24), flags=ZSTD)),
    }  # fmt: skip
    for name, (layer, stream) in refused.items():
        yield {**_envelope(name, stream), "layer": layer}


def _opens(name: str, stream: bytes, payload: Payload) -> dict[str, Any]:
    return {**_envelope(name, stream), "opens": _told(payload)}


def _envelope(name: str, stream: bytes) -> dict[str, Any]:
    return {"name": f"v2-{name}", "version": VERSION, "root": ROOT.root.hex(), "stream": stream.hex()}


def _told(payload: Payload) -> dict[str, Any]:
    digest = hashlib.sha256(payload.data).hexdigest()
    return {"name": payload.name, "bytes": len(payload.data), "sha256": digest}


# containers


def painted(codec: str, rgb: UInt8, make: Callable[[Keys], bytes]) -> UInt8:
    """A host with any stream in its colours."""
    key = keys_of(codec, rgb)
    return load_codec(codec).embed(Photo(rgb), make(key), key, Wish("keep"), silent).carrier.rgb


def keys_of(codec: str, rgb: UInt8) -> Keys:
    """What a codec hides in a host with."""
    return Keyring(PASSWORD)(load_codec(codec).salt(Photo(rgb)))


@dataclass(frozen=True)
class Good:
    """A container that must reveal."""

    codec: str
    payload: Payload
    host: UInt8
    colors: Colors = "keep"
    password: str | None = PASSWORD

    def made(self) -> UInt8:
        """Its pixels."""
        return carried(self.codec, self.payload, self.host, self.colors, self.password)


def carried(
    codec: str, payload: Payload, pixels: UInt8, colors: Colors = "keep", password: str | None = PASSWORD
) -> UInt8:
    """A good container."""
    container = stego.conceal(Source(pixels), payload, password=password, codec=codec, wish=Wish(colors))
    return np.array(container)


def named(size: int) -> Payload:
    """One of so many bytes."""
    return Payload(data(size), NAME)


SMALL = 64, 64
CORNERS = np.dstack([host(72, 66), rounded(72, 66, 40)])
GOOD = {
    "stealth": Good("stealth", named(100), host(*SMALL)),
    "stealth-public": Good("stealth", named(200), host(64, 66), password=None),
    "stealth-empty": Good("stealth", Payload(b""), host(*SMALL)),
    "stealth-compressed": Good("stealth", Payload(TEXT, NAME), host(*SMALL)),
    "stealth-segments": Good("stealth", named(1800), host(71, 613, grain=6)),
    "stealth-transparent": Good("stealth", named(100), CORNERS),
    "exact": Good("exact", named(300), host(*SMALL)),
    "exact-public": Good("exact", named(200), host(64, 66), password=None),
    "exact-empty": Good("exact", Payload(b""), host(*SMALL)),
    "exact-compressed": Good("exact", Payload(TEXT), host(*SMALL)),
    "exact-generated": Good("exact", named(500), host(65, 79), "generate"),
    "exact-tiles": Good("exact", named(12_000), host(64, 283)),
    "exact-calm": Good("exact", named(2000), host(70, 67, 3, 2)),
    "exact-transparent": Good("exact", named(300), CORNERS),
    "exact-transparent-generated": Good("exact", named(300), CORNERS, "generate"),
    "cinn-keep": Good("cinn", named(300), host(*SMALL)),
    "cinn-generate": Good("cinn", named(100), host(67, 70), "generate"),
    "cinn-public": Good("cinn", named(20), host(*SMALL), password=None),
    "cinn-tiles": Good("cinn", named(600), host(64, 516, grain=4)),
    "cinn-transparent": Good("cinn", named(50), CORNERS),
}
WHITE = ("stealth-transparent", "exact-transparent", "cinn-transparent")


def good_containers() -> Iterator[tuple[str, dict[str, Any], Callable[[], bytes]]]:
    """Name, facts and bytes of every container that must reveal."""
    for name, good in GOOD.items():
        facts = {"version": VERSION, "codec": good.codec, "password": good.password, "opens": _told(good.payload)}
        made = cache(good.made)
        yield f"v2-{name}", facts, lambda made=made: _png(made())
        if name in WHITE:
            yield f"v2-{name}-white", facts, lambda made=made: _png(whitened(made()))


def whitened(pixels: UInt8) -> UInt8:
    """What programs make of it that save space."""
    bare = pixels.copy()
    bare[pixels[..., 3] == 0, :3] = 255
    return bare


def bad_containers() -> Iterator[tuple[str, dict[str, Any], Callable[[], bytes]]]:
    """Name, facts and bytes of every container that must be refused."""
    payload, original = named(50), host(*SMALL)

    def sealed(key: Keys) -> bytes:
        return envelope.seal(envelope.pack(payload), key)

    def compactly(key: Keys) -> bytes:
        return compact.seal(envelope.pack(payload), key)

    def luma_altered(codec: str) -> UInt8:
        rgb = carried(codec, payload, original)
        rgb[0, 0] += 1  # all three channels: one gray level more
        assert luma_of(rgb)[0, 0] == luma_of(original)[0, 0] + 1
        return rgb

    def alpha_altered(codec: str) -> UInt8:
        rgba = carried(codec, payload, CORNERS)
        rgba[36, 33, 3] = 0  # in the middle
        return rgba

    def stream_short(codec: str) -> UInt8:
        if load_codec(codec).envelope is compact:
            return painted(codec, original, lambda key: compactly(key)[:-1])
        return painted(codec, original, lambda key: forged(b"abc", size=9000, key=key))

    def exact_mask(change: Callable[..., bytes]) -> UInt8:
        """A header that is masked in another way; `change` gets the right way and what is to be masked."""
        mask = exact.mask
        with mock.patch.object(exact, "mask", lambda *header: change(mask, *header)):
            return painted("exact", original, sealed)

    def exact_colour() -> UInt8:
        """One pixel of the last step, and none of the header's, is the host's own again: other colours, same luma."""
        rgb, codec = carried("exact", Payload(data(1000)), original), load_codec("exact")
        assert isinstance(codec, exact.ExactCodec)
        every = np.ones(rgb.shape[:2], np.bool_)
        header = Header(codec.model, rgb, luma_of(rgb), every, keys_of("exact", rgb))
        header.absorb(codec._tables(0))
        pixels, before = (networks.plane(image, *LAST_PHASE) for image in (rgb, original))
        place = np.argwhere((pixels != before).any(axis=-1) & ~header.used())[0]
        pixels[tuple(place)] = before[tuple(place)]
        return rgb

    def cinn_code() -> UInt8:
        rgb = carried("cinn", Payload(data(300)), original)
        rgb[:32] = original[:32]
        return rgb

    def cinn_rate() -> UInt8:
        patterns = cinn._rate_patterns
        with mock.patch.object(cinn, "_rate_patterns", lambda key: np.roll(patterns(key), 3, axis=0)):
            return painted("cinn", original, sealed)

    def stealth_masked(change: Callable[..., bytes]) -> UInt8:
        """A header that is masked in another way; `change` gets the right way and what is to be masked."""
        masked = layerheader.masked
        with mock.patch.object(layerheader, "masked", lambda *header: change(masked, *header)):
            return painted("stealth", original, compactly)

    def stealth_colour() -> UInt8:
        """A body pixel is the host's own again, with another lowest bit of its label: an early bit of the stream."""
        rgb = carried("stealth", payload, original)
        key = keys_of("stealth", rgb)
        order = key.permutation("stealth order", rgb[..., 0].size)
        body = order[stealth_header.read_header(moves.labels(rgb).reshape(-1)[order], key)[0] :]
        other = (moves.labels(rgb) ^ moves.labels(original)).reshape(-1) & 1
        place = next(place for place in body if other[place])
        rgb.reshape(-1, 3)[place] = original.reshape(-1, 3)[place]
        return rgb

    fails_at = {"exact": "exact header", "cinn": "cinn code", "stealth": "stealth header"}
    for codec, fails in fails_at.items():
        yield _refused(f"{codec}-luma-altered", codec, fails, lambda c=codec: luma_altered(c))
        yield _refused(f"{codec}-alpha-altered", codec, fails, lambda c=codec: alpha_altered(c))
        yield _refused(f"{codec}-stream-short", codec, "box", lambda c=codec: stream_short(c))
        wrong = lambda c=codec: carried(c, payload, original, password="another password")  # noqa: E731
        yield _refused(f"{codec}-password-wrong", codec, fails, wrong)

    def other_load(mask: Callable[..., bytes], salt: bytes, load: Load, *rest: Any) -> bytes:
        return mask(salt, Load(6, 0), *rest)

    exact_zeros = lambda mask, *header: flipped(mask(*header), HEADER_SIZE - 1)  # noqa: E731
    white = np.full_like(original, 255)  # no other colour has this luma
    yield _refused("exact-header-first-step", "exact", "exact header", lambda: exact_mask(other_load))
    yield _refused("exact-header-zeros", "exact", "exact header", lambda: exact_mask(exact_zeros))
    yield _refused("exact-header-no-room", "exact", "exact header", lambda: white)
    yield _refused("exact-body-colours", "exact", "box", exact_colour)

    yield _refused("cinn-no-room", "cinn", "cinn room", lambda: np.full_like(original, 2))
    yield _refused("cinn-code-colours", "cinn", "cinn code", cinn_code)
    yield _refused("cinn-rate", "cinn", "cinn code", cinn_rate)

    for name, length, shares in (
        ("shares", 100, (255, 0, 1)), ("large", (1 << 32) - 1, (64, 64, 64)), ("layer-large", 400, (255, 0, 0)),
        ("none", 0, (64, 64, 64)),
    ):  # fmt: skip

        def other(
            mask: Callable[..., bytes], salt: bytes, codec: str, _: int, __: object, key: Keys,
            length: int = length, shares: tuple[int, ...] = shares,
        ) -> bytes:  # fmt: skip
            return mask(salt, codec, length, shares, key)

        layer = "envelope" if name == "none" else "stealth header"
        yield _refused(f"stealth-header-{name}", "stealth", layer, lambda other=other: stealth_masked(other))
    yield _refused("stealth-body-colours", "stealth", "box", stealth_colour)
    hardly = np.dstack([original, rounded(*SMALL, 23)])
    yield _refused("stealth-no-room", "stealth", "stealth room", lambda: hardly)


def jpegs() -> Iterator[tuple[str, dict[str, Any], Callable[[], bytes]]]:
    """Name, facts and bytes of every JPEG file, all sequential: a simple decoder is enough to check another reader."""
    payload, photo = named(20), Photo(host(136, 168, 20, 29))

    def plain(quality: int = 90, **options: Any) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(photo.rgb).save(buffer, "JPEG", quality=quality, **options)
        return buffer.getvalue()

    def hidden(host_file: bytes, password: str | None = PASSWORD, payload: Payload = payload) -> bytes:
        return stego.conceal(Source(host_file), payload, password=password, codec="jpeg", suffix=".jpg").file

    def luma_altered() -> bytes:
        file = JpegFile.read(hidden(plain()), "the vector")
        blocks = file.luma.coefficients.copy()
        place = np.argwhere(blocks == 2)[0]
        blocks[tuple(place)] = 1
        return file.with_coefficients({0: blocks}).write()

    def masked(change: Callable[..., bytes]) -> bytes:
        real = layerheader.masked
        with mock.patch.object(layerheader, "masked", lambda *header: change(real, *header)):
            return _without_check(lambda: hidden(plain()))

    opens: dict[str, tuple[bytes, str | None, Payload]] = {
        "jpeg": (plain(), PASSWORD, payload),
        "jpeg-public": (plain(75), None, payload),
        "jpeg-444": (plain(95, subsampling=0), PASSWORD, named(100)),
        "jpeg-restarts": (plain(85, optimize=True, restart_marker_blocks=5), PASSWORD, payload),
        "jpeg-empty": (plain(), PASSWORD, Payload(b"")),
    }
    for name, (file, password, each) in opens.items():
        facts = {"version": VERSION, "codec": "jpeg", "password": password, "opens": _told(each)}
        yield f"v2-{name}", facts, lambda f=file, p=password, e=each: hidden(f, p, e)
    large = lambda real, salt, codec, _, __, key: real(salt, codec, (1 << 32) - 1, (128,), key)  # noqa: E731
    short = lambda real, salt, codec, _, shares, key: real(salt, codec, 20, shares, key)  # noqa: E731
    tiny = host(16, 16)
    for name, layer, make in (
        ("luma-altered", "jpeg header", luma_altered), ("password-wrong", "jpeg header", lambda: hidden(plain(), "x")),
        ("clean", "jpeg header", plain),
        ("header-large", "jpeg header", lambda: masked(large)), ("stream-short", "box", lambda: masked(short)),
        ("no-room", "jpeg room", lambda: _jpeg(tiny)),
    ):  # fmt: skip
        yield f"v2-jpeg-{name}", {"version": VERSION, "codec": "jpeg", "password": PASSWORD, "layer": layer}, make


def robust_containers() -> Iterator[tuple[str, dict[str, Any], Callable[[], bytes]]]:
    """Name, facts and bytes of files of codec robust, as they were made and as something saved them anew."""
    rgb, payload = host(509, 514, 12, 1), named(20)

    def hidden(channel: str | None = None, password: str | None = PASSWORD, payload: Payload = payload) -> bytes:
        wish = Wish(channel=channel)
        return stego.conceal(Source(rgb), payload, password=password, codec="robust", wish=wish, suffix=".jpg").file

    def changed(module: Any, name: str, change: Callable[..., Any]) -> bytes:
        """Hidden with a function that is another one; `change` gets the right one and what it is given."""
        real = getattr(module, name)
        other = mock.patch.object(module, name, lambda *each, **options: change(real, *each, **options))
        with other, mock.patch.object(robust, "comes_through", return_value=True):
            return _without_check(hidden)

    opens: dict[str, tuple[Callable[[], bytes], str | None, Payload]] = {
        "robust": (hidden, PASSWORD, payload),
        "robust-printed": (lambda: hidden(channel="quality=70"), PASSWORD, payload),
        "robust-printed-sent": (lambda: again(hidden(channel="quality=70"), quality=67), PASSWORD, payload),
        "robust-printed-webp": (lambda: again(hidden(channel="webp=80"), quality=75), PASSWORD, payload),
        "robust-empty": (lambda: hidden(password=None, payload=Payload(b"")), None, Payload(b"")),
        "robust-compressed": (lambda: hidden(payload=Payload(TEXT, NAME)), PASSWORD, Payload(TEXT, NAME)),
        "robust-sent": (lambda: again(hidden(), quality=70), PASSWORD, payload),
        "robust-444": (lambda: again(hidden(), quality=85, subsampling=0), PASSWORD, payload),
    }
    for name, (make, password, each) in opens.items():
        facts = {"version": VERSION, "codec": "robust", "password": password, "opens": _told(each)}
        yield f"v2-{name}", facts, make

    def zeros(real: Callable[..., Any], bits: UInt8) -> Any:
        bits[78] ^= 1
        return real(bits)

    def other_code(real: Callable[..., Any], cut: Any, bits: UInt8) -> Any:
        return real(cut, bits)[::-1]

    def other_tag(real: Callable[..., bytes], *each: Any) -> bytes:
        return flipped(real(*each), 3)

    def other_flags(real: Callable[..., bytes], packed: Any, keys: Keys) -> bytes:
        box = AESSIV(keys.stream("compact envelope", compact.KEY_SIZE))
        return box.encrypt(bytes([8]) + packed.body, None)

    for name, layer, make in (
        ("clean", "robust header", lambda: _jpeg(rgb)),
        ("password-wrong", "robust header", lambda: hidden(password="another password")),
        ("header-zeros", "robust header", lambda: changed(convolution, "encode", zeros)),
        ("code", "robust code", lambda: changed(ldpc, "encode", other_code)),
        ("tag", "box", lambda: changed(compact, "seal", other_tag)),
        ("flags", "flags", lambda: changed(compact, "seal", other_flags)),
        ("no-room", "robust room", lambda: _jpeg(host(270, 280, 12, 2))),
    ):
        facts = {"version": VERSION, "codec": "robust", "password": PASSWORD, "layer": layer}
        yield f"v2-robust-{name}", facts, make


def again(file: bytes, **options: Any) -> bytes:
    """A picture that something saved anew."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(file)) as image:
        image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _jpeg(rgb: UInt8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG")
    return buffer.getvalue()


def _without_check(make: Callable[[], bytes]) -> bytes:
    """What `make` hides though it cannot be read back."""
    with mock.patch.object(stego, "_verify", return_value=1.0):
        return make()


def _refused(
    name: str, codec: str, layer: str, make: Callable[[], UInt8]
) -> tuple[str, dict[str, Any], Callable[[], bytes]]:
    facts = {"version": VERSION, "codec": codec, "password": PASSWORD, "layer": layer}
    return f"v2-{name}", facts, lambda: _png(make())


def images() -> Iterator[tuple[str, dict[str, Any], Callable[[], bytes]]]:
    """Name, facts and bytes of every file that is no image."""
    good = _png(host(*SMALL))
    for name, file in {
        "image-empty": b"",
        "image-not-an-image": data(200),
        "image-cut-short": good[: len(good) // 2],
        "image-too-small": _png(host(63, 64)),
        "image-too-many-pixels": _huge_png(),
    }.items():
        yield name, {"codec": None, "password": None, "layer": "image"}, lambda file=file: file


def _png(pixels: UInt8) -> bytes:
    """As small as it gets: these files are kept for ever."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _huge_png() -> bytes:
    """A kilobyte that claims two billion pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 50_000, 40_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    index = VECTORS / "envelopes.json"
    had = json.loads(index.read_text()) if index.exists() else []
    names = {entry["name"] for entry in had}
    had += [entry for entry in envelopes() if entry["name"] not in names]
    _save(index, had)

    index = VECTORS / "containers.json"
    had = json.loads(index.read_text()) if index.exists() else []
    names = {entry["name"] for entry in had}
    made = itertools.chain(good_containers(), bad_containers(), jpegs(), robust_containers(), images())
    for name, facts, make in made:
        if name in names:
            continue
        file = f"{name}{'.jpg' if facts['codec'] in ('jpeg', 'robust') else '.png'}"
        (VECTORS / file).write_bytes(make())
        had.append({"name": name, "file": file, **facts})
        print(f"made {file}, {(VECTORS / file).stat().st_size} bytes")
    _save(index, had)

    index = VECTORS / "albums.json"
    had = json.loads(index.read_text()) if index.exists() else []
    names = {entry["name"] for entry in had}
    for name, facts, files in albums():
        for file, make in files.items():
            if not (VECTORS / f"v2-{file}").exists():
                (VECTORS / f"v2-{file}").write_bytes(make())
                print(f"made v2-{file}, {(VECTORS / f'v2-{file}').stat().st_size} bytes")
        if name not in names:
            had.append({"name": name, "files": [f"v2-{file}" for file in files], "password": PASSWORD, **facts})
    _save(index, had)


# albums


def shared(data: bytes, host_file: bytes, codec: str, channel: str | None = None) -> bytes:
    """A container of a share, whatever that is."""
    suffix = load_codec(codec).formats[0]
    payload = Payload(data, share=True)
    wish = Wish(channel=channel)
    return stego.conceal(Source(host_file), payload, password=PASSWORD, codec=codec, wish=wish, suffix=suffix).file


def albums() -> Iterator[tuple[str, dict[str, Any], dict[str, Callable[[], bytes]]]]:
    """Name, facts, and the files of which an album is made, those of others among them."""
    payload = Payload(TEXT[:210] + data(90), NAME)
    hosts = [_png(host(66 + 2 * i, 100, 10, 11 + i)) for i in range(4)]
    jpeg = _jpeg(host(136, 168, 20, 29))

    def shares(salt: bytes = bytes(8), symbols: tuple[int, ...] = (12, 6, 18, 24)) -> list[bytes]:
        block = sharing.block_of(envelope.pack(payload), salt)
        return [share.to_bytes() for share in sharing.cut(block, 3, symbols)]

    def changed(digest: bytes | None = None, symbols: bytes | None = None, **numbers: int) -> bytes:
        """A share that has all symbols, with a fault."""
        whole = sharing.read(shares(symbols=(60,))[0])
        told = {"size": whole.set.size, "words": 3, "first": 0, "index": 0, "count": 1, **numbers}
        parts = [digest or whole.set.digest, *map(leb128, told.values())]
        return b"".join((*parts, whole.symbols if symbols is None else symbols))

    def of_flags() -> bytes:
        block = sharing.block_of(envelope.pack(payload), bytes(8))
        (share,) = sharing.cut(block[:8] + b"\x20" + block[9:], 3, (60,))
        return share.to_bytes()

    def stealth(number: int, make: Callable[[], bytes]) -> Callable[[], bytes]:
        return lambda: shared(make(), hosts[number], "stealth")

    files = {f"album-{i}.png": stealth(i, lambda i=i: shares()[i]) for i in (0, 2, 3)}
    files["album-1.jpg"] = lambda: shared(shares()[1], jpeg, "jpeg")
    large = _png(host(509, 514, 12, 1))
    files["album-1-sent.jpg"] = lambda: again(shared(shares()[1], large, "robust", "quality=70"), quality=70)
    files["album-other.png"] = stealth(1, lambda: shares(b"another.")[3])
    files["stealth-public.png"] = lambda: b""  # a container of another kind
    faults = {
        "digest": ("digest", lambda: changed(bytes(4))),
        "data": ("digest", lambda: changed(symbols=bytes(360))),
        "size-small": ("shares", lambda: changed(size=8)),
        "size-large": ("shares", lambda: changed(size=(1 << 30) + 270)),
        "size-endless": ("shares", lambda: changed()[:4] + b"\xff\xff\xff\xff\xff\x01" + changed()[5:]),
        "symbols-uneven": ("shares", lambda: changed()[:-1]),
        "symbols-none": ("shares", lambda: changed(symbols=b"")),
        "symbols-beyond": ("shares", lambda: changed(first=65_500)),
        "words-none": ("shares", lambda: changed(words=0)),
        "index": ("shares", lambda: changed(index=1)),
        "count": ("shares", lambda: changed(count=60_001)),
        "cut-short": ("shares", lambda: changed()[:7]),
        "flags": ("flags", of_flags),
    }
    others = (0, "other", 3, "public", "1.jpg")
    opens = {"": (3, "1.jpg", 2, 0), "-shuffled-with-others": others, "-without-first": (2, 3, "1.jpg")}
    opens |= {"-sent": (3, "1-sent.jpg")}
    for name, which in opens.items():
        yield f"v2-album{name}", {"opens": _told(payload)}, {_of_album(each): files[_of_album(each)] for each in which}
    for name, which in {"-too-few": (0, "1.jpg"), "-of-two": (0, "1.jpg", "other")}.items():
        chosen = {_of_album(each): files[_of_album(each)] for each in which}
        yield f"v2-album{name}", {"layer": "shares"}, chosen
    for name, (layer, make) in faults.items():
        yield f"v2-album-{name}", {"layer": layer}, {f"album-{name}.png": stealth(0, make)}


def leb128(value: int) -> bytes:
    """A number as shares have it."""
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + leb128(rest) if rest else bytes([low])


def _of_album(which: int | str) -> str:
    if which == "public":
        return "stealth-public.png"
    return f"album-{which}" if str(which).endswith(".jpg") else f"album-{which}.png"


def _save(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
