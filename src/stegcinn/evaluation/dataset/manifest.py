"""The manifest of a data set: what every batch wrote down, in the order of the covers, as CSV, and as Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from importlib.util import find_spec
from typing import NamedTuple

from stegcinn.evaluation.dataset.store import Store

COLUMNS = (
    "file", "sha256", "cover", "cover_sha256", "photo", "x", "y", "method", "load", "payload_bytes", "payload_sha256",
    "key", "disturbance", "split",
)  # fmt: skip
ERRORS = ("index", "photo", "what", "reason")
WHOLE, REAL = ("x", "y", "payload_bytes"), ("disturbance",)  # columns of numbers; all others are text
CSV, PARQUET, ERRORS_CSV = "manifest.csv", "manifest.parquet", "errors.csv"


class Counts(NamedTuple):
    """How much is in a data set."""

    covers: int
    stegos: int
    errors: int


def write(out: Store, batches: Iterable[str]) -> Counts:
    """Put together what the batches wrote: manifest.csv, errors.csv, and with pyarrow manifest.parquet."""
    rows, errors = io.StringIO(newline=""), io.StringIO(newline="")
    files, failures = csv.DictWriter(rows, COLUMNS), csv.DictWriter(errors, ERRORS)
    files.writeheader()
    failures.writeheader()
    counts = [0, 0, 0]
    for name in batches:
        told = json.loads(out.read(name))
        files.writerows(told["rows"])
        failures.writerows(told["errors"])
        covers = sum("load" not in row for row in told["rows"])
        for index, count in enumerate((covers, len(told["rows"]) - covers, len(told["errors"]))):
            counts[index] += count
    data = rows.getvalue().encode(errors="surrogateescape")
    out.write(CSV, data)
    out.write(ERRORS_CSV, errors.getvalue().encode(errors="surrogateescape"))
    if find_spec("pyarrow") is not None:
        out.write(PARQUET, _parquet(data))
    return Counts(*counts)


def _parquet(data: bytes) -> bytes:
    import pyarrow as pa
    from pyarrow import csv as reader
    from pyarrow import parquet

    kinds = {name: pa.int64() if name in WHOLE else pa.float64() if name in REAL else pa.string() for name in COLUMNS}
    table = reader.read_csv(io.BytesIO(data), convert_options=reader.ConvertOptions(column_types=kinds))
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()
