"""What it costs `stealth`, and what it buys, that the gray-scale stays: the same prices with the luma free.

python scripts/measure/luma_lock.py FOLDER --kind half-444 --load 0.4 --luma 0.5 1 2 4 --cheaper 1 0.4

Without the lock a pixel has all 26 moves. One costs what its changes of red, blue and green less that of the luma cost
the codec, reluctance included, and the square of the luma's at a price of MiPOD's information, to the power that the
codec has, `--luma` times. `--cheaper` says by how much a move is that goes with the changes around, four sublattices
after another (CMD-C). All is simulated at the bound. Attackers see colours, gray-scale, or both; each photo is tested
once a seed. Hosts are those of promise.py.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.random import Generator
from promise import host, photos
from stealth_bound import entropy
from stealth_prices import Variant, simulated

from stegcinn.carriers.base import Source
from stegcinn.carriers.luma import LUMA_WEIGHTS, luma_of
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import silent
from stegcinn.codecs.stealth import noise
from stegcinn.codecs.stealth.moves import MOVES, PULL
from stegcinn.codecs.stealth.noise import Host, NoiseModel
from stegcinn.coding.labels import NATS
from stegcinn.coding.layered import highest_price
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import UNIT
from stegcinn.evaluation.baselines import mipod
from stegcinn.evaluation.baselines.cmdc import SUBLATTICES, neighbours
from stegcinn.evaluation.benchmark.containers import Embedder
from stegcinn.evaluation.steganalysis import ensemble, rich
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.runtime.weights import release

OF_LUMA = MOVES @ np.array(LUMA_WEIGHTS) / 65536  # levels by which each move changes it
BESIDE = MOVES - OF_LUMA[:, None]  # changes of red, green and blue less that
SENSIBLE = -noise.POWER / 4  # power of the information, 1 / s^4, that is the price: 1 / s^1.4


def spent(every: Host, rgb: UInt8) -> tuple[Float32, Float32]:
    """What moves (H, W, 27) cost by their prices, and besides; infinite where a channel would leave 0..255."""
    height, width, _ = rgb.shape
    prices = every.prices.astype(np.float64)
    prices[np.isinf(prices)] = noise.FORBIDDING
    weights = np.stack([prices[:, 0], prices.sum(1), prices[:, 1]], -1)
    priced = weights @ np.square(BESIDE).T
    expected = every.expected.astype(np.int64)
    ways = np.rint(UNIT * BESIDE[:, [0, 2]]).astype(np.int64)
    chances = np.zeros_like(priced)
    for symbol, (off, scale) in enumerate(((noise.OFF_R, noise.SCALE_R), (noise.OFF_B, noise.SCALE_B))):
        from_mean = np.clip(expected[:, [off]], -noise.FAR, noise.FAR) + mixture.ZERO
        table = every.tables.near[symbol][expected[:, [scale]] + mixture.ZERO]
        step = ways[None, :, symbol] - (symbol * expected[:, [noise.FOLLOWS]] * ways[None, :, 0]) // mixture.SLOPE_UNIT
        chances -= np.take_along_axis(table[:, 0], from_mean + step, 1) - np.take_along_axis(table[:, 0], from_mean, 1)
    reluctance = np.clip(chances / noise.FINER, -noise.MOST, noise.MOST) * PULL / NATS
    after = rgb.reshape(-1, 1, 3) + MOVES
    reluctance[((after < 0) | (after > 255)).any(-1)] = np.inf
    shape = height, width, len(MOVES)
    return priced.astype(np.float32).reshape(shape), reluctance.astype(np.float32).reshape(shape)


def free(rgb: UInt8, priced: Float32, besides: Float32, load: float, cheaper: float, rng: Generator) -> UInt8:
    """A stego image (H, W, 3) that carries `load` bits per pixel by moves at these costs."""
    dice, every = rng.random(rgb.shape[:2], np.float32), MOVES.astype(np.float32)

    def embedded(price: float) -> tuple[UInt8, float]:
        changes, bits = np.zeros(rgb.shape, np.float32), 0.0
        for row, column in SUBLATTICES:
            here = slice(row, None, 2), slice(column, None, 2)
            goes = neighbours(changes)[here] @ every.T > 0
            costs = np.float32(price) * priced[here] * np.where(goes, np.float32(cheaper), 1) + besides[here]
            likely = np.exp(costs.min(-1, keepdims=True) - costs)
            up_to = likely.cumsum(-1)
            bits += entropy(likely / up_to[..., -1:])
            drawn = (dice[here][..., None] * up_to[..., -1:] > up_to).sum(-1)
            changes[here] = every[drawn]
        return (rgb + changes).astype(np.uint8), bits

    return embedded(highest_price(lambda price: embedded(price)[1] >= load * dice.size))[0]


def described(rgb: UInt8) -> Float32:
    """Features of colours and of the gray-scale, one after the other."""
    return np.concatenate([rich.features(rgb), rich.gray_features(luma_of(rgb))]).astype(np.float32)


def stegos(
    path: Path, kind: str, load: float, ways: list[tuple[float, float]], others: list[Embedder]
) -> list[Float32]:
    """Features of a host, of it with moves that keep the luma, of it with free ones in all `ways`, and with others."""
    rgb = host(path, kind)
    photo = load_codec("stealth").open(Source(rgb))
    every = Host.of(NoiseModel(release("noise-1")), rgb, photo.luma, silent)
    seed = zlib.crc32(path.name.encode())
    rng = np.random.default_rng(seed)
    found = [described(rgb), described(simulated(rgb, Variant().pixels(rgb, every, rng), load, rng))]
    priced, besides = spent(every, rgb)
    of_luma = (mipod.information(photo.luma)[..., None] ** SENSIBLE * np.square(OF_LUMA)).astype(np.float32)
    for luma, cheaper in ways:
        stego = free(rgb, priced + np.float32(luma) * of_luma, besides, load, cheaper, np.random.default_rng(seed))
        found.append(described(stego))
    return found + [described(other.function()(rgb, np.random.default_rng(seed))) for other in others]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="photos")
    parser.add_argument("--kind", default="half-444", help="of hosts, see promise.py")
    parser.add_argument("--load", type=float, default=0.4, help="bits per pixel")
    parser.add_argument("--luma", nargs="+", type=float, default=[1.0], help="prices of the luma, relative to chroma's")
    parser.add_argument("--cheaper", nargs="+", type=float, default=[1.0, 0.4], help="factors of moves that go along")
    parser.add_argument("--others", nargs="*", default=["hill-cmd", "hill-gina", "hill"], metavar="METHOD")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--count", type=int, help="photos (default: all), drawn once for all runs")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    a = parser.parse_args()
    ways = [(luma, cheaper) for luma in a.luma for cheaper in a.cheaper]
    others = [Embedder.parse(f"{method}@{a.load}") for method in a.others]
    paths = photos(a.folder, a.count)
    found = Parallel(a.jobs)(delayed(stegos)(path, a.kind, a.load, ways, others) for path in paths)
    covers, *each = np.stack(found, axis=1)
    colours = len(rich.features(np.zeros((8, 8, 3), np.uint8)))
    parts = {"colours": slice(colours), "gray": slice(colours, None), "both": slice(None)}
    names = ["luma kept", *(f"luma at {luma:g}, along {cheaper:g}" for luma, cheaper in ways), *map(str, others)]
    print(f"{a.kind} {a.load} bits per pixel, {len(paths)} hosts\n| | {' | '.join(parts)} |\n|---|---|---|---|")
    for name, features in zip(names, each, strict=True):
        told = [ensemble.detect(covers[:, part], features[:, part], range(a.seeds)) for part in parts.values()]
        print(f"| {name} | {' | '.join(map(str, told))} |", flush=True)


if __name__ == "__main__":
    main()
