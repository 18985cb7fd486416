"""Whether photos that `stegcinn rank` puts first are safer: the rich model's accuracy by expected disturbance.

python scripts/measure/rank_check.py PHOTOS --out OUT [--halve] [--loads 0.4 1.0]

OUT keeps containers and statistics, as that of `scripts/measure/detect.py` does, and may be the same folder.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from pathlib import Path

import numpy as np

from stegcinn.carriers.base import Source
from stegcinn.codecs import load_codec
from stegcinn.evaluation.benchmark.attacker import cached_statistics
from stegcinn.evaluation.benchmark.containers import Embedder, cached_stegos, paired
from stegcinn.evaluation.benchmark.hosts import ImageSet, read_hosts
from stegcinn.evaluation.steganalysis.linear import correct
from stegcinn.evaluation.steganalysis.trainer import split_hosts

EDGES = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, np.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hosts", type=Path, help="folder of photos")
    parser.add_argument("--out", type=Path, required=True, help="folder for containers and statistics")
    parser.add_argument("--halve", action="store_true", help="scale the photos down to half first")
    parser.add_argument("--count", type=int, default=2000, help="hosts")
    parser.add_argument("--size", type=int, default=128, help="pixels: the middle square of each photo")
    parser.add_argument("--loads", nargs="+", type=float, default=[0.4, 1.0], help="bits per pixel")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(6)))
    a = parser.parse_args()
    hosts = read_hosts(a.hosts, count=a.count, size=a.size, halve=a.halve)
    codec = load_codec("stealth")
    every = []
    for load in a.loads:
        stegos = cached_stegos(
            hosts, Embedder("stealth", load), a.out / "stegos", seed=0, report=partial(print, flush=True)
        )
        names, *images = paired(hosts, stegos)
        size = round(load * a.size**2 / 8)
        found = [codec.disturbance(codec.open(Source(host)), size) for host in images[0]]
        disturbance = np.array([np.inf if value is None else value for value in found])
        covers, changed = (cached_statistics(ImageSet(names, x), "rich-model", a.out / "statistics") for x in images)
        pairs = []
        for seed in a.seeds:
            split = split_hosts(len(names), seed)
            train = np.concatenate([split.train, split.validation])
            pairs.append(np.stack([disturbance[split.test], correct(covers, changed, train, split.test).mean(0)]))
        pairs = np.concatenate(pairs, axis=1)
        quarters = np.array_split(pairs[1, np.argsort(pairs[0])], 4)
        print(
            f"{load} bits per pixel, {len(names)} hosts, quarters by disturbance:",
            *(f"{q.mean():.1%}" for q in quarters),
        )
        every.append(pairs)
    disturbance, right = np.concatenate(every, axis=1)
    for low, high in itertools.pairwise(EDGES):
        there = (disturbance >= low) & (disturbance < high)
        if there.any():
            print(f"disturbance {low} to {high}: {right[there].mean():.1%} of {2 * there.sum()} images")


if __name__ == "__main__":
    main()
