"""Run the compiled loops on hostile input under AddressSanitizer and UndefinedBehaviorSanitizer.

python scripts/stress/sanitize.py [TARGET ...] [--executions N] [--seed 0]

The loops are compiled anew, for each set of vector instructions; then come executions of every loop on random arrays,
sizes, tables and states, as far as callers let them through, and of the target `colours` of fuzz.py, by which mutated
containers reach the loops as a stranger's would. What a sanitizer finds is shown as it says it; the exit code is 1 if
it found anything. Needs gcc on Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.jpeg import coefficients
from stegcinn.codecs.robust import recolouring
from stegcinn.codecs.stealth import moves, noise
from stegcinn.coding import labels, stc
from stegcinn.colourmodel import cells, mixture, networks, rangecoder
from stegcinn.errors import StegcinnError
from stegcinn.runtime import native

EXECUTIONS = 100_000  # of each
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"]
LEVELS = {"avx2": ["-mavx2"], "baseline": [], "generic": ["-U__SSE2__", "-U__AVX2__"]}
FUZZED = "colours"
OPTIONS = {  # Python and its libraries leak at the end, and mix allocators; what is looked for is in the loops
    "ASAN_OPTIONS": "detect_leaks=0:alloc_dealloc_mismatch=0:detect_odr_violation=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "PYTHONMALLOC": "malloc",
}
TABLES = [rangecoder.Tables.of(np.stack([mixture.logistic(shape)] * 3)) for shape in ((0, 3, 0), (9, 0, 0))]
CHANCES = [np.full(shape, -1, np.int16) for shape in ((2, 256, 256), (256, 2 * noise.GREEN_FAR + 1, 2))]
Random = np.random.Generator


# -- hostile input


def numbers(rng: Random, shape: tuple[int, ...], kind: str) -> np.ndarray[Any, Any]:
    """Whole numbers of all sizes, or those near zero, or limits."""
    limits = np.iinfo(kind)
    low, high = [(limits.min, limits.max), (max(limits.min, -3), 3), (limits.max - 1, limits.max)][rng.integers(3)]
    return rng.integers(low, high, shape, kind, endpoint=True)


def strided(rng: Random, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same values, in an array of its own that ends where they do: axes in another order, and backwards."""
    order = rng.permutation(array.ndim)
    copy = np.ascontiguousarray(array.transpose(order)[:: rng.choice([-1, 1])])
    return copy[:: -1 if rng.random() < 0.5 else 1].transpose(np.argsort(order))


def sides(rng: Random) -> tuple[int, int]:
    height, width = rng.integers(0, 9, 2)
    return int(height), int(width)


def stc_decode(rng: Random) -> None:
    """A count may be of any size, and what should be bits any bytes."""
    bits = numbers(rng, (int(rng.integers(0, 600)),), "u1")
    stc.decode(bits, int(rng.choice([0, 1, rng.integers(0, 700), 70_000], p=[0.1, 0.2, 0.69, 0.01])))


def stc_encode(rng: Random) -> None:
    length, size, lanes = int(rng.integers(0, 60)), int(rng.integers(1, 12)), int(rng.integers(0, 18))
    if rng.random() < 0.02:  # blocks that are wider than there are columns
        length = int(rng.integers(0, 700))
    if rng.random() < 0.1:
        bits, message = (rng.integers(0, 2, count, np.uint8) for count in (length, size))
        costs = rng.choice([0, 1e-30, 1, 79, 81, 1e30, np.inf], length).astype(np.float32)
        after = stc.encode(bits, stc.rounded(costs), message)
        if after is not None and not np.array_equal(stc.decode(after, size), message):
            raise AssertionError("another message")
        return
    costs = np.where(rng.random((lanes, length)) < 0.3, stc.NEVER, rng.integers(0, 2561, (lanes, length)))
    bits, targets = numbers(rng, (lanes, length), "u1"), numbers(rng, (lanes, size), "u1")
    count = stc._MEMORY(length, size)
    memory = np.empty(count, np.uint8)
    given = count if rng.random() < 0.95 else int(rng.integers(0, 2 * count))
    stc._ENCODE(bits, costs.astype(np.int16), targets, lanes, length, size, stc.COLUMNS, memory, given)


def _coded(rng: Random) -> tuple[rangecoder.Tables, rangecoder.Tile, np.ndarray[Any, Any]]:
    """Tables of any rise and scales, parameters, guesses and colours; most of these have the tile's luma, or none."""
    size = sides(rng)
    tables = TABLES[rng.integers(len(TABLES))]
    if rng.random() < 0.01:
        steps = numbers(rng, (3, 2 * rangecoder.REACH), "u1").astype(np.int64) ** rng.integers(1, 4) + 1
        rising = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
        tables = rangecoder.Tables.of((rising * mixture.MASS // rising[:, -1:]).astype(np.int32))
    if rng.random() < 0.5:
        tables = tables.calibrated(numbers(rng, (3, 256), "u1"))
    tile = rangecoder.Tile(
        strided(rng, numbers(rng, (mixture.PARAMETERS, *size), "u1")), numbers(rng, size, "i2"),
        strided(rng, numbers(rng, size, "i2")), strided(rng, numbers(rng, size, "u1")), rng.random(size) < 0.8,
    )  # fmt: skip
    return tables, tile, strided(rng, numbers(rng, (*size, 3), "u1"))


def draw_colours(rng: Random) -> None:
    tables, tile, rgb = _coded(rng)
    rangecoder.Decoder(rng.bytes(int(rng.integers(0, 400)))).draw(tables, tile, rgb)
    rangecoder.Encoder().absorb(tables, tile, rgb)  # all have the luma, so nothing is refused


def measure_colours(rng: Random) -> None:
    tables, tile, rgb = _coded(rng)
    if rng.random() < 0.5:
        tile = tile._replace(luma=luma_of(rgb))
    room = int(rng.integers(0, rgb.shape[0] * rgb.shape[1] + 1))
    counts = np.empty((room, 3, 3), np.int32)
    rangecoder._MEASURE(rangecoder._pixels(tile, rgb), tables.pointers, counts, room)
    try:
        rangecoder.Encoder().absorb(tables, tile, rgb)
    except ValueError:
        return


def encode_counts(rng: Random) -> None:
    """Counts that no tables give, states that no encoder has."""
    counts, size = numbers(rng, (int(rng.integers(0, 12)), 3, 3), "i4"), int(rng.integers(0, 60))
    if rng.random() < 0.7:
        counts = np.sort(np.abs(counts), axis=-1)
    state = np.array([numbers(rng, (), "u8"), numbers(rng, (), "u8"), rng.integers(0, 70)], np.uint64)
    rangecoder._ENCODE(counts, len(counts), np.full(size, 255, np.uint8), size, state)


def show_neighbours(rng: Random) -> None:
    (height, width), margin, count = sides(rng), int(rng.integers(0, 3)), int(rng.integers(1, 5))
    planes = numbers(rng, (count, height + 2 * margin, width + 2 * margin), "i2")
    near = rng.integers([0, -margin, -margin], [count, margin + 1, margin + 1], (int(rng.integers(0, 9)), 3))
    out = np.empty((len(near), height, width), np.uint8)
    cells._NEIGHBOURS(planes, near, len(near), margin, numbers(rng, (height, width), "i2"), height, width, out)


def gather_cells(rng: Random) -> None:
    (height, width), (rows, columns), (top, left) = rng.integers(1, 9, 2), sides(rng), rng.integers(-30, 30, 2)
    settled = int(rng.integers(1, 5))
    rgb, places = numbers(rng, (height, width, 3), "u1"), np.array(cells.PLACES, np.int64)
    y, r, b = (np.empty((planes, rows, columns), np.int16) for planes in (4, settled, settled))
    networks._GATHER(strided(rng, rgb[..., 0]), strided(rng, rgb), int(height), int(width), places, int(top),
                     int(left), rows, columns, settled, y, r, b)  # fmt: skip


def move_reluctance(rng: Random) -> None:
    """Of a luma that is not that of the colours, too."""
    count = int(rng.integers(0, 40))
    rgb, luma = numbers(rng, (count, 3), "u1"), numbers(rng, (count,), "u1")
    out = np.empty((count, len(moves.MOVES)), np.int8)
    noise._RELUCTANCE(numbers(rng, (count, noise.EXPECTED), "i1"), rgb, luma, count, *CHANCES, out)


def _pixels(rng: Random) -> moves.Pixels:
    count = int(rng.integers(0, 20))
    prices = rng.choice([0, 1e-30, 1, 1e30, 3e38, np.inf], (count, 3)).astype(np.float32)
    return moves.Pixels(numbers(rng, (count, 3), "u1"), prices, numbers(rng, (count, 27), "i1"))


def move_costs(rng: Random) -> None:
    moves.label_costs(_pixels(rng), float(rng.choice([1e-30, 1, 1e30])))


def ternary_costs(rng: Random) -> None:
    """Of some places that are none."""
    total, count = (int(rng.integers(0, 20)) for _ in range(2))
    places = rng.choice([numbers(rng, (count,), "u4"), rng.integers(0, max(1, total), count, np.uint32)])
    prices = rng.choice([0, 1e-30, 1, 1e30, 3e38, np.inf], coefficients.CLASSES).astype(np.float32)
    errors = numbers(rng, (int(rng.choice([0, total, total // 2])),), "i1")
    coefficients._COSTS(
        numbers(rng, (total,), "i2"), places, numbers(rng, (total,), "u1"), prices, errors, len(errors),
        numbers(rng, (total,), "u1"), total, count, labels.BEND, 1 / labels.STEEP, np.empty((count, 4), np.uint8),
    )  # fmt: skip


def _label_costs(rng: Random) -> np.ndarray[Any, Any]:
    return numbers(rng, (int(rng.integers(0, 30)), int(rng.choice([4, 16]))), "u1")


def label_entropies(rng: Random) -> None:
    labels.entropies(_label_costs(rng))


def label_preferences(rng: Random) -> None:
    costs = _label_costs(rng)
    labels.preferences(costs, numbers(rng, (len(costs),), "u1"), int(rng.integers(0, labels.layers_of(costs))))


def recolour(rng: Random) -> None:
    height, width = sides(rng)
    planes = rng.normal(0, rng.choice([0.3, 20, 1e6]), (2, -(-height // 2), -(-width // 2))).astype(np.float32)
    recolouring.recoloured(numbers(rng, (height, width, 3), "u1"), planes)


LOOPS: dict[str, Callable[[Random], None]] = {
    loop.__name__: loop
    for loop in (
        stc_decode, stc_encode, draw_colours, measure_colours, encode_counts, show_neighbours, gather_cells,
        move_reluctance, move_costs, ternary_costs, label_entropies, label_preferences, recolour,
    )
}  # fmt: skip


# -- running


def inside(name: str, folder: Path, level: str, executions: int, seed: int) -> None:
    """Executions of one target, in the process that the sanitizers watch."""
    native.FOLDER = folder
    loaded = native._load(level)
    native.library = lambda: loaded  # type: ignore[assignment]
    warnings.simplefilter("ignore")
    begun = time.monotonic()
    if name == FUZZED:
        import fuzz  # reads the test vectors, which takes its time

        chance, seeds = random.Random(f"{name} {seed}"), fuzz.corpus(name)
        for _ in range(executions):
            with contextlib.suppress(StegcinnError):
                fuzz.TARGETS[name](fuzz.mutated(chance, seeds))
    else:
        for number in range(executions):
            LOOPS[name](np.random.default_rng((seed, number)))
    print(f"{name}, {level}: {executions:,} executions in {time.monotonic() - begun:.0f} s", flush=True)


def main() -> int:
    names = [*LOOPS, FUZZED]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--executions", type=int, default=EXECUTIONS, help="of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", nargs=2, metavar=("FOLDER", "LEVEL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if set(arguments.targets) - set(names):
        parser.error(f"targets are {', '.join(names)}")
    if arguments.inside:
        (target,), (folder, level) = arguments.targets, arguments.inside
        inside(target, Path(folder), level, arguments.executions, arguments.seed)
        return 0
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    environment = {**os.environ, **OPTIONS, "LD_PRELOAD": runtime.strip()}
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for level, flags in LEVELS.items():
            made = Path(folder, f"{level}{native.SUFFIX}")
            options = ["-std=c11", "-fPIC", "-shared", "-ffp-contract=off", *SANITIZERS, *flags]
            sources = map(str, sorted((Path(native.__file__).parents[1] / "native").glob("*.c")))
            subprocess.run(["gcc", *options, *sources, "-o", str(made), "-lm"], check=True)
        levels = [level for level in LEVELS if level != "avx2" or native.library().runs_avx2()]
        for name in arguments.targets or names:
            for level in levels if name == "stc_encode" else levels[:1]:  # the only one with vector instructions
                command = [sys.executable, __file__, name, "--executions", str(arguments.executions), "--seed",
                           str(arguments.seed), "--inside", folder, level]  # fmt: skip
                if subprocess.run(command, env=environment, check=False).returncode:
                    print(f"{name}, {level}: FAILED", flush=True)
                    failures += 1
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
