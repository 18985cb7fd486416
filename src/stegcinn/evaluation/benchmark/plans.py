"""What a benchmark runs: presets, the methods at their loads, and the cells of trainings and attacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stegcinn.codecs import CODECS
from stegcinn.evaluation.benchmark.attacker import ATTACKERS, GRAY
from stegcinn.evaluation.benchmark.containers import FULL, Embedder
from stegcinn.evaluation.benchmark.detectors import DETECTORS, Preset
from stegcinn.evaluation.benchmark.learnt import LEARNT, LearntPlan
from stegcinn.evaluation.benchmark.paper import PaperPlan
from stegcinn.evaluation.benchmark.protocol import PROOF, Cell, Planes
from stegcinn.evaluation.benchmark.synthetic import METHODS as SYNTHETIC


@dataclass(frozen=True)
class BenchmarkPlan:
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
    attacked_only: tuple[str, ...] = ()  # reference methods that no network is trained on
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
REFERENCES = ("lsb", "hill", "hill-cmd", "hill-gina", "suniward", "mipod", "hou")
PLANS: dict[str, BenchmarkPlan] = {
    "small": BenchmarkPlan(
        preset="small", hosts=500, photos=200, size=128, seeds=(0, 1, 2), loads=(0.4, 1.0),
        heavy_on={
            "yedroudjnet": (
                "stealth@1.0", "hill@1.0", "exact@full", "cinn@full", "cinn-paper@2.0", "ddh@1.0", "udh@1.0",
                "hidden@0.0018",
            ),
            "kenet": (),  # its proof alone takes a quarter of an hour
            "efficientnet": ("stealth@1.0", "hill@1.0"),
        },
        learnt=LearntPlan(steps=300, batch=4, narrow=8, paper=SMALL_PAPER), quality_hosts=40,
        attacked_only=("hill-cmd", "hill-gina", "suniward", "mipod", "hou"),
    ),
    "paper": BenchmarkPlan(
        preset="paper", hosts=4000, photos=10_000, size=128, seeds=(0, 1, 2), loads=(0.1, 0.4, 1.0), heavy_on={},
        learnt=LearntPlan(), quality_hosts=1000,
    ),
}  # fmt: skip
PLANES: tuple[Planes, ...] = ("colour", "gray")
# Attackers who know a codec's model, and whom it serves; others attack everything
ATTACKED = {"code-length": ("exact", "stealth"), "z-histogram": ("cinn",)}


def embedders_of(plan: BenchmarkPlan) -> list[Embedder]:
    """All methods at all loads that make sense for them, the proof first; learnt baselines not among them."""
    found = [Embedder.parse(PROOF)]
    for load in plan.loads:
        found += [Embedder(method, load) for method in REFERENCES]
        # a container of `cinn` is repainted as a whole at any load: it is only run at full load
        found += [Embedder(method, load) for method in CODECS if method != "cinn"]
    found += [Embedder(method, FULL) for method in CODECS]
    return list(dict.fromkeys(found))


def cells_of(plan: BenchmarkPlan) -> Iterator[Cell]:
    """All trainings and attacks, those that prove the detectors first."""
    natural = [*(str(embedder) for embedder in embedders_of(plan)), *LEARNT]
    for name in natural:
        method = name.partition("@")[0]
        for detector in () if method in plan.attacked_only else DETECTORS:
            seeds, gray = plan.seeds, True
            if detector in plan.heavy_on:
                if name not in (PROOF, *plan.heavy_on[detector]):
                    continue
                seeds, gray = plan.seeds[:1], name == PROOF
            yield from (Cell(name, detector, "colour", seed) for seed in seeds)
            yield from (Cell(name, detector, "gray", seed) for seed in seeds if gray)
        for attacker in ATTACKERS:
            if name == PROOF or method in ATTACKED.get(attacker, (method,)):
                for planes in PLANES if attacker in GRAY else PLANES[:1]:
                    yield from (Cell(name, attacker, planes, seed) for seed in plan.seeds)
    for method in SYNTHETIC:
        for seed in plan.seeds:
            yield Cell(f"{method}@full", "xunet", "colour", seed, "synthetic-cover")
            yield Cell(f"{method}@full", "xunet", "gray", seed, "synthetic-cover")
        for attacker in ATTACKERS:
            if method in ATTACKED.get(attacker, (method,)):
                for planes in PLANES if attacker in GRAY else PLANES[:1]:
                    yield from (Cell(f"{method}@full", attacker, planes, s, "synthetic-cover") for s in plan.seeds)
