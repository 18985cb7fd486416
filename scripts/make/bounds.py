"""Do the declared bounds of the dependencies hold? Install the lowest and the newest versions, and hide and reveal.

python scripts/make/bounds.py [lowest] [newest] [--python python3.11] [--folder DIR]

Each end gets a virtual environment of its own in DIR (a temporary folder by default), with this source tree and the
versions that `pyproject.toml` names (lowest) or that the package index has (newest). There the tests of the format run:
vectors, envelopes, keys, image files. Prints what was installed; the exit code is 1 if an end failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ("format/test_spec.py", "sealing/test_envelope.py", "sealing/test_keys.py", "carriers/test_photo.py")
TOOLS = ("pytest>=8", "hypothesis>=6.100", "scikit-image>=0.22")  # what the tests need, as new as fits


def dependencies() -> dict[str, str]:
    """Name and lowest version of what running needs."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in declared)  # type: ignore[union-attr,misc]


def check(end: str, python: str, folder: Path) -> bool:
    """Build one end's environment and run the tests in it."""
    venv = folder / end
    subprocess.run([python, "-m", "venv", venv], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    wanted = [f"{name}=={low}" if end == "lowest" else name for name, low in dependencies().items()]
    if subprocess.run([*pip, "install", "--quiet", *wanted, *TOOLS, str(ROOT)], check=False).returncode:
        print(f"{end}: cannot be installed", flush=True)
        return False
    told = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True, check=True).stdout.split()
    names = {name.lower() for name in dependencies()}
    print(f"{end}: " + ", ".join(line for line in told if line.partition("==")[0].lower() in names), flush=True)
    tests = [str(ROOT / "tests" / name) for name in TESTS]
    # From another folder, and without the source tree on the path: what is tested is the installed package.
    command = [venv / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *tests]
    good = subprocess.run(command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, check=False).returncode == 0
    print(f"{end}: {'good' if good else 'FAILED'}", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ends", nargs="*", metavar="END", help="lowest, newest (default: both)")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    ends = arguments.ends or ["lowest", "newest"]
    with tempfile.TemporaryDirectory() as temporary:
        good = {end: check(end, arguments.python, arguments.folder or Path(temporary)) for end in ends}
    return int(not all(good.values()))


if __name__ == "__main__":
    sys.exit(main())
