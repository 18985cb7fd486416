"""How well a network sees what embedders in JPEG files do: trained on decoded Y, Cb and Cr of hosts and their stegos.

python scripts/measure/jpeg_cnn.py FOLDER --embedders uerd@0.2 jpeg@1000B --out runs/jpeg-cnn

Changes by one in non-zero AC coefficients at equal costs, at a load that is easy to learn (flat@0.8), always come
first, and all other trainings begin with what that one learnt. Each seed splits the hosts anew: 65 % are for training,
10 % for choosing the epoch, 25 % for the test. Files of other sizes than most are left out. A training that was stopped
goes on.
"""

from __future__ import annotations

import argparse
import collections
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from stegcinn.errors import CapacityError
from stegcinn.evaluation.benchmark.detectors import DETECTORS, recipe_of
from stegcinn.evaluation.benchmark.jpegs import JpegEmbedder, made_420, made_of, ycbcr
from stegcinn.evaluation.benchmark.protocol import interval
from stegcinn.evaluation.steganalysis.efficientnet import EfficientNet
from stegcinn.evaluation.steganalysis.recipe import Detector
from stegcinn.evaluation.steganalysis.trainer import Trainer, split_hosts
from stegcinn.files import replacing
from stegcinn.runtime.arrays import Float32

PROOF = "flat@0.8"
SUFFIXES = {".jpg", ".jpeg"}


def seen(host: bytes, embedder: JpegEmbedder | None, size: int | None) -> Float32:
    """Y, Cb and Cr of a host or its stego, about 128, not rounded: changes are smaller than what that adds."""
    return ycbcr(made_of(host, embedder))[:size, :size] + 128


def built(detector: str) -> Detector:
    """A detector of Y, Cb and Cr."""
    return EfficientNet(3, ycbcr=True) if detector == "efficientnet" else DETECTORS[detector][0](3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="colour JPEG files")
    parser.add_argument("--embedders", nargs="*", default=[], metavar="METHOD@LOAD")
    parser.add_argument("--detector", default="efficientnet", choices=list(DETECTORS))
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--count", type=int, help="hosts (default: all), drawn once for all runs")
    parser.add_argument("--size", type=int, help="show only the upper left square of so many pixels")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--hosts-420", type=int, metavar="QUALITY", help="make 4:2:0 hosts of photos scaled to half")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and results.json")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    paths = sorted(path for path in a.folder.iterdir() if path.suffix.lower() in SUFFIXES)
    order = np.random.default_rng(0).permutation(len(paths))[: a.count]
    hosts = [paths[i].read_bytes() if a.hosts_420 is None else made_420(paths[i], a.hosts_420) for i in order]
    shown = [seen(host, None, a.size) for host in hosts]
    common = collections.Counter(picture.shape for picture in shown).most_common(1)[0][0]
    recipe, rows = recipe_of(a.detector, "small", a.epochs), []
    for name in dict.fromkeys([PROOF, *(str(JpegEmbedder.parse(text)) for text in a.embedders)]):
        covers, stegos = [], []
        for host, picture in zip(hosts, shown, strict=True):
            with suppress(CapacityError):
                if picture.shape == common:
                    stegos.append(seen(host, JpegEmbedder.parse(name), a.size))
                    covers.append(picture)
        found = []
        for seed in range(a.seeds):
            start = None if name == PROOF else a.out / PROOF / f"seed{seed}"
            trainer = Trainer(
                lambda: built(a.detector), recipe, np.stack(covers), np.stack(stegos),
                split_hosts(len(covers), seed), seed=seed, folder=a.out / name / f"seed{seed}", start=start,
                report=lambda line, name=name, seed=seed: print(f"{name} seed {seed}: {line}", flush=True),
            )  # fmt: skip
            found.append(trainer.run().test.accuracy)
        mean, half = interval(found)
        rows.append({"embedder": name, "detector": a.detector, "hosts": len(covers), "accuracy": mean, "half": half,
                     "seeds": found})  # fmt: skip
        print(f"{name:22} {a.detector} {len(covers):4} hosts  {100 * mean:.1f} +- {100 * half:.1f}", flush=True)
        with replacing(a.out / "results.json") as temporary:
            temporary.write_text(
                json.dumps({"folder": a.folder.name, "hosts_420": a.hosts_420, "rows": rows}, indent=1)
            )


if __name__ == "__main__":
    main()
