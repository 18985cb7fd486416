"""Measure how well the prints that codec `robust` takes of pictures are found again.

python scripts/measure/robust_print.py PHOTOS... [--long-edge 1600]

All photos of the folders that can be read are scaled down to a long edge, and then sent through channels. Prints the
share of bits that are others behind each, the share of photos whose print is among those that a writer and a reader
try, and how many pairs of photos have equal prints.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from stegcinn.codecs.robust import lumaprint

LEAST = 240  # pixels of the short edge


def saved(image: Image.Image, kind: str, quality: int, scale: float = 1.0, kernel: int = 3) -> Image.Image:
    """As it comes back."""
    buffer = io.BytesIO()
    size = round(image.width * scale), round(image.height * scale)
    image.resize(size, kernel).save(buffer, kind, quality=quality)
    return Image.open(buffer).convert("RGB")


def marked(image: Image.Image, share: float) -> Image.Image:
    """With a bright rectangle in a corner, over a share of the picture."""
    image, (width, height) = image.copy(), image.size
    box = int(width * (0.95 - share**0.5)), int(height * (0.95 - share**0.5)), int(width * 0.95), int(height * 0.95)
    image.paste((250, 240, 10), box)
    return saved(image, "JPEG", 75)


def channels() -> dict[str, Callable[[Image.Image], Image.Image]]:
    """What is done to each photo, by name."""
    found: dict[str, Callable[[Image.Image], Image.Image]] = {}
    for quality in (50, 62, 70, 85, 95):
        found[f"JPEG, quality {quality}"] = lambda image, quality=quality: saved(image, "JPEG", quality)
    found["WebP, quality 70"] = lambda image: saved(image, "WEBP", 70)
    for scale in (0.5, 0.77, 1.1, 1.5):
        for name in ("BILINEAR", "LANCZOS"):
            kernel = Image.Resampling[name]
            found[f"scaled by {scale} ({name.lower()}), JPEG, quality 75"] = lambda image, scale=scale, kernel=kernel: (
                saved(image, "JPEG", 75, scale, kernel)
            )
    found["JPEG twice, quality 50"] = lambda image: saved(saved(image, "JPEG", 50), "JPEG", 50)
    found["4 pixels cropped at the right and at the bottom"] = lambda image: image.crop(
        (0, 0, image.width - 4, image.height - 4)
    )
    for share in (0.001, 0.003, 0.01, 0.06):
        found[f"a bright mark over {share:.1%}"] = lambda image, share=share: marked(image, share)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--long-edge", type=int, default=1600)
    args = parser.parse_args()
    images: list[Image.Image] = []
    for path in sorted(path for folder in args.photos for path in folder.iterdir()):
        with contextlib.suppress(OSError), Image.open(path) as image:
            image = image.convert("RGB")
            image.thumbnail((args.long_edge, args.long_edge), Image.Resampling.LANCZOS)
            if min(image.size) >= LEAST:
                images.append(image)
    prints = [lumaprint.of(lumaprint.thumbnail(np.asarray(image))) for image in images]
    pairs = [(a ^ b).bit_count() for a, b in itertools.combinations(prints, 2)]
    equal = sum(each == 0 for each in pairs)
    print(
        f"{len(images)} photos; {equal} of {len(pairs)} pairs have equal prints, on average {np.mean(pairs):.1f} differ"
    )
    print("| channel | bits turned over | found by a writer | found by a reader |\n|---|---|---|---|")
    for name, send in channels().items():
        turned, sure, tried = [], [], []
        for image, had in zip(images, prints, strict=True):
            likely = lumaprint.likely(lumaprint.thumbnail(np.asarray(send(image))), lumaprint.TRIED)
            turned.append((likely[0] ^ had).bit_count())
            sure.append(had in likely[: lumaprint.SURE])
            tried.append(had in likely)
        share = np.mean(turned) / len(lumaprint.BITS)
        print(f"| {name} | {share:.2%} | {np.mean(sure):.1%} | {np.mean(tried):.1%} |", flush=True)


if __name__ == "__main__":
    main()
