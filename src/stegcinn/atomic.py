"""Files and folders that are there whole or not at all, whenever the process that writes them is killed.

What a user names for a payload or an image is written by `imagefile.write_atomic`, which asks and explains more.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stegcinn.errors import UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file under, which then takes the place of `path`; on failure nothing changes.

    The name is random, as processes side by side may write the same file. The folder is made if there is none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` to fill, which then becomes `path`; on failure nothing is left of it.

    UsageError if `path` exists.
    """
    if path.exists():
        raise UsageError(f"{path} already exists; name a new folder")
    temporary = _beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(8)}.tmp")
