"""Sixteen hosts and their containers at full load, side by side, as one PNG.

    python scripts/make/contact_sheet.py --colors keep --out docs/contact-sheet-keep.png

The hosts are 256x256 crops of four photos that come with scikit-image (astronaut, chelsea, coffee, rocket), halved to
128x128, the paper's size. `--codec paper` hides 2 bits per pixel by the paper's network that ships with the benchmark
(extra `eval`).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.codecs.base import COLORS, Colors, Wish
from stegcinn.sealing.envelope import Payload

CROP, SIDE, PER_PHOTO = 256, 128, 4


def hosts() -> list[np.ndarray]:
    """(128, 128, 3) uint8 hosts: the corners of each photo."""
    out = []
    for photo in (data.astronaut(), data.chelsea(), data.coffee(), data.rocket()):
        height, width = photo.shape[:2]
        for top in (0, height - CROP):
            for left in (0, width - CROP):
                crop = Image.fromarray(photo[top : top + CROP, left : left + CROP])
                out.append(np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
    return out


def filled(host: np.ndarray, codec: str, colors: Colors) -> np.ndarray:
    """A container with all that the host takes."""
    source, wish = Source(host), Wish(colors)
    room = stego.measure(source, codec=codec, wish=wish)
    return np.asarray(stego.conceal(source, Payload(os.urandom(room.bytes)), codec=codec, wish=wish))


def by_paper(photos: list[np.ndarray]) -> list[np.ndarray]:
    """Containers of the paper's network."""
    from stegcinn.evaluation.benchmark.hosts import ImageSet
    from stegcinn.evaluation.benchmark.paper import shipped

    images = np.stack(photos)
    return list(shipped()(ImageSet(tuple(map(str, range(len(images)))), images), 0).images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--colors", choices=COLORS, default="keep")
    parser.add_argument("--codec", choices=["exact", "cinn", "paper"], default="exact")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    before = hosts()
    after = by_paper(before) if args.codec == "paper" else [filled(host, args.codec, args.colors) for host in before]
    pairs = [np.concatenate(pair, axis=1) for pair in zip(before, after, strict=True)]
    rows = [np.concatenate(pairs[i : i + PER_PHOTO], axis=1) for i in range(0, len(pairs), PER_PHOTO)]
    Image.fromarray(np.concatenate(rows, axis=0)).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
