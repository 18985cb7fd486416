"""The commands that train networks, write releases of them, measure, and make data sets. All need PyTorch."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from stegcinn.cli import console, status
from stegcinn.cli.arguments import BASELINES
from stegcinn.cli.console import say
from stegcinn.errors import StegcinnError, UsageError

if TYPE_CHECKING:
    from stegcinn.training.cinn.loop import RunProgress

LOADING = "loading PyTorch"
BASELINE_RUN = "hider.json"  # what a folder has that is a run of a baseline
TELL_EVERY = 60.0  # seconds between lines that stay, of work that tells more


def train(args: argparse.Namespace) -> None:
    if args.preset in BASELINES or (args.resume and (Path(args.output) / BASELINE_RUN).exists()):
        _train_baseline(args)
        return
    with status.activity(LOADING) as now:
        from stegcinn.training import checkpoint
        from stegcinn.training.cinn import config, loop

        now("reading photos")
        out = Path(args.output)
        if args.resume:
            if args.data or args.preset or args.config or args.set or args.start:
                raise UsageError("--resume takes everything from the run's folder; only --device may be given with it")
            settings, folders = loop.resume_config(out)
        else:
            if not args.data:
                raise UsageError("name at least one folder of photos")
            if args.preset and args.config:
                raise UsageError("give either --preset or --config")
            if (out / checkpoint.FILE).exists():
                raise UsageError(f"{out} holds a run already; go on with --resume, or name a new folder")
            settings = config.load(Path(args.config)) if args.config else config.preset(args.preset or "default")
            settings = config.override(settings, args.set)
            folders = args.data
        start = None if args.start is None else Path(args.start)

        def announce(plan: str) -> None:
            say(plan)
            now("the first step")

        def report(progress: RunProgress) -> None:
            line = _line(progress)
            now(line)
            if progress.saved:
                say(line)

        try:  # Ctrl-C passes: the last checkpoint stays, and --resume goes on from there
            with console.in_order():
                loop.train(settings, folders, out, start=start, device=args.device, report=report, announce=announce)
        except FloatingPointError as error:  # a loss that is not finite
            raise StegcinnError(str(error)) from error


def _line(progress: RunProgress) -> str:
    """A run's progress in one line."""
    left = timedelta(seconds=round(progress.seconds_left))
    accuracy = "" if progress.accuracy is None else f", accuracy {progress.accuracy:.4f}"
    stage = f"round {progress.round}" if progress.round else "stage 1"
    where = f"{progress.step / progress.steps:.0%} {stage}, step {progress.step:,}/{progress.steps:,}"
    return f"{where}: loss {progress.loss:.4f}{accuracy}, {progress.images_per_second:.1f} images/s, {left} left"


def _train_baseline(args: argparse.Namespace) -> None:
    """HiDDeN, DDH or UDH."""
    out = Path(args.output)
    if args.config or args.set or args.start or args.device != "auto":
        raise UsageError("--config, --set, --start and --device are not for baselines; leave them out")
    if args.resume and (args.data or args.preset):
        raise UsageError("--resume takes everything from the run's folder; name nothing else")
    if not args.resume and not args.data:
        raise UsageError("name at least one folder of photos")
    if any(weight != 1 for _, weight in args.data):
        raise UsageError("all photos of a baseline are drawn alike; leave =WEIGHT out")
    with status.activity(LOADING) as now:
        from stegcinn.evaluation.baselines import run
        from stegcinn.evaluation.baselines.presets import PRESETS

        report = _now_and_then(now)
        now("reading photos")
        try:  # Ctrl-C passes: the last checkpoint stays, and --resume goes on from there
            with console.in_order():
                if args.resume:
                    run.resume(out, report)
                else:
                    run.begin(PRESETS[args.preset], [folder for folder, _ in args.data], out, report)
        except FloatingPointError as error:  # a loss that is not finite
            raise StegcinnError(str(error)) from error
    say(f"next: stegcinn export {shlex.quote(args.output)} PHOTOS -o RELEASE, where PHOTOS are for the figures")


def _now_and_then(now: Callable[[str], None]) -> Callable[[str], None]:
    """A report of lines that come and go, of which one stays every minute."""
    told = time.monotonic()

    def report(line: str) -> None:
        nonlocal told
        now(line)
        if time.monotonic() - told >= TELL_EVERY:
            say(line)
            told = time.monotonic()

    return report


def train_colours(args: argparse.Namespace) -> None:
    with status.activity(LOADING) as now:
        from stegcinn.training.colourmodel import train as colours

        now("reading photos")
        config = colours.ColoursConfig(minutes=args.minutes, batch=args.batch)
        try:  # Ctrl-C passes: the last checkpoint stays, and the same command goes on from there
            with console.in_order():
                colours.train(
                    args.photos, Path(args.output), config, report=say, working=now, stop_after=args.stop_after
                )
        except (ValueError, FloatingPointError) as error:
            raise StegcinnError(str(error)) from error


def train_noise(args: argparse.Namespace) -> None:
    with status.activity(LOADING) as now:
        from stegcinn.training.noise import train as noise

        now("reading photos")
        config = noise.NoiseConfig(steps=args.steps, batch=args.batch)
        try:  # Ctrl-C passes: the last checkpoint stays, and the same command goes on from there
            with console.in_order():
                noise.train(args.photos, Path(args.output), config, report=say, working=now)
        except ValueError as error:
            raise StegcinnError(str(error)) from error


def export(args: argparse.Namespace) -> None:
    if (Path(args.run) / BASELINE_RUN).exists():
        _export_baseline(args)
        return
    with status.activity(LOADING) as now:
        from stegcinn.training.cinn import release as cinn
        from stegcinn.training.colourmodel import release as colourmodel
        from stegcinn.training.colourmodel.train import CHECKPOINT
        from stegcinn.training.noise import release as noise
        from stegcinn.training.noise.train import CHECKPOINT as NOISE

        run, out, tests = Path(args.run), Path(args.output), [folder for folder, _ in args.data]
        others = {CHECKPOINT: colourmodel.release, NOISE: noise.release}
        release = next((others[name] for name in others if (run / name).exists()), None)
        now("exporting")
        if release is None:
            facts = cinn.export(run, out, folders=args.data or None, noise=args.noise)
        elif args.noise is None:
            facts = release(run, out, tests)
        else:
            raise UsageError("--noise is for runs of a pyramid; this is one of other networks")
    if args.json:
        print(json.dumps(facts))
        return
    say(f"exported {args.run} to {args.output}")
    if release is not None or "noise" in facts:  # the paper's own networks have no codec
        say(f"next, to try it: stegcinn hide photo.jpg -m hello -o out.png --weights {shlex.quote(args.output)}")


def _export_baseline(args: argparse.Namespace) -> None:
    """HiDDeN, DDH or UDH: for the benchmark, as no codec can use them."""
    if args.noise is not None:
        raise UsageError("--noise is for runs of a pyramid; this is one of other networks")
    with status.activity(LOADING) as now:
        from stegcinn.evaluation.baselines.release import release

        now("exporting")
        facts = release(Path(args.run), Path(args.output), [folder for folder, _ in args.data])
    if args.json:
        print(json.dumps(facts))
        return
    say(f"exported {args.run} to {args.output}")


def benchmark(args: argparse.Namespace) -> None:
    out = Path(args.output)
    if args.channels and (args.vgg or args.hyperiqa or args.retrain):
        raise UsageError("--vgg, --hyperiqa and --retrain are of no use with --channels; leave them out")
    if not args.channels and (args.methods or args.through):
        raise UsageError("--methods and --through are for --channels; give that too")
    with status.activity(LOADING) as now:

        def report(line: str) -> None:
            say(line)
            now("working on what is next")

        try:  # Ctrl-C passes: what is finished stays, and the same command goes on from there
            if args.channels:
                _channels(args, out, report)
            else:
                _methods(args, out, say, now)
        except (ValueError, FloatingPointError) as error:
            raise StegcinnError(str(error)) from error
    tables = out / ("tables.md" if args.channels else "report.html")
    say(f"results are in {out / 'results.json'} and {tables}")


def _methods(
    args: argparse.Namespace, out: Path, report: Callable[[str], None], working: Callable[[str], None]
) -> None:
    """Capacity, exactness, likeness, detection, speed."""
    from stegcinn.evaluation.benchmark import run
    from stegcinn.evaluation.benchmark.plans import PLANS

    plan = PLANS[args.preset]
    plan = replace(plan, learnt=replace(plan.learnt, retrain=args.retrain))
    run.run(
        args.photos, out, plan, jobs=args.jobs, hyperiqa=args.hyperiqa, vgg=args.vgg, report=report, working=working,
    )  # fmt: skip


def _channels(args: argparse.Namespace, out: Path, report: Callable[[str], None]) -> None:
    """What survives on the way."""
    from stegcinn.evaluation.benchmark.survival import run
    from stegcinn.evaluation.benchmark.survival.plans import PLANS

    plan = PLANS[args.preset]
    plan = replace(plan, methods=tuple(args.methods or plan.methods), channels=tuple(args.through or plan.channels))
    run.run(args.photos, out, plan, jobs=args.jobs, report=report)


def dataset(args: argparse.Namespace) -> None:
    with status.activity(LOADING) as now:
        from stegcinn.evaluation.dataset import run
        from stegcinn.evaluation.dataset.plan import DatasetPlan

        report = _now_and_then(now)
        made = {} if args.quality is None else {"quality": args.quality}
        plan = DatasetPlan(tuple(args.method), args.seed, args.size, args.halve, **made)
        # Ctrl-C passes: what is finished stays, and the same command goes on from there
        counts = run.run(
            args.photos, args.output, plan, count=args.count, jobs=args.jobs, backend=args.backend,
            address=args.address, report=report,
        )  # fmt: skip
    say(f"{counts.covers:,} covers and {counts.stegos:,} stegos are in {args.output}, listed in manifest.csv")
    if counts.errors:
        say(f"note: {counts.errors:,} could not be made; errors.csv says why")
