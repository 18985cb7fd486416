"""Which photo of many is expected to hide a payload best."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from stegcinn import candidates
from stegcinn.carriers.base import ImageSource, Source
from stegcinn.codecs.base import Judgement, Progress, judge_disturbance, portions, silent
from stegcinn.errors import ImageError, UsageError
from stegcinn.files import shown


@dataclass(frozen=True)
class Ranked:
    """A photo, and how much a payload would disturb it."""

    host: ImageSource
    codec: str
    disturbance: float  # deflection of the ideal detector that knows the predicted noise; smaller is safer
    bpp: float  # the payload's bits per pixel of this photo
    judgement: Judgement


def rank(
    hosts: str | os.PathLike[str] | Iterable[ImageSource], payload_size: int, *, halve: bool = False,
    skipped: Callable[[ImageSource, str], None] | None = None, progress: Progress | None = None,
) -> list[Ranked]:  # fmt: skip
    """Photos that take `payload_size` bytes in a way that tells how much it disturbs, the least disturbed first.

    `hosts`: a folder, with those below it, or photos as `hide` takes them; each halved (exactly) if wished.
    `skipped(host, reason)` is called for those that are no photos or do not take as much, `progress` with the share of
    the work done. UsageError for a path that is no folder.
    """
    found = []
    hosts = _files(Path(hosts)) if isinstance(hosts, (str, os.PathLike)) else list(hosts)
    for host, report in zip(hosts, portions(progress or silent, len(hosts)), strict=True):
        try:
            source = Source(host).halved(exact=True) if halve else Source(host)
            ranked = _ranked(host, source, payload_size, report)
            reason = f"{source.name} does not take {payload_size:,} bytes in small changes"
        except ImageError as error:
            ranked, reason = None, str(error)
        if ranked is not None:
            found.append(ranked)
        elif skipped is not None:
            skipped(host, reason)
        report(1.0)
    return sorted(found, key=lambda ranked: ranked.disturbance)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is no folder; name one with photos in it")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _ranked(host: ImageSource, source: Source, size: int, progress: Progress) -> Ranked | None:
    """By the first codec that can tell."""
    for codec, carrier in candidates.hosts(source):
        disturbance = codec.disturbance(carrier, size + codec.envelope.OVERHEAD, progress)
        if disturbance is not None:
            judgement = judge_disturbance(codec.evidence(carrier), disturbance)
            return Ranked(host, codec.name, disturbance, 8 * size / carrier.pixels, judgement)
    return None
