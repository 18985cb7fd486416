"""`stegcinn benchmark`: all stages in order, each resumable, everything under one folder.

hosts.npz, stegos/       the photos, and what every method made of them
baselines/, trainings/   checkpoints and logs of whatever is trained
results.json             environment, plan, rows, cells, detections, speed: written anew after every step
tables.md, figures/      made from results.json at the end, as is report.html, which has all of it in one file

Independent jobs (stegos, trainings) are spread over processes by joblib; `joblib.parallel_config` around `run` spreads
them over machines with another backend (Dask, Ray).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stegcinn.evaluation.benchmark import costs, figures, page, tables
from stegcinn.evaluation.benchmark.attacker import SIZES, cached_statistics
from stegcinn.evaluation.benchmark.containers import SIMULATED, Embedder
from stegcinn.evaluation.benchmark.hosts import ImageSet, listing_digest
from stegcinn.evaluation.benchmark.learnt import LEARNT, STEG_CINN, is_trained, trained
from stegcinn.evaluation.benchmark.plans import PIXELS, SYNTHETIC, BenchmarkPlan, cells_of, embedders_of
from stegcinn.evaluation.benchmark.progress import Progress, Stage
from stegcinn.evaluation.benchmark.protocol import PROOF, Results
from stegcinn.evaluation.benchmark.quality import appearance, codec_row, learnt_row, no_reference_measures
from stegcinn.evaluation.benchmark.record import environment_of, results_folder
from stegcinn.evaluation.benchmark.speed import LSB, measure
from stegcinn.evaluation.benchmark.work import (
    attacked,
    few,
    make,
    make_learnt,
    make_synthetic,
    read_sets,
    run_one,
    stegos_path,
)
from stegcinn.evaluation.metrics.hyperiqa import load_hyperiqa
from stegcinn.evaluation.spreading import spread
from stegcinn.files import replacing

Report = Callable[[str], None]


def run(
    folder: Path, out: Path, plan: BenchmarkPlan, *, jobs: int = 1, hyperiqa: Path | None = None,
    vgg: Path | None = None, report: Report = lambda line: None, working: Report = lambda line: None,
) -> dict[str, Any]:  # fmt: skip
    """Run what is left of a benchmark on the photos of `folder`; the content of results.json.

    `hyperiqa`: the published checkpoint, if HyperIQA is wanted. `vgg`: VGG-16's weights for the paper's network;
    without them, features of its shape are trained. `report` is told what is done, `working` what is being done.
    UsageError if `out` cannot be a folder, or holds results of another plan, of other photos or from another
    environment; StegcinnError if there are too few photos to measure anything.
    """
    report(f"reading photos of {folder}")
    results_folder(out)
    results = Results(out / "results.json")
    results.content.setdefault("preset", plan.preset)
    results.content.setdefault("photos", folder.resolve().name)
    results.agree("plan", _plain(plan), "of another plan")
    results.agree("photos_digest", listing_digest(folder), "of other photos")
    results.agree("environment", environment(), "measured on another machine or with other versions")
    hosts, photos = read_sets(folder, out, plan, begun="hosts_digest" in results.content)
    results.agree("hosts_digest", hosts.digest, "of other photos")
    results.content["used"] = {"hosts": len(hosts.names), "photos": len(photos.names), "vgg": vgg is not None}
    results.write()
    if len(hosts.names) < plan.hosts:
        report(few(plan, len(hosts.names), len(photos.names)))
    embedders = embedders_of(plan)
    cells = [cell for cell in cells_of(plan) if cell not in results]
    expected = _expected(hosts, out, plan, embedders, vgg)
    rows = [*LEARNT, *(str(e) for e in embedders if e.method not in SIMULATED)]
    new = [name for name in rows if name not in [row["name"] for row in results.content.get("rows", [])]]
    every, timed = len(list(cells_of(plan))), (LSB, *PIXELS)
    speed = results.content.setdefault("speed", [])
    untimed = [method for method in timed if method not in [row["method"] for row in speed]]
    looked_at = costs.statistics(cells, plan, len(hosts.names))
    progress = Progress([
        Stage("stegos, and networks that do not ship", len(expected), 0, sum(expected.values())),
        Stage("rows of methods", len(rows), len(rows) - len(new), sum(costs.row(name, plan) for name in new)),
        Stage("trainings and attacks", every, every - len(cells),
              looked_at + sum(costs.training(cell, plan, len(hosts.names)) for cell in cells)),
        Stage("speed", len(timed), len(timed) - len(untimed), costs.SPEED * len(untimed)),
    ], jobs, report, working)  # fmt: skip

    progress.begin(0)
    made = chain(
        spread(jobs, make_learnt, [(hosts, photos, name, out, plan, vgg) for name in LEARNT]),
        spread(jobs, make, [(hosts, str(embedder), out, plan.seed) for embedder in embedders]),
        spread(jobs, make_synthetic, [(hosts, photos, name, out, plan, vgg) for name in SYNTHETIC]),
    )
    for line in made:
        progress.step(line, expected.get(line.partition(":")[0]))
    progress.begin(1)
    _rows(results, hosts, photos, out, plan, rows, hyperiqa, vgg, progress)

    progress.begin(2)
    wanted = attacked(cells, hosts, out, plan)
    for _ in spread(jobs, cached_statistics, ((*each, out / "statistics") for each in wanted)):
        progress.advance(looked_at / (2 * len(costs.asked(cells))))  # covers and stegos
    # The longest first, lest one of them is left for a single process at the end
    cells.sort(key=lambda cell: costs.training(cell, plan, len(hosts.names)), reverse=True)
    proofs = [cell for cell in cells if cell.embedder == PROOF]
    for part in (proofs, [cell for cell in cells if cell not in proofs]):  # all others begin with a proof's weights
        for cell, row in spread(jobs, run_one, [(cell, hosts, out, plan) for cell in part]):
            results.add(cell, row)
            progress.step(f"{cell.name}: {100 * row['accuracy']:.1f} %", costs.training(cell, plan, len(hosts.names)))

    progress.begin(3)
    for method in untimed:  # one after the other: they are timed
        speed.append(measure(method))
        results.write()
        progress.step(f"{method}: {speed[-1]['hide']} s per megapixel to hide, {speed[-1]['reveal']} to reveal")
    _illustrate(results, hosts, out, plan)
    return results.content


def _expected(
    hosts: ImageSet, out: Path, plan: BenchmarkPlan, embedders: Sequence[Embedder], vgg: Path | None
) -> dict[str, float]:
    """Seconds of one core for the stegos of each method; none for those that are there already."""
    count = len(hosts.names)
    found = {name: costs.stegos(name, plan, count) for name in (*LEARNT, *map(str, embedders))}
    for name in LEARNT:
        found[name] += costs.learnt(plan) if is_trained(name, plan.learnt, vgg) else 0
    there = {name: stegos_path(out, hosts, name, plan.seed).exists() for name in found}
    found |= {f"{name}, covers": 2 * costs.stegos(name, plan, count) for name in SYNTHETIC}
    return {name: 0.0 if there.get(name) else seconds for name, seconds in found.items()}


def environment() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        **environment_of("stegcinn", "torch", "numpy", "onnxruntime", "scikit-image", "joblib"),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _plain(plan: BenchmarkPlan) -> dict[str, Any]:
    """As JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    return plain


def _rows(
    results: Results, hosts: ImageSet, photos: ImageSet, out: Path, plan: BenchmarkPlan, wanted: Sequence[str],
    hyperiqa: Path | None, vgg: Path | None, progress: Progress,
) -> None:  # fmt: skip
    """Rows of the table of methods that are not there yet.

    `preset` of a row is the training its networks had: `default` is what ships, others are as this benchmark trains.
    """
    rows = results.content.setdefault("rows", [])
    some = ImageSet(hosts.names[: plan.quality_hosts], hosts.images[: plan.quality_hosts])
    measures = no_reference_measures(None if hyperiqa is None else load_hyperiqa(hyperiqa))
    for name in wanted:
        if name in [row["name"] for row in rows]:
            continue
        if name in LEARNT:
            hide = trained(name, photos.images, plan.learnt, out / "baselines" / name, vgg, plan.seed, progress.tell)
            row, stegos = learnt_row(hide, some, plan.seed)
        else:
            embedder = Embedder.parse(name)
            row, stegos = codec_row(embedder.method, embedder.load, some, plan.seed)
        method, preset = _training_of(name, plan)
        row = {"name": name, "method": method, "preset": preset, **row}
        if stegos.names:  # else no host had room, and there is nothing to look at
            place = {host: index for index, host in enumerate(some.names)}
            covers = some.images[[place[host] for host in stegos.names]]
            row |= appearance(covers, stegos.images, measures)
            figures.save_sheet(some, stegos, out / "figures" / f"{name}.png")
        rows.append(row)
        results.write()
        told = f"{row['net_bpp']} net bits per pixel, {row['failed_files']} of {row['files']} files failed"
        progress.step(f"{name}: {told}", costs.row(name, plan))


def _training_of(name: str, plan: BenchmarkPlan) -> tuple[str, str]:
    """Method, and preset of the training that its networks had."""
    if name == STEG_CINN:
        return "cinn", "paper"
    return name.partition("@")[0], plan.preset if name in LEARNT and plan.learnt.retrain else "default"


def _illustrate(results: Results, hosts: ImageSet, out: Path, plan: BenchmarkPlan) -> None:
    """tables.md, the figures that need all results, and report.html."""
    with replacing(out / "tables.md") as text:
        text.write_text(tables.report(results.content))
    folder = out / "figures"
    figures.save_curves(results.content["detections"], folder / "detection.png")
    if "cinn" in PIXELS:
        containers = ImageSet.load(stegos_path(out, hosts, "cinn@full", plan.seed))
        bins = len(SIZES) - 1
        shares = {
            name: np.mean(cached_statistics(images, "z-histogram", out / "statistics")[:, :bins], 0)
            for name, images in (("hosts", hosts), ("containers of cinn", containers))
        }
        figures.save_histogram(shares, SIZES, folder / "latents.png")
    with replacing(out / "report.html") as text:
        text.write_text(page.page(results.content, {path.stem: path.read_bytes() for path in folder.glob("*.png")}))
