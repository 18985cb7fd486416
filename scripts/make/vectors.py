"""Make the test vectors of format version 1 that are missing: tests/format/vectors/*.json and images.

python scripts/make/vectors.py

A vector that exists is never made again: it has to be readable as it is, for ever. Every negative vector holds one
fault and is named after the layer that must refuse it. Hosts are drawn here, so that nobody's photo is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.formats import encode_photo
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Colors, Wish, silent
from stegcinn.codecs.cinn import codec as cinn
from stegcinn.codecs.exact import codec as exact
from stegcinn.codecs.exact.header import LAST_PHASE, Header, Load
from stegcinn.codecs.stealth import codec as stealth
from stegcinn.codecs.stealth import header as stealth_header
from stegcinn.codecs.stealth import moves
from stegcinn.colourmodel import networks
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import Keyring, Keys

VECTORS = Path(__file__).parents[2] / "tests" / "format" / "vectors"
PASSWORD = "for ever and a day, 永遠"
ROOT = Keys(hashlib.sha256(b"stegcinn vectors").digest())
NAME = "note.txt"


def data(size: int) -> bytes:
    """Bytes that do not compress."""
    return hashlib.shake_256(b"stegcinn vectors").digest(size)


def host(height: int, width: int) -> UInt8:
    """Coloured waves under a texture, in integers only."""
    y, x = np.mgrid[:height, :width]
    waves = [np.abs((3 * x + 2 * y) % 160 - 80), np.abs((x - 3 * y) % 190 - 95), np.abs((2 * x + 5 * y) % 240 - 120)]
    texture = [(x * x * 7 + y * y * 3 + x * y * 5 + c * (x + y)) // 3 % 13 for c in range(3)]
    return np.stack([40 + w + t for w, t in zip(waves, texture, strict=True)], axis=-1).astype(np.uint8)


# envelopes


def forged(
    body: bytes, *, version: int = 1, flags: int = 0, size: int = 0, body_size: int | None = None, key: Keys = ROOT
) -> bytes:
    """Any head around any body, sealed as somebody who has the keys could."""
    salt = hashlib.sha256(body).digest()[:16]
    both = HKDF(SHA256(), 64, salt, b"stegcinn v1 envelope head, body").derive(key.subkey("envelope"))
    head = struct.pack(">BBII", version, flags, len(body) + 16 if body_size is None else body_size, size)
    boxes = ChaCha20Poly1305(both[:32]), ChaCha20Poly1305(both[32:])
    return salt + boxes[0].encrypt(bytes(12), head, None) + boxes[1].encrypt(bytes(12), body, head)


def frame(plain: bytes, window_log: int = 20) -> bytes:
    """A zstd frame without magic number and content size."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, window_log=window_log, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(plain)


def flipped(stream: bytes, at: int) -> bytes:
    """The same with one bit turned over."""
    return stream[:at] + bytes([stream[at] ^ 1]) + stream[at + 1 :]


def envelopes() -> Iterator[dict[str, Any]]:
    """All envelopes: `opens` to a payload, or refused at `layer`."""
    good = envelope.seal(envelope.pack(Payload(data(100), NAME)), ROOT)
    for name, payload in (
        ("plain", Payload(data(100), NAME)),
        ("nameless", Payload(data(1))),
        ("empty", Payload(b"")),
        ("compressed", Payload(b"all work and no play " * 100, "größe.txt")),
    ):
        yield _opens(name, envelope.seal(envelope.pack(payload), ROOT), payload)
    yield _opens("followed-by-filling", good + data(50), Payload(data(100), NAME))
    long_name = "n" * 255
    yield _opens("longest-name", forged(bytes([255]) + long_name.encode() + b"x", size=1), Payload(b"x", long_name))
    refused = {
        "too-short": ("envelope", good[:41]),
        "head-salt": ("head box", flipped(good, 0)),
        "head-text": ("head box", flipped(good, 16)),
        "head-tag": ("head box", flipped(good, 41)),
        "head-version-0": ("version", forged(b"\x00abc", version=0, size=3)),
        "head-version-2": ("newer version", forged(b"\x00abc", version=2, size=3)),
        "head-flags": ("flags", forged(b"\x00abc", flags=2, size=3)),
        "head-body-size-small": ("sizes", forged(b"\x00abc", size=3, body_size=16)),
        "head-body-size-large": ("sizes", forged(b"\x00abc", size=3, body_size=(1 << 30) + 300)),
        "head-data-size-large": ("sizes", forged(b"\x00abc", size=(1 << 30) + 1)),
        "body-text": ("body box", flipped(good, 50)),
        "body-tag": ("body box", flipped(good, len(good) - 1)),
        "body-cut-short": ("body box", good[:-1]),
        "body-shorter-than-told": ("body box", forged(b"\x00abc", size=3, body_size=21)),
        "body-empty": ("body box", forged(b"", size=0, body_size=17)),
        "body-of-another": ("body box", good[:42] + envelope.seal(envelope.pack(Payload(data(100), NAME)), ROOT)[42:]),
        "name-beyond-end": ("name", forged(b"\x04abc", size=0)),
        "data-fewer": ("data size", forged(b"\x00abc", size=4)),
        "data-more": ("data size", forged(b"\x00abc", size=2)),
        "zstd-garbage": ("zstd", forged(b"\x00" + data(40), flags=1, size=3)),
        "zstd-with-magic": (
            "zstd", forged(b"\x00" + zstandard.compress(bytes(1000)), flags=1, size=1000),
        ),
        "zstd-fewer": ("data size", forged(b"\x00" + frame(bytes(1000)), flags=1, size=1001)),
        "zstd-bomb": ("data size", forged(b"\x00" + frame(bytes(1 << 21)), flags=1, size=1000)),
        "zstd-claim": ("zstd", forged(b"\x00" + frame(b""), flags=1, size=1 << 30)),
        "zstd-window": ("zstd", forged(b"\x00" + frame(bytes(1 << 25), 24), flags=1, size=1 << 25)),
    }  # fmt: skip
    for name, (layer, stream) in refused.items():
        yield {"name": name, "root": ROOT.root.hex(), "stream": stream.hex(), "layer": layer}


def _opens(name: str, stream: bytes, payload: Payload) -> dict[str, Any]:
    return {"name": name, "root": ROOT.root.hex(), "stream": stream.hex(), "opens": _told(payload)}


def _told(payload: Payload) -> dict[str, Any]:
    digest = hashlib.sha256(payload.data).hexdigest()
    return {"name": payload.name, "bytes": len(payload.data), "sha256": digest}


# containers


def painted(codec: str, rgb: UInt8, make: Callable[[Keys], bytes], colors: Colors, password: str | None) -> UInt8:
    """A host with any stream in its colours."""
    key = keys_of(codec, rgb, password)
    return load_codec(codec).embed(Photo(rgb), make(key), key, Wish(colors), silent).carrier.rgb


def keys_of(codec: str, rgb: UInt8, password: str | None) -> Keys:
    """What a codec hides in a host with."""
    return Keyring(password)(load_codec(codec).salt(Photo(rgb)))


def carried(codec: str, payload: Payload, size: tuple[int, int], colors: Colors, password: str | None) -> UInt8:
    """A good container."""
    container = stego.conceal(Source(host(*size)), payload, password=password, codec=codec, wish=Wish(colors))
    return np.array(container)


GOOD: dict[str, tuple[str, int, tuple[int, int], Colors, str | None]] = {
    "exact-1-public": ("exact", 200, (64, 66), "keep", None),
    "exact-1-empty": ("exact", 0, (64, 64), "keep", PASSWORD),
    "cinn-2-keep": ("cinn", 300, (64, 64), "keep", PASSWORD),
    "cinn-2-generate": ("cinn", 100, (67, 70), "generate", PASSWORD),
    "cinn-2-public": ("cinn", 20, (64, 64), "keep", None),
    "cinn-2-tiles": ("cinn", 600, (64, 516), "keep", PASSWORD),
    "stealth-public": ("stealth", 200, (64, 66), "keep", None),
    "stealth-empty": ("stealth", 0, (64, 64), "keep", PASSWORD),
    "stealth-segments": ("stealth", 1800, (71, 613), "keep", PASSWORD),
}
SMALL = 64, 64


def good_containers() -> Iterator[tuple[str, dict[str, Any], Callable[[], bytes]]]:
    """Name, facts and bytes of every container that must reveal."""
    for name, (codec, size, shape, colors, password) in GOOD.items():
        payload = Payload(data(size), NAME if size else None)
        yield (
            name,
            {"codec": codec, "password": password, "opens": _told(payload)},
            lambda a=(codec, payload, shape, colors, password): _png(carried(*a)),
        )


def bad_containers() -> Iterator[tuple[str, dict[str, Any], Callable[[], bytes]]]:
    """Name, facts and bytes of every container that must be refused."""
    payload, original = Payload(data(50), NAME), host(*SMALL)

    def sealed(key: Keys) -> bytes:
        return envelope.seal(envelope.pack(payload), key)

    def luma_altered(codec: str) -> UInt8:
        rgb = carried(codec, payload, SMALL, "keep", PASSWORD)
        rgb[0, 0] += 1  # all three channels: one gray level more
        assert luma_of(rgb)[0, 0] == luma_of(original)[0, 0] + 1
        return rgb

    def exact_first_step() -> UInt8:
        mask = exact.mask
        with mock.patch.object(exact, "mask", lambda salt, load, fit, key: mask(salt, Load(6, 0), fit, key)):
            return painted("exact", original, sealed, "keep", PASSWORD)

    def exact_no_room() -> UInt8:
        rgb = original.copy()
        rgb[:] = 255  # white: no other colour has this luma
        return rgb

    def exact_colour() -> UInt8:
        """One pixel of the last step, and none of the header's, is the host's own again: other colours, same luma."""
        rgb, codec = carried("exact", Payload(data(1000)), SMALL, "keep", PASSWORD), load_codec("exact")
        assert isinstance(codec, exact.ExactCodec)
        header = Header(codec.model, rgb, luma_of(rgb), keys_of("exact", rgb, PASSWORD))
        header.absorb(codec._tables(0))
        pixels, before = (networks.plane(image, *LAST_PHASE) for image in (rgb, original))
        place = np.argwhere((pixels != before).any(axis=-1) & ~header.used())[0]
        pixels[tuple(place)] = before[tuple(place)]
        return rgb

    def stream_short(codec: str) -> UInt8:
        return painted(codec, original, lambda key: forged(b"\0abc", size=3, body_size=9000, key=key), "keep", PASSWORD)

    def forged_head(codec: str, **head: int) -> UInt8:
        return painted(codec, original, lambda key: forged(b"\0abc", size=3, key=key, **head), "keep", PASSWORD)

    def cinn_code() -> UInt8:
        rgb = carried("cinn", Payload(data(300)), SMALL, "keep", PASSWORD)
        rgb[:32] = original[:32]
        return rgb

    def cinn_rate() -> UInt8:
        patterns = cinn._rate_patterns
        with mock.patch.object(cinn, "_rate_patterns", lambda key: np.roll(patterns(key), 3, axis=0)):
            return painted("cinn", original, sealed, "keep", PASSWORD)

    def cinn_no_room() -> UInt8:
        rgb = original.copy()
        rgb[:] = 2
        return rgb

    def stealth_sizes(change: Callable[[list[int]], Sequence[int]]) -> UInt8:
        """A header that tells other sizes than the body has."""
        headers = stealth.headers
        with mock.patch.object(stealth, "headers", lambda sizes, key: headers(change(list(sizes)), key)):
            return painted("stealth", original, sealed, "keep", PASSWORD)

    def stealth_zeros() -> UInt8:
        """The header's last byte is 1 and not 0."""
        masked, last = stealth_header.masked, stealth_header.HEADER_SIZE - 1
        with mock.patch.object(stealth_header, "masked", lambda *header: flipped(masked(*header), last)):
            return painted("stealth", original, sealed, "keep", PASSWORD)

    def stealth_colour() -> UInt8:
        """A body pixel is the host's own again, with another lowest bit of its label: an early bit of the head."""
        rgb = carried("stealth", payload, SMALL, "keep", PASSWORD)
        order = keys_of("stealth", rgb, PASSWORD).permutation("stealth order", rgb[..., 0].size)
        body = order[stealth_header.header_pixels(len(order)) :]
        other = (moves.labels(rgb) ^ moves.labels(original)).reshape(-1) & 1
        place = next(place for place in body if other[place])
        rgb.reshape(-1, 3)[place] = original.reshape(-1, 3)[place]
        return rgb

    fails_at = {"exact": "exact header", "cinn": "cinn code", "stealth": "stealth header"}
    for codec, head_fails in fails_at.items():
        yield f"{codec}-luma-altered", _refused(codec, head_fails), lambda c=codec: _png(luma_altered(c))
        yield f"{codec}-stream-short", _refused(codec, "body box"), lambda c=codec: _png(stream_short(c))
        yield f"{codec}-head-version-0", _refused(codec, "version"), lambda c=codec: _png(forged_head(c, version=0))
        newer = lambda c=codec: _png(forged_head(c, version=2))  # noqa: E731
        yield f"{codec}-head-version-2", _refused(codec, "newer version"), newer
        wrong = lambda c=codec: _png(carried(c, payload, SMALL, "keep", "another password"))  # noqa: E731
        yield f"{codec}-password-wrong", _refused(codec, head_fails), wrong
        yield f"{codec}-clean", _refused(codec, head_fails), lambda: _png(original)
    yield "exact-header-first-step", _refused("exact", "exact header"), lambda: _png(exact_first_step())
    yield "exact-header-no-room", _refused("exact", "exact header"), lambda: _png(exact_no_room())
    yield "exact-body-colours", _refused("exact", "body box"), lambda: _png(exact_colour())
    yield "cinn-no-room", _refused("cinn", "cinn room"), lambda: _png(cinn_no_room())
    yield "cinn-code-colours", _refused("cinn", "cinn code"), lambda: _png(cinn_code())
    yield "cinn-rate", _refused("cinn", "cinn code"), lambda: _png(cinn_rate())
    for name, change in {
        "odd": lambda s: (s[0] + 1, *s[1:]),
        "large": lambda s: (SMALL[0] * SMALL[1], 0, 0, 0),  # the body is smaller by the header
    }.items():
        yield f"stealth-header-{name}", _refused("stealth", "stealth header"), lambda c=change: _png(stealth_sizes(c))
    yield "stealth-header-none", _refused("stealth", "envelope"), lambda: _png(stealth_sizes(lambda s: (0, 0, 0, 0)))
    yield "stealth-header-zeros", _refused("stealth", "stealth header"), lambda: _png(stealth_zeros())
    yield "stealth-body-colours", _refused("stealth", "head box"), lambda: _png(stealth_colour())
    good = _png(original)
    for name, file in {
        "image-empty": b"",
        "image-not-an-image": data(200),
        "image-cut-short": good[: len(good) // 2],
        "image-too-small": _png(host(63, 64)),
        "image-too-many-pixels": _huge_png(),
    }.items():
        yield name, {"codec": None, "password": None, "layer": "image"}, lambda file=file: file


def _refused(codec: str, layer: str) -> dict[str, Any]:
    return {"codec": codec, "password": PASSWORD, "layer": layer}


def _png(rgb: UInt8) -> bytes:
    return encode_photo(Photo(rgb, None, None), ".png")


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
    for name, facts, make in (*good_containers(), *bad_containers()):
        if name in names:
            continue
        file = f"{name}.png"
        (VECTORS / file).write_bytes(make())
        had.append({"name": name, "file": file, **facts})
        print(f"made {file}, {(VECTORS / file).stat().st_size} bytes")
    _save(index, had)


def _save(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
