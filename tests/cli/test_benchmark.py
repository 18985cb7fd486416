"""The command benchmark, over one that only takes note of what it is asked for."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import Outcome, Run

from stegcinn.cli import networks
from stegcinn.evaluation import dataset
from stegcinn.evaluation.benchmark import plans, survival
from stegcinn.evaluation.benchmark.survival.plans import PLANS

pytestmark = pytest.mark.usefixtures("workplace")

METHODS = plans.PLANS
NO_USE = "--vgg, --hyperiqa and --retrain are of no use with --channels; leave them out"


@pytest.fixture
def benchmark_run(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    module = types.SimpleNamespace(calls=[], error=None, PLANS=METHODS)

    def run(
        *arguments: object, report: Callable[[str], None], working: Callable[[str], None], **options: object
    ) -> None:
        working("stage 1 of 4")
        report("hill@0.4: stegos made")
        if module.error:
            raise module.error
        module.calls.append((*arguments, options))

    module.run = run
    monkeypatch.setitem(sys.modules, "stegcinn.evaluation.benchmark", types.SimpleNamespace(run=module))
    for name in ("run", "plans"):
        monkeypatch.setitem(sys.modules, f"stegcinn.evaluation.benchmark.{name}", module)
    return module


def test_benchmark(run: Run, benchmark_run: types.SimpleNamespace) -> None:
    Path("photos").mkdir()
    outcome = run("benchmark", "photos", "-o", "out", "--jobs", "2", "--hyperiqa", "koniq.pkl", "--vgg", "vgg.pth")
    lines = "stegcinn: hill@0.4: stegos made\nstegcinn: results are in out/results.json and out/report.html\n"
    assert outcome == Outcome(0, b"", lines)
    options = {"jobs": 2, "hyperiqa": Path("koniq.pkl"), "vgg": Path("vgg.pth")}
    assert benchmark_run.calls == [(Path("photos"), Path("out"), METHODS["small"], options)]
    assert run("benchmark", "photos", "-o", "out", "--retrain").code == 0
    assert benchmark_run.calls[-1][2].learnt == replace(METHODS["small"].learnt, retrain=True)


@pytest.fixture
def survival_run(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """The same for --channels."""
    module = types.SimpleNamespace(calls=[])

    def run(*arguments: object, report: Callable[[str], None], **options: object) -> None:
        report("jpeg@256B in a.png: 1 of 2 arrive")
        module.calls.append((*arguments, options))

    module.run = run
    monkeypatch.setitem(sys.modules, "stegcinn.evaluation.benchmark.survival.run", module)
    monkeypatch.setattr(survival, "run", module, raising=False)
    return module


def test_channels(run: Run, survival_run: types.SimpleNamespace) -> None:
    Path("photos").mkdir()
    outcome = run("benchmark", "photos", "-o", "out", "--channels", "--jobs", "2")
    lines = "stegcinn: jpeg@256B in a.png: 1 of 2 arrive\nstegcinn: results are in out/results.json and out/tables.md\n"
    assert outcome == Outcome(0, b"", lines)
    own = run(
        "benchmark", "photos", "-o", "out", "--channels", "--preset", "paper", "--methods", "lsb@9B", "jpeg@9B",
        "--through", "jpeg-q75", "webp-q80",
    )  # fmt: skip
    assert own.code == 0
    asked = replace(PLANS["paper"], methods=("lsb@9B", "jpeg@9B"), channels=("jpeg-q75", "webp-q80"))
    assert survival_run.calls == [
        (Path("photos"), Path("out"), PLANS["small"], {"jobs": 2}), (Path("photos"), Path("out"), asked, {"jobs": 1}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--channels", "--vgg", "vgg.pth"), NO_USE),
        (("--channels", "--hyperiqa", "x"), NO_USE),
        (("--channels", "--retrain"), NO_USE),
        (("--methods", "jpeg@9B"), "--methods and --through are for --channels; give that too"),
        (("--through", "jpeg-q75"), "--methods and --through are for --channels; give that too"),
    ],
)
def test_options_that_do_not_go_together(run: Run, arguments: tuple[str, ...], reason: str) -> None:
    assert run("benchmark", ".", "-o", "out", *arguments) == Outcome(2, b"", f"stegcinn: {reason}\n")


@pytest.mark.parametrize(("error", "code"), [(ValueError("12 hosts are too few"), 1), (KeyboardInterrupt(), 130)])
def test_a_benchmark_that_fails(
    run: Run, benchmark_run: types.SimpleNamespace, error: BaseException, code: int
) -> None:
    benchmark_run.error = error
    outcome = run("benchmark", ".", "-o", "out", "--preset", "paper")
    assert outcome.code == code
    assert outcome.err.splitlines()[-1] == f"stegcinn: {error if error.args else 'interrupted'}"


@pytest.fixture
def dataset_run(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    module = types.SimpleNamespace(calls=[], errors=0)

    def run(*arguments: object, report: Callable[[str], None], **options: object) -> types.SimpleNamespace:
        report("25 of 100 covers, 5.00 covers/s, 0:00:15 left")
        module.calls.append((*arguments, options))
        return types.SimpleNamespace(covers=1200, stegos=2400, errors=module.errors)

    module.run = run
    plan = types.SimpleNamespace(DatasetPlan=lambda *given, **named: (*given, named))
    monkeypatch.setitem(sys.modules, "stegcinn.evaluation.dataset.run", module)
    monkeypatch.setitem(sys.modules, "stegcinn.evaluation.dataset.plan", plan)
    monkeypatch.setattr(dataset, "run", module, raising=False)
    return module


def test_dataset(run: Run, dataset_run: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    done = "stegcinn: 1,200 covers and 2,400 stegos are in out, listed in manifest.csv\n"
    outcome = run("dataset", "photos", "-o", "out", "--method", "hill@0.4", "jpeg@safe")
    assert outcome == Outcome(0, b"", done)
    dataset_run.errors = 3
    monkeypatch.setattr(networks, "TELL_EVERY", 0.0)
    full = run(
        "dataset", "s3://a/photos", "-o", "s3://a/set", "--method", "hill@0.4", "--count", "9", "--seed", "7", "--size",
        "256", "--halve", "--quality", "80", "--jobs", "2", "--backend", "dask", "--address", "tcp://a:1",
    )  # fmt: skip
    assert full.err.splitlines() == [
        "stegcinn: 25 of 100 covers, 5.00 covers/s, 0:00:15 left",
        "stegcinn: 1,200 covers and 2,400 stegos are in s3://a/set, listed in manifest.csv",
        "stegcinn: note: 3 could not be made; errors.csv says why",
    ]
    assert dataset_run.calls == [
        ("photos", "out", (("hill@0.4", "jpeg@safe"), 0, None, False, {}),
         {"count": None, "jobs": 1, "backend": "loky", "address": None}),
        ("s3://a/photos", "s3://a/set", (("hill@0.4",), 7, 256, True, {"quality": 80}),
         {"count": 9, "jobs": 2, "backend": "dask", "address": "tcp://a:1"}),
    ]  # fmt: skip
