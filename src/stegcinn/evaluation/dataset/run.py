"""`stegcinn dataset`: covers and stegos for steganalysis, the same bytes from the same seed, resumable.

dataset.json             plan, environment and a digest of the photos: what all that lies there has in common
cover/, METHOD@LOAD/     files, a folder for each thousand
rows/                    what each batch made, written last; a batch without it is made again
manifest.csv, .parquet   a row for each file; errors.csv: what could not be made
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from stegcinn.errors import StegcinnError, UsageError
from stegcinn.evaluation.benchmark.record import environment_of
from stegcinn.evaluation.dataset import manifest
from stegcinn.evaluation.dataset.make import Batch, make_batch
from stegcinn.evaluation.dataset.manifest import Counts
from stegcinn.evaluation.dataset.plan import BATCH, DatasetPlan, parsed, photos_in, places
from stegcinn.evaluation.dataset.store import Store
from stegcinn.evaluation.spreading import workers

RECORD = "dataset.json"


def run(
    photos: str, out: str, plan: DatasetPlan, *, count: int | None = None, jobs: int = 1, backend: str = "loky",
    address: str | None = None, report: Callable[[str], None] = lambda line: None,
) -> Counts:  # fmt: skip
    """Make what is left of a data set of `count` covers (by default one of each photo); how much there is then.

    `photos` and `out` are folders, or fsspec URLs that all workers reach; `backend` and `address`: see
    `spreading.workers`. UsageError for methods that there are not, or where `out` holds another data set.
    """
    plan = replace(plan, methods=tuple(dict.fromkeys(str(parsed(text)) for text in plan.methods)))
    source, target = Store(photos), Store(out)
    there = photos_in(source)
    if not there:
        raise StegcinnError(f"{photos} holds no photo")
    _agree(target, {"plan": _plain(plan), "photos": _listing(there), "environment": environment()})
    covers = places(source, list(there), plan, count)
    batches = [Batch(tuple(covers[at : at + BATCH])) for at in range(0, len(covers), BATCH)]
    done = target.sizes("rows")
    left = [batch for batch in batches if batch.name not in done]
    started, made = time.monotonic(), 0
    total = sum(len(batch.places) for batch in left)
    report(f"{total:,} of {len(covers):,} covers left")
    with workers(backend, jobs, address) as spread:
        for count_made in spread(_counted, [(plan, source, target, batch) for batch in left]):
            made += count_made
            rate = made / (time.monotonic() - started)
            remaining = timedelta(seconds=round((total - made) / rate))
            report(f"{made:,} of {total:,} covers, {rate:.2f} covers/s, {remaining} left")
    counts = manifest.write(target, [batch.name for batch in batches])
    if not counts.covers:
        raise StegcinnError(f"no photo of {photos} could be used; {manifest.ERRORS_CSV} says why")
    return counts


def environment() -> dict[str, str | None]:
    """What decides, besides the plan, which bytes are made: another version may make others."""
    return environment_of("stegcinn", "numpy", "pillow", "onnxruntime", "zstandard")


def _counted(plan: DatasetPlan, photos: Store, out: Store, batch: Batch) -> int:
    make_batch(plan, photos, out, batch)
    return len(batch.places)


def _agree(out: Store, facts: dict[str, Any]) -> None:
    """Write down what this data set is; UsageError if there is another one."""
    try:
        known = json.loads(out.read(RECORD))
    except FileNotFoundError:
        out.write(RECORD, (json.dumps(facts, indent=1) + "\n").encode())
        return
    if differing := [name for name in facts if known.get(name) != facts[name]]:
        raise UsageError(f"{out.url} holds a data set of another {differing[0]}; choose another folder")


def _plain(plan: DatasetPlan) -> dict[str, Any]:
    """As JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    return plain


def _listing(photos: dict[str, int]) -> str:
    """Hexadecimal digits that change with the name or size of any photo."""
    lines = (f"{name} {size}\n" for name, size in photos.items())
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()[:12]
