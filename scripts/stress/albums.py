"""Random albums of small photos: hidden, some photos lost, others put beside, and revealed.

python scripts/stress/albums.py PHOTOS... [--albums 1000] [--seed 0] [--from 0]

Every photo is a piece of one in PHOTOS, halved, as PNG, WebP or JPEG; payloads go up to what fits; every third is
within some bytes of that. Prints what failed and the count; the exit code is 1 if anything did.
"""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import stegcinn
from stegcinn import CapacityError, SharesError, StegcinnWarning, hide_album, reveal_album

SIDES = 64, 160  # pixels
MOST = 9  # photos
HUGE = 200_000  # bytes, that no such album takes
FORMATS: tuple[dict[str, Any], ...] = (
    {"format": "PNG"}, {"format": "WEBP", "lossless": True}, {"format": "JPEG", "quality": 90, "subsampling": 0},
    {"format": "JPEG", "quality": 80},
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path, help="folders")
    parser.add_argument("--albums", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="N", help="go on from album N")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", StegcinnWarning)
    files = sorted(path for folder in arguments.photos for path in folder.rglob("*.*") if path.suffix in SUFFIXES)
    failed = without = 0
    for number in range(arguments.first, arguments.albums):
        rng = np.random.default_rng((arguments.seed, number))
        try:
            outcome = one(rng, files, number)
        except Exception as error:
            outcome = False
            print(number, repr(error), flush=True)
        failed += outcome is False
        without += outcome is None
        if (number + 1) % 50 == 0:
            print(f"{number + 1} albums, {failed} failed, {without} took nothing", flush=True)
    print(f"{arguments.albums - arguments.first} albums, {failed} failed, {without} took nothing")
    sys.exit(failed > 0)


SUFFIXES = (".jpg", ".png")


def one(rng: np.random.Generator, files: list[Path], number: int) -> bool | None:
    """Whether all went as it should; None where nothing fits."""
    hosts = [piece(rng, files) for _ in range(rng.integers(1, MOST + 1))]
    options: dict[str, Any] = [{}, {}, {"safe": True}, {"full": True}][rng.integers(4)]
    options["spare"] = str([0, 0, 1, 2, "25%"][rng.integers(5)])
    try:
        hide_album(hosts, rng.bytes(HUGE), **options)
        return False
    except CapacityError as error:
        most = error.available
    if most == 0:
        return None
    payload = rng.bytes(most - len(hosts) - 8 if number % 3 == 0 and most > len(hosts) + 8 else int(rng.integers(most)))
    try:
        album = hide_album(hosts, payload, **options)
    except CapacityError:
        # what is told to fit is told without the odd byte of each photo's last symbol
        return None if len(payload) > most - 64 else False
    made = [container for container in album.containers if container]
    rng.shuffle(made)  # type: ignore[arg-type]
    foreign = [piece(rng, files) for _ in range(2)]
    good = reveal_album([*made[album.spare :], *foreign]) == payload
    least = sorted(size for size in album.bytes if size)
    if sum(least[: len(made) - album.spare - 1]) < album.needed and len(made) > album.spare + 1:
        largest = {id(c): size for c, size in zip(album.containers, album.bytes, strict=True)}
        kept = sorted(made, key=lambda container: largest[id(container)])[: len(made) - album.spare - 1]
        try:
            reveal_album(kept)
            good = False
        except SharesError as error:
            good &= error.found == len(kept)
    return good


def piece(rng: np.random.Generator, files: list[Path]) -> bytes:
    """A file of a small photo."""
    rgb = np.asarray(stegcinn.halved(files[rng.integers(len(files))], exact=True).convert("RGB"))
    height, width = (int(rng.integers(SIDES[0], min(SIDES[1], side) + 1)) for side in rgb.shape[:2])
    top, left = (int(rng.integers(side - size + 1)) for side, size in zip(rgb.shape, (height, width), strict=False))
    buffer = io.BytesIO()
    Image.fromarray(rgb[top : top + height, left : left + width]).save(buffer, **FORMATS[rng.integers(len(FORMATS))])
    return buffer.getvalue()


if __name__ == "__main__":
    main()
