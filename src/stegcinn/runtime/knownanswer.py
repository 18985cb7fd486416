"""A known answer, asked for before the first use on a machine: does it compute the integers that the format needs?"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from stegcinn.errors import MachineError
from stegcinn.runtime import native

LIBRARIES = ("numpy", "onnxruntime")


def require(name: str, expected: str, compute: Callable[[], str]) -> None:
    """Compare `compute()` with the answer `expected`, once for this machine, its libraries and that answer.

    MachineError if it differs. That it was right is remembered in the user's cache folder, where there is one.
    """
    asked = [
        name,
        expected,
        native.digest(),
        *platform.uname(),
        sys.version,
        *(f"{lib} {version(lib)}" for lib in LIBRARIES),
    ]
    file = f"{name}-{hashlib.sha256(repr(asked).encode()).hexdigest()[:32]}.ok"
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: this user has no home
        if (_cache_folder() / file).exists():
            return
    if compute() != expected:
        libraries = ", ".join(f"{lib} {version(lib)}" for lib in LIBRARIES)
        raise MachineError(
            f"this machine computes other numbers than the {name} codec needs, so its containers could not be read "
            f"elsewhere ({platform.machine()}, {libraries}): choose another codec, and please report this"
        )
    with contextlib.suppress(OSError, RuntimeError):  # it is only asked again next time
        mark = _cache_folder() / file
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _cache_folder() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "stegcinn"
