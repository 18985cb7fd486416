"""What the jobs of a benchmark are expected to take, in seconds of one processor core, before the first is done.

Measured with the preset `small`, 500 hosts of 128x128, on an AMD EPYC (docs/benchmark.md); the clock corrects them.
"""

from __future__ import annotations

from collections.abc import Iterable

from stegcinn.evaluation.benchmark.attacker import ATTACKERS
from stegcinn.evaluation.benchmark.detectors import recipe_of
from stegcinn.evaluation.benchmark.plans import BenchmarkPlan
from stegcinn.evaluation.benchmark.protocol import PROOF, Cell

PAIR = {  # of an epoch, of 128x128 in colour
    "xunet": 0.018, "yedroudjnet": 0.15, "kenet": 0.52, "srnet": 0.56, "efficientnet": 0.42,
}  # fmt: skip
PAIRS = 0.3  # of any other
STATISTICS = {"rich-model": 0.007, "code-length": 0.15, "z-histogram": 0.1}  # of an image of 128x128
ATTACK = 3.0  # of a logistic regression
EMBEDDING = {  # of a photo of 128x128
    "lsb": 0.001, "lsb-coded": 0.03, "hill": 0.05, "hill-cmd": 0.1, "hill-gina": 0.1, "suniward": 0.1, "mipod": 0.2,
    "hou": 1.0, "exact": 0.1, "stealth": 0.3, "jpeg": 0.2, "robust": 0.2, "cinn": 0.6,
}  # fmt: skip
EMBEDDINGS = 0.3  # of any other
PUBLIC, REVEALING = 2.0, 3.0  # through the public path and back: times an embedding, and seconds of each photo
STEP = 0.6  # of training a baseline at an eighth of its width, batches of 4, 128x128
SPEED = 20.0
SHARE = 0.65  # of the hosts, which detectors are trained on
AREA = 128 * 128


def training(cell: Cell, plan: BenchmarkPlan, hosts: int) -> float:
    """Of a cell."""
    if cell.detector in ATTACKERS:
        return ATTACK
    recipe = recipe_of(cell.detector, plan.preset)
    if cell.embedder != PROOF:
        recipe = recipe.continued()
    return PAIR.get(cell.detector, PAIRS) * recipe.epochs * SHARE * hosts * _area(plan, recipe.crop)


def stegos(name: str, plan: BenchmarkPlan, hosts: int) -> float:
    """Of all hosts by one method, which is not trained."""
    return EMBEDDING.get(name.partition("@")[0], EMBEDDINGS) * hosts * _area(plan)


def learnt(plan: BenchmarkPlan) -> float:
    """Of the training of one baseline: with 1,000 steps, where its published number is not known here."""
    return STEP * (plan.learnt.steps or 1000) * _area(plan)


def row(name: str, plan: BenchmarkPlan) -> float:
    """Of the row of a method."""
    return (PUBLIC * stegos(name, plan, 1) + REVEALING) * plan.quality_hosts


def statistics(cells: Iterable[Cell], plan: BenchmarkPlan, hosts: int) -> float:
    """Of what the attackers in `cells` compute, once for all seeds."""
    return sum(STATISTICS[attacker] for attacker in asked(cells)) * hosts * _area(plan)


def asked(cells: Iterable[Cell]) -> list[str]:
    """Attackers, each as often as there are covers and stegos that they look at."""
    sets = {(cell.embedder, cell.protocol, cell.planes, cell.detector) for cell in cells if cell.detector in ATTACKERS}
    return [attacker for *_, attacker in sets]


def _area(plan: BenchmarkPlan, crop: int | None = None) -> float:
    return (crop or plan.size) ** 2 / AREA
