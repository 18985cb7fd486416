"""Compare the range coder of `exact` with constriction's on the same colour distributions: time, and what it accepts.

    python scripts/measure/coder_compare.py [--out docs/results/coder.md]

constriction (not a dependency; `pip install constriction`) has no distribution like ours, so it gets one table of
probabilities for each red and each blue, tabulated by NumPy from the same counts; green is left out, as is what a table
over 256 levels would still need to keep impossible colours at zero.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stegcinn.colourmodel import cells, mixture, rangecoder

SIZE = 256, 256
ROWS = 32  # for constriction; its tables are large
REPEATS = 20
LOADING = """
import time
start = time.perf_counter()
import numpy as np
from stegcinn.colourmodel import mixture, rangecoder as rc
imported = time.perf_counter()
one = np.ones((1, 1), np.uint8)
tile = rc.Tile(np.full((27, 1, 1), 128, np.uint8), one.astype(np.int16), one.astype(np.int16), one * 100, one == 1)
tables, rgb = rc.Tables.of(np.stack([mixture.logistic((0, 3, 0))] * 3)), np.zeros((1, 1, 3), np.uint8)
made = time.perf_counter()
rc.Decoder(b"abc").draw(tables, tile, rgb)
drawn = time.perf_counter()
rc.Encoder().absorb(tables, tile, rgb)
print(imported - start, drawn - made, time.perf_counter() - drawn)
"""


def plausible(rng: np.random.Generator) -> rangecoder.Tile:
    """Parameters such as a network gives: scales about 1 level, means near the guess; about 7 bits a pixel."""
    n = mixture.K
    middle = np.array([*(128,) * 3 * n, *(100,) * n] * 2 + [110, 128, 170])
    spread = np.array([*(30, 6, 1, 30) * 2, 20, 10, 20]).repeat([n] * 8 + [1] * 3)
    parameters = np.clip(rng.normal(middle, spread, (*SIZE, mixture.PARAMETERS)), 0, 255).astype(np.uint8)
    guesses = rng.normal(0, 100, (2, *SIZE)).astype(np.int16)
    luma = np.clip(rng.normal(128, 50, SIZE), 0, 255).astype(np.uint8)
    return rangecoder.Tile(np.moveaxis(parameters, -1, 0), guesses[0], guesses[1], luma, np.ones(SIZE, bool))


def nanoseconds(task: Callable[[], object], pixels: int, repeats: int = REPEATS) -> float:
    """Least time of several runs, per pixel."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times) / pixels * 1e9


def tabulate(tile: rangecoder.Tile, tables: rangecoder.Tables, symbol: int) -> NDArray[np.float32]:
    """(pixels, 256) probabilities of each level; blue as if red were gray."""
    k, first = mixture.K, (mixture.RED, mixture.BLUE)[symbol]
    p = tile.parameters.reshape(mixture.PARAMETERS, -1)[first : first + 4 * k].astype(np.int64)
    y = tile.luma.reshape(-1, 1).astype(np.int64)
    edges = cells.UNIT * (np.arange(255) - y) + cells.UNIT // 2
    cumulated = np.zeros((len(y), 257))
    for i in range(k):
        mean = tile[1 + symbol].reshape(-1) + p[k + i] - mixture.ZERO + cells.UNIT * (p[2 * k + i] - mixture.ZERO)
        entry = ((edges - mean[:, None]) * tables.inverse[symbol][p[3 * k + i], None]) >> mixture.SCALE_SHIFT
        np.clip(entry, -rangecoder.REACH, rangecoder.REACH, out=entry)
        weight = tables.weights[p[i], None]
        cumulated[:, 1:-1] += weight * tables.logistic[symbol][entry + rangecoder.REACH]
        cumulated[:, -1:] += weight * mixture.MASS
    return (np.diff(cumulated, axis=1) / cumulated[:, -1:]).astype(np.float32)


def loading() -> str:
    """A row on the time from a fresh process to the first colour, the quickest of three."""
    seconds = []
    for _ in range(3):
        result = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True)
        seconds.append([float(s) for s in result.stdout.split()])
    imported, draw, absorb = min(seconds)
    return f"| {imported:.2f} | {draw:.4f} | {absorb:.4f} |"


def accepts(stream: Any, probabilities: NDArray[np.float32], tries: int = 50) -> str:
    """Whether constriction's range decoder takes any words for a message, and gives them back."""
    model = stream.model.Categorical(perfect=False)
    rng, refused, lost = np.random.default_rng(1), 0, 0
    for _ in range(tries):
        words = rng.integers(0, 2**32, 2 * len(probabilities), np.uint32)
        try:
            symbols = stream.queue.RangeDecoder(words).decode(model, probabilities)
        except AssertionError:  # "compressed data that is invalid for the employed entropy model"
            refused += 1
            continue
        encoder = stream.queue.RangeEncoder()
        encoder.encode(symbols, model, probabilities)
        got = encoder.get_compressed()[:-2]
        lost += bool((got != words[: len(got)]).any())
    return f"of {tries} random messages for {len(probabilities)} symbols {refused} are refused, {lost} do not come back"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the table there")
    args = parser.parse_args()
    stream = import_module("constriction").stream
    rng = np.random.default_rng(0)
    tables = rangecoder.Tables.of(np.stack([mixture.logistic((0.0, 3.0, 0.0))] * 3))
    tile, pixels = plausible(rng), SIZE[0] * SIZE[1]
    message, rgb = rng.bytes(2 * pixels), np.zeros((*SIZE, 3), np.uint8)
    planes = tile._replace(parameters=np.ascontiguousarray(tile.parameters))
    lines = ["| coder | draw, ns/pixel | absorb | information |", "|---|---|---|---|"]
    rangecoder.Decoder(message).draw(tables, tile, rgb)
    for name, layout in (("ours, channels last", tile), ("ours, planes", planes)):
        times = [
            nanoseconds(lambda t=layout: rangecoder.Decoder(message).draw(tables, t, rgb), pixels),
            nanoseconds(lambda t=layout: rangecoder.Encoder().absorb(tables, t, rgb), pixels),
            nanoseconds(lambda t=layout: rangecoder.information(tables, t, rgb), pixels),
        ]
        lines.append(f"| {name} | " + " | ".join(f"{t:.0f}" for t in times) + " |")

    part = rangecoder.Tile(tile.parameters[:, :ROWS], *(a[:ROWS] for a in tile[1:]))
    tabulating = nanoseconds(lambda: [tabulate(part, tables, s) for s in range(2)], ROWS * SIZE[1], 3)
    both = np.concatenate([tabulate(part, tables, s) for s in range(2)])
    model = stream.model.Categorical(perfect=False)
    drawn = np.minimum((both.cumsum(1) < rng.random((len(both), 1))).sum(1), 255).astype(np.int32)
    encoder = stream.queue.RangeEncoder()
    encoder.encode(drawn, model, both)
    words = encoder.get_compressed()
    decode = nanoseconds(lambda: stream.queue.RangeDecoder(words).decode(model, both), ROWS * SIZE[1], 3)
    encode = nanoseconds(lambda: stream.queue.RangeEncoder().encode(drawn, model, both), ROWS * SIZE[1], 3)
    lines.append(f"| constriction, coding | {decode:.0f} | {encode:.0f} | |")
    lines.append(f"| constriction, tabulating (NumPy) | {tabulating:.0f} | {tabulating:.0f} | |")
    lines += ["", "| seconds in a new process: import | first draw | first absorb |", "|---|---|---|", loading()]
    lines += ["", f"constriction's range decoder: {accepts(stream, both)}."]
    text = "\n".join(lines)
    print(text)
    if args.out:
        versions = ", ".join(f"{name} {version(name)}" for name in ("stegcinn", "constriction"))
        about = f"`python scripts/measure/coder_compare.py`, one thread, {platform.machine()}, {versions}."
        args.out.write_text(f"# Range coders\n\n{about}\n\n{text}\n")


if __name__ == "__main__":
    main()
