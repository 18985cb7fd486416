"""Feed foreign bytes to every parser that may see them: image files, streams, envelope bodies, colours.

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
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stegcinn.carriers.base import Source, read_photo
from stegcinn.carriers.photo import MAX_PIXELS, Photo
from stegcinn.codecs import CODECS, load_codec
from stegcinn.errors import ImageError, RevealError, StegcinnError
from stegcinn.sealing import envelope, keys
from stegcinn.sealing.keys import Keyring

VECTORS = Path(__file__).parents[2] / "tests" / "format" / "vectors"
HANG = 20  # seconds of processor time
MEMORY = 4  # times the pixels of the image, 3 bytes each
# What some decoders take by themselves, and conversions of other or wider channels (measured, docs/threat-model.md)
GREEDY = {"JPEG2000": 9.5, "WEBP": 6.5, "AVIF": 5.0}
GREEDY_MODES = {"CMYK": 5.5, "LAB": 5.5, "I;16": 6.5, "I;16B": 6.5, "F": 6.5}
SLACK = 24 << 20  # bytes: zstd's window of 8 MiB, decoders' tables, Python's own
LIBC = ctypes.CDLL(None)
KEY = keys.Keys(bytes(range(32)))
EXECUTIONS = {"image": 100_000, "stream": 100_000, "body": 100_000, "colours": 2_000}  # each by default
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA", "JPEG2000", "AVIF", "ICO", "DDS")
MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F", "LAB")
MAGIC = tuple(struct.pack(f, v) for f in ("<I", ">I") for v in (0, 1, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))

LOSSLESS = tuple(name for name in CODECS if name != "jpeg")  # over pixels


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
    """A stream that a codec has read."""
    for read, known in ((envelope.unseal, STREAMS), (envelope.stream_size, HEADS)):
        try:
            told = read(data, KEY)
        except StegcinnError:
            continue
        if told == envelope.HEAD_SIZE > len(data):  # the beginning of a head tells nothing
            continue
        if not data.startswith(known):
            raise BrokenError("a forgery")
        return len(data)
    return -1


def body(data: bytes) -> int:
    """An envelope whose sender had the keys: 10 bytes of head, then the body."""
    head, inner = data[:10].ljust(10, b"\0"), data[10:]
    head = head[:2] + struct.pack(">I", len(inner) + 16) + head[6:] if head[2] & 1 else head
    boxes = envelope._boxes(KEY, bytes(16))
    sealed = boxes[0].encrypt(bytes(12), head, None) + boxes[1].encrypt(bytes(12), inner, head)
    try:
        payload = envelope.unseal(bytes(16) + sealed, KEY)
    except StegcinnError:
        return -1
    if payload.name is not None and payload.name != envelope.safe_name(payload.name):
        raise BrokenError(f"an unsafe name: {payload.name!r}")
    return len(payload.data)


def colours(data: bytes) -> int:
    """The colours of a container, under the keys of the unaltered one: 6 bytes for each pixel that is overwritten."""
    original, key = CONTAINERS[data[0] % len(CONTAINERS) if data else 0]
    rgb = original.copy()
    height, width = rgb.shape[:2]
    for at in range(1, len(data) - 5, 6):
        y, x, size = data[at] % height, data[at + 1] % width, 1 + data[at + 2] % 16
        rgb[y : y + size, x : x + size] = tuple(data[at + 3 : at + 6])
    photo, size = Photo(rgb), partial(envelope.stream_size, keys=key)
    for codec in LOSSLESS:
        try:
            envelope.unseal(load_codec(codec).extract(photo, key, size).stream, key)
            return rgb.nbytes
        except RevealError:
            continue
    return -rgb.nbytes


TARGETS: dict[str, Callable[[bytes], int]] = {"image": image, "stream": stream, "body": body, "colours": colours}


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
    sealed = [envelope.seal(envelope.pack(envelope.Payload(bytes(size), "a")), KEY) for size in (0, 10, 1000)]
    vectors = json.loads((VECTORS / "envelopes.json").read_text(encoding="utf-8"))
    return sealed + [bytes.fromhex(v["stream"]) for v in vectors if len(v["stream"]) >= 2 * envelope.HEAD_SIZE]


def _bodies() -> list[bytes]:
    found = []
    for name, content in ((b"", b""), (b"a.txt", b"abc"), (b"../x\xff", bytes(5000)), (b"n" * 255, b"ab" * 5000)):
        packed = envelope.pack(envelope.Payload(content))
        head = struct.pack(">BBII", 1, packed.flags, 1, len(content))
        found.append(head + bytes([len(name)]) + name + packed.stored)
        found[-1] = found[-1][:2] + b"\x01" + found[-1][3:]  # the odd byte asks for the right size
    return found


def _containers() -> list[tuple[np.ndarray[Any, Any], keys.Keys]]:
    found = []
    for codec in map(load_codec, LOSSLESS):
        for path in sorted(VECTORS.glob(f"{codec.name}*-public.png")):
            photo = codec.open(Source(path))
            found.append((photo.rgb, Keyring(None)(codec.salt(photo))))
    return found


STREAMS = tuple(sorted(set(_streams())))
HEADS = tuple(stream[: envelope.HEAD_SIZE] for stream in STREAMS)
CONTAINERS = _containers()


def corpus(target: str) -> list[bytes]:
    match target:
        case "image":
            return _images()
        case "stream":
            return list(STREAMS)
        case "body":
            return _bodies()
    return [bytes([i, 1, 1, 1, 9, 9, 9]) for i in range(len(CONTAINERS))]


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
