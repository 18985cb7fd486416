"""How close the `stealth` codec comes to the rate-distortion bound of its own costs.

python scripts/measure/stealth_bound.py PHOTOS [--every 1] [--loads 0.1 0.2 0.4 0.7 1.0]

For each photo and load: the cost of the changes made (`moves.Pixels`: price and reluctance), how many bits a perfect
code would carry at that cost over the same moves, and by how much the codec carries fewer. Header included.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import psnr
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Wish, silent
from stegcinn.codecs.stealth import moves
from stegcinn.codecs.stealth.moves import Pixels
from stegcinn.codecs.stealth.noise import Host, NoiseModel
from stegcinn.coding import labels
from stegcinn.coding.layered import EXPONENTS
from stegcinn.runtime.weights import release
from stegcinn.sealing.keys import Keyring


def bits_at_price(pixels: Pixels, price: float) -> float:
    """Entropy in bits of moves drawn with chances proportional to exp(-cost), their price multiplied by `price`."""
    return entropy(labels.chances(moves.label_costs(pixels, price)[0]))


def entropy(likely: np.ndarray) -> float:
    """Bits of one draw for every row."""
    return float(-(likely * np.log2(np.maximum(likely, 1e-30))).sum())


def search(carries: Callable[[float], bool]) -> float:
    """The largest power of two, within EXPONENTS, at which `carries` still holds."""
    low, high = EXPONENTS
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if carries(2.0**middle) else (low, middle)
    return 2.0**low


def bits_at_cost(pixels: Pixels, container: np.ndarray, bits: int) -> float:
    """What a perfect code would carry at the cost of the changes that were made.

    Costs are those at the price at which a perfect code carries just `bits`.
    """
    price = search(lambda price: bits_at_price(pixels, price) > bits)
    likely = labels.chances(moves.label_costs(pixels, price)[0]).astype(np.float64)
    costs = np.where(likely > 0, -np.log(np.maximum(likely, 1e-300)), 0)  # but for a constant of each pixel
    spent = float(np.take_along_axis(costs, moves.labels(container).reshape(-1, 1), axis=1).sum())

    def draws(sharpness: float) -> np.ndarray:
        weights = np.where(likely > 0, likely**sharpness, 0)
        return weights / weights.sum(axis=1, keepdims=True)

    sharpness = search(lambda value: float((draws(value) * costs).sum()) > spent)
    return entropy(draws(sharpness))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th photo")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.7, 1.0])
    arguments = parser.parse_args()
    codec = load_codec("stealth")
    model = NoiseModel(release("noise-1"))
    for load in arguments.loads:
        losses, likeness, changed, without = [], [], [], 0
        for path in sorted(p for p in arguments.photos.iterdir() if p.is_file())[:: arguments.every]:
            photo = codec.open(Source(path))
            stream = os.urandom(int(load * photo.pixels / 8))
            if codec.capacity(photo, Wish(), silent).most < len(stream):
                without += 1
                continue
            key = Keyring(None)(codec.salt(photo))
            embedding = codec.embed(photo, stream, key, Wish(), silent)
            container = embedding.carrier
            assert codec.extract(container, key, lambda start: 0).stream == stream
            pixels = Host.of(model, photo.rgb, photo.luma, silent).taken(np.arange(photo.pixels))
            losses.append(1 - 8 * len(stream) / bits_at_cost(pixels, container.rgb, 8 * len(stream)))
            likeness.append(psnr(photo.rgb, container.rgb))
            changed.append(embedding.changed)
        print(
            f"{load:.1f} bits per pixel: {len(losses)} photos ({without} do not take it), "
            f"{np.mean(losses):.1%} below the bound (at most {np.max(losses):.1%}), "
            f"PSNR {np.mean(likeness):.1f} dB (least {np.min(likeness):.1f}), {np.mean(changed):.1%} of pixels changed",
            flush=True,
        )


if __name__ == "__main__":
    main()
