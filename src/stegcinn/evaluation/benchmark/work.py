"""The jobs of a benchmark: each can run in a process of its own, and leaves what it makes on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from stegcinn.errors import StegcinnError
from stegcinn.evaluation.benchmark.attacker import ATTACKERS
from stegcinn.evaluation.benchmark.containers import Embedder, cached_stegos, paired
from stegcinn.evaluation.benchmark.detectors import recipe_of
from stegcinn.evaluation.benchmark.hosts import ImageSet, read_hosts
from stegcinn.evaluation.benchmark.learnt import STEG_CINN, steg_cinn, trained
from stegcinn.evaluation.benchmark.plans import BenchmarkPlan
from stegcinn.evaluation.benchmark.protocol import Cell, run_cell, start_of
from stegcinn.evaluation.benchmark.synthetic import synthetic_pairs
from stegcinn.evaluation.steganalysis.trainer import planes_of

LEAST = 8  # hosts: fewer leave a set of the split empty
TEST, NORMAL = 0.25, 1.96  # share of the hosts that detectors are tested on; quantile of the normal distribution


def read_sets(folder: Path, out: Path, plan: BenchmarkPlan, *, begun: bool) -> tuple[ImageSet, ImageSet]:
    """Hosts for detection and photos for training baselines, no photo in both.

    Unless the benchmark has `begun`, nobody knows what photos those on the disk are of.
    """
    path = out / "hosts.npz"
    if not (begun and path.exists()):
        read_hosts(folder, count=plan.hosts + plan.photos, size=plan.size, seed=plan.seed).save(path)
    every = ImageSet.load(path)
    # of a small folder both get their share
    count = round(len(every.names) * plan.hosts / (plan.hosts + plan.photos))
    if count < LEAST or len(every.names) - count < 1:
        raise StegcinnError(
            f"{folder} holds too few photos for a benchmark: {len(every.names)} in colour and of at least "
            f"{plan.size}x{plan.size} pixels; add some, as the preset {plan.preset} is made for "
            f"{plan.hosts + plan.photos:,}"
        )
    return ImageSet(every.names[:count], every.images[:count]), ImageSet(every.names[count:], every.images[count:])


def few(plan: BenchmarkPlan, hosts: int, photos: int) -> str:
    """What it means that there are fewer photos than the plan is made for."""
    wide = 100 * NORMAL * (0.25 / (2 * max(1, round(TEST * hosts)))) ** 0.5
    return (
        f"note: there are {hosts + photos:,} photos, and the preset {plan.preset} is made for "
        f"{plan.hosts + plan.photos:,}: {hosts:,} hosts instead of {plan.hosts:,}, so that each accuracy may be "
        f"{wide:.0f} points from the truth and detectors learn less; {photos:,} to train baselines instead of "
        f"{plan.photos:,}"
    )


def _one_thread() -> None:
    torch.set_num_threads(1)  # the processes share the cores


def make(hosts: ImageSet, name: str, out: Path, seed: int) -> str:
    cached_stegos(hosts, Embedder.parse(name), out / "stegos", seed=seed)
    return f"{name}: stegos made"


def stegos_path(out: Path, hosts: ImageSet, name: str, seed: int) -> Path:
    return out / "stegos" / hosts.digest / f"{name}-{seed}.npz"


def make_learnt(hosts: ImageSet, photos: ImageSet, name: str, out: Path, plan: BenchmarkPlan, vgg: Path | None) -> str:
    _one_thread()
    path = stegos_path(out, hosts, name, plan.seed)
    if not path.exists():
        place = out / "baselines" / name
        hide = trained(name, photos.images, plan.learnt, place, vgg, plan.seed, lambda line: None)
        ImageSet(hosts.names, hide(hosts, plan.seed).images).save(path)
    return f"{name}: trained, stegos made"


def make_synthetic(
    hosts: ImageSet, photos: ImageSet, name: str, out: Path, plan: BenchmarkPlan, vgg: Path | None
) -> str:
    paths = _synthetic_paths(hosts, name, out, plan.seed)
    if all(path.exists() for path in paths):
        pass
    elif name == STEG_CINN:  # its stegos are those of `make_learnt`
        _one_thread()
        network = steg_cinn(photos.images, plan.learnt, out / "baselines" / name, vgg, plan.seed, lambda line: None)
        network.drawn(hosts, plan.seed).save(paths[0])
    else:
        pairs = synthetic_pairs(hosts, name.partition("@")[0], seed=plan.seed)
        for images, path in zip(pairs, paths, strict=True):
            images.save(path)
    return f"{name}, covers: drawn"


def _synthetic_paths(hosts: ImageSet, name: str, out: Path, seed: int) -> tuple[Path, Path]:
    """Covers and stegos of the protocol `synthetic-cover`."""
    covers, stegos = (f"synthetic-{name.partition('@')[0]}-{kind}" for kind in ("covers", "stegos"))
    if name == STEG_CINN:
        stegos = name
    return stegos_path(out, hosts, covers, seed), stegos_path(out, hosts, stegos, seed)


def _sets(cell: Cell, hosts: ImageSet, out: Path, plan: BenchmarkPlan) -> tuple[ImageSet, ImageSet]:
    """Covers and stegos."""
    if cell.protocol == "natural-cover":
        return hosts, ImageSet.load(stegos_path(out, hosts, cell.embedder, plan.seed))
    covers, stegos = _synthetic_paths(hosts, cell.embedder, out, plan.seed)
    return ImageSet.load(covers), ImageSet.load(stegos)


def attacked(cells: list[Cell], hosts: ImageSet, out: Path, plan: BenchmarkPlan) -> Iterator[tuple[ImageSet, str]]:
    """Sets of images and the attackers in `cells` who compute statistics of them, each but once: cells share them.

    One after the other, as they do not fit into memory together.
    """
    seen = set()
    for cell in dict.fromkeys(replace(cell, seed=0) for cell in cells if cell.detector in ATTACKERS):
        names, *both = paired(*_sets(cell, hosts, out, plan))
        for images in (ImageSet(names, planes_of(each, cell.planes)) for each in both):
            key = images.digest, cell.detector
            if key not in seen:
                seen.add(key)
                yield images, cell.detector


def run_one(cell: Cell, hosts: ImageSet, out: Path, plan: BenchmarkPlan) -> tuple[Cell, dict[str, Any]]:
    _one_thread()
    covers, stegos = _sets(cell, hosts, out, plan)
    recipe = None if cell.detector in ATTACKERS else recipe_of(cell.detector, plan.preset)
    trainings = out / "trainings"
    row = run_cell(
        cell, covers, stegos, recipe, trainings / cell.name,
        start=start_of(cell, trainings), cache=out / "statistics",
    )  # fmt: skip
    return cell, row
