"""Sixteen hosts and their containers at full load, side by side, as one PNG.

    python scripts/make/contact_sheet.py --colors keep --out docs/contact-sheet-keep.png

The hosts are 256x256 crops of four photos that come with scikit-image (astronaut, chelsea, coffee, rocket), halved to
128x128, the paper's size.
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
from stegcinn.codecs.base import COLORS, Wish
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--colors", choices=COLORS, default="keep")
    parser.add_argument("--codec", choices=["exact", "cinn"], default="exact")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pairs = []
    for host in hosts():
        source, wish = Source(host), Wish(args.colors)
        room = stego.measure(source, codec=args.codec, wish=wish)
        container = stego.conceal(source, Payload(os.urandom(room.bytes)), codec=args.codec, wish=wish)
        pairs.append(np.concatenate([host, np.asarray(container)], axis=1))
    rows = [np.concatenate(pairs[i : i + PER_PHOTO], axis=1) for i in range(0, len(pairs), PER_PHOTO)]
    Image.fromarray(np.concatenate(rows, axis=0)).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
