"""What an attacker sees who examines bags of 1, 10 and 50 photos, by how the same payload is spread over them.

python scripts/measure/pooled.py PHOTOS [--count 600] [--size 128] [--bytes 300] [--seeds 0 1 2]

Photos are halved, their middle square is the host of codec `stealth`. Per strategy of `benchmark/batches.py` streams of
about `--bytes` per photo are hidden (by default as much as equal disturbance of SAFE takes), the ensemble over rich
colour features votes on every photo by rules that did not see it, and votes are pooled over bags. Tells the accuracy
of each pooler, the mean over seeds.
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
from stegcinn.evaluation.steganalysis.ensemble import cross_validated_votes
from stegcinn.sealing.keys import KEY_SIZE, derive

BAGS = (1, 10, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--size", type=int, default=128, help="pixels")
    parser.add_argument("--bytes", type=float, help="of the stream, per photo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    codec = load()
    images = read_hosts(arguments.photos, count=arguments.count, size=arguments.size, halve=True).images
    hosts = [codec.host(Source(rgb), Wish()) for rgb in images]
    grades = [codec.grades(host) for host in hosts]
    total = sum(each.size_at(SAFE) for each in grades if each)
    if arguments.bytes is not None:
        total = arguments.bytes * len(hosts)
    print(f"{len(hosts)} photos, {total / len(hosts):.0f} bytes each on average", flush=True)
    covers = np.array([rich.features(host.rgb) for host in hosts], np.float32)
    print("strategy, bag: " + ", ".join((*pooled.POOLERS, pooled.LEARNT)), flush=True)
    for strategy in STRATEGIES:
        stegos = covers.copy()
        spread = sizes(strategy, grades, int(total))
        for number, size in enumerate(spread):
            if size:
                key = derive(None, os.urandom(KEY_SIZE))  # a detector has no key: any will do
                made = codec.embed(hosts[number], os.urandom(size), key, Wish(), silent).carrier
                stegos[number] = rich.features(made.rgb)
        carrying = np.array(spread) > 0
        votes = [cross_validated_votes(covers, stegos, carrying, seed) for seed in arguments.seeds]
        for bag in (bag for bag in BAGS if 2 * bag <= len(hosts)):
            found = [pooled.accuracy(each, bag, seed) for each, seed in zip(votes, arguments.seeds, strict=True)]
            means = (f"{100 * np.mean([each[name] for each in found]):.1f} %" for name in found[0])
            print(f"{strategy} ({carrying.sum()} photos), {bag}: {', '.join(means)}", flush=True)


if __name__ == "__main__":
    main()
