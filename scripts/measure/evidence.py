"""How surely `stegcinn.carriers.evidence` tells hosts whose structure proves a change, and how often it tells others.

python scripts/measure/evidence.py FOLDER... [--scaled FOLDER ...] [--count N]

FOLDER: photos that were never compressed at their size; of each, all kinds of guilty hosts are made. `--scaled`: photos
of any origin, which are scaled down and then have no such structure. Prints two Markdown tables (the share of hosts of
which evidence is told; of those that have none, how many it is told of) and the time that a megapixel takes.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps, features

from stegcinn.carriers.base import Source
from stegcinn.carriers.evidence.decoders import decoders
from stegcinn.carriers.evidence.search import find_evidence
from stegcinn.carriers.photo import MIN_SIDE
from stegcinn.errors import ImageError
from stegcinn.runtime.arrays import Int64, UInt8

FACTORS = (0.5, 0.37, 0.8)
FILTERS = {
    each.name.lower(): each for each in (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX)
}
NEAREST = Image.Resampling.NEAREST
LARGE = 1_000_000  # pixels of photos that are timed
SEPIA = (0.39, 0.77, 0.19, 0, 0.35, 0.69, 0.17, 0, 0.27, 0.53, 0.13, 0)
COARSE = [value & mask for mask in (248, 252, 248) for value in range(256)]
Make = Callable[[Image.Image], Image.Image]


def saved(kind: str, **options: object) -> Make:
    """What a file of this kind gives back."""

    def make(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return Image.open(buffer).convert("RGB")

    return make


def converted(by: Callable[[Int64, Int64, Int64], list[Int64]]) -> Make:
    """RGB that `by` makes of 8-bit Y, Cb and Cr."""

    def make(image: Image.Image) -> Image.Image:
        ycc = np.asarray(image.convert("YCbCr")).astype(np.int64)
        return Image.fromarray(np.stack(by(*np.moveaxis(ycc, 2, 0)), axis=2).clip(0, 255).astype(np.uint8))

    return make


def by_decoder(number: int) -> Make:
    """By the arithmetic of one of the decoders that are known."""
    each = decoders()[number]
    return converted(lambda y, cb, cr: [
        each.luma[y] + each.red[cr] >> each.shift,
        each.luma[y] + each.green_of_cb[cb] + each.green_of_cr[cr] >> each.shift,
        each.luma[y] + each.blue[cb] >> each.shift,
    ])  # fmt: skip


def unknown(y: Int64, cb: Int64, cr: Int64) -> list[Int64]:
    """Arithmetic that is not among those that are known: ten bits of fraction."""
    b, r = cb - 128, cr - 128
    return [y + (1436 * r + 512 >> 10), y + (-352 * b - 731 * r + 512 >> 10), y + (1815 * b + 512 >> 10)]


def captioned(image: Image.Image) -> Image.Image:
    image = saved("JPEG", quality=90)(image)
    ImageDraw.Draw(image).text((image.width // 8, image.height // 2), "captions", fill=(250, 240, 10))
    return image


def with_area(side: int) -> Make:
    """Decoded pixels in a photo, off the grid of any blocks."""

    def make(image: Image.Image) -> Image.Image:
        box = (19, 27, 19 + side, 27 + side)
        image.paste(saved("JPEG", quality=85)(image).crop(box), box[:2])
        return image

    return make


def enlarged(factor: float) -> Make:
    return lambda image: image.resize((round(factor * image.width), round(factor * image.height)), NEAREST)


def halved(make: Make) -> Make:
    """Half of what is made of the photo at twice its size."""

    def both(image: Image.Image) -> Image.Image:
        double = image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC)
        return make(double).resize(image.size, Image.Resampling.LANCZOS)

    return both


def levels(change: Callable[[int], float]) -> Make:
    table = [min(255, max(0, round(change(value)))) for value in range(256)]
    return lambda image: image.point(table * 3)


def toned(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB").convert("RGB", SEPIA)


CLASSES: dict[str, Make] = {
    "JPEG, quality 75, 4:2:0": saved("JPEG", quality=75),
    "JPEG, quality 95, 4:4:4": saved("JPEG", quality=95, subsampling=0),
    "JPEG by stb_image": by_decoder(1),
    "JPEG by truncated floating point": by_decoder(2),
    "JPEG or HEIC by 8 bits of fraction, rounded": by_decoder(3),
    "the same, truncated": by_decoder(4),
    "JPEG by Go": by_decoder(9),
    "JPEG by 10 bits of fraction, which is not known": converted(unknown),
    "lossy WebP, quality 80": saved("WEBP", quality=80),
    **({
        "AVIF, quality 70": saved("AVIF", quality=70, speed=9),
        "AVIF, quality 70, limited range": saved("AVIF", quality=70, speed=9, range="limited"),
    } if features.check("avif") else {}),
    "JPEG with a caption of eight letters": captioned,
    "64x64 pixels from a JPEG in a photo": with_area(64),
    "32x32 pixels from a JPEG in a photo": with_area(32),
    "palette of 256 colours": lambda image: image.quantize(256).convert("RGB"),
    "palette of 64 colours": lambda image: image.quantize(64).convert("RGB"),
    "5, 6 and 5 bits per channel": lambda image: image.point(COARSE),
    "sepia": toned,
    "half of sepia": halved(toned),
    "contrast times 1.1": levels(lambda value: 1.1 * (value - 12)),
    "contrast times 1.3": levels(lambda value: 1.3 * (value - 30)),
    "gamma 0.8": levels(lambda value: 255 * (value / 255) ** 0.8),
    "automatic contrast": lambda image: ImageOps.autocontrast(image, cutoff=1),
    "enlarged 1.2 times by nearest neighbour": enlarged(1.2),
    "enlarged 1.5 times by nearest neighbour": enlarged(1.5),
    "enlarged twice by nearest neighbour": enlarged(2),
}  # fmt: skip


def photos(folders: list[Path], count: int | None) -> Iterator[Image.Image]:
    """The photos of folders, `count` of each at most."""
    for folder in folders:
        for path in [each for each in sorted(folder.rglob("*")) if each.is_file()][:count]:
            try:
                yield Source(path).photo().to_pil().convert("RGB")
            except ImageError:  # no photo, or a damaged one
                continue


def scaled(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    for factor in FACTORS:
        size = round(factor * image.width), round(factor * image.height)
        if min(size) >= MIN_SIDE:
            for name, by in FILTERS.items():
                yield f"scaled by {factor}, {name}", image.resize(size, by)


class Tally:
    """Of how many photos, by class, evidence is told; and how long that took."""

    def __init__(self) -> None:
        self.photos: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.notes: dict[str, Counter[str]] = {}
        self.pixels, self.seconds = 0, 0.0

    def add(self, name: str, rgb: UInt8) -> None:
        start = time.process_time()
        note = find_evidence(rgb)
        if rgb[..., 0].size >= LARGE:
            self.seconds += time.process_time() - start
            self.pixels += rgb[..., 0].size
        self.photos[name] += 1
        self.told[name] += note is not None
        if note is not None:
            self.notes.setdefault(name, Counter())[note.partition(", ")[0]] += 1

    def show(self, title: str) -> None:
        print(f"| {title} | photos | evidence told | mostly |\n|---|---|---|---|")
        for name, count in self.photos.items():
            mostly = self.notes[name].most_common(1)[0][0] if name in self.notes else ""
            print(f"| {name} | {count:,} | {100 * self.told[name] / count:.1f} % | {mostly} |")
        all_photos, all_told = sum(self.photos.values()), sum(self.told.values())
        print(f"\n{all_told:,} of {all_photos:,} in all")
        if self.pixels:
            print(f"{1e6 * self.seconds / self.pixels:.3f} s per megapixel, of photos that have one and more")
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "hosts", type=Path, nargs="+", help="folders of photos that were never compressed at their size"
    )
    parser.add_argument("--scaled", type=Path, nargs="+", default=[], help="folders of photos to scale down")
    parser.add_argument("--count", type=int, help="photos of each folder at most")
    arguments = parser.parse_args()
    guilty, honest = Tally(), Tally()
    for image in photos(arguments.hosts, arguments.count):
        honest.add("as they are", np.asarray(image))
        for name, make in CLASSES.items():
            guilty.add(name, np.asarray(make(image.copy())))
    for image in photos(arguments.scaled, arguments.count):
        for name, small in scaled(image):
            honest.add(name, np.asarray(small))
    guilty.show("hosts")
    honest.show("photos without such structure")


if __name__ == "__main__":
    main()
