"""What the hole of Algorithm 1 at alpha buys in accuracy and costs in detection: the paper's network, both ways.

python scripts/measure/alpha.py FOLDER --alphas 0 0.05 0.1 0.2

By the protocol `synthetic-cover`: covers are painted by the network that ships from latents of N(0, 1), containers from
latents beyond alpha, both for the gray-scale of the same photo; with alpha 0 nobody can tell them apart. Bits are read
from the 8-bit containers, as they are painted; latents of black and white pixels count. The attacker is the rich model
of colours, and of gray-scale, under an ensemble of linear discriminants; each photo is tested once a seed.
"""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from stegcinn.carriers.luma import luma_of
from stegcinn.evaluation.benchmark.hosts import read_hosts
from stegcinn.evaluation.benchmark.paper import RELEASE
from stegcinn.evaluation.steganalysis import ensemble, rich
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.runtime.weights import Release
from stegcinn.training.cinn.build import released_lab
from stegcinn.training.cinn.evaluation import AT_ONCE, hidden
from stegcinn.training.cinn.trainables import Network


@torch.no_grad()
def painted(network: Network, hosts: UInt8, alpha: float, rng: np.random.Generator) -> tuple[UInt8, float]:
    """Containers (N, H, W, 3) with two random bits per pixel, and the share of bits that is read from them."""
    images, right, size = [], [], network.dimensions(hosts.shape[1])
    for start in range(0, len(hosts), AT_ONCE):
        part = hosts[start : start + AT_ONCE]
        signs = rng.choice(np.array([-1, 1], np.float32), (len(part), size))
        images.append(hidden(network, part, signs, alpha, rng)[1].rgb)
        read = network.read(network.inputs(images[-1]))[0].cpu().numpy()
        right.append((read >= 0) == (signs > 0))
    return np.concatenate(images), float(np.concatenate(right).mean())


def described(images: UInt8) -> dict[str, Float32]:
    """What the attackers see of images (N, H, W, 3), features (N, F) each."""
    colours, gray = [rich.features(rgb) for rgb in images], [rich.gray_features(luma_of(rgb)) for rgb in images]
    return {"colour": np.array(colours, np.float32), "gray": np.array(gray, np.float32)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="photos")
    parser.add_argument("--alphas", nargs="+", type=float, default=[0.0, 0.05, 0.1, 0.2])
    parser.add_argument("--size", type=int, default=128, help="pixels: the middle square of each photo")
    parser.add_argument("--halve", action="store_true", help="scale the photos down to half first")
    parser.add_argument("--count", type=int, default=2000, help="photos")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    a = parser.parse_args()
    hosts = read_hosts(a.folder, count=a.count, size=a.size, halve=a.halve).images
    network, _ = released_lab(Release(files("stegcinn.evaluation") / "weights" / RELEASE))
    covers = described(painted(network, hosts, 0.0, np.random.default_rng(0))[0])
    print(f"{len(hosts)} hosts\n| alpha | bits read right | {' | '.join(covers)} |\n|---|---|---|---|", flush=True)
    for number, alpha in enumerate(a.alphas, 1):
        images, right = painted(network, hosts, alpha, np.random.default_rng(number))
        stegos = described(images)
        told = [ensemble.detect(covers[kind], stegos[kind], range(a.seeds)) for kind in covers]
        cells = " | ".join(f"{100 * seen.accuracy:.1f} ± {100 * seen.half:.1f}" for seen in told)
        print(f"| {alpha:g} | {100 * right:.2f} % | {cells} |", flush=True)


if __name__ == "__main__":
    main()
