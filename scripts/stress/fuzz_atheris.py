"""Let atheris look for new paths through one target of `fuzz.py`.

python scripts/stress/fuzz_atheris.py image|stream|body|colours [libFuzzer's options, as -max_total_time=600]

Needs pip install atheris, which has wheels for some versions of Python only. The corpus grows in the current directory,
where failing inputs are written too.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fuzz", "stegcinn", "PIL"]):
    import fuzz


def main() -> None:
    parser = argparse.ArgumentParser(  # of options only --help, as libFuzzer has some that begin with -h
        description=__doc__.splitlines()[0], epilog="Further options are libFuzzer's.", add_help=False
    )
    parser.add_argument("--help", action="help")
    parser.add_argument("target", choices=fuzz.TARGETS)
    arguments, options = parser.parse_known_args()
    name = arguments.target
    folder = Path(f"fuzz-corpus-{name}")
    folder.mkdir(exist_ok=True)
    for data in fuzz.corpus(name):
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    warnings.simplefilter("ignore")
    atheris.Setup(
        [sys.argv[0], *options, "-rss_limit_mb=2048", f"-timeout={fuzz.HANG}", str(folder)],
        lambda data: fuzz.TARGETS[name](data),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
