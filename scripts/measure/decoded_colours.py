"""The lattice test of `stegcinn.carriers.evidence`: have hosts and containers colours that no JPEG decoder makes?

python scripts/measure/decoded_colours.py FOLDER [--count 40] [--size 128] [--methods stealth ...] [--loads 0.1 0.4]

Of each embedder and load: how many of the images have all their unclipped colours on the lattice, and the mean share of
unclipped pixels that are on it. The test needs no training and no host. Prints a Markdown table; images are those that
take the load, hosts are the middle squares of the folder's photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stegcinn.carriers.evidence.lattices import decodable
from stegcinn.carriers.evidence.parts import unclipped
from stegcinn.codecs import CODECS
from stegcinn.errors import UsageError
from stegcinn.evaluation.benchmark.containers import SIMULATED, Embedder, make_stegos
from stegcinn.evaluation.benchmark.hosts import read_hosts
from stegcinn.runtime.arrays import UInt8


def share_decodable(rgb: UInt8) -> float:
    """Of the unclipped pixels of (H, W, 3); 1 if there are none, as then nothing is off it."""
    inside = unclipped(rgb)
    return float(decodable(rgb)[inside].mean()) if inside.any() else 1.0


def row(name: str, load: str, images: UInt8) -> str:
    """A row of the table."""
    shares = np.array([share_decodable(rgb) for rgb in images])
    return f"| {name} | {load} | {int((shares == 1).sum())} of {len(shares)} | {100 * shares.mean():.1f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hosts", type=Path, help="folder of photos that were JPEG")
    parser.add_argument("--count", type=int, default=40, help="hosts")
    parser.add_argument("--size", type=int, default=128, help="pixels: the middle square of each photo")
    methods = (*CODECS, *SIMULATED)
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--loads", nargs="+", type=float, default=[0.1, 0.4], help="bits per pixel")
    arguments = parser.parse_args()
    hosts = read_hosts(arguments.hosts, count=arguments.count, size=arguments.size)
    print(
        "| images | bits per pixel | all unclipped colours on the lattice | unclipped pixels on it |\n|---|---|---|---|"
    )
    print(row("hosts", "", hosts.images), flush=True)
    for method in arguments.methods:
        for load in arguments.loads:
            try:
                stegos = make_stegos(hosts, Embedder(method, load), seed=0)
            except UsageError as error:  # no host takes it
                print(f"| `{method}` | {load} | {error} | |", flush=True)
            else:
                print(row(f"`{method}`", str(load), stegos.images), flush=True)


if __name__ == "__main__":
    main()
