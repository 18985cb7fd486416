"""A known answer, asked for before the first use on a machine: does it compute the integers that the format needs?"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import stat
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from stegcinn.errors import MachineError
from stegcinn.runtime import native

LIBRARIES = ("numpy", "onnxruntime")


def require(name: str, expected: str, compute: Callable[[], str]) -> None:
    """Compare `compute()` with the answer `expected`, once for this processor, the libraries and that answer.

    MachineError if it differs. That it was right is remembered in the user's cache folder, where there is one, by an
    empty file that nobody else has laid there.
    """
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    asked = [name, expected, native.digest(), platform.system(), _processor(), sys.version, libraries]
    file = f"{name}-{hashlib.sha256(repr(asked).encode()).hexdigest()[:32]}.ok"
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: this user has no home
        if _is_ours(_cache_folder() / file):
            return
    if compute() != expected:
        raise MachineError(
            f"this machine computes other numbers than the {name} codec needs, so its containers could not be read "
            f"elsewhere ({platform.machine()}, {libraries}): choose another codec, and please report this"
        )
    with contextlib.suppress(OSError, RuntimeError):  # it is only asked again next time
        mark = _cache_folder() / file
        mark.parent.parent.mkdir(parents=True, exist_ok=True)
        mark.parent.mkdir(mode=0o700, exist_ok=True)
        mark.touch(mode=0o600)


def _processor() -> str:
    """What decides which instructions are used: kind and features, as far as the system tells."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        told = {line for line in lines if line.lower().startswith(("model name", "flags", "features", "cpu part"))}
        return "\n".join([platform.machine(), *sorted(told)])
    return f"{platform.machine()} {platform.processor()}"


def _is_ours(mark: Path) -> bool:
    status = mark.lstat()
    return stat.S_ISREG(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


def _cache_folder() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "stegcinn"
