"""What an outside referee makes of the spatial methods: features and ensemble of the package sealwatch, beside ours.

python scripts/measure/referee.py PHOTOS [--embedders stealth@0.4 hill-cmd@0.4 hill@0.4 hill-gina@0.4] [--hosts 662]

Hosts are the middle of each photo scaled down to half, those that take all loads. sealwatch's colour rich model (CRM,
2,073 features of all three channels) and SPAM (686 features of the gray-scale) are decided by its own ensemble of
Fisher's discriminants, CRM and our rich model of colours by ours too, with as many learners in as large subspaces. A
photo and its stego always stand together: each photo is tested once a seed, by rules that were learnt on the others.
The interval of 95 % is over photos.

It needs sealwatch (MPL-2.0) and what that imports: pip install sealwatch. Where torchvision is missing, a stub stands
in for it: sealwatch imports it for networks that are not used here. Features are kept under --cache.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from stegcinn.carriers.luma import luma_of
from stegcinn.evaluation.benchmark.containers import Embedder, cached_stegos, paired
from stegcinn.evaluation.benchmark.hosts import ImageSet, read_hosts
from stegcinn.evaluation.steganalysis import rich
from stegcinn.evaluation.steganalysis.ensemble import FOLDS, LEARNERS, SUBSPACE, Detection, detect
from stegcinn.files import replacing
from stegcinn.runtime.arrays import Bool, Float32, UInt8

EMBEDDERS = ("stealth@0.4", "hill-cmd@0.4", "hill@0.4", "hill-gina@0.4")


class _Transforms(types.ModuleType):
    """Whatever sealwatch derives its classes from."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *arguments, **named: None})


def load_sealwatch() -> Any:
    """The package; SystemExit that says what to install."""
    if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is None:
        transforms = _Transforms("torchvision.transforms")
        stub = types.ModuleType("torchvision")
        stub.transforms = transforms  # type: ignore[attr-defined]
        sys.modules.update({"torchvision": stub, "torchvision.transforms": transforms})
    try:
        import sealwatch
    except ImportError as error:
        raise SystemExit(f"this needs the package sealwatch: pip install sealwatch ({error})") from None
    logging.getLogger().setLevel(logging.WARNING)
    return sealwatch


def crm(rgb: UInt8) -> Float32:
    return _joined(load_sealwatch().crm.extract(rgb))


def spam(rgb: UInt8) -> Float32:
    return _joined(load_sealwatch().spam.extract(luma_of(rgb)))


def ours(rgb: UInt8) -> Float32:
    return rich.features(rgb).astype(np.float32)


def _joined(parts: dict[str, Any]) -> Float32:
    return np.concatenate([np.ravel(part) for part in parts.values()]).astype(np.float32)


FEATURES: dict[str, Callable[[UInt8], Float32]] = {"CRM": crm, "SPAM": spam, "rich-model": ours}
# What is shown: features, and whether sealwatch's ensemble decides, or ours
COLUMNS = {
    "CRM": ("CRM", True),
    "CRM, our ensemble": ("CRM", False),
    "SPAM": ("SPAM", True),
    "rich-model": ("rich-model", False),
}


def features(images: ImageSet, kind: str, cache: Path, jobs: int) -> Float32:
    """Of all images, (N, features), computed once."""
    path = cache / f"{images.digest}-{kind}.npy"
    if not path.exists():
        found = np.stack(Parallel(jobs)(delayed(FEATURES[kind])(rgb) for rgb in images.images))
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, found)
    return np.load(path, allow_pickle=False)


def right(covers: Float32, stegos: Float32, seed: int) -> Bool:
    """Which covers and which stegos sealwatch's ensemble classifies right, (2, photos)."""
    trainer = load_sealwatch().ensemble_classifier.FldEnsembleTrainer
    found = np.zeros((2, len(covers)), np.bool_)
    order = np.random.default_rng(seed).permutation(len(covers))
    for fold in range(FOLDS):
        test = order[fold::FOLDS]
        train = np.setdiff1d(order, test)
        sizes = {"L": LEARNERS, "d_sub": min(SUBSPACE, covers.shape[1])}
        rule, _ = trainer(covers[train], stegos[train], seed=seed * FOLDS + fold + 1, verbose=0, **sizes).train()
        found[:, test] = rule.predict(covers[test]) < 0, rule.predict(stegos[test]) > 0
    return found


def decided(theirs: bool, covers: Float32, stegos: Float32, seeds: int) -> Detection:
    if not theirs or np.array_equal(covers, stegos):
        return detect(covers, stegos, range(seeds))
    return Detection.of(np.stack([right(covers, stegos, seed) for seed in range(seeds)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder")
    parser.add_argument("--embedders", nargs="+", default=list(EMBEDDERS), metavar="METHOD@LOAD")
    parser.add_argument("--hosts", type=int, default=662, help="how many at most (default: 662)")
    parser.add_argument("--size", type=int, default=128, help="pixels a side (default: 128)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "referee")
    a = parser.parse_args()
    load_sealwatch()
    hosts = read_hosts(a.photos, count=a.hosts, size=a.size, halve=True)
    print(f"| method | hosts | {' | '.join(f'{name}, %' for name in COLUMNS)} |")
    print(f"|---|---|{'---|' * len(COLUMNS)}", flush=True)
    embedders = list(map(Embedder.parse, a.embedders))
    stegos = [cached_stegos(hosts, embedder, a.cache / "stegos", seed=0) for embedder in embedders]
    taken = set(hosts.names).intersection(*(each.names for each in stegos))
    kept = [index for index, name in enumerate(hosts.names) if name in taken]
    hosts = ImageSet(tuple(hosts.names[index] for index in kept), hosts.images[kept])
    for embedder, each in zip(embedders, stegos, strict=True):
        names, *both = paired(hosts, each)
        shown = []
        for kind, theirs in COLUMNS.values():
            covers, changed = (features(ImageSet(names, images), kind, a.cache, a.jobs) for images in both)
            shown.append(str(decided(theirs, covers, changed, a.seeds)))
        print(f"| {embedder} | {len(names)} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
