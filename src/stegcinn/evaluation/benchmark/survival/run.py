"""`stegcinn benchmark --channels`: every method in every photo, through every channel, resumable, under one folder.

containers/              what each method made of each photo
results.json             environment, plan, containers, arrivals, survival: written anew after every photo and method
tables.md                made from results.json at the end

Another call with more methods or channels, or with more programs installed, runs what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import features

from stegcinn.errors import StegcinnError
from stegcinn.evaluation.benchmark.hosts import listing_digest, photos_in
from stegcinn.evaluation.benchmark.record import Record, environment_of, results_folder
from stegcinn.evaluation.benchmark.survival import tables
from stegcinn.evaluation.benchmark.survival.methods import Method
from stegcinn.evaluation.benchmark.survival.plans import ChannelPlan
from stegcinn.evaluation.benchmark.survival.work import Job, Outcome, run_job
from stegcinn.evaluation.channels.channel import Channel
from stegcinn.evaluation.spreading import spread
from stegcinn.files import replacing

LIBRARIES = ("libjpeg_turbo", "webp", "avif")


def run(
    folder: Path, out: Path, plan: ChannelPlan, *, jobs: int = 1, report: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Run what is left of a plan on the photos of `folder`; the content of results.json.

    UsageError for a method or channel that there is not, or if `out` cannot be a folder, or holds results of other
    photos, of another draw or from another environment. What the machine lacks is told, and left out.
    """
    methods = {str(method): method.missing for method in map(Method.parse, plan.methods)}
    channels = {str(channel): channel.missing for channel in map(Channel.parse, plan.channels)}
    missing = {name: reason for name, reason in (methods | channels).items() if reason}
    for name, reason in missing.items():
        report(f"left out: {name}: {reason}")
    results_folder(out)
    record = Record(out / "results.json")
    record.agree("photos_digest", listing_digest(folder), "of other photos")
    record.agree("draw", {"seed": plan.seed, "photos": plan.photos}, "of another draw")
    record.agree("environment", environment(), "measured on another machine or with other versions")
    content = record.content
    content["missing"] = missing
    usable, open_now = ([name for name in names if name not in missing] for names in (methods, channels))
    content["channels"] = list(dict.fromkeys([*content.get("channels", []), *open_now]))
    left = _left(content, usable, open_now, _photos(folder, plan))
    record.write()
    report(f"{sum(len(job.channels) for job in left):,} sendings left, of {len(left):,} containers")
    done = spread(jobs, _numbered, [(number, job, folder, out, plan.seed) for number, job in enumerate(left)])
    for count, (number, outcome) in enumerate(done, start=1):
        job = left[number]
        content["containers"][job.method][job.photo] = outcome.container
        content["arrivals"][job.method].setdefault(job.photo, {}).update(outcome.arrivals)
        content["survival"] = tables.survival(content)
        record.write()
        report(f"{count} of {len(left)}: {job.method} in {job.photo}: {_told(outcome)}")
    content["survival"] = tables.survival(content)
    record.write()
    with replacing(out / "tables.md") as text:
        text.write_text(tables.report(content))
    return content


def environment() -> dict[str, str | None]:
    """What the figures were measured on."""
    libraries = {name: features.version(name) for name in LIBRARIES}
    return environment_of("stegcinn", "numpy", "onnxruntime", "pillow") | libraries


def _photos(folder: Path, plan: ChannelPlan) -> list[str]:
    """Names in the folder, in an order drawn from the seed."""
    files = photos_in(folder)
    if not files:
        raise StegcinnError(f"{folder} holds no photo")
    order = np.random.default_rng(plan.seed).permutation(len(files))[: plan.photos]
    return [files[index].relative_to(folder).as_posix() for index in order]


def _left(content: dict[str, Any], methods: list[str], channels: list[str], photos: list[str]) -> list[Job]:
    """Jobs for all that no earlier call did."""
    for kind in ("containers", "arrivals"):
        for method in methods:
            content.setdefault(kind, {}).setdefault(method, {})
    found = []
    for photo in photos:
        for method in methods:
            known = content["containers"][method].get(photo, {})
            arrived = content["arrivals"][method].get(photo, {})
            lacking = tuple(channel for channel in channels if channel not in arrived)
            if lacking and "refused" not in known:
                found.append(Job(method, photo, lacking))
    return found


def _numbered(number: int, *arguments: Any) -> tuple[int, Outcome]:
    return number, run_job(*arguments)


def _told(outcome: Outcome) -> str:
    if "refused" in outcome.container:
        return str(outcome.container["refused"])
    arrived = list(outcome.arrivals.values())
    return f"{arrived.count('same')} of {len(arrived)} arrive"
