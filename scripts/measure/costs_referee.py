"""Check the costs of HILL, S-UNIWARD and MiPOD against those of the package conseal, where that is installed.

python scripts/measure/costs_referee.py PHOTOS [--count 10] [--size 128]

For the green channel of the middle of each photo: the largest relative difference. conseal divides HILL's kernel by 4,
which multiplies all costs by 4 and changes nothing; in flat areas, where each has its own largest cost, HILL is not
compared. MiPOD is compared by its Fisher information, and by the changes that it makes at 0.4 bits per pixel, which
conseal interpolates in a table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stegcinn.evaluation.baselines import hill, mipod, suniward
from stegcinn.evaluation.benchmark.hosts import read_hosts
from stegcinn.runtime.arrays import Float64, UInt8

try:
    import conseal
except ImportError:
    raise SystemExit("this needs the package conseal: pip install conseal") from None

KERNEL = 4.0  # by which conseal divides HILL's kernel
DEAR = 1e3  # a larger cost of HILL comes from flat areas
LOAD = 0.4
Costs = Callable[[UInt8], Float64]
PAIRS: dict[str, tuple[Costs, Costs]] = {
    "HILL": (hill.cost, lambda plane: conseal.hill._costmap.compute_cost(plane) / KERNEL),
    "S-UNIWARD": (suniward.cost, lambda plane: conseal.suniward._costmap.compute_cost(plane.astype(float))),
    "MiPOD, information": (mipod.information, conseal.mipod._costmap.compute_cost),
    "MiPOD, rates": (
        lambda plane: mipod.rates(mipod.information(plane), LOAD * plane.size),
        lambda plane: conseal.mipod._defs.ternary_probs(
            conseal.mipod._costmap.compute_cost(plane), LOAD * plane.size * np.log(2)
        ).reshape(plane.shape, order="F"),
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder")
    parser.add_argument("--count", type=int, default=10, help="photos (default: 10)")
    parser.add_argument("--size", type=int, default=128, help="pixels a side (default: 128)")
    a = parser.parse_args()
    hosts = read_hosts(a.photos, count=a.count, size=a.size)
    for name, (ours, theirs) in PAIRS.items():
        worst, compared, pixels = 0.0, 0, 0
        for rgb in hosts.images:
            plane = np.ascontiguousarray(rgb[..., 1])
            expected = theirs(plane)
            kept = expected < DEAR if name == "HILL" else np.ones(plane.shape, np.bool_)
            worst = max(worst, float(np.abs(ours(plane)[kept] / expected[kept] - 1).max(initial=0)))
            compared, pixels = compared + int(kept.sum()), pixels + plane.size
        print(f"{name:20} {len(hosts.names)} photos, {compared / pixels:.1%} of pixels: {worst:.1e}", flush=True)


if __name__ == "__main__":
    main()
