"""Is the wheel the same bytes every time? Build it twice, from two copies of the tree, and compare.

python scripts/make/reproducible.py [--out DIR]

SOURCE_DATE_EPOCH is that of the last commit, or 1980 where there is no git. Needs pip, which fetches hatchling.
Prints the SHA-256; the exit code is 1 if the two differ. With --out the wheel is left there.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "*.pyc", "__pycache__", "build", "dist", "demo", "shared", ".*_cache"
)


def epoch() -> str:
    """Seconds of the last commit; the earliest that a ZIP file can hold otherwise."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "315532800"
    return done.stdout.strip() or "315532800"


def build(tree: Path, out: Path) -> Path:
    """The wheel of a copy of the source tree."""
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch()}
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(tree)]
    subprocess.run(command, env=environment, check=True)
    (wheel,) = out.glob("*.whl")
    return wheel


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where to leave the wheel")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        wheels = [build(Path(temporary) / f"tree{i}" / ("x" * i), Path(temporary) / f"out{i}") for i in (1, 2)]
        digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels]
        for wheel, digest in zip(wheels, digests, strict=True):
            print(digest, wheel.name)
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            shutil.copy(wheels[0], arguments.out)
    same = digests[0] == digests[1]
    print("the same bytes" if same else "DIFFERENT")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
