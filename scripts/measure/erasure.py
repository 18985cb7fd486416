"""Seconds that the code against loss takes for albums of several sizes, beside the package raptorq where that is there.

python scripts/measure/erasure.py
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from typing import Any

import numpy as np

from stegcinn.sealing import erasure

CASES = (10_000_000, 192, 13_000), (300_000, 8, 10_000), (10_000_000, 5000, 1000)  # bytes, of a symbol, symbols added


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    erasure.recovered(np.arange(1), np.ones((1, 1), np.uint16), np.array([1]), 1)  # tables are made once
    for size, symbol, more in CASES:
        source = -(-size // symbol)
        first = np.random.default_rng(0).integers(0, 1 << 16, (source, symbol // 2)).astype(np.uint16)
        started = time.process_time()
        added = erasure.recovered(np.arange(source), first, np.arange(source, source + more), source)
        encoded = time.process_time()
        every = np.concatenate([first, added])
        kept = np.random.default_rng(1).permutation(source + more)[:source]
        lost = np.setdiff1d(np.arange(source), kept)
        asked = time.process_time()
        assert np.array_equal(erasure.recovered(kept, every[kept], lost, source), first[lost])
        print(f"{size:,} bytes, {source:,} symbols and {more:,} more", flush=True)
        print(f"  ours: encode {encoded - started:.2f} s, decode {time.process_time() - asked:.2f} s", flush=True)
        if importlib.util.find_spec("raptorq"):
            print("  raptorq: encode {:.2f} s, decode {:.2f} s".format(*theirs(size, symbol, more)), flush=True)


def theirs(size: int, symbol: int, more: int) -> tuple[float, float]:
    """Seconds of RaptorQ, as the package has it."""
    raptorq: Any = importlib.import_module("raptorq")
    data = os.urandom(size)
    started = time.process_time()
    packets = raptorq.Encoder.with_defaults(data, symbol).get_encoded_packets(more)
    encoded = time.process_time()
    order = np.random.default_rng(1).permutation(len(packets))
    decoder = raptorq.Decoder.with_defaults(size, symbol)
    asked = time.process_time()
    assert next(back for number in order if (back := decoder.decode(packets[number])) is not None) == data
    return encoded - started, time.process_time() - asked


if __name__ == "__main__":
    main()
