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
from promise import features, host
from scipy import ndimage

from stegcinn.carriers.base import Source
from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import silent
from stegcinn.codecs.stealth import moves, noise
from stegcinn.codecs.stealth.moves import MOVES, PULL
from stegcinn.codecs.stealth.noise import Host, NoiseModel
from stegcinn.coding.labels import NATS
from stegcinn.coding.layered import highest_price
from stegcinn.colourmodel import mixture
from stegcinn.evaluation.benchmark.hosts import SUFFIXES
from stegcinn.evaluation.steganalysis import ensemble, rich
from stegcinn.runtime.arrays import Bool, Float32, UInt8
from stegcinn.runtime.weights import release

SAMPLE = 4096  # pixels from which the price is found
RULED_OUT = 80.0  # nats
LABELS_OF_MOVES = MOVES @ np.array(moves.LABEL_WEIGHTS) % moves.LABELS
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

    def costs(self, rgb: UInt8, every: Host, rng: Generator) -> tuple[Float32, Float32]:
        """Of each pixel's moves, (n, 27): what is multiplied by the price, and what is not, in nats."""
        told = every.expected[:, noise.SCALE_R : noise.SCALE_B + 1].astype(np.int64) + mixture.ZERO
        each = np.maximum(mixture.scales()[told], noise.LEAST).reshape(*rgb.shape[:2], 2) ** -self.power
        red, blue = np.moveaxis(ndimage.uniform_filter(each, (2 * self.around + 1,) * 2 + (1,), mode="nearest"), -1, 0)
        prices = np.stack([red, self.green * (red + blue) / 2, blue], -1).reshape(-1, 3)
        prices[np.isinf(every.prices[:, 0])] = noise.FORBIDDING
        reluctance = every.taken(np.arange(len(every))).reluctance * (PULL / NATS)
        if self.drift:
            ways = ndimage.gaussian_filter(rng.standard_normal((*rgb.shape[:2], 2)), (SMOOTH, SMOOTH, 0), mode="wrap")
            along = self.drift * (ways / ways.std()).reshape(-1, 2) @ MOVES[:, [0, 2]].T
            reluctance -= along - np.log(np.cosh(along))  # a move and its opposite are together as likely as before
        reluctance[~_possible(every)] = RULED_OUT
        return (prices @ np.square(MOVES).T).astype(np.float32), reluctance.astype(np.float32)


def _possible(every: Host) -> Bool:
    """Which moves keep the luma and stay within the cube, (n, 27)."""
    rgb = every.rgb.astype(np.int64)
    rest = (rgb @ np.array(LUMA_WEIGHTS) + 32768) % 65536
    after = rest[:, None] + MOVES @ np.array(LUMA_WEIGHTS)
    inside = ((rgb[:, None] + MOVES >= 0) & (rgb[:, None] + MOVES <= 255)).all(-1)
    return (after >= 0) & (after < 65536) & inside


def labelled(costs: Float32) -> tuple[Float32, np.ndarray]:
    """Chances of labels whose moves cost so much, (n, 16), and the cheapest move to each."""
    least, best = (np.empty((len(costs), moves.LABELS), kind) for kind in (np.float32, np.int64))
    for label in range(moves.LABELS):
        which = np.flatnonzero(label == LABELS_OF_MOVES)
        best[:, label] = which[costs[:, which].argmin(axis=1)]
        least[:, label] = np.take_along_axis(costs, best[:, label, None], axis=1)[:, 0]
    likely = np.where(least < RULED_OUT, np.exp(least.min(axis=1, keepdims=True) - least), 0)
    return likely / likely.sum(axis=1, keepdims=True), best


def simulated(rgb: UInt8, every: Host, variant: Variant, load: float, rng: Generator) -> UInt8:
    """A stego image (H, W, 3) that carries `load` bits per pixel."""
    priced, besides = variant.costs(rgb, every, rng)
    some = np.linspace(0, len(priced) - 1, min(SAMPLE, len(priced))).astype(np.int64)

    def carried(price: float) -> float:
        likely, _ = labelled(np.minimum(price * priced[some] + besides[some], RULED_OUT))
        return float(-(likely * np.log2(np.maximum(likely, 1e-30))).sum()) / len(some)

    price = highest_price(lambda price: carried(price) >= load)
    likely, best = labelled(np.minimum(price * priced + besides, RULED_OUT))
    drawn = (rng.random((len(likely), 1)) > likely.cumsum(axis=1)).sum(axis=1).clip(max=moves.LABELS - 1)
    made = rgb.reshape(-1, 3) + MOVES[np.take_along_axis(best, drawn[:, None], axis=1)[:, 0]]
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
    paths = sorted(path for path in a.folder.iterdir() if path.suffix.lower() in SUFFIXES)
    paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[: a.count]]
    covers = np.stack([known[0] for path in paths if (known := features(path, a.kind, None, a.cache))])
    for text in a.variants:
        variant, changed, stegos = Variant.parse(text), [], []
        for path in paths:
            photo = codec.open(Source(host(path, a.kind)))
            every = Host.of(model, photo.rgb, photo.luma, silent)
            stego = simulated(photo.rgb, every, variant, a.load, np.random.default_rng(zlib.crc32(path.name.encode())))
            changed.append((stego != photo.rgb).any(-1).mean())
            stegos.append(rich.features(stego))
        found = ensemble.detect(covers, np.stack(stegos).astype(np.float32), range(a.seeds))
        print(f"{a.kind} {a.load} {text:32} {len(paths)} hosts, {100 * np.mean(changed):.2f} % changed: "
              f"{100 * found.accuracy:.1f} +- {100 * found.half:.1f} (seeds "
              f"{' '.join(f'{100 * seed:.1f}' for seed in found.seeds)})", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
