"""Detection accuracy of embedders on the hosts of a folder, by the `natural-cover` protocol: host against stego.

python scripts/measure/detect.py train --embedders hill@0.4 exact@full --detectors xunet --out runs/detect

Plain LSB matching at 1.0 bits per pixel is always run first: a detector that misses it proves nothing, and the others
begin with what that one learnt.
Stegos are made once and kept under OUT/stegos; a finished cell of OUT/results.json is not run again, and a training
that was stopped goes on. `--stegos NAME=PATH` tests ready-made stegos: a folder of lossless images under their hosts'
names, or an npz file with `names` and `images`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from stegcinn.evaluation.benchmark.attacker import ATTACKERS
from stegcinn.evaluation.benchmark.containers import Embedder, cached_stegos
from stegcinn.evaluation.benchmark.detectors import DETECTORS, recipe_of
from stegcinn.evaluation.benchmark.hosts import ImageSet, read_hosts, read_stegos
from stegcinn.evaluation.benchmark.protocol import PROOF, Cell, Results, run_cell, start_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hosts", type=Path, help="folder of photos")
    parser.add_argument("--out", type=Path, required=True, help="folder for stegos, checkpoints and results.json")
    parser.add_argument("--embedders", nargs="*", default=[], metavar="METHOD@LOAD")
    parser.add_argument("--stegos", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--detectors", nargs="+", default=["xunet"], choices=[*DETECTORS, *ATTACKERS])
    parser.add_argument("--planes", nargs="+", default=["colour"], choices=["gray", "colour"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--count", type=int, default=2000, help="hosts")
    parser.add_argument("--size", type=int, default=128, help="pixels: the middle square of each photo")
    parser.add_argument("--halve", action="store_true", help="scale the photos down to half first")
    parser.add_argument("--preset", default="small", choices=["small", "paper"])
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument(
        "--rate", type=float, help="learning rate of all trainings but the first, instead of the preset's"
    )
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)

    def report(line: str) -> None:
        print(line, flush=True)

    hosts = read_hosts(a.hosts, count=a.count, size=a.size, halve=a.halve)
    results = Results(a.out / "results.json")
    results.content["hosts"] = {"count": len(hosts.names), "size": a.size, "digest": hosts.digest}

    def stegos_of(name: str) -> ImageSet:
        if name in ready_made:
            return read_stegos(ready_made[name], hosts)
        return cached_stegos(hosts, Embedder.parse(name), a.out / "stegos", seed=0, report=report)

    ready_made = {name: Path(path) for name, _, path in (text.partition("=") for text in a.stegos)}
    names = list(dict.fromkeys([PROOF, *(str(Embedder.parse(text)) for text in a.embedders), *ready_made]))
    for name in names:
        cells = [
            Cell(name, detector, planes, seed) for detector in a.detectors for planes in a.planes for seed in a.seeds
        ]
        cells = [cell for cell in cells if cell not in results]
        if not cells:
            continue
        stegos = stegos_of(name)
        for cell in cells:
            recipe = None if cell.detector in ATTACKERS else recipe_of(cell.detector, a.preset, a.epochs)
            trainings, cache = a.out / "trainings", a.out / "statistics"
            start = start_of(cell, trainings)
            if recipe is not None and start is not None and a.rate is not None:
                recipe = replace(recipe, learning_rate=a.rate)
            results.add(cell, run_cell(cell, hosts, stegos, recipe, trainings / cell.name, report, start, cache))
    for row in results.content["detections"]:
        report(" ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
