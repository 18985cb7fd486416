"""Detection protocols: which cover and stego a steganalyser is to tell apart, measured over seeds, cell by cell.

natural-cover     the host photo against its container: what a real attacker has
synthetic-cover   the paper's: an image drawn by the same network from random numbers against the container

A cell is one training: an embedder, a detector, gray or colour, and a seed, which draws the split by host, the
detector's first weights and the order of the batches. A finished cell is never run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stegcinn.evaluation.benchmark.attacker import ATTACKERS, cached_statistics
from stegcinn.evaluation.benchmark.containers import FULL, SAFE, Embedder, make_stegos, paired
from stegcinn.evaluation.benchmark.detectors import DETECTORS
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.evaluation.benchmark.record import Record
from stegcinn.evaluation.steganalysis import linear
from stegcinn.evaluation.steganalysis.recipe import Recipe
from stegcinn.evaluation.steganalysis.trainer import Split, Trainer, planes_of, split_hosts

Planes = Literal["gray", "colour"]
Protocol = Literal["natural-cover", "synthetic-cover"]
REFERENCE = "lsb"
EASIER = (3.0, 2.0)  # bits per pixel of it: where a recipe has lessons, a training that begins from nothing sees these
PROOF = f"{REFERENCE}@1.0"  # a detector that does not catch plain LSB matching at this load proves nothing about others
# 97.5 % quantiles of Student's t for 1 to 10 degrees of freedom; with more, the normal's 1.96 is near enough
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
NORMAL = 1.96


@dataclass(frozen=True)
class Cell:
    """One training and its test."""

    embedder: str
    detector: str
    planes: Planes
    seed: int
    protocol: Protocol = "natural-cover"

    @property
    def name(self) -> str:
        """As the results are filed under."""
        return f"{self.protocol}/{self.embedder}/{self.detector}-{self.planes}/seed{self.seed}"


def run_cell(
    cell: Cell, covers: ImageSet, stegos: ImageSet, recipe: Recipe | None, folder: Path | None = None,
    report: Callable[[str], None] = lambda line: None, start: Path | None = None, cache: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train and test one detector; the row of results. `folder` keeps what is needed to go on after a break.

    `recipe` is for steganalysers, as is `start`, the folder of a training whose weights this one begins with; `cache`
    (a folder for its statistics) is for attackers without a network.

    Where covers and stegos are the very same images to the detector (gray detectors, by the luma lock), any decision
    rule is right for exactly one of each pair: 50 % without training.
    """
    names, *images = paired(covers, stegos)
    seen, changed = (planes_of(x, cell.planes) for x in images)
    row: dict[str, Any] = {**asdict(cell), "hosts": len(names), "size": list(seen.shape[1:3])}
    if np.array_equal(seen, changed):
        return row | {"accuracy": 0.5, "validation": 0.5, "identical": True}
    split = _split(names, covers.names, cell.seed)
    if cell.detector in ATTACKERS:
        if cache is None:
            raise ValueError("an attacker needs a folder for its statistics")
        before, after = (cached_statistics(ImageSet(names, x), cell.detector, cache) for x in (seen, changed))
        train = np.concatenate([split.train, split.validation])
        found, validation = linear.judged(before, after, train, split.test)
        return row | {"accuracy": found, "validation": validation, "identical": False,
                      "train_hosts": len(train), "test_hosts": len(split.test)}  # fmt: skip
    if recipe is None:
        raise ValueError("a steganalyser needs a recipe")
    if start is not None:
        recipe = recipe.continued()
    hosts = ImageSet(names, images[0])
    loads = EASIER[len(EASIER) - len(recipe.eased) :]
    easier = (make_stegos(hosts, Embedder(REFERENCE, load), seed=cell.seed).images for load in loads)
    planes = seen.shape[-1]
    trainer = Trainer(
        lambda: DETECTORS[cell.detector][0](planes), recipe, seen, changed, split,
        seed=cell.seed, folder=folder, start=start, report=lambda line: report(f"{cell.name}: {line}"),
        easier=[planes_of(each, cell.planes) for each in easier],
    )  # fmt: skip
    result = trainer.run()
    return row | {
        "accuracy": result.test.accuracy, "validation": result.validation.accuracy, "best_epoch": result.epoch,
        "seconds": round(result.seconds, 1), "train_hosts": len(split.train), "test_hosts": len(split.test),
        "recipe": asdict(recipe), "identical": False,
    }  # fmt: skip


def _split(names: tuple[str, ...], hosts: tuple[str, ...], seed: int) -> Split:
    """Which of the `names` are for what: as all hosts are split, so that a host is for the same with every embedder."""
    place = {name: index for index, name in enumerate(names)}
    whole = split_hosts(len(hosts), seed)
    parts = (
        [place[hosts[i]] for i in part if hosts[i] in place] for part in (whole.train, whole.validation, whole.test)
    )
    return Split(*(np.array(part, np.int64) for part in parts))


def proof_of(cell: Cell) -> Cell:
    """The cell that proves the detector of another.

    Small changes are learnt slowly or not at all from nothing, which would flatter the embedder. So every steganalyser
    first learns to see plain LSB matching, and all its other trainings begin there.
    """
    return replace(cell, embedder=PROOF, protocol="natural-cover")


def start_of(cell: Cell, trainings: Path) -> Path | None:
    """The folder of the training that a cell's own begins with, of those in the folder `trainings`."""
    proof = proof_of(cell)
    return None if cell == proof else trainings / proof.name


class Results(Record):
    """Rows of finished cells, each written down at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.content.setdefault("cells", {})

    def __contains__(self, cell: Cell) -> bool:
        return cell.name in self.content["cells"]

    def add(self, cell: Cell, row: dict[str, Any]) -> None:
        """File a row and write the file."""
        self.content["cells"][cell.name] = json.loads(json.dumps(row))  # as it will be read again
        self.content["detections"] = detections(self.content["cells"].values())
        self.write()


def interval(values: list[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95 % confidence interval over seeds (Student's t); NaN for a single value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan")
    freedom = len(values) - 1
    quantile = STUDENT[freedom - 1] if freedom <= len(STUDENT) else NORMAL
    return mean, quantile * float(np.std(values, ddof=1)) / len(values) ** 0.5


def detections(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Accuracy over seeds of every protocol, embedder, detector and planes, beside that detector's proof.

    `proof` is its accuracy on plain LSB matching at 1.0 bits per pixel in the same planes, None if that was not run;
    `ci95` is None for a single seed. `identical` says that the detector was given the very same image twice. `both` is
    what an analyst has who trains the detector in gray and in colour, and for each seed takes the one that does better
    on the validation hosts: its accuracy on the test hosts. None where that was not run for the same seeds.
    """
    rows = list(rows)
    groups: dict[tuple[str, str, str, str], list[float]] = {}
    identical: dict[tuple[str, str, str, str], bool] = {}
    for row in rows:
        key = (row["protocol"], row["embedder"], row["detector"], row["planes"])
        groups.setdefault(key, []).append(row["accuracy"])
        identical[key] = identical.get(key, True) and row["identical"]
    table = []
    for (protocol, embedder, detector, planes), values in sorted(groups.items()):
        method, _, load = embedder.partition("@")
        mean, half = interval(values)
        both, both_half = _of_both(rows, protocol, embedder, detector)
        proof = groups.get(("natural-cover", PROOF, detector, planes))
        table.append({
            "method": method, "load_bpp": load if load in (FULL, SAFE, "") else float(load), "detector": detector,
            "planes": planes, "protocol": protocol, "accuracy": round(mean, 4),
            "ci95": _rounded(half), "seeds": len(values), "both": _rounded(both), "both_ci95": _rounded(both_half),
            "proof": round(float(np.mean(proof)), 4) if proof else None,
            "identical": identical[protocol, embedder, detector, planes],
        })  # fmt: skip
    return table


def _of_both(rows: list[dict[str, Any]], protocol: str, embedder: str, detector: str) -> tuple[float, float]:
    """Mean over seeds, and half its interval, of the better of gray and colour by the validation hosts; NaN for none.

    Chosen by test accuracy it would be too good: the larger of two figures at chance is above chance.
    """
    seen: dict[str, dict[int, dict[str, Any]]] = {"gray": {}, "colour": {}}
    for row in rows:
        if (row["protocol"], row["embedder"], row["detector"]) == (protocol, embedder, detector):
            seen[row["planes"]][row["seed"]] = row
    gray, colour = seen["gray"], seen["colour"]
    if gray.keys() != colour.keys() or any("validation" not in row for row in (*gray.values(), *colour.values())):
        return float("nan"), float("nan")
    chosen = [max(gray[seed], colour[seed], key=lambda row: float(row["validation"])) for seed in gray]
    return interval([row["accuracy"] for row in chosen])


def _rounded(share: float) -> float | None:
    return None if np.isnan(share) else round(share, 4)
