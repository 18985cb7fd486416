"""What a benchmark runs: presets, the methods at their loads, and the cells of trainings and attacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stegcinn.evaluation.benchmark.attacker import ATTACKERS, GRAY
from stegcinn.evaluation.benchmark.containers import FULL, Embedder
from stegcinn.evaluation.benchmark.detectors import Preset, detectors_of
from stegcinn.evaluation.benchmark.learnt import LEARNT, STEG_CINN, LearntPlan
from stegcinn.evaluation.benchmark.paper import PaperPlan
from stegcinn.evaluation.benchmark.protocol import PROOF, Cell, Planes, Protocol
from stegcinn.evaluation.benchmark.synthetic import METHODS

PLANES: tuple[Planes, ...] = ("colour", "gray")


@dataclass(frozen=True)
class Share:
    """What a detector is trained on: where everything would take too long, some of it."""

    # Besides the proof, None for everything: in colour, and what is LEARNT in gray too, as in the paper's table 2
    on: tuple[str, ...] | None
    seeds: int | None = 1  # the first so many, None for all
    planes: tuple[Planes, ...] = PLANES


EVERYTHING = Share(on=None, seeds=None)


@dataclass(frozen=True)
class BenchmarkPlan:
    """What is run, and how much is spent on it."""

    preset: Preset
    hosts: int  # for detection
    photos: int  # more, for training the learnt baselines
    size: int  # pixels: the middle square of each photo
    seeds: tuple[int, ...]
    loads: tuple[float, ...]  # bits per pixel, of codecs and reference methods; full load is always run
    heavy: dict[str, Share]  # by detector; EVERYTHING of those that are not named
    learnt: LearntPlan
    quality_hosts: int
    attacked_only: tuple[str, ...] = ()  # methods that no network is trained on
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
PAPERS = ("ddh@1.0", "udh@1.0", "hidden@0.0018", STEG_CINN)  # what the paper tells of, at its first loads
# Codecs whose carrier is an image, which is all that hosts are here; `jpeg` and `robust` have tables of their own
PIXELS = ("stealth", "exact", "cinn")
REFERENCES = ("lsb", "hill", "hill-cmd", "hill-gina", "suniward", "mipod", "hou")
PLANS: dict[str, BenchmarkPlan] = {
    "small": BenchmarkPlan(
        preset="small", hosts=500, photos=200, size=128, seeds=(0, 1, 2), loads=(0.4, 1.0),
        heavy={
            "yedroudjnet": Share((*PAPERS, "stealth@1.0", "hill@1.0", "cinn@full"), seeds=3),
            "kenet": Share(PAPERS, planes=("gray",)),  # a proof alone takes a quarter of an hour
            "efficientnet": Share(("stealth@1.0", "hill@1.0")),
        },
        learnt=LearntPlan(steps=300, batch=4, narrow=8, paper=SMALL_PAPER), quality_hosts=40,
        attacked_only=("hill-cmd", "hill-gina", "suniward", "mipod", "hou"),
    ),
    "paper": BenchmarkPlan(
        preset="paper", hosts=4000, photos=10_000, size=128, seeds=(0, 1, 2), loads=(0.1, 0.4, 1.0), heavy={},
        learnt=LearntPlan(), quality_hosts=1000,
    ),
}  # fmt: skip
SYNTHETIC = (*(f"{method}@full" for method in METHODS), STEG_CINN)  # what draws covers of its own
# Attackers who know a codec's model, and whom it serves; others attack everything
ATTACKED = {"code-length": ("exact", "stealth"), "z-histogram": ("cinn",)}


def embedders_of(plan: BenchmarkPlan) -> list[Embedder]:
    """All methods at all loads that make sense for them, the proof first; learnt baselines not among them."""
    found = [Embedder.parse(PROOF)]
    for load in plan.loads:
        found += [Embedder(method, load) for method in REFERENCES]
        # a container of `cinn` is repainted as a whole at any load: it is only run at full load
        found += [Embedder(method, load) for method in PIXELS if method != "cinn"]
    found += [Embedder(method, FULL) for method in PIXELS]
    return list(dict.fromkeys(found))


def cells_of(plan: BenchmarkPlan) -> Iterator[Cell]:
    """All trainings and attacks, those that prove the detectors first."""
    for name in (*(str(embedder) for embedder in embedders_of(plan)), *LEARNT):
        yield from _cells(plan, name, "natural-cover")
    for name in SYNTHETIC:
        yield from _cells(plan, name, "synthetic-cover")


def _cells(plan: BenchmarkPlan, name: str, protocol: Protocol) -> Iterator[Cell]:
    """Of one method at one load."""
    method = name.partition("@")[0]
    for detector in () if method in plan.attacked_only else detectors_of(plan.preset):
        share = plan.heavy.get(detector, EVERYTHING)
        if share.on is None or name in (PROOF, *share.on):
            seen = share.planes if share.on is None or name in (PROOF, *LEARNT) else PLANES[:1]
            seeds = plan.seeds[: share.seeds]
            yield from (Cell(name, detector, planes, seed, protocol) for planes in seen for seed in seeds)
    for attacker in ATTACKERS:
        if name == PROOF or method in ATTACKED.get(attacker, (method,)):
            for planes in PLANES if attacker in GRAY else PLANES[:1]:
                yield from (Cell(name, attacker, planes, seed, protocol) for seed in plan.seeds)
