"""What the hole of Algorithm 1 at alpha buys in accuracy and costs in detection: the paper's network, both ways.

python scripts/measure/alpha.py FOLDER --alphas 0 0.05 0.1 0.2

By the protocol `synthetic-cover`: covers are painted by the network that ships from latents of N(0, 1), containers from
latents beyond alpha, both for the gray-scale of the same photo; with alpha 0 nobody can tell them apart. Bits are read
from the 8-bit containers, as they are painted; latents of black and white pixels count. The attacker is the rich model
of colours, and of gray-scale, under an ensemble of linear discriminants; each photo is tested once a seed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.evaluation.benchmark.hosts import read_hosts
from stegcinn.evaluation.benchmark.paper import shipped
from stegcinn.evaluation.steganalysis import ensemble, rich
from stegcinn.runtime.arrays import Float32, UInt8


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
    hosts = read_hosts(a.folder, count=a.count, size=a.size, halve=a.halve)
    network = shipped()
    covers = described(network.drawn(hosts, 0).images)
    print(f"{len(hosts.names)} hosts\n| alpha | bits read right | {' | '.join(covers)} |\n|---|---|---|---|")
    for seed, alpha in enumerate(a.alphas, 1):
        containers = replace(network, alpha=alpha)(hosts, seed)
        stegos = described(containers.images)
        told = " | ".join(str(ensemble.detect(covers[kind], stegos[kind], range(a.seeds))) for kind in covers)
        print(f"| {alpha:g} | {100 * np.mean(containers.rounded):.2f} % | {told} |", flush=True)


if __name__ == "__main__":
    main()
