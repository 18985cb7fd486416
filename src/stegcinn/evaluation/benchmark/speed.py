"""Seconds per megapixel and peak memory of hiding and revealing, each method in a process of its own.

python -m stegcinn.evaluation.benchmark.speed METHOD      prints one JSON object
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from stegcinn import stego
from stegcinn.carriers.base import Source, read_photo
from stegcinn.carriers.formats import encode_photo
from stegcinn.errors import StegcinnError
from stegcinn.evaluation.baselines import lsb
from stegcinn.sealing.envelope import Payload

SIDE = 640  # pixels: 0.41 megapixels
LOAD = 0.4  # net bits per pixel, the same for all
LSB = "lsb replacement"
STATUS = Path("/proc/self/status")


def subject(side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A test picture anyone can make: smooth colours, edges and noise, (side, side, 3) uint8."""
    rows, columns = np.mgrid[:side, :side] / side
    base = np.stack([rows, columns, 1 - rows * columns], -1) * 120 + 60
    base += 25 * ((np.floor(rows * 9) + np.floor(columns * 7)) % 2)[..., None]
    noisy = base + np.random.default_rng(0).normal(0, 4, base.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def measure(method: str) -> dict[str, Any]:
    """Timings of one method in a fresh process; StegcinnError with the last it said if that fails."""
    command = [sys.executable, "-m", "stegcinn.evaluation.benchmark.speed", method]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise StegcinnError(f"{method} could not be timed ({last})")
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def timed(method: str, side: int = SIDE) -> dict[str, Any]:
    """Timings of one method here: writing and reading the PNG and all checks included, loading and warming up not."""
    photo = read_photo(subject(side))
    megapixels = side * side / 1e6
    data = np.random.default_rng(0).bytes(int(LOAD * side * side / 8))
    if method == LSB:
        started = time.perf_counter()
        file = encode_photo(photo.with_rgb(lsb.replace_bits(photo.rgb, data)), ".png")
        hidden = time.perf_counter()
        back = lsb.read_bits(read_photo(file).rgb, len(data))
    else:
        warm = stego.conceal(Source(subject(96)), Payload(b"warm"), codec=method)
        stego.uncover(Source(warm.file))
        started = time.perf_counter()
        container = stego.conceal(Source(photo.rgb), Payload(data), codec=method)
        hidden = time.perf_counter()
        back = stego.uncover(Source(container.file)).data
    revealed = time.perf_counter()
    return {
        "method": method, "megapixels": round(megapixels, 3), "load_bpp": LOAD, "exact": back == data,
        "hide": round((hidden - started) / megapixels, 3), "reveal": round((revealed - hidden) / megapixels, 3),
        "peak_mb": peak_mb(),
    }  # fmt: skip


def peak_mb() -> int | None:
    """Peak memory of this process; None on Windows, where it is not measured.

    What `getrusage` tells on Linux counts the process that started this one.
    """
    if STATUS.exists():
        return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) // 1024
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(timed(sys.argv[1])) + "\n")
