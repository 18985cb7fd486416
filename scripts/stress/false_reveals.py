"""Read many clean and damaged pictures as codec `robust` does, and count what is revealed though it was never hidden.

python scripts/stress/false_reveals.py [PHOTOS...] [--minutes 15] [--seed 0] [--from 0]

Crops of 288 to 416 pixels, of the photos in the folders or of scikit-image's. Some are clean, under any keys; from
others containers are made, for a channel of any kind, and damaged in many ways: each is read with the right keys, which
must give the payload or nothing, and with wrong ones, which must give nothing. Keys are drawn and not stretched, so
that time goes into reading. One reading in 40 has its whole search for pictures that lie another way; others take the
picture as it lies. A trip depends on seed and number alone. Prints what was read and how it ended, and the exit code is
1 if anything was revealed that is wrong.
"""

from __future__ import annotations

import argparse
import collections
import io
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from crops_soak import as_jpeg
from PIL import Image
from skimage import data as skimage_data

from stegcinn.carriers.base import Source
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Wish
from stegcinn.errors import CapacityError, RevealError, SelfCheckError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import compact, envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import KEY_SIZE, Keys

SIDES = 288, 417  # pixels: 648 blocks and more
CLEAN, DAMAGED = 60, 240  # readings of each crop as it is, and of each container
SEARCHED = 1 / 40  # of the readings
CHANNELS = ("quality=70", "quality=85", "webp=80", "quality>=62", "quality>=75", "resize=0.7,quality>=80")
SUFFIXES = {".jpg": "JPEG", ".png": "PNG"}

CODEC = load_codec("robust")


def jpeg(image: Image.Image, quality: int, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def damaged(image: Image.Image, rng: np.random.Generator) -> bytes:
    """As something may have left it: saved anew after up to two changes."""
    width, height = image.size
    for _ in range(int(rng.integers(3))):
        match rng.choice(["scale", "crop", "turn", "paste", "noise", "smooth", "save", "scramble"]):
            case "scale":
                scale = rng.uniform(0.8, 1.4)
                image = image.resize((round(width * scale), round(height * scale)), int(rng.integers(1, 6)))
            case "crop":
                left, top = (int(each) for each in rng.choice([0, 1, 8, 16, 32], 2))
                image = image.crop((left, top, image.width, image.height))
            case "turn":
                image = image.transpose(Image.Transpose(int(rng.integers(7))))
            case "paste":
                box = tuple(int(each) for each in rng.integers(0, width // 2, 2))
                image = image.copy()
                image.paste(tuple(int(each) for each in rng.integers(0, 256, 3)), (*box, *(each + 40 for each in box)))
            case "noise":
                rgb = np.asarray(image) + rng.normal(0, rng.uniform(1, 25), (image.height, image.width, 3))
                image = Image.fromarray(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))
            case "smooth":
                image = image.reduce(2).resize(image.size)
            case "save":
                image = Image.open(io.BytesIO(jpeg(image, int(rng.integers(15, 96))))).convert("RGB")
            case "scramble":  # rows of blocks change places
                rgb = np.array(image)
                a, b = (int(each) * 16 for each in rng.integers(0, image.height // 16, 2))
                rgb[[*range(a, a + 16), *range(b, b + 16)]] = rgb[[*range(b, b + 16), *range(a, a + 16)]]
                image = Image.fromarray(rgb)
        width, height = image.size
    return jpeg(image, int(rng.integers(40, 96)), subsampling=int(rng.choice([0, 2, 2, 2])))


def read(file: bytes, keys: Keys, searched: bool) -> tuple[bytes | None, bool]:
    """What is revealed, if anything, and whether there was a stream at all."""
    try:
        stream = CODEC.extract(CODEC.open(Source(file)), keys, len, strict=not searched).stream
    except RevealError:
        return None, False
    try:
        return compact.unseal(stream, keys).data, True
    except RevealError:
        return None, True


def container(crop: UInt8, payload: bytes, keys: Keys, rng: np.random.Generator) -> Image.Image | None:
    """One for some channel; None where the crop takes nothing for that."""
    wish = Wish(channel=str(rng.choice(CHANNELS)), suffix=str(rng.choice(list(SUFFIXES))), convert=True)
    stream = compact.seal(envelope.pack(Payload(payload)), keys)
    try:
        carrier = CODEC.embed(CODEC.host(Source(crop), wish), stream, keys, wish).carrier
    except (CapacityError, SelfCheckError):
        return None
    with Image.open(io.BytesIO(CODEC.encode(carrier, wish.suffix or ".jpg"))) as image:
        return image.convert("RGB")


def trip(seed: int, number: int, photos: list[UInt8], count: Callable[[str], None]) -> None:
    """A crop and what is made of it; `count` is called with how each reading ended."""
    rng = np.random.default_rng((seed, number))
    photo = photos[rng.integers(len(photos))]
    height, width = (int(rng.integers(SIDES[0], min(SIDES[1], side + 1))) for side in photo.shape[:2])
    y, x = (int(rng.integers(a - b + 1)) for a, b in zip(photo.shape, (height, width), strict=False))
    crop = np.ascontiguousarray(photo[y : y + height, x : x + width])
    right, payload = Keys(rng.bytes(KEY_SIZE)), rng.bytes(int(rng.integers(20)))

    def tell(what: str, file: bytes, keys: Keys, wanted: bytes | None) -> None:
        searched = bool(rng.random() < SEARCHED)
        what += ", searched" * searched
        found, stream = read(file, keys, searched)
        if found is not None and found != wanted:
            count(f"{what}: WRONG")
            print(f"trip {number}: {what} revealed {found!r}", flush=True)
        else:
            count(f"{what}: {'revealed' if found is not None else 'stream refused' if stream else 'nothing'}")

    for _ in range(CLEAN):
        tell("clean", as_jpeg(crop, rng), Keys(rng.bytes(KEY_SIZE)), None)
    image = container(crop, payload, right, rng)
    if image is None:
        return
    for turn in range(DAMAGED):
        file = damaged(image, rng)
        if turn % 2:
            tell("damaged, right keys", file, right, payload)
        else:
            tell("damaged, wrong keys", file, replace(right, root=rng.bytes(KEY_SIZE)), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path, help="folders of photos")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first trip")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted(path for folder in args.photos for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    photos = photos or [getattr(skimage_data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]
    photos = [photo for photo in photos if min(photo.shape[:2]) >= SIDES[0]]
    counts, started, number = collections.Counter[str](), time.monotonic(), args.first
    while time.monotonic() - started < 60 * args.minutes:
        trip(args.seed, number, photos, lambda outcome: counts.update([outcome]))
        number += 1
        if number % 50 == 0:
            print(
                f"up to trip {number}, {time.monotonic() - started:.0f} s: {dict(sorted(counts.items()))}", flush=True
            )
    print(f"trips {args.first} to {number - 1}, {counts.total()} readings: {dict(sorted(counts.items()))}")
    return 1 if any(outcome.endswith("WRONG") for outcome in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
