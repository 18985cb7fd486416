"""What an attacker sees who examines bags of 1, 10 and 50 photos, by how the same payload is spread over them.

python scripts/measure/pooled.py PHOTOS [--count 662] [--size 128] [--times 1 2] [--splits 20]

Photos are halved, their middle square is the host of codec `stealth`. Per strategy of `benchmark/batches.py` as many
bytes are hidden in all as all photos take at a disturbance of SAFE, or so many `--times` that. One half of the photos
trains Fisher's rule on rich colour features and what pools its scores, bags of the other are tested. Prints a table of
the share told right in %, with the 95 % interval over photos, for each pooler.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from stegcinn.carriers.base import Source
from stegcinn.codecs.base import SAFE, Wish, silent
from stegcinn.codecs.stealth import load
from stegcinn.evaluation.benchmark.batches import STRATEGIES, sizes
from stegcinn.evaluation.benchmark.hosts import read_hosts
from stegcinn.evaluation.steganalysis import pooled, rich
from stegcinn.sealing.keys import KEY_SIZE, derive

BAGS = (1, 10, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder")
    parser.add_argument("--count", type=int, default=662)
    parser.add_argument("--size", type=int, default=128, help="pixels")
    parser.add_argument("--times", type=float, nargs="+", default=[1.0, 2.0], help="of what is safe")
    parser.add_argument("--splits", type=int, default=20, help="of the photos into two halves")
    arguments = parser.parse_args()
    codec = load()
    images = read_hosts(arguments.photos, count=arguments.count, size=arguments.size, halve=True).images
    hosts = [codec.host(Source(rgb), Wish()) for rgb in images]
    grades = [codec.grades(host) for host in hosts]
    safe = sum(each.size_at(SAFE) for each in grades if each)
    covers = np.array([rich.features(host.rgb) for host in hosts], np.float32)
    print(f"{len(hosts)} photos, {safe:,.0f} bytes are safe", flush=True)
    print(f"| bytes | strategy | photos used | deflection | bag | {' | '.join(pooled.NAMES)} |", flush=True)
    print("|---" * (5 + len(pooled.NAMES)) + "|", flush=True)
    for times in arguments.times:
        for strategy in STRATEGIES:
            spread = np.array(sizes(strategy, grades, int(times * safe)))
            stegos = covers.copy()
            for number in np.flatnonzero(spread):
                key = derive(None, os.urandom(KEY_SIZE))  # a detector has no key: any will do
                stream = os.urandom(int(spread[number]))
                stegos[number] = rich.features(codec.embed(hosts[number], stream, key, Wish(), silent).carrier.rgb)
            deflections = [each.at(size) for each, size in zip(grades, spread, strict=True) if each and size]
            found = pooled.attacked(covers, stegos, spread > 0, BAGS, range(arguments.splits))
            used, whole = np.count_nonzero(spread), np.linalg.norm(deflections)
            for bag, accuracies in found.items():
                told = " | ".join(f"{100 * each.mean:.1f} ± {100 * each.half:.1f}" for each in accuracies.values())
                print(f"| {spread.sum():,} | {strategy} | {used} | {whole:.1f} | {bag} | {told} |", flush=True)


if __name__ == "__main__":
    main()
