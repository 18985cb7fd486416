"""What the tests of the commands have in common: outcomes, and the program in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECRET = bytes(range(256)) * 2
FAKE = """
    import sys, time
    import stegcinn.stego, stegcinn.album.working, fakes
    from stegcinn.cli.main import main
    stegcinn.candidates.load_codec = stegcinn.album.working.load_codec = fakes.load_fake
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: bytes
    err: str

    @property
    def notes(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("stegcinn: note: ")]


Run = Callable[..., Outcome]


def names() -> set[str]:
    return {str(path) for path in Path().rglob("*")}


def one_error(outcome: Outcome, code: int, *words: str) -> None:
    """The outcome is a refusal in exactly one line that says all of `words`."""
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (code, b"", 1), outcome
    assert all(word in outcome.err for word in words), outcome.err


def spawn(script: str, *argv: str | Path, **options: object) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(sys.path)  # the same package, wherever it is
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *map(str, argv)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **{**streams, **options})  # type: ignore[call-overload,no-any-return]


def finish(process: subprocess.Popen[bytes]) -> Outcome:
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, out or b"", (err or b"").decode())
