"""Check on many JPEG files that they are written as they were read, and with changed chroma that nothing else changes.

python scripts/measure/jpeg_identity.py FOLDER... [--trips 1] [--made 0] [--seed 0] [--encoder COMMAND ...]

Of each file in the folders: is it read, and if not, why; is it written byte for byte; and, --trips times, is it right
with a random share of the chroma AC coefficients changed by one, also to Pillow. --made files are encoded anew from
crops of odd sizes of these photos, over qualities, samplings and kinds of encoding, and checked the same way: by Pillow
or by commands that read a PPM from standard input and write a JPEG to standard output, as `convert - -quality {quality}
jpeg:-`, `ffmpeg -f image2pipe -i - -q:v 5 -f mjpeg -`, `cjpeg -quality {quality}`, or `node mozjpeg.mjs {quality}` by
the file that stands beside this one. The exit code is 1 if anything fails.
"""

from __future__ import annotations

import argparse
import collections
import io
import random
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from stegcinn.carriers.jpegfile.entropy import MINUS, PLUS
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.errors import ImageError

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif"}
SHARES = (0.0005, 0.005, 0.05)  # of the coefficients that may change
KINDS = (
    {},
    {"optimize": True},
    {"progressive": True},
    {"restart_marker_blocks": 5},
    {"restart_marker_rows": 1},
    {"progressive": True, "restart_marker_rows": 2},
)
SIDES = 17, 500


def made(paths: list[Path], count: int, seed: int, commands: list[str]) -> Iterator[tuple[str, bytes]]:
    """Names and files: crops of the photos, as Pillow encodes them in turn in each way, or as the commands do."""
    rng = random.Random(seed)
    ImageFile.MAXBLOCK = 1 << 24  # Pillow wants room for a whole file where tables are optimised
    for number in range(count):
        with Image.open(rng.choice(paths)) as photo:
            size = [min(side, rng.randint(*SIDES)) for side in photo.size]
            left, top = (rng.randint(0, whole - part) for whole, part in zip(photo.size, size, strict=True))
            crop = photo.convert("RGB").crop((left, top, left + size[0], top + size[1]))
        quality, sampling, kind = rng.randint(30, 98), number % 3, KINDS[number // 3 % len(KINDS)]
        buffer = io.BytesIO()
        if commands:
            command = commands[number % len(commands)].format(quality=quality)
            crop.save(buffer, "PPM")
            done = subprocess.run(shlex.split(command), input=buffer.getvalue(), capture_output=True, check=True)
            yield f"made {number}: {size} {command}", done.stdout
            continue
        crop.save(buffer, "JPEG", quality=quality, subsampling=sampling, **kind)
        yield f"made {number}: {size} quality {quality} sampling {sampling} {kind}", buffer.getvalue()


def changed(jpeg: JpegFile, rng: np.random.Generator) -> JpegFile:
    """Chroma AC coefficients changed by one wherever that can be coded."""
    share, wanted = rng.choice(SHARES), {}
    for plane in (1, 2):
        moves, blocks = jpeg.codable(plane), jpeg.components[plane].coefficients.copy()
        moves[..., 0] = 0
        moves[(blocks == 0) & (rng.random(blocks.shape) < 0.9)] = 0  # most are zero, and few of those should change
        chosen, up = rng.random(blocks.shape) < share, rng.random(blocks.shape) < 0.5
        blocks[chosen & up & ((moves & PLUS) > 0)] += 1
        blocks[chosen & ~up & ((moves & MINUS) > 0)] -= 1
        wanted[plane] = blocks
    changed = jpeg.with_coefficients(wanted)
    while len(places := changed.missing_symbols().places):  # single changes that lack codes together
        for plane, row, column in places:
            wanted[plane][row, column] = jpeg.was[plane][row, column]
        changed = jpeg.with_coefficients(wanted)
    return changed


def outside(jpeg: JpegFile) -> list[bytes]:
    """What is between the entropy-coded segments."""
    stops = [0, *(scan.stop for scan in jpeg.layout.scans)]
    starts = [*(scan.start for scan in jpeg.layout.scans), len(jpeg.data)]
    return [jpeg.data[stop:start] for stop, start in zip(stops, starts, strict=True)]


def luma(data: bytes) -> np.ndarray | None:
    """Pillow's decoded luma, or None if it cannot decode the file."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("L", image.size)
            return np.asarray(image)
    except (OSError, SyntaxError):
        return None


def trip(jpeg: JpegFile, rng: np.random.Generator, counts: collections.Counter[str]) -> list[str]:
    """What is wrong with the file when it is changed."""
    wanted = changed(jpeg, rng)
    written = wanted.write()
    again = JpegFile.read(written, "again")
    pairs = list(zip(wanted.components, again.components, strict=True))
    counts["trips"] += 1
    counts["coefficients changed"] += sum(
        int(np.count_nonzero(a.coefficients != b)) for a, b in zip(wanted.components, jpeg.was, strict=True)
    )
    checks = {
        "coefficients": all(np.array_equal(a.coefficients, b.coefficients) for a, b in pairs),
        "luma": np.array_equal(again.luma.coefficients, jpeg.luma.coefficients),
        "other bytes": outside(again) == outside(jpeg),
        "written again": again.write() == written,
    }
    before = luma(jpeg.data)
    if before is not None:
        after = luma(written)
        checks["Pillow's luma"] = after is not None and np.array_equal(before, after)
        counts["luma compared by Pillow"] += 1
    return [name for name, good in checks.items() if not good]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--trips", type=int, default=1, help="changes of each file (default: 1)")
    parser.add_argument("--made", type=int, default=0, help="files to encode from the photos (default: 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", nargs="+", default=[], metavar="COMMAND", help="encode by these, not by Pillow")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    counts, refused, readable, failures = collections.Counter[str](), collections.Counter[str](), [], 0
    rng, begun = np.random.default_rng(arguments.seed), time.monotonic()

    def check(name: str, data: bytes) -> bool:
        counts["files"] += 1
        try:
            jpeg = JpegFile.read(data, "")
        except ImageError as error:
            refused[str(error).strip()] += 1
            return False
        counts["read"] += 1
        counts["progressive"] += jpeg.layout.progressive
        wrong = [] if jpeg.write() == data else ["not byte for byte"]
        counts["byte for byte"] += not wrong
        for _ in range(arguments.trips):
            wrong += trip(jpeg, rng, counts)
        nonlocal failures
        failures += len(wrong)
        if wrong:
            print(f"{name}: {', '.join(wrong)}")
        return True

    for folder in arguments.folders:
        for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
            if check(str(path), path.read_bytes()) and luma(path.read_bytes()) is not None:
                readable.append(path)
    for name, data in made(readable, arguments.made, arguments.seed, arguments.encoder):
        check(name, data)
    print(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    print(f"{failures} failures in {time.monotonic() - begun:.0f} s")
    for reason, count in refused.most_common():
        print(f"refused {count}: {reason}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
