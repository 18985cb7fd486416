"""How well attackers see moves of `stealth` at other prices: simulated at the bound, each photo tested once a seed.

python scripts/measure/stealth_prices.py FOLDER --kind half-444 --load 0.4 --variants shipped power=2,around=1,green=1

A variant changes the shipped rule: the `power` of one over the scale expected that a price is; pixels `around` over
which prices are averaged; what a change of `green` costs over the mean of red and blue; `drift`, by which moves of
neighbours go together (nats, along a field of random directions that is smooth over a pixel or so). Labels are drawn
with chances proportional to exp(-cost), so that their entropy is the load. The attacker, hosts and --cache are those of
promise.py.
"""

from __future__ import annotations

import argparse
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from promise import Piece, features, host, in_words, photos
from scipy import ndimage
from stealth_bound import bits_at_price

from stegcinn.carriers.base import Source
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import silent
from stegcinn.codecs.stealth import moves, noise
from stegcinn.codecs.stealth.moves import MOVES, PULL, Pixels
from stegcinn.codecs.stealth.noise import Host, NoiseModel
from stegcinn.coding import labels
from stegcinn.coding.labels import NATS
from stegcinn.coding.layered import SAMPLE, highest_price
from stegcinn.colourmodel import mixture
from stegcinn.evaluation.steganalysis import ensemble, rich
from stegcinn.runtime.arrays import UInt8
from stegcinn.runtime.weights import release

SMOOTH = 1.0  # pixels: of the field of directions


@dataclass(frozen=True)
class Variant:
    """How moves are priced."""

    power: float = -noise.POWER
    around: int = noise.AROUND
    green: float = 2.0
    drift: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Variant:
        pairs = (part.split("=") for part in text.split(",") if part != "shipped")
        return cls(**{name: int(value) if name == "around" else float(value) for name, value in pairs})

    def pixels(self, rgb: UInt8, every: Host, rng: Generator) -> Pixels:
        """All pixels of a host (H, W, 3), priced so."""
        told = every.expected[:, noise.SCALE_R : noise.SCALE_B + 1].astype(np.int64) + mixture.ZERO
        each = np.maximum(mixture.scales()[told], noise.LEAST).reshape(*rgb.shape[:2], 2) ** -self.power
        red, blue = np.moveaxis(ndimage.uniform_filter(each, (2 * self.around + 1,) * 2 + (1,), mode="nearest"), -1, 0)
        prices = np.stack([red, self.green * (red + blue) / 2, blue], -1).reshape(-1, 3).astype(np.float32)
        prices[np.isinf(every.prices[:, 0])] = noise.FORBIDDING
        shipped = every.taken(np.arange(len(every)))
        reluctance = shipped.reluctance.astype(np.float64)
        if self.drift:
            ways = ndimage.gaussian_filter(rng.standard_normal((*rgb.shape[:2], 2)), (SMOOTH, SMOOTH, 0), mode="wrap")
            along = self.drift * (ways / ways.std()).reshape(-1, 2) @ MOVES[:, [0, 2]].T
            less = along - np.log(np.cosh(along))  # a move and its opposite are together as likely as before
            reluctance -= less * NATS / PULL
        return Pixels(shipped.rgb, prices, np.clip(np.rint(reluctance), -127, 127).astype(np.int8))


def simulated(rgb: UInt8, pixels: Pixels, load: float, rng: Generator) -> UInt8:
    """A stego image (H, W, 3) that carries `load` bits per pixel."""
    sample = pixels.taken(np.linspace(0, len(pixels) - 1, min(SAMPLE, len(pixels))).astype(np.int64))
    price = highest_price(lambda price: bits_at_price(sample, price) >= load * len(sample))
    costs, best = moves.label_costs(pixels, price)
    drawn = (rng.random((len(costs), 1)) > labels.chances(costs).cumsum(axis=1)).sum(axis=1).clip(max=moves.LABELS - 1)
    made = pixels.rgb + MOVES[np.take_along_axis(best, drawn[:, None], axis=1)[:, 0]]
    return made.astype(np.uint8).reshape(rgb.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="photos")
    parser.add_argument("--kind", default="half-444", help="of hosts, see promise.py")
    parser.add_argument("--load", type=float, default=0.4, help="bits per pixel")
    parser.add_argument("--variants", nargs="+", default=["shipped"], metavar="NAME=VALUE[,...]")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--count", type=int, help="photos (default: all), drawn once for all runs")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "promise")
    a = parser.parse_args()
    codec, model = load_codec("stealth"), NoiseModel(release("noise-1"))
    paths = photos(a.folder, a.count)
    covers = np.stack([known[0] for path in paths if (known := features(Piece(path), a.kind, None, a.cache))])
    for text in a.variants:
        variant, changed, stegos = Variant.parse(text), [], []
        for path in paths:
            photo = codec.open(Source(host(path, a.kind)))
            every = Host.of(model, photo.rgb, photo.luma, silent)
            rng = np.random.default_rng(zlib.crc32(path.name.encode()))
            stego = simulated(photo.rgb, variant.pixels(photo.rgb, every, rng), a.load, rng)
            changed.append((stego != photo.rgb).any(-1).mean())
            stegos.append(rich.features(stego))
        found = ensemble.detect(covers, np.stack(stegos).astype(np.float32), range(a.seeds))
        told = in_words(found, float(np.mean(changed)))
        print(f"{a.kind} {a.load} {text:32} {len(paths)} hosts, {told}", flush=True)


if __name__ == "__main__":
    main()
