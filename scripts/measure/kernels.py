"""How long the compiled loops take, each in one thread, on as much as one call gets.

python scripts/measure/kernels.py [--out FILE]

Prints nanoseconds per pixel, or bit; the least of many runs.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.stealth import moves, noise
from stegcinn.coding import labels, stc
from stegcinn.colourmodel import cells, mixture, networks, rangecoder

SECONDS = 1.0  # for each
SIDE = 192  # pixels


def plausible(rng: np.random.Generator) -> rangecoder.Tile:
    """Parameters such as a network gives: scales about 1 level, means near the guess; about 7 bits a pixel."""
    n, size = mixture.K, (SIDE, SIDE)
    middle = np.array([*(128,) * 3 * n, *(100,) * n] * 2 + [110, 128, 170])
    spread = np.array([*(30, 6, 1, 30) * 2, 20, 10, 20]).repeat([n] * 8 + [1] * 3)
    parameters = np.clip(rng.normal(middle, spread, (*size, mixture.PARAMETERS)), 0, 255).astype(np.uint8)
    guesses = rng.normal(0, 100, (2, *size)).astype(np.int16)
    luma = np.clip(rng.normal(128, 50, size), 0, 255).astype(np.uint8)
    return rangecoder.Tile(np.moveaxis(parameters, -1, 0), guesses[0], guesses[1], luma, np.ones(size, bool))


def tasks() -> dict[str, tuple[int, Callable[[], object]]]:
    """By name: how many pixels or bits, and what to time."""
    rng, size, pixels = np.random.default_rng(0), (SIDE, SIDE), SIDE * SIDE
    bits, message = (rng.integers(0, 2, count, np.uint8) for count in (stc.LANES * stc.SEGMENT, 16 * 400))
    costs = rng.exponential(3, len(bits)).astype(np.float32)
    tile, tables = plausible(rng), rangecoder.Tables.of(np.stack([mixture.logistic((0.0, 3.0, 0.0))] * 3))
    drawn = np.zeros((*size, 3), np.uint8)
    letter = rng.bytes(2 * pixels)
    rangecoder.Decoder(letter).draw(tables, tile, drawn)
    counts, bytes_out = np.empty((pixels, 3, 3), np.int32), np.zeros(rangecoder.WORST * pixels, np.uint8)

    rgb = np.clip(rng.normal(128, 40, (2 * SIDE, 2 * SIDE, 3)), 0, 255).astype(np.uint8)
    luma, places = luma_of(rgb), np.array(cells.PLACES, np.int64)
    planes = [np.empty((4, SIDE + 4, SIDE + 4), np.int16) for _ in range(3)]
    shown = np.empty((cells.CHANNELS[2], *size), np.uint8)

    gray = tile.luma.reshape(-1)
    near, green = (rng.integers(-3000, 1, shape, np.int16) for shape in ((2, 256, 256), (256, 401, 2)))
    reluctance = np.empty((pixels, len(moves.MOVES)), np.int8)
    expected = rng.normal(0, 30, (pixels, noise.EXPECTED)).astype(np.int8)

    count = labels.PIECE
    hosts = rgb.reshape(-1, 3)[:count].copy()
    free = moves.Pixels(
        hosts, rng.exponential(2, hosts.shape).astype(np.float32), rng.normal(0, 20, (count, 27)).astype(np.int8)
    )
    label_costs, _ = moves.label_costs(free, 1.0)
    settled = rng.integers(0, 2, count, np.uint8)

    def draw() -> None:
        rangecoder.Decoder(letter).draw(tables, tile, np.zeros_like(drawn))

    def measured() -> None:
        rangecoder._MEASURE(rangecoder._pixels(tile, drawn), tables.pointers, counts, pixels)

    def encoded() -> None:
        state = np.array([0, rangecoder.FULL, 0], np.uint64)
        rangecoder._ENCODE(counts, pixels, bytes_out, len(bytes_out), state)

    def gathered() -> None:
        networks._GATHER(luma, rgb, *luma.shape, places, -2, -2, SIDE + 4, SIDE + 4, 4, *planes)

    def reluctant() -> None:
        noise._RELUCTANCE(expected, drawn.reshape(-1, 3), gray, pixels, near, green, reluctance)

    return {
        "stc.encode, per bit": (len(bits), lambda: stc.encode(bits, stc.rounded(costs), message)),
        "stc.decode, per bit": (len(bits), lambda: stc.decode(bits, len(message))),
        "rangecoder: draw": (pixels, draw),
        "rangecoder: measure": (pixels, measured),
        "rangecoder: encode": (pixels, encoded),
        "networks: gather": (pixels, gathered),
        "cells.features": (pixels, lambda: cells.features(*planes, 2, 0, shown)),
        "noise: reluctance": (pixels, reluctant),
        "moves.label_costs": (count, lambda: moves.label_costs(free, 1.0)),
        "labels.entropies": (count, lambda: labels.entropies(label_costs)),
        "labels.preferences": (count, lambda: labels.preferences(label_costs, settled, 1)),
    }


def nanoseconds(task: Callable[[], object], count: int) -> float:
    """Least time of many runs, for each of `count`."""
    task()
    times, end = [], time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        start = time.thread_time()
        task()
        times.append(time.thread_time() - start)
    return min(times) / count * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the table there")
    arguments = parser.parse_args()
    lines = ["| loop | ns |", "|---|---|"]
    for name, (count, task) in tasks().items():
        lines.append(f"| {name} | {nanoseconds(task, count):.2f} |")
        print(lines[-1], flush=True)
    if arguments.out:
        about = f"`python scripts/measure/kernels.py`, one thread, {platform.machine()}; per pixel, or bit."
        arguments.out.write_text("\n".join(["# Compiled loops", "", about, "", *lines, ""]))


if __name__ == "__main__":
    main()
