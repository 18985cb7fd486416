"""Measure whether containers of codec `robust` show that one password made them.

python scripts/measure/robust_linked.py PHOTOS [--limit 6] [--channel whatsapp]

The first photos of the folder that can be read are scaled to 1600x1200 pixels and hidden in for a channel, all under
one password, and then each under its own. For each pair of files the parities of the two lowest chroma modes are
compared, by someone who has no key: their correlation, in standard deviations of chance.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

import stegcinn
from stegcinn.carriers.jpegfile.file import JpegFile

SIZE, PAYLOAD = (1600, 1200), 100


def parities(host: Image.Image, channel: str, password: str, seed: int) -> np.ndarray:
    """Of a container's lowest coefficients, less their mean."""
    payload = np.random.default_rng(seed).bytes(PAYLOAD)
    file = stegcinn.hide(host, payload, password=password, channel=channel, format="jpg").file
    found = np.concatenate([plane.visible[..., [1, 8]].ravel() & 1 for plane in JpegFile.read(file, "it").chroma])
    return found - found.mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=6)
    parser.add_argument("--channel", default="whatsapp")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    hosts: list[Image.Image] = []
    for path in sorted(args.photos.iterdir()):
        with contextlib.suppress(OSError), Image.open(path) as image:
            if len(hosts) < args.limit and min(image.size) >= min(SIZE):
                hosts.append(image.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS))
    for name, passwords in (("one password", ["one"] * len(hosts)), ("its own", [str(n) for n in range(len(hosts))])):
        each = enumerate(zip(hosts, passwords, strict=True))
        found = [parities(host, args.channel, password, n) for n, (host, password) in each]
        sigmas = [float(a @ b) / math.sqrt(a.size * a.var() * b.var()) for a, b in itertools.combinations(found, 2)]
        print(f"{name}: {len(sigmas)} pairs, {min(sigmas):.1f} to {max(sigmas):.1f} standard deviations")


if __name__ == "__main__":
    main()
