"""Files and folders that are there whole or not at all, whenever the process that writes them is killed.

`write_atomic` is for what a user names; it asks and explains more than `replacing` and `new_folder`, which are for what
the project itself lays down.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from stegcinn.errors import StegcinnError, UsageError

_CHUNK = 1 << 20  # bytes read at a time
_BINARY = getattr(os, "O_BINARY", 0)  # of Windows, which would change line ends without it


def write_atomic(path: Path, data: bytes, *, overwrite: bool, private: bool = False) -> None:
    """Write `data` to `path`: in full or, on any failure, not at all.

    Without `overwrite` nothing that is there is ever touched, not even a symbolic link, and even if it appears
    meanwhile. With it a link is followed: the file it points at is written and the link stays. A new file gets the
    usual permissions, or if `private` only its owner's; a replaced one keeps its own, and is never wider before. Where
    the system has files without a name (Linux), none is left when the process is killed. Raises UsageError for a path
    that exists, is a directory or no regular file, has no parent directory or is not writable; StegcinnError for a full
    disk or an input/output error.
    """
    name = shown(path)
    target = Path(os.path.realpath(path)) if overwrite else Path(os.path.realpath(path.parent), path.name)
    temp = _beside(target)
    try:
        replaced = target.lstat() if os.path.lexists(target) else None
        if replaced and stat.S_ISDIR(replaced.st_mode):
            raise UsageError(f"{name} is a directory; name a file in it")
        if replaced and not overwrite:
            raise FileExistsError
        if replaced and not stat.S_ISREG(replaced.st_mode):
            raise UsageError(f"{name} is not a regular file; choose another name")
        mode, final = (0o600, stat.S_IMODE(replaced.st_mode)) if replaced else (0o600 if private else 0o666, None)
        published = temp if overwrite else target
        if not _write_nameless(published, data, mode, final):
            with os.fdopen(os.open(temp, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, mode), "wb") as file:
                _fill(file, data, final)
            if not overwrite:
                _publish_new(temp, target)
        if overwrite:
            temp.replace(target)
        _sync(target.parent)
    except FileExistsError as error:
        raise UsageError(f"{name} already exists; choose another name or allow overwriting") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{name}: its directory does not exist; create it first") from error
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UsageError(f"{name} is not writable; choose another place") from error
        reason = error.strerror or "input/output error"
        raise StegcinnError(f"{name} was not written ({reason}); free space or write elsewhere") from error
    finally:
        with suppress(OSError):
            temp.unlink(missing_ok=True)


def _write_nameless(path: Path, data: bytes, mode: int, final: int | None) -> bool:
    """Write a file that has no name until it is whole, so that nothing is left of it if the process is killed before.

    False where the system or the file system has none. FileExistsError if `path` is there.
    """
    if not hasattr(os, "O_TMPFILE"):
        return False
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, mode)
    except OSError:  # also where the folder is missing or closed, which is told when a name is wanted
        return False
    with os.fdopen(descriptor, "wb") as file:
        _fill(file, data, final)
        try:
            # With a folder for the source, which is absolute all the same, Python follows the link that /proc has.
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
        except FileExistsError:
            raise
        except OSError:
            return False
    return True


def _fill(file: BinaryIO, data: bytes, mode: int | None) -> None:
    """All of a file, on the disk; the mode, if it is to have another than it was made with, comes last."""
    file.write(data)
    file.flush()
    if mode is not None and hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), mode)
    os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make names in a folder last, where the system lets folders be opened."""
    with suppress(OSError):
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def read_at_most(file: BinaryIO, most: int) -> bytes | None:
    """All of a file, or None for one of more than `most` bytes: devices and pipes may have no end."""
    chunks: list[bytes] = []
    size = 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        if size > most:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as text that stays on one line."""
    text = os.fspath(path)
    return text if text and text.isprintable() else ascii(text)


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


def _publish_new(temp: Path, target: Path) -> None:
    """Give `temp` the name `target`, or raise FileExistsError if that is taken."""
    try:
        target.hardlink_to(temp)
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (FAT, some network shares), or another trouble that the next line meets again.
        # Whoever creates the empty file owns the name, and may then replace it.
        target.open("xb").close()
        try:
            temp.replace(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(8)}.tmp")
