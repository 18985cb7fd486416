"""Measure how well containers of codec `robust` are told from the JPEG files that an innocent sender would have made.

python scripts/measure/robust_detection.py PHOTOS [--channel whatsapp] [--loads 50 200 full] [--limit 200] [--jobs 2]

Loads are bytes of payload per million pixels, or all that surely comes through the channel. Attackers are those of
JPEG files (`jpeg_detection.py`), each photo tested once a seed; photos that do not take a load are left out of its row.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.codecs.base import Wish
from stegcinn.errors import CapacityError, SelfCheckError
from stegcinn.evaluation.benchmark.hosts import photos_in
from stegcinn.evaluation.benchmark.jpegs import ATTACKERS, FEATURES, LEAST, MEGA, Features, detections
from stegcinn.sealing.envelope import Payload

FULL = "full"


def features(file: bytes) -> Features:
    """Those of all attackers."""
    jpeg = JpegFile.read(file, "a file")
    return {kind: compute(jpeg) for kind, compute in FEATURES.items()}


def of_photo(path: Path, channel: str, loads: Sequence[str]) -> list[tuple[Features, int] | None]:
    """Features and bytes of payload: of the innocent file, then of a container for each load; None if it takes none."""
    wish, options = Wish(channel=channel), {"codec": "robust", "suffix": ".jpg"}
    innocent = stego.blank(Source(path), wish=wish, **options).file or b""
    found: list[tuple[Features, int] | None] = [(features(innocent), 0)]
    pixels = JpegFile.read(innocent, "it").pixels
    for load in loads:
        size = stego.measure(Source(path), codec="robust", wish=wish).bytes if load == FULL else None
        size = round(float(load) * pixels / MEGA) if size is None else size
        payload = np.random.default_rng((size, *path.name.encode())).bytes(size)
        try:
            made = stego.conceal(Source(path), Payload(payload), wish=wish, **options) if size else None
        except (CapacityError, SelfCheckError):
            made = None
        found.append((features(made.file), size) if made else None)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--channel", default="whatsapp")
    parser.add_argument("--loads", nargs="+", default=["50", "200", FULL])
    parser.add_argument("--limit", type=int, default=200, help="photos, drawn once for all runs (default: 200)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    a = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = photos_in(a.photos)
    paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[: a.limit]]
    every = Parallel(a.jobs)(delayed(of_photo)(path, a.channel, a.loads) for path in paths)
    print(f"| {a.channel} | photos | bytes | " + " | ".join(f"`{name}`" for name in ATTACKERS) + " |")
    print("|---|---|---|" + "---|" * len(ATTACKERS))
    for number, load in enumerate(a.loads, start=1):
        pairs = [(one[0][0], one[number]) for one in every if one[number] is not None]
        if len(pairs) < LEAST:
            print(f"| {load} | {len(pairs)} | too few |")
            continue
        covers, stegos, sizes = [p[0] for p in pairs], [p[1][0] for p in pairs], [p[1][1] for p in pairs]
        told = detections(covers, stegos, list(ATTACKERS), a.seeds)
        cells = (f"{100 * told[name].accuracy:.1f} +- {100 * told[name].half:.1f}" for name in ATTACKERS)
        print(f"| {load} | {len(pairs)} | {np.median(sizes):.0f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
