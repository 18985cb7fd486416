"""The commands that train networks, write releases of them, and measure them. All need PyTorch."""

from __future__ import annotations

import argparse
import json
import shlex
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from stegcinn.cli import console, status
from stegcinn.cli.console import say
from stegcinn.errors import StegcinnError, UsageError

if TYPE_CHECKING:
    from stegcinn.training.cinn.loop import RunProgress

LOADING = "loading PyTorch"


def train(args: argparse.Namespace) -> None:
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


def benchmark(args: argparse.Namespace) -> None:
    out = Path(args.output)
    with status.activity(LOADING) as now:
        from stegcinn.evaluation.benchmark import run
        from stegcinn.evaluation.benchmark.plans import PLANS

        def report(line: str) -> None:
            say(line)
            now("working on what is next")

        try:  # Ctrl-C passes: what is finished stays, and the same command goes on from there
            run.run(
                args.photos, out, PLANS[args.preset], jobs=args.jobs, hyperiqa=args.hyperiqa, vgg=args.vgg,
                report=report,
            )  # fmt: skip
        except (ValueError, FloatingPointError) as error:
            raise StegcinnError(str(error)) from error
    say(f"results are in {out / 'results.json'} and {out / 'tables.md'}")
