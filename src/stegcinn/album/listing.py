"""The files of a folder of photos, and the names of what is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from pathlib import Path, PurePath

from stegcinn.errors import UsageError
from stegcinn.files import shown

JPEG_NAMES = (".jpg", ".jpeg", ".jpe", ".jfif")


def photos_in(folder: Path) -> list[Path]:
    """Names of the files in a folder and below it, in order; not of those that systems hide.

    UsageError for a path that is no folder, or one without files.
    """
    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is no folder; name one with photos in it")
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    found = sorted(name for name in names if not any(part.startswith(".") for part in name.parts))
    if not found:
        raise UsageError(f"{shown(folder)} has no files; name a folder with photos in it")
    return found


def output_names(hosts: Iterable[tuple[PurePath, str]], kept: Iterable[PurePath]) -> list[PurePath]:
    """Names of the containers of hosts, each told with the suffix of its container, beside files that keep theirs.

    A host keeps its name if it has that suffix already, as any JPEG file does that stays one. No two names differ by
    case alone, which some systems do not tell apart.
    """
    hosts = list(hosts)
    same = {name for name, suffix in hosts if _has(name, suffix)}
    taken = {_folded(name) for name in (*kept, *same)}
    found = []
    for name, suffix in hosts:
        if name not in same:
            name = _free(name.with_suffix(suffix), taken)
            taken.add(_folded(name))
        found.append(name)
    return found


def unlike(names: Iterable[PurePath]) -> list[PurePath]:
    """The same names, but for those that another has already, whatever its case: name-2, name-3, ..."""
    taken: set[str] = set()
    found = []
    for name in names:
        found.append(_free(name, taken))
        taken.add(_folded(found[-1]))
    return found


def _has(name: PurePath, suffix: str) -> bool:
    here = name.suffix.lower()
    return here == suffix or (suffix == ".jpg" and here in JPEG_NAMES)


def _free(name: PurePath, taken: set[str]) -> PurePath:
    """The name, or the first of name-2, name-3, ... that is free."""
    return next(
        each
        for number in count(1)
        if _folded(each := name if number == 1 else name.with_stem(f"{name.stem}-{number}")) not in taken
    )


def _folded(name: PurePath) -> str:
    return name.as_posix().casefold()
