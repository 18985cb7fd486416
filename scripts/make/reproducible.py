"""Are wheels the same bytes every time? Build each twice, from two copies of the tree, and compare.

python scripts/make/reproducible.py [PLATFORM ...] [--out DIR]

That of this machine, by its own compiler, and those of all platforms, by zig (see wheels.py). SOURCE_DATE_EPOCH is that
of the last commit, or 1980 where there is no git. Prints SHA-256; the exit code is 1 if two differ. With --out the
wheels are left there.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from wheels import PLATFORMS, build, copy_tree


def main() -> int:
    names = {target.target: target for target in PLATFORMS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=f"here, {', '.join(names)} (default: all)")
    parser.add_argument("--out", type=Path, help="where to leave the wheels")
    arguments = parser.parse_args()
    if set(arguments.platforms) - {"here", *names}:
        parser.error(f"platforms are here, {', '.join(names)}")
    different = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trees = [copy_tree(folder / f"tree{i}" / ("x" * i)) for i in (1, 2)]
        for name in arguments.platforms or ["here", *names]:
            first, second = (build(tree, tree.parent / name, names.get(name), tree.parent / "caches") for tree in trees)
            digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (first, second)]
            same = digests[0] == digests[1] and first.name == second.name
            different += not same
            print(digests[0], first.name, "" if same else f"DIFFERENT: {digests[1]} {second.name}", flush=True)
            if arguments.out:
                arguments.out.mkdir(parents=True, exist_ok=True)
                shutil.copy(first, arguments.out)
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
