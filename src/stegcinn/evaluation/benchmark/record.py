"""What a benchmark knows so far: one JSON file, written anew and whole after every step; what it was measured on."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stegcinn.errors import UsageError
from stegcinn.files import replacing


class Record:
    """The content of one JSON file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def write(self) -> None:
        """Replace the file by what is known now."""
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(self.content, indent=1) + "\n")

    def agree(self, name: str, fact: Any, kind: str) -> None:
        """Record a fact that all results have in common; UsageError if those of an earlier call had another."""
        if self.content.setdefault(name, fact) != fact:
            raise UsageError(f"{self.path.parent} holds results {kind}; choose another folder")


def results_folder(out: Path) -> None:
    """Make the folder of results; UsageError if it cannot be one."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made a folder ({error.strerror})") from error


def environment_of(*packages: str) -> dict[str, str | None]:
    """Interpreter, system, and the versions of packages."""
    return {
        "python": platform.python_version(), "system": platform.system(), "machine": platform.machine(),
        **{name: version(name) for name in packages},
    }  # fmt: skip
