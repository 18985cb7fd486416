"""What happens to a payload when its container is changed on the way: how many of so many come back, per codec.

python scripts/stress/damage.py [PHOTOS...] [--codecs NAME ...] [--out docs/damage.md]

Without folders the hosts are 128x128 crops of scikit-image's photos. Each carries a small payload (64 bytes) and one of
half its capacity. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import io
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data as skimage_data

import stegcinn
from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.luma import luma_of
from stegcinn.codecs import CODECS
from stegcinn.errors import StegcinnError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.envelope import Payload

SIDE, SMALL = 128, 64


Damage = Callable[[Image.Image], Image.Image | bytes]  # to a picture, or to a file


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def edited(change: Callable[[UInt8], None]) -> Damage:
    """A damage that writes into the array of pixels."""

    def damage(image: Image.Image) -> Image.Image:
        rgb = np.array(image.convert("RGB"))
        change(rgb)
        return Image.fromarray(rgb)

    return damage


def brighter_pixel(rgb: UInt8) -> None:
    middle = rgb[SIDE // 2, SIDE // 2]
    middle[:] = np.where(middle.max() < 255, middle + 1, middle - 1)


def other_colours(pixels: UInt8, wanted: int) -> None:
    """Move blue by four levels, and green by what that costs, in `wanted` pixels whose luma stays the same by it."""
    for place in np.random.default_rng(0).permutation(pixels.shape[0] * pixels.shape[1]):
        y, x = divmod(int(place), pixels.shape[1])
        for green, blue in itertools.product((0, -1, 1), (4, -4)):
            other = np.add(pixels[y, x].astype(int), (0, green, blue))
            possible = other.min() >= 0 and other.max() <= 255
            if wanted and possible and luma_of(other.astype(np.uint8)) == luma_of(pixels[y, x]):
                pixels[y, x] = other
                wanted -= 1
                break


def blue_up(rgb: UInt8) -> None:
    rgb[..., 2] = np.where(rgb[..., 2] < 255, rgb[..., 2] + 1, 255)


def one_colour(rgb: UInt8) -> None:
    other_colours(rgb, 1)


def many_colours(rgb: UInt8) -> None:
    other_colours(rgb, rgb[..., 0].size // 100)


def half_size(image: Image.Image) -> Image.Image:
    small = image.resize((SIDE // 2, SIDE // 2), Image.Resampling.LANCZOS)
    return small.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


DAMAGES: dict[str, Damage] = {
    "nothing": lambda i: i,
    "saved again as PNG, with other options": lambda i: saved(i, "PNG", optimize=True),
    "saved again as lossless WebP": lambda i: saved(i, "WEBP", lossless=True, exact=True),
    "saved again as TIFF": lambda i: saved(i, "TIFF"),
    "a transparency channel added": lambda i: i.convert("RGBA"),
    "turned by 90 degrees and marked so in EXIF": lambda i: _turned(i),
    "colours of one pixel changed, its gray kept": edited(one_colour),
    "colours of 1 % of the pixels changed, gray kept": edited(many_colours),
    "one pixel one gray level brighter": edited(brighter_pixel),
    "one level added to blue everywhere": edited(blue_up),
    "one row of pixels cropped": lambda i: i.crop((0, 1, SIDE, SIDE)),
    "mirrored": lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "scaled to half and back": half_size,
    "reduced to 256 colours": lambda i: i.quantize(256).convert("RGB"),
    "JPEG, quality 100, no subsampling": lambda i: saved(i, "JPEG", quality=100, subsampling=0),
    "JPEG, quality 95": lambda i: saved(i, "JPEG", quality=95),
    "JPEG, quality 75": lambda i: saved(i, "JPEG", quality=75),
    "lossy WebP, quality 90": lambda i: saved(i, "WEBP", quality=90),
}


def _turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    return saved(image.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)


def hosts(folders: list[Path]) -> list[UInt8]:
    files = sorted(path for folder in folders for path in folder.rglob("*.png"))
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in files] or [
        getattr(skimage_data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")
    ]
    crops = [p[(p.shape[0] - SIDE) // 2 :, (p.shape[1] - SIDE) // 2 :][:SIDE, :SIDE] for p in photos]
    return [np.ascontiguousarray(c) for c in crops if c.shape[:2] == (SIDE, SIDE)]


def comes_back(damaged: Image.Image | bytes, payload: bytes) -> bool:
    try:
        return stegcinn.reveal(damaged if isinstance(damaged, bytes) else saved(damaged, "PNG")) == payload
    except StegcinnError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path, help="folders of PNG photos")
    parser.add_argument("--codecs", nargs="+", choices=CODECS, default=CODECS)
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    counts = {damage: {(codec, load): [0, 0] for codec in arguments.codecs for load in (0, 1)} for damage in DAMAGES}
    for number, rgb in enumerate(hosts(arguments.photos)):
        for codec in arguments.codecs:
            room = stegcinn.capacity(rgb, codec=codec).bytes
            for load, size in enumerate((SMALL, room // 2)):
                if size > room:
                    continue
                payload = np.random.default_rng((number, load)).bytes(size)
                container = stego.conceal(Source(rgb), Payload(payload), codec=codec)
                image = container.image
                for damage, apply in DAMAGES.items():
                    tally = counts[damage][codec, load]
                    tally[0] += comes_back(apply(image), payload)
                    tally[1] += 1
    heads = [f"`{codec}`, {size}" for codec in arguments.codecs for size in (f"{SMALL} bytes", "half full")]
    lines = [f"| what was done to the container | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    lines += [f"| {d} | {' | '.join(f'{a} of {b}' for a, b in row.values())} |" for d, row in counts.items()]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
