"""Where a benchmark stands, and what the rest is expected to take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stegcinn.evaluation.benchmark import costs
from stegcinn.evaluation.benchmark.plans import PLANS
from stegcinn.evaluation.benchmark.progress import Progress, Stage
from stegcinn.evaluation.benchmark.protocol import PROOF, Cell


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def begun(*stages: Stage, jobs: int = 1) -> tuple[Progress, Clock, list[str], list[str]]:
    clock, lines, where = Clock(), [], []
    progress = Progress(list(stages), jobs, lines.append, where.append, clock)
    progress.begin(0)
    return progress, clock, lines, where


def test_stage_jobs_and_time_from_the_first_line_on() -> None:
    progress, clock, lines, where = begun(Stage("stegos", 4, 0, 400.0), Stage("speed", 2, 1, 500.0))
    assert lines == where == ["stage 1 of 2, stegos: 0 of 4, about 0:15:00 left"]
    clock.now += 100
    progress.step("hill@0.4: stegos made", 100.0)
    assert lines[-1] == "hill@0.4: stegos made (stage 1 of 2, stegos: 1 of 4, about 0:14:00 left)"
    assert where[-1] == "stage 1 of 2, stegos: 1 of 4, about 0:14:00 left"
    progress.tell("ddh: step 10")
    assert lines[-1] == "ddh: step 10"
    progress.begin(1)
    assert lines[-1] == "stage 2 of 2, speed: 1 of 2, about 0:03:40 left"  # the rest of stage 1 took no time at all


def test_the_clock_corrects_what_was_expected() -> None:
    progress, clock, _, _ = begun(Stage("trainings", 10, 0, 5000.0))
    for _ in range(5):
        clock.now += 1500  # three times as long
        progress.step("xunet", 500.0)
    assert progress.left == pytest.approx(3 * 2500, rel=0.05)
    for _ in range(5):
        progress.step("xunet", 500.0)
    assert progress.left == 0


def test_processes_share_the_work() -> None:
    assert begun(Stage("trainings", 10, 0, 5000.0), jobs=2)[0].left == 2520
    assert begun(Stage("trainings", 10, 0, 5000.0), jobs=1)[0].left == 5040


def test_work_before_the_first_job_counts_too() -> None:
    progress, _, lines, where = begun(Stage("trainings", 4, 0, 80.0))
    progress.advance(60.0)
    assert len(lines) == 1
    assert where[-1] == "stage 1 of 1, trainings: 0 of 4, about 0:00:20 left"
    progress.advance(60.0)  # more than was expected of all
    assert progress.left == 0


def test_jobs_whose_time_nobody_knows_take_their_share() -> None:
    progress, _, _, _ = begun(Stage("speed", 4, 0, 80.0))
    progress.step("lsb")
    assert progress._stages[0].seconds == 60
    progress.step("exact")
    assert progress._stages[0].seconds == 40


def test_what_is_expected_of_each_job() -> None:
    plan = PLANS["small"]
    xunet = costs.training(Cell("hill@0.4", "xunet", "colour", 0), plan, 500)
    assert 40 < xunet < 60  # as measured
    proof, later = (costs.training(Cell(name, "kenet", "gray", 0), plan, 500) for name in (PROOF, "ddh@1.0"))
    assert later < proof / 2  # it has less to learn
    assert costs.training(Cell("hill@0.4", "kenet", "colour", 0), plan, 500) > 3 * xunet
    assert costs.training(Cell("hill@0.4", "rich-model", "colour", 0), plan, 500) < 10
    assert costs.stegos("hou@0.4", plan, 500) > costs.stegos("hill@0.4", plan, 500)
    larger = replace(plan, size=256)
    assert costs.stegos("hill@0.4", larger, 10) == 4 * costs.stegos("hill@0.4", plan, 10)
    assert costs.row("exact@full", plan) < costs.learnt(plan)
    cells = [Cell("hill@0.4", "rich-model", planes, seed) for planes in ("gray", "colour") for seed in range(3)]
    assert costs.statistics(cells, plan, 500) == pytest.approx(2 * costs.statistics(cells[:3], plan, 500))
    assert costs.statistics([Cell("hill@0.4", "xunet", "gray", 0)], plan, 500) == 0
