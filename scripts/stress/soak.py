"""Random round trips over everything there is: photos, sizes, payloads, names, passwords, codecs, formats, threads.

python scripts/stress/soak.py [PHOTOS...] [--trips 2000] [--seed 0] [--from 0]

Without folders the photos are crops of scikit-image's and drawn ones (noise, gradients, gray, flat, transparent).
A trip depends on seed and number alone. Prints every failure and the count; the exit code is 1 if there was any.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from crops_soak import as_jpeg
from PIL import Image
from skimage import data as skimage_data

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import COLORS, Wish
from stegcinn.codecs.robust.channels import channels
from stegcinn.errors import CapacityError, RevealError, SelfCheckError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.envelope import Payload, safe_name

SIDES = 64, 161  # pixels; every LARGE_EVERY-th photo may be up to LARGE_SIDE
LARGE_EVERY, LARGE_SIDE = 40, 600
BATCH = 8  # trips that share a pool of threads
SUFFIXES = (".png", ".webp", ".tif", ".bmp")
JPEG_SHARE = 0.25  # of the trips, whose host is a JPEG file and whose container is one
SENT_SHARE, SENT_SIDE = 0.1, 400  # of the trips, whose container is sent by some channel, and its shorter side
LETTERS = list("aZ9 ._-/\\\0é永🙂\u202e\u0308")

(SURVIVING,) = (name for name in CODECS if load_codec(name).refusal(Wish(channel=channels()[0].name)) is None)
PIXELS = tuple(name for name in CODECS if ".bmp" in load_codec(name).formats)  # codecs over those


def photo(rng: np.random.Generator, sources: list[UInt8], height: int, width: int) -> UInt8:
    """A host of any kind: (H, W), (H, W, 3) or (H, W, 4)."""
    kind = rng.choice(
        ["crop", "noise", "gradient", "gray", "flat", "alpha", "jpeg"], p=[0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    )
    source = sources[rng.integers(len(sources))]
    y, x = (
        int(rng.integers(max(1, side - size + 1))) for side, size in zip(source.shape, (height, width), strict=False)
    )
    crop = source[y : y + height, x : x + width]
    if crop.shape[:2] != (height, width):
        crop = np.asarray(Image.fromarray(crop).resize((width, height)))
    match kind:
        case "noise":
            return rng.integers(0, 256, (height, width, 3), np.uint8)
        case "gradient":
            rows, columns = np.mgrid[:height, :width]
            slopes = rng.normal(size=(2, 3))
            plane = rows[..., None] * slopes[0] + columns[..., None] * slopes[1] + rng.integers(0, 256, 3)
            return np.clip(plane, 0, 255).astype(np.uint8)
        case "gray":
            return np.asarray(Image.fromarray(crop).convert("L"))
        case "flat":
            flat = crop.copy()
            flat[:, : width // 2] = rng.choice([0, 255, 128])
            return flat
        case "alpha":
            return np.dstack([crop, rng.integers(0, 256, (height, width), np.uint8)])
        case "jpeg":
            small = Image.fromarray(crop).resize((max(1, width // 2), max(1, height // 2)))
            return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    return np.ascontiguousarray(crop)


def text(rng: np.random.Generator, longest: int) -> str:
    return "".join(LETTERS[i] for i in rng.integers(len(LETTERS), size=int(rng.integers(1, longest))))


def payload(rng: np.random.Generator, room: int) -> Payload:
    """Of any size up to what fits, random or not, with or without a name."""
    size = int(rng.choice([0, 1, room, int(rng.integers(room + 1)), int(rng.integers(min(room, 64) + 1))]))
    content = rng.bytes(size)
    if rng.random() < 0.2:
        content = (b"all work and no play " * (size // 20 + 1))[:size]
    name = safe_name(text(rng, 40)) if rng.random() < 0.5 else None
    return Payload(content, name)


def trip(seed: int, number: int, sources: list[UInt8]) -> tuple[str, str]:
    """-> outcome and a description; outcomes other than "good" and "no room" are failures."""
    rng = np.random.default_rng((seed, number))
    top = LARGE_SIDE if number % LARGE_EVERY == 0 else SIDES[1]
    height, width = (int(side) for side in rng.integers(SIDES[0], top, 2))
    sent_on = rng.random() < SENT_SHARE
    if sent_on:
        height, width = height + SENT_SIDE, width + SENT_SIDE
    pixels = photo(rng, sources, height, width)
    codec = rng.choice([None, *PIXELS])
    wish = Wish(rng.choice([None, *COLORS]))
    if codec is not None and load_codec(codec).refusal(wish):
        wish = Wish()
    suffix = str(rng.choice(SUFFIXES[:3] if pixels.shape[2:] == (4,) else SUFFIXES))
    password = text(rng, 12) if rng.random() < 0.5 else None
    host = Source(pixels)
    if sent_on:
        channel = rng.choice([None, *(channel.name for channel in channels())])
        codec, wish, suffix = SURVIVING, Wish(channel=channel), str(rng.choice(load_codec(SURVIVING).formats))
    elif rng.random() < JPEG_SHARE and pixels.shape[2:] == (3,):
        codec, wish, suffix, host = None, Wish(), ".jpg", Source(as_jpeg(pixels, rng))
    told = f"{number}: {pixels.shape} codec {codec} {wish.colors} {wish.channel} {suffix} password {password!r}"
    room = stego.measure(host, codec=codec, wish=wish, suffix=suffix).bytes
    sent = payload(rng, room)
    told += f" room {room} size {len(sent.data)} name {sent.name!r}"
    try:
        container = stego.conceal(host, sent, password=password, codec=codec, wish=wish, suffix=suffix)
    except (CapacityError, SelfCheckError) as error:
        return ("no room" if room == 0 else f"refused what it promised: {error}"), told
    saved = Source(container.file)
    used = load_codec(container.codec)
    try:
        used.check(used.host(host, wish), used.open(saved))
    except SelfCheckError as error:
        return str(error), told
    got = stego.uncover(saved, password=password)
    if got.data != sent.data or got.name not in (sent.name, None):
        return "mismatch", told
    if number % 10 == 0:
        for image, other in ((saved, f"{password}?"), (host, password)):
            try:
                stego.uncover(image, password=other)
            except RevealError:
                continue
            return "revealed without the key", told
    return "good", told


def attempt(seed: int, number: int, sources: list[UInt8]) -> tuple[str, str]:
    try:
        return trip(seed, number, sources)
    except Exception as error:
        return repr(error), f"trip {number}"


def load(folders: list[Path]) -> list[UInt8]:
    files = sorted(path for folder in folders for path in folder.rglob("*.png"))
    if files:
        return [np.asarray(Image.open(path).convert("RGB")) for path in files]
    return [getattr(skimage_data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path, help="folders of PNG photos")
    parser.add_argument("--trips", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first trip")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sources, counts = load(arguments.photos), collections.Counter[str]()
    started, end = time.monotonic(), arguments.first + arguments.trips
    for first in range(arguments.first, end, BATCH):
        numbers = range(first, min(first + BATCH, end))
        threads = int(np.random.default_rng((arguments.seed, first, 1)).integers(1, 5))
        with ThreadPoolExecutor(threads) as pool:
            results: Any = pool.map(lambda n: attempt(arguments.seed, n, sources), numbers)
            for outcome, told in results:
                counts[outcome] += 1
                if outcome not in ("good", "no room"):
                    print(outcome, told, flush=True)
        if first % 100 < BATCH:
            print(
                f"{numbers.stop - arguments.first} trips, {time.monotonic() - started:.0f} s: {dict(counts)}",
                flush=True,
            )
    print(f"{arguments.trips} trips in {time.monotonic() - started:.0f} s: {dict(counts)}")
    return 0 if set(counts) <= {"good", "no room"} else 1


if __name__ == "__main__":
    sys.exit(main())
