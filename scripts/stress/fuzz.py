"""Feed foreign bytes to every parser that may see them: files, streams, bodies, shares, colours, coefficients.

python scripts/stress/fuzz.py [TARGET ...] [--executions N] [--seed 0]
python scripts/stress/fuzz.py TARGET --atheris [libFuzzer's options, as -max_total_time=600]

Mutates a corpus of small images in many formats, the test vectors, and made-up envelopes; the same seed gives the same
inputs. An execution may raise StegcinnError and nothing else, may take HANG seconds, and may use MEMORY times the
image, plus SLACK. Failing inputs are written to the current directory; the exit code is 1 if there are any.

With --atheris that fuzzer looks for new paths through one target instead; its corpus grows in the current directory. It
has to be installed (`pip install atheris`), and has wheels for some versions of Python only.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import hashlib
import io
import json
import random
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from PIL import Image

from stegcinn.carriers.base import Source, read_photo
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.photo import MAX_PIXELS, Photo
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.jpeg.codec import Chroma, JpegCodec
from stegcinn.errors import ImageError, RevealError, StegcinnError
from stegcinn.sealing import compact, envelope, keys, sharing
from stegcinn.sealing.keys import Keyring

VECTORS = Path(__file__).parents[2] / "tests" / "format" / "vectors"
HANG = 20  # seconds of processor time
MEMORY = 4  # times the pixels of the image, 3 bytes each
# What some decoders take by themselves, and conversions of other or wider channels (measured, docs/threat-model.md)
GREEDY = {"JPEG2000": 9.5, "WEBP": 6.5, "AVIF": 5.0}
GREEDY_MODES = {"CMYK": 5.5, "LAB": 5.5, "I;16": 6.5, "I;16B": 6.5, "F": 6.5}
SLACK = 24 << 20  # bytes: zstd's window of 8 MiB, decoders' tables, Python's own
LIBC = ctypes.CDLL(None)
KEYS = [keys.Keys(bytes(range(32)), version) for version in keys.VERSIONS]
HEAD_1 = 42  # bytes of the salt and the authentic head of an envelope of format version 1
# Each by default
EXECUTIONS = {
    "image": 100_000, "stream": 100_000, "body": 100_000, "share": 100_000, "colours": 2_000, "coefficients": 10_000,
}  # fmt: skip
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA", "JPEG2000", "AVIF", "ICO", "DDS")
MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F", "LAB")
MAGIC = tuple(struct.pack(f, v) for f in ("<I", ">I") for v in (0, 1, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
PIXELS = tuple(name for name in CODECS if ".bmp" in load_codec(name).formats)  # codecs over those


class BrokenError(Exception):
    """A limit was passed."""


# -- targets: they return the bytes of the image that memory is measured by, negative if it was refused


def image(data: bytes) -> int:
    """A file that is given as a photo."""
    try:
        opened = Image.open(io.BytesIO(data))
        pixels = min(opened.width * opened.height, MAX_PIXELS)
        factor = max(MEMORY, GREEDY.get(opened.format or "", 0), GREEDY_MODES.get(opened.mode, 0))
    except Exception:
        pixels, factor = 0, MEMORY
    allowed = int(3 * pixels * factor / MEMORY)
    try:
        read_photo(data)
        return allowed
    except ImageError as error:
        if "more memory" in str(error):
            raise BrokenError("out of memory") from error
        return -max(1, allowed)


def stream(data: bytes) -> int:
    """A stream that a codec has read, of any version."""
    for key in KEYS:
        for read in (envelope.unseal, envelope.stream_size, compact.unseal):
            try:
                told = read(data, key)
            except StegcinnError:
                continue
            if isinstance(told, int) and (key.version > 1 or len(data) < HEAD_1):
                if told >= 1 << 31:
                    raise BrokenError(f"{told} bytes to read")
                continue  # what is not authentic tells no more than that
            if not data.startswith(HEADS if read is envelope.stream_size else STREAMS):
                raise BrokenError("a forgery")
            return len(data)
    return -1


def body(data: bytes) -> int:
    """An envelope whose sender had the keys: a byte that says which, 4 or 10 bytes of head, then the body.

    Of the byte, bit 0 asks for the right size in the head, bit 1 for format version 1, bit 2 for the compact envelope,
    which has a byte of flags for a head.
    """
    if data and data[0] & 4:
        return _opened(compact, compact._box(KEYS[0]).encrypt(data[1:] or b"\0", None), KEYS[0])
    right, old = (data[0] & 1, data[0] & 2) if data else (0, 0)
    size = 10 if old else 4
    head, inner = data[1 : 1 + size].ljust(size, b"\0"), data[1 + size :]
    if right and old:
        head = head[:2] + struct.pack(">I", len(inner) + 16) + head[6:]
    elif right:
        head = struct.pack(">I", head[0] >> 5 << 29 | (len(inner) + 16) % (1 << 29))
    key, seal = (KEYS[1], _sealed_1) if old else (KEYS[0], _sealed)
    return _opened(envelope, seal(key, head, inner), key)


def _opened(kind: envelope.Envelope, sealed: bytes, key: keys.Keys) -> int:
    try:
        payload = kind.unseal(sealed, key)
    except StegcinnError:
        return -1
    if payload.name is not None and payload.name != envelope.safe_name(payload.name):
        raise BrokenError(f"an unsafe name: {payload.name!r}")
    return len(payload.data)


def share(data: bytes) -> int:
    """What an envelope holds that is flagged as a share, alone and twice."""
    try:
        found = sharing.read(data)
        payload = sharing.joined([found, found])
    except StegcinnError:
        return -1
    return len(payload.data)


def _sealed(key: keys.Keys, head: bytes, inner: bytes) -> bytes:
    box, mask = envelope._box(key, bytes(envelope.SALT_SIZE))
    return bytes(envelope.SALT_SIZE) + envelope._xor(head, mask) + box.encrypt(bytes(12), inner, head)


def _sealed_1(key: keys.Keys, head: bytes, inner: bytes) -> bytes:
    both = HKDF(SHA256(), 64, bytes(16), b"stegcinn v1 envelope head, body").derive(key.subkey("envelope"))
    boxes = ChaCha20Poly1305(both[:32]), ChaCha20Poly1305(both[32:])
    return bytes(16) + boxes[0].encrypt(bytes(12), head, None) + boxes[1].encrypt(bytes(12), inner, head)


def colours(data: bytes) -> int:
    """The colours of a container, under the keys of the unaltered one: 6 bytes for each pixel that is overwritten."""
    original, key = PHOTOS[data[0] % len(PHOTOS) if data else 0]
    rgb = original.rgb.copy()
    height, width = rgb.shape[:2]
    for at in range(1, len(data) - 5, 6):
        y, x, size = data[at] % height, data[at + 1] % width, 1 + data[at + 2] % 16
        rgb[y : y + size, x : x + size] = tuple(data[at + 3 : at + 6])
    photo = original.with_rgb(rgb)
    for codec in map(load_codec, PIXELS):
        try:
            size = partial(codec.envelope.stream_size, keys=key)
            codec.envelope.unseal(codec.extract(photo, key, size).stream, key)
            return rgb.nbytes
        except RevealError:
            continue
    return -rgb.nbytes


def coefficients(data: bytes) -> int:
    """The chroma of a JPEG container, under its keys: 7 bytes for each run of coefficients that is overwritten."""
    original, key = FILES[data[0] % len(FILES) if data else 0]
    changed = {index: original.components[index].coefficients.copy() for index in (1, 2)}
    for at in range(1, len(data) - 6, 7):
        plane = changed[1 + data[at] % 2].reshape(-1)
        start = int.from_bytes(data[at + 1 : at + 4], "big") % plane.size
        value = int.from_bytes(data[at + 5 : at + 7], "big", signed=True) % 2047 - 1023
        plane[start : start + 1 + data[at + 4]] = value
    file, codec = original.with_coefficients(changed), JpegCodec()
    size = sum(plane.nbytes for plane in changed.values())
    try:
        read = codec.extract(Chroma(file), key, partial(codec.envelope.stream_size, keys=key))
        codec.envelope.unseal(read.stream, key)
    except RevealError:
        return -size
    return size


TARGETS: dict[str, Callable[[bytes], int]] = {
    "image": image, "stream": stream, "body": body, "share": share, "colours": colours, "coefficients": coefficients,
}  # fmt: skip


# -- corpora


def _images() -> list[bytes]:
    """A small picture in every format and mode that Pillow writes here, and what the vectors hold."""
    rng = np.random.default_rng(0)
    base = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((65, 64))
    found = [path.read_bytes() for path in sorted(VECTORS.glob("image-*.png"))]
    for mode in MODES:
        source = base.convert("L").convert("I").convert(mode) if mode == "I;16" else base
        for form in FORMATS:
            buffer = io.BytesIO()
            try:
                picture = source if mode == "I;16" else source.convert(mode)
                picture.save(buffer, form)
            except (OSError, ValueError, KeyError, SystemError):
                continue  # not every format takes every mode
            found.append(buffer.getvalue())
    for options in ({"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "group4"}):
        buffer = io.BytesIO()
        (base.convert("1") if "group4" in options.values() else base).save(buffer, "TIFF", **options)
        found.append(buffer.getvalue())
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG", "WEBP"):
        buffer = io.BytesIO()
        base.save(buffer, form, exif=exif, icc_profile=rng.bytes(200))
        found.append(buffer.getvalue())
    return found


def _streams() -> list[bytes]:
    sealed = [_sealed_1(KEYS[1], struct.pack(">BBII", 1, 0, 18 + n, n), b"\1a" + bytes(n)) for n in (0, 10, 1000)]
    packed = [envelope.pack(envelope.Payload(bytes(size), "a")) for size in (0, 10, 1000)]
    sealed += [kind.seal(each, KEYS[0]) for kind in (envelope, compact) for each in packed]
    vectors = json.loads((VECTORS / "envelopes.json").read_text(encoding="utf-8"))
    return sealed + [bytes.fromhex(v["stream"]) for v in vectors if len(v["stream"]) >= 2 * HEAD_1]


def _bodies() -> list[bytes]:
    found = []
    for name, content in ((b"", b""), (b"a.txt", b"abc"), (b"../x\xff", bytes(5000)), (b"n" * 255, b"ab" * 5000)):
        packed = envelope.pack(envelope.Payload(content))
        of_name = bytes([len(name)]) + name
        head = struct.pack(">BBII", 1, packed.compressed, 0, len(content))
        found.append(b"\3" + head + of_name + packed.stored)
        flags = packed.compressed * envelope.ZSTD + bool(name) * envelope.NAMED
        of_data = struct.pack(">I", len(content)) if packed.compressed else b""
        found.append(b"\1" + struct.pack(">I", flags) + of_data + of_name * bool(name) + packed.stored)
        found.append(b"\4" + bytes([packed.compressed + 2 * bool(name)]) + found[-1][5:])
    return found


def _shares() -> list[bytes]:
    found = []
    for content, words, symbols in (
        (b"abc", 1, (6, 3)),
        (bytes(5000), 2, (40,)),
        (random.Random(0).randbytes(3000), 100, (16, 20)),
    ):
        block = sharing.block_of(envelope.pack(envelope.Payload(content, "a.txt")), bytes(8))
        found += [each.to_bytes() for each in sharing.cut(block, words, symbols)]
    return found


def _containers(codecs: tuple[str, ...]) -> Iterator[tuple[Any, keys.Keys]]:
    """Of vectors that need no password: the carrier of each, and its keys."""
    for vector in json.loads((VECTORS / "containers.json").read_text(encoding="utf-8")):
        if "opens" in vector and vector["password"] is None and vector["codec"] in codecs:
            codec, version = load_codec(vector["codec"]), vector.get("version", 1)
            carrier = codec.open(Source(VECTORS / vector["file"]))
            yield carrier, Keyring(None)(codec.salt(carrier, version), version)


STREAMS = tuple(sorted(set(_streams())))
HEADS = tuple(stream[:HEAD_1] for stream in STREAMS)
PHOTOS: list[tuple[Photo, keys.Keys]] = list(_containers(PIXELS))
FILES: list[tuple[JpegFile, keys.Keys]] = [(chroma.file, key) for chroma, key in _containers(("jpeg",))]


def corpus(target: str) -> list[bytes]:
    match target:
        case "image":
            return _images()
        case "stream":
            return list(STREAMS)
        case "body":
            return _bodies()
        case "share":
            return _shares()
        case "coefficients":
            return [bytes([i, 1, 0, 1, 1, 9, 0, 9]) for i in range(len(FILES))]
    return [bytes([i, 1, 1, 1, 9, 9, 9]) for i in range(len(PHOTOS))]


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """One to eight small changes: bits, bytes, numbers, blocks cut out, repeated, or taken from another input."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        at = rng.randrange(len(data) + 1)
        if rng.random() < 0.5:
            at = min(at, rng.randrange(64))  # headers are where parsers go wrong
        match rng.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                number = rng.choice(MAGIC)[: rng.choice((1, 2, 4))]
                data[at : at + len(number)] = number
            case 3:
                data[at:at] = rng.randbytes(rng.randrange(1, 12))
            case 4:
                del data[at : at + rng.choice((1, 2, 8, 100, 10_000))]
            case 5:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at : at + rng.randrange(200)] = other[start : start + rng.randrange(200)]
            case 6:
                data[at:at] = data[at : at + rng.randrange(1, 50)]
            case 7:
                data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.randrange(1 << rng.choice((8, 14, 16, 32))))
    return bytes(data)


# -- running


def _resident(field: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) << 10
    return 0


def _hang(*_: object) -> None:
    raise BrokenError(f"still running after {HANG} s")


def execute(target: Callable[[bytes], int], data: bytes) -> tuple[bool, int]:
    """-> whether it was refused, and peak memory beyond what was there before; or BrokenError."""
    LIBC.malloc_trim(0)  # what is free goes back, or it would hide what comes
    Path("/proc/self/clear_refs").write_text("5")  # starts a new peak
    before = _resident("VmRSS")
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        size = target(data)
    except BrokenError:
        raise
    except Exception as error:
        raise BrokenError(repr(error)) from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = _resident("VmHWM") - before
    if grown > MEMORY * max(abs(size), len(data)) + SLACK:
        raise BrokenError(f"{grown >> 20} MiB for an image of {abs(size)} bytes")
    return size < 0, grown


def run(name: str, executions: int, seed: int) -> int:
    """Returns the number of failures."""
    rng, seeds = random.Random(f"{name} {seed}"), corpus(name)
    TARGETS[name](seeds[0])  # loads what is needed, so that it counts for none
    refused = failures = 0
    worst, begun = 0, time.monotonic()
    for number in range(executions):
        data = seeds[number] if number < len(seeds) else mutated(rng, seeds)
        try:
            was, grown = execute(TARGETS[name], data)
            refused, worst = refused + was, max(worst, grown)
        except BrokenError as error:
            failures += 1
            file = Path(f"fuzz-{name}-{hashlib.sha256(data).hexdigest()[:12]}")
            file.write_bytes(data)
            print(f"{file}: {error}", flush=True)
        if number % 1000 == 0:
            gc.collect()
    seconds = time.monotonic() - begun
    print(
        f"{name}: {executions:,} executions in {seconds:.0f} s, {refused:,} refused, "
        f"{failures} failures; most memory of one {worst >> 20} MiB",
        flush=True,
    )
    return failures


def look_for_paths(name: str, options: list[str]) -> None:
    """Hand a target to atheris, which does not return."""
    atheris = import_module("atheris")
    folder = Path(f"fuzz-corpus-{name}")
    folder.mkdir(exist_ok=True)
    for data in corpus(name):
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def once(data: bytes) -> None:
        TARGETS[name](data)

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *options, "-rss_limit_mb=2048", f"-timeout={HANG}", str(folder)], once)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--executions", type=int, help=f"of each (default: {EXECUTIONS})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="of one target; further options are libFuzzer's")
    arguments, options = parser.parse_known_args()
    if set(arguments.targets) - set(TARGETS) or (options and not arguments.atheris):
        parser.error(f"targets are {', '.join(TARGETS)}")
    warnings.simplefilter("ignore")
    if arguments.atheris:
        if len(arguments.targets) != 1:
            parser.error("name one target")
        look_for_paths(arguments.targets[0], options)
    signal.signal(signal.SIGPROF, _hang)
    return int(
        sum(run(t, arguments.executions or EXECUTIONS[t], arguments.seed) for t in arguments.targets or TARGETS) > 0
    )


if __name__ == "__main__":
    sys.exit(main())
