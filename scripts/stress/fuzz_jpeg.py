"""Feed damaged JPEG files to the reader and writer of coefficients: no crash, no hang, no more memory than allowed.

python scripts/stress/fuzz_jpeg.py [--executions 100000] [--seed 0] [--sanitize]

Files of all kinds are built by the tests' own encoder and by Pillow, and mutated: bits, bytes, lengths, tables, whole
segments. What is still read must be written byte for byte, and with changed coefficients be read as those. A child runs
the executions, so that a crash is told too; inputs that fail are written to the current directory, and the exit code is
1 if there are any. With --sanitize the loops run under AddressSanitizer and UndefinedBehaviorSanitizer (gcc), without
the check of memory.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import gc
import hashlib
import json
import mmap
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import jpegs
from stegcinn.carriers.jpegfile.entropy import MINUS, PLUS
from stegcinn.carriers.jpegfile.file import JpegFile, LackingError
from stegcinn.errors import ImageError
from stegcinn.runtime import native

HANG = 5  # seconds of processor time
MEMORY = 6  # times the coefficients
SLACK = 8 << 20  # bytes: what Python and NumPy take by themselves
BATCH = 2000  # executions of a child
ROOM = 1 << 22  # bytes, for the input that a child is at
LIBC = ctypes.CDLL(None)
SANITIZED = "STEGCINN_SANITIZED"  # the name of the library for the process that runs under the sanitizers
VALUES = (0, 1, 2, 0x11, 0x3F, 0x40, 0x7F, 0x80, 0xC4, 0xDA, 0xDB, 0xFE, 0xFF)


class BrokenError(Exception):
    """A limit was passed, or what was read is not what was written."""


def corpus() -> list[bytes]:
    """Small files of all kinds."""
    found = [jpegs.build(jpegs.random_file(seed, bool(seed % 2))) for seed in range(120)]
    rgb = jpegs.picture(57, 41)
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        for kind in ({}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 2}):
            found.append(jpegs.saved(rgb, quality=85, subsampling=sampling, **kind))
    return found


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """One to eight changes, of headers more often than of coded data, which takes most of the bytes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3, 8))):
        markers = [found.start() for found in re.finditer(rb"\xff[\xc0-\xfe]", data)] or [0]
        at = min(rng.choice(markers) + rng.randrange(24), len(data))
        if rng.random() < 0.6:  # in the last scan, or anywhere
            at = rng.randrange(max(0, data.rfind(b"\xff\xda")) if rng.random() < 0.7 else 0, len(data) + 1)
        match rng.randrange(9):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.choice(VALUES)
            case 2 if at < len(data):
                data[at] = rng.randrange(256)
            case 3:
                data[at:at] = rng.randbytes(rng.randrange(1, 12))
            case 4:
                del data[at : at + rng.choice((1, 2, 8, 100, 10_000))]
            case 5:
                data[at : at + 2] = rng.choice((b"\xff\xff", b"\0\0", b"\0\2", b"\x20\0", b"\x03\xe8"))
            case 6:  # a segment again, or one of another file
                other = rng.choice((bytes(data), rng.choice(seeds)))
                starts = [found.start() for found in re.finditer(rb"\xff[\xc0-\xfe]", other)] or [0]
                start = rng.choice(starts)
                where = rng.choice(markers)
                data[where:where] = other[start : start + rng.choice((20, 50, 200, 1000))]
            case 7:  # without a segment
                start = rng.choice(markers)
                del data[start : min((m for m in markers if m > start), default=len(data))]
            case 8:
                data[at:at] = b"\xff" * rng.randrange(1, 4)
    return bytes(data[:ROOM])


def resident(field: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) << 10
    return 0


def execute(data: bytes, seed: int) -> str:
    """What became of a file; BrokenError."""
    try:
        jpeg = JpegFile.read(data, "it")
    except ImageError as error:
        return re.sub(r"\d+", "N", str(error).split(";")[0])
    if jpeg.write() != data:
        raise BrokenError("not byte for byte")
    rng, wanted = np.random.default_rng(seed), {}
    for plane, component in enumerate(jpeg.components):
        moves, blocks = jpeg.codable(plane), component.coefficients.copy()
        if blocks.size > 1 << 20:
            return "read, large"
        chosen = rng.random(blocks.shape) < rng.choice((0.001, 0.05))
        blocks[chosen & ((moves & PLUS) > 0)] += 1
        blocks[~chosen & (rng.random(blocks.shape) < 0.001) & ((moves & MINUS) > 0)] -= 1
        wanted[plane] = blocks
    changed = jpeg.with_coefficients(wanted)
    try:
        again = JpegFile.read(changed.write(), "again")
    except LackingError:
        return "read, codes lack"
    if not all(np.array_equal(wanted[n], component.coefficients) for n, component in enumerate(again.components)):
        raise BrokenError("other coefficients than were written")
    return "read and changed"


def allowed(data: bytes) -> int:
    """Bytes for a file: of the coefficients that it says it has, as far as its size can tell of any."""
    sizes = [
        data[at + 5 : at + 9] for at in (found.start() for found in re.finditer(rb"\xff[\xc0-\xc2]\0\x11\x08", data))
    ]
    pixels = max((int.from_bytes(s[:2], "big") * int.from_bytes(s[2:], "big") for s in sizes), default=0)
    blocks = min(pixels // 64 * 3 + 4096, 8 * len(data) * 3)  # a block takes a bit, in a scan of each component
    return MEMORY * 128 * blocks + SLACK


def child(inputs: mmap.mmap, results: mmap.mmap, seed: int, first: int, count: int, seeds: list[bytes]) -> None:
    """Executions first to first + count - 1; the last thing that `inputs` holds is what was going on."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, in whatever loop it is
    told = collections.Counter[str]()
    for number in range(first, first + count):
        data = seeds[number] if number < len(seeds) else mutated(random.Random(f"{seed} {number}"), seeds)
        inputs[:12] = len(data).to_bytes(4, "big") + number.to_bytes(8, "big")
        inputs[12 : 12 + len(data)] = data
        LIBC.malloc_trim(0)
        if SANITIZED not in os.environ:
            Path("/proc/self/clear_refs").write_text("5")  # starts a new peak
        before = resident("VmRSS")
        signal.setitimer(signal.ITIMER_PROF, HANG)
        told[execute(data, number)] += 1
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown = resident("VmHWM") - before
        if SANITIZED not in os.environ and grown > allowed(data):
            raise BrokenError(f"{grown >> 20} MiB where {allowed(data) >> 20} are allowed")
        if number % 500 == 0:
            gc.collect()
    text = json.dumps(told).encode()
    results[: 4 + len(text)] = len(text).to_bytes(4, "big") + text


def run(executions: int, seed: int) -> int:
    """Returns the number of failures."""
    seeds, total, failures = corpus(), collections.Counter[str](), 0
    inputs, results = mmap.mmap(-1, ROOM + 12), mmap.mmap(-1, 1 << 20)
    first, begun = 0, time.monotonic()
    while first < executions:
        count = min(BATCH, executions - first)
        process = os.fork()
        if process == 0:
            status = 1
            try:
                child(inputs, results, seed, first, count, seeds)
                status = 0
            except BaseException as error:
                print(repr(error), flush=True)
            os._exit(status)
        status = os.waitpid(process, 0)[1]
        if status == 0:
            total.update(json.loads(results[4 : 4 + int.from_bytes(results[:4], "big")]))
            first += count
            continue
        failures += 1
        size, number = int.from_bytes(inputs[:4], "big"), int.from_bytes(inputs[4:12], "big")
        data = inputs[12 : 12 + size]
        file = Path(f"fuzz-jpeg-{hashlib.sha256(data).hexdigest()[:12]}")
        file.write_bytes(data)
        print(f"{file}: execution {number} ended with status {status:#x}", flush=True)
        first = number + 1
    print(f"{executions:,} executions in {time.monotonic() - begun:.0f} s, {failures} failures")
    for what, times in total.most_common():
        print(f"{times:>8,} {what}")
    return failures


def sanitize() -> int:
    """This program again, with the loops compiled for the sanitizers."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "jpeg.so")
        flags = [
            "-std=c11",
            "-O1",
            "-g",
            "-fPIC",
            "-shared",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
        ]
        source = Path(__file__).parents[2] / "src" / "stegcinn" / "native" / "jpeg.c"
        subprocess.run(["gcc", *flags, "-o", str(library), str(source)], check=True)
        preload = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
        settings = {
            SANITIZED: str(library),
            "LD_PRELOAD": preload.stdout.strip(),
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "PYTHONMALLOC": "malloc",  # so that each array has red zones around it
        }
        arguments = [argument for argument in sys.argv if argument != "--sanitize"]
        return subprocess.run([sys.executable, *arguments], env={**os.environ, **settings}, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sanitize", action="store_true")
    arguments = parser.parse_args()
    if arguments.sanitize:
        return sanitize()
    if SANITIZED in os.environ:
        loaded = ctypes.CDLL(os.environ[SANITIZED])
        native.library = lambda: loaded
    return int(run(arguments.executions, arguments.seed) > 0)


if __name__ == "__main__":
    sys.exit(main())
