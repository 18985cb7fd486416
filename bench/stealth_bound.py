"""How close the `stealth` codec comes to the rate-distortion bound of its own costs.

python bench/stealth_bound.py PHOTOS [--every 1] [--loads 0.1 0.2 0.4 0.7 1.0]

For each photo and load: the cost of the changes made (sum of price times squared change, `moves.Pixels`), how many bits
a perfect code would carry at that cost over the same moves, and by how much the codec carries fewer. Header included.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from stegcinn import moves, stego
from stegcinn.codecs import load_codec
from stegcinn.codecs.stealth import EXPONENTS, StealthCodec
from stegcinn.demo import psnr
from stegcinn.imagefile import read_photo
from stegcinn.moves import MOVES, Pixels


def cost_and_bits(pixels: Pixels, price: float) -> tuple[float, float]:
    """Expected cost and entropy in bits of moves drawn with chances proportional to exp(-price * cost)."""
    likely, best = moves.chances(pixels.at(price))
    squares = np.square(MOVES[best]).astype(np.float64)  # (n, LABELS, 3)
    cost = float((likely * (squares * pixels.prices[:, None]).sum(axis=-1)).sum())
    return cost, float(-(likely * np.log2(np.maximum(likely, 1e-30))).sum())


def bits_at_cost(pixels: Pixels, cost: float) -> float:
    """What a perfect code would carry."""
    low, high = EXPONENTS
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if cost_and_bits(pixels, 2.0**middle)[0] < cost else (middle, high)
    return cost_and_bits(pixels, 2.0**low)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th photo")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.7, 1.0])
    arguments = parser.parse_args()
    codec = load_codec("stealth")
    assert isinstance(codec, StealthCodec)
    for load in arguments.loads:
        losses, likeness, changed, without = [], [], [], 0
        for path in sorted(p for p in arguments.photos.iterdir() if p.is_file())[:: arguments.every]:
            photo = read_photo(path)
            stream = os.urandom(int(load * photo.rgb[..., 0].size / 8))
            if photo.is_gray or codec.capacity(photo.rgb, "keep", lambda share: None) < len(stream):
                without += 1
                continue
            key = stego.photo_keys(photo, None)
            container = codec.embed(photo.rgb, stream, key, "keep", lambda share: None)
            assert codec.extract(container, key).stream == stream
            pixels = codec._pixels(photo.rgb)
            change = container.reshape(-1, 3).astype(np.int64) - pixels.rgb
            cost = float((pixels.prices * change**2).sum())
            losses.append(1 - 8 * len(stream) / bits_at_cost(pixels, cost))
            likeness.append(psnr(photo.rgb, container))
            changed.append(float((change != 0).any(axis=-1).mean()))
        print(
            f"{load:.1f} bits per pixel: {len(losses)} photos ({without} do not take it), "
            f"{np.mean(losses):.1%} below the bound (at most {np.max(losses):.1%}), "
            f"PSNR {np.mean(likeness):.1f} dB (least {np.min(likeness):.1f}), {np.mean(changed):.1%} of pixels changed",
            flush=True,
        )


if __name__ == "__main__":
    main()
