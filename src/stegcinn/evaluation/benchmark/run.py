"""`stegcinn benchmark`: all stages in order, each resumable, everything under one folder.

hosts.npz, stegos/       the photos, and what every method made of them
baselines/, trainings/   checkpoints and logs of whatever is trained
results.json             environment, plan, rows, cells, detections, speed: written anew after every step
tables.md, figures/      made from results.json at the end

Independent jobs (stegos, trainings) are spread over processes by joblib; `joblib.parallel_config` around `run` spreads
them over machines with another backend (Dask, Ray).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from joblib import Parallel, delayed

from stegcinn.codecs import CODECS
from stegcinn.errors import StegcinnError, UsageError
from stegcinn.evaluation.benchmark import figures, tables
from stegcinn.evaluation.benchmark.attacker import ATTACKERS, SIZES, cached_statistics
from stegcinn.evaluation.benchmark.containers import FULL, SIMULATED, Embedder, cached_stegos, paired
from stegcinn.evaluation.benchmark.detectors import DETECTORS, Preset, recipe_of
from stegcinn.evaluation.benchmark.hosts import ImageSet, listing_digest, read_hosts
from stegcinn.evaluation.benchmark.learnt import LEARNT, STEG_CINN, LearntPlan, trained
from stegcinn.evaluation.benchmark.paper import PaperPlan
from stegcinn.evaluation.benchmark.protocol import PROOF, Cell, Results, run_cell, start_of
from stegcinn.evaluation.benchmark.quality import codec_row, judges, learnt_row, looks
from stegcinn.evaluation.benchmark.speed import LSB, measure
from stegcinn.evaluation.benchmark.synthetic import METHODS as SYNTHETIC
from stegcinn.evaluation.benchmark.synthetic import synthetic_pairs
from stegcinn.evaluation.metrics.hyperiqa import load_hyperiqa
from stegcinn.files import replacing

Report = Callable[[str], None]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Plan:
    """What is run, and how much is spent on it."""

    preset: Preset
    hosts: int  # for detection
    photos: int  # more, for training the learnt baselines
    size: int  # pixels: the middle square of each photo
    seeds: tuple[int, ...]
    loads: tuple[float, ...]  # bits per pixel, of codecs and reference methods; full load is always run
    # by detector, what it is trained on besides the proof, with one seed and in colour; detectors not named: everything
    heavy_on: dict[str, tuple[str, ...]]
    learnt: LearntPlan
    quality_hosts: int
    seed: int = 0


SMALL_PAPER = PaperPlan(
    condition=("stage1.steps=400", "stage1.batch=4", "stage1.learning_rate=2e-3", "network.vgg_width=16"),
    paper=(
        "stage1.steps=500", "stage1.batch=4", "stage1.learning_rate=1e-3", "stage1.schedule=cosine",
        "network.hidden=32", "network.features=32",
        # the printed form of Algorithm 3 runs away (docs/training.md)
        "rounds.form=straight-through", "rounds.batch=4", "rounds.iterations=60", "rounds.learning_rate=2e-4",
        "rounds.schedule=constant", "rounds.weight=5.0", "rounds.overshoot_weight=0.05",
    ),
)  # fmt: skip
PLANS: dict[str, Plan] = {
    "small": Plan(
        preset="small", hosts=500, photos=200, size=128, seeds=(0, 1, 2), loads=(0.4, 1.0),
        heavy_on={
            "yedroudjnet": (
                "stealth@1.0", "hill@1.0", "exact@full", "cinn@full", "cinn-paper@2.0", "ddh@1.0", "udh@1.0",
                "hidden@0.0018",
            ),
            "kenet": (),  # at what two cores can afford it does not prove itself
        },
        learnt=LearntPlan(steps=300, batch=4, narrow=8, paper=SMALL_PAPER), quality_hosts=40,
    ),
    "paper": Plan(
        preset="paper", hosts=4000, photos=10_000, size=128, seeds=(0, 1, 2), loads=(0.1, 0.4, 1.0), heavy_on={},
        learnt=LearntPlan(), quality_hosts=1000,
    ),
}  # fmt: skip
# Attackers who know a codec's model, and whom it serves; others attack everything
ATTACKED = {"code-length": ("exact", "stealth"), "z-histogram": ("cinn",)}


def run(
    folder: Path, out: Path, plan: Plan, *, jobs: int = 1, hyperiqa: Path | None = None, vgg: Path | None = None,
    report: Report = lambda line: None,
) -> dict[str, Any]:  # fmt: skip
    """Run what is left of a benchmark on the photos of `folder`; the content of results.json.

    `hyperiqa`: the published checkpoint, if HyperIQA is wanted. `vgg`: VGG-16's weights for the paper's network;
    without them, features of its shape are trained. UsageError if `out` cannot be a folder, or holds results of another
    plan, of other photos or from another environment.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made a folder ({error.strerror})") from error
    results = Results(out / "results.json")
    results.content.setdefault("preset", plan.preset)
    results.content.setdefault("photos", folder.resolve().name)
    _agree(results, "plan", _plain(plan), "of another plan")
    _agree(results, "photos_digest", listing_digest(folder), "of other photos")
    _agree(results, "environment", environment(), "measured on another machine or with other versions")
    hosts, photos = _read(folder, out, plan, begun="hosts_digest" in results.content)
    _agree(results, "hosts_digest", hosts.digest, "of other photos")
    results.write()
    embedders = embedders_of(plan)
    report(f"stegos of {len(hosts.names)} hosts")
    made = chain(
        spread(jobs, _make_learnt, [(hosts, photos, name, out, plan, vgg) for name in LEARNT]),
        spread(jobs, _make, [(hosts, str(embedder), out, plan.seed) for embedder in embedders]),
        spread(jobs, _make_synthetic, [(hosts, method, out, plan.seed) for method in SYNTHETIC]),
    )
    for line in made:
        report(line)
    _rows(results, hosts, photos, out, plan, hyperiqa, vgg, report)

    cells = [cell for cell in cells_of(plan) if cell not in results]
    report("statistics for attackers")
    attacked = _attacked(cells, hosts, out, plan)
    for _ in spread(jobs, cached_statistics, ((*each, out / "statistics") for each in attacked)):
        pass
    report(f"{len(cells)} trainings and attacks left")
    proofs = [cell for cell in cells if cell.embedder == PROOF]
    for part in (proofs, [cell for cell in cells if cell not in proofs]):  # all others begin with a proof's weights
        for cell, row in spread(jobs, _run_cell, [(cell, hosts, out, plan) for cell in part]):
            results.add(cell, row)
            report(f"{cell.name}: {100 * row['accuracy']:.1f} %")

    speed = results.content.setdefault("speed", [])
    for method in (LSB, *CODECS):  # one after the other: they are timed
        if method not in [row["method"] for row in speed]:
            speed.append(measure(method))
            results.write()
            report(f"{method}: {speed[-1]['hide']} s per megapixel to hide, {speed[-1]['reveal']} to reveal")
    _illustrate(results, hosts, out, plan)
    return results.content


def spread(jobs: int, function: Callable[..., Result], calls: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
    """Results of `function` for all argument tuples, which are taken as their turn nears, from `jobs` processes."""
    results: Iterator[Result] = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(function)(*arguments) for arguments in calls
    )
    return results


def _agree(results: Results, name: str, fact: Any, kind: str) -> None:
    """Record a fact that all results have in common; UsageError if those of an earlier call had another."""
    if results.content.setdefault(name, fact) != fact:
        raise UsageError(f"{results.path.parent} holds results {kind}; choose another folder")


def environment() -> dict[str, Any]:
    """What the figures were measured on."""
    packages = ("stegcinn", "torch", "numpy", "onnxruntime", "scikit-image", "joblib")
    return {
        "python": platform.python_version(), "system": platform.system(), "machine": platform.machine(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        **{name: version(name) for name in packages},
    }  # fmt: skip


def _plain(plan: Plan) -> dict[str, Any]:
    """As JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    return plain


def embedders_of(plan: Plan) -> list[Embedder]:
    """All methods at all loads that make sense for them, the proof first; learnt baselines not among them."""
    found = [Embedder.parse(PROOF)]
    for load in plan.loads:
        found += [Embedder(method, load) for method in ("lsb", "hill")]
        # a container of `cinn` is repainted as a whole at any load: it is only run at full load
        found += [Embedder(method, load) for method in CODECS if method != "cinn"]
    found += [Embedder(method, FULL) for method in CODECS]
    return list(dict.fromkeys(found))


def cells_of(plan: Plan) -> Iterator[Cell]:
    """All trainings and attacks, those that prove the detectors first."""
    natural = [*(str(embedder) for embedder in embedders_of(plan)), *LEARNT]
    for name in natural:
        for detector in DETECTORS:
            seeds, gray = plan.seeds, True
            if detector in plan.heavy_on:
                if name not in (PROOF, *plan.heavy_on[detector]):
                    continue
                seeds, gray = plan.seeds[:1], name == PROOF
            yield from (Cell(name, detector, "colour", seed) for seed in seeds)
            yield from (Cell(name, detector, "gray", seed) for seed in seeds if gray)
        method = name.partition("@")[0]
        for attacker in ATTACKERS:
            if name == PROOF or method in ATTACKED.get(attacker, (method,)):
                yield from (Cell(name, attacker, "colour", seed) for seed in plan.seeds)
    for method in SYNTHETIC:
        for seed in plan.seeds:
            yield Cell(f"{method}@full", "xunet", "colour", seed, "synthetic-cover")
            yield Cell(f"{method}@full", "xunet", "gray", seed, "synthetic-cover")
        for attacker in ATTACKERS:
            if method in ATTACKED.get(attacker, (method,)):
                yield from (Cell(f"{method}@full", attacker, "colour", s, "synthetic-cover") for s in plan.seeds)


# the jobs: each can run in a process of its own, and leaves what it makes on the disk


def _read(folder: Path, out: Path, plan: Plan, *, begun: bool) -> tuple[ImageSet, ImageSet]:
    """Hosts for detection and photos for training baselines, no photo in both.

    Unless the benchmark has `begun`, nobody knows what photos those on the disk are of.
    """
    path = out / "hosts.npz"
    if not (begun and path.exists()):
        read_hosts(folder, count=plan.hosts + plan.photos, size=plan.size, seed=plan.seed).save(path)
    every = ImageSet.load(path)
    # of a small folder both get their share
    count = round(len(every.names) * plan.hosts / (plan.hosts + plan.photos))
    if len(every.names) - count < 1:
        raise StegcinnError(f"{folder} holds too few photos for a benchmark")
    return ImageSet(every.names[:count], every.images[:count]), ImageSet(every.names[count:], every.images[count:])


def _one_thread() -> None:
    torch.set_num_threads(1)  # the processes share the cores


def _make(hosts: ImageSet, name: str, out: Path, seed: int) -> str:
    cached_stegos(hosts, Embedder.parse(name), out / "stegos", seed=seed)
    return f"{name}: stegos made"


def _stegos_path(out: Path, hosts: ImageSet, name: str, seed: int) -> Path:
    return out / "stegos" / hosts.digest / f"{name}-{seed}.npz"


def _make_learnt(hosts: ImageSet, photos: ImageSet, name: str, out: Path, plan: Plan, vgg: Path | None) -> str:
    _one_thread()
    path = _stegos_path(out, hosts, name, plan.seed)
    if not path.exists():
        place = out / "baselines" / name
        hide = trained(name, photos.images, plan.learnt, place, vgg, plan.seed, lambda line: None)
        ImageSet(hosts.names, hide(hosts, plan.seed).images).save(path)
    return f"{name}: trained, stegos made"


def _make_synthetic(hosts: ImageSet, method: str, out: Path, seed: int) -> str:
    paths = [_stegos_path(out, hosts, f"synthetic-{method}-{kind}", seed) for kind in ("covers", "stegos")]
    if not all(path.exists() for path in paths):
        for images, path in zip(synthetic_pairs(hosts, method, seed=seed), paths, strict=True):
            images.save(path)
    return f"{method}: synthetic covers made"


def _sets(cell: Cell, hosts: ImageSet, out: Path, plan: Plan) -> tuple[ImageSet, ImageSet]:
    """Covers and stegos."""
    if cell.protocol == "natural-cover":
        return hosts, ImageSet.load(_stegos_path(out, hosts, cell.embedder, plan.seed))
    method = cell.embedder.partition("@")[0]
    covers, stegos = (
        _stegos_path(out, hosts, f"synthetic-{method}-{kind}", plan.seed) for kind in ("covers", "stegos")
    )
    return ImageSet.load(covers), ImageSet.load(stegos)


def _attacked(cells: list[Cell], hosts: ImageSet, out: Path, plan: Plan) -> Iterator[tuple[ImageSet, str]]:
    """Sets of images and the attackers in `cells` who compute statistics of them, each but once: cells share them.

    One after the other, as they do not fit into memory together.
    """
    seen = set()
    for cell in dict.fromkeys(replace(cell, seed=0) for cell in cells if cell.detector in ATTACKERS):
        names, *both = paired(*_sets(cell, hosts, out, plan))
        for images in (ImageSet(names, each) for each in both):
            key = images.digest, cell.detector
            if key not in seen:
                seen.add(key)
                yield images, cell.detector


def _run_cell(cell: Cell, hosts: ImageSet, out: Path, plan: Plan) -> tuple[Cell, dict[str, Any]]:
    _one_thread()
    covers, stegos = _sets(cell, hosts, out, plan)
    recipe = None if cell.detector in ATTACKERS else recipe_of(cell.detector, plan.preset)
    trainings = out / "trainings"
    row = run_cell(
        cell, covers, stegos, recipe, trainings / cell.name,
        start=start_of(cell, trainings), cache=out / "statistics",
    )  # fmt: skip
    return cell, row


def _rows(
    results: Results, hosts: ImageSet, photos: ImageSet, out: Path, plan: Plan, hyperiqa: Path | None,
    vgg: Path | None, report: Report,
) -> None:  # fmt: skip
    """Rows of the table of methods that are not there yet.

    `preset` of a row is the training its networks had: `default` is what ships, others are as this benchmark trains.
    """
    rows = results.content.setdefault("rows", [])
    some = ImageSet(hosts.names[: plan.quality_hosts], hosts.images[: plan.quality_hosts])
    measures = judges(None if hyperiqa is None else load_hyperiqa(hyperiqa))
    wanted = [*LEARNT, *(str(e) for e in embedders_of(plan) if e.method not in SIMULATED)]
    for name in wanted:
        if name in [row["name"] for row in rows]:
            continue
        if name in LEARNT:
            hide = trained(name, photos.images, plan.learnt, out / "baselines" / name, vgg, plan.seed, report)
            row, stegos = learnt_row(hide, some, plan.seed)
        else:
            embedder = Embedder.parse(name)
            row, stegos = codec_row(embedder.method, embedder.load, some, plan.seed)
        method, preset = _training_of(name, plan)
        row = {"name": name, "method": method, "preset": preset, **row}
        if stegos.names:  # else no host had room, and there is nothing to look at
            place = {host: index for index, host in enumerate(some.names)}
            covers = some.images[[place[host] for host in stegos.names]]
            row |= looks(covers, stegos.images, measures)
            figures.save_sheet(some, stegos, out / "figures" / f"{name}.png")
        rows.append(row)
        results.write()
        report(f"{name}: {row['net_bpp']} net bits per pixel, {row['failed_files']} of {row['files']} files failed")


def _training_of(name: str, plan: Plan) -> tuple[str, str]:
    """Method, and preset of the training that its networks had."""
    if name == STEG_CINN:
        return "cinn", "paper"
    return name.partition("@")[0], plan.preset if name in LEARNT else "default"


def _illustrate(results: Results, hosts: ImageSet, out: Path, plan: Plan) -> None:
    """tables.md and the figures that need all results."""
    with replacing(out / "tables.md") as text:
        text.write_text(tables.report(results.content))
    figures.save_curves(results.content["detections"], out / "figures" / "detection.png")
    if "cinn" not in CODECS:
        return
    containers = ImageSet.load(_stegos_path(out, hosts, "cinn@full", plan.seed))
    bins = len(SIZES) - 1
    figures.save_histogram(
        {
            name: np.mean(cached_statistics(images, "z-histogram", out / "statistics")[:, :bins], 0)
            for name, images in (("hosts", hosts), ("containers of cinn", containers))
        },
        SIZES,
        out / "figures" / "latents.png",
    )
