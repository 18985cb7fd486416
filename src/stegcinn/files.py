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

from stegcinn.errors import StegcinnError, UsageError


def write_atomic(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write `data` to `path`: in full or, on any failure, not at all.

    Without `overwrite` an existing file is never touched, even if it appears meanwhile. A symbolic link is
    followed: the file it points at is written and the link stays. A new file gets the usual permissions, a
    replaced one keeps its own. Raises UsageError for a path that exists, is a directory or no regular file,
    has no parent directory or is not writable; StegcinnError for a full disk or an input/output error.
    """
    name = shown(path)
    target = Path(os.path.realpath(path))
    temp = _beside(target)
    try:
        replaced = target.stat() if target.exists() else None
        if replaced and stat.S_ISDIR(replaced.st_mode):
            raise UsageError(f"{name} is a directory; name a file in it")
        if replaced and not overwrite:
            raise FileExistsError
        if replaced and not stat.S_ISREG(replaced.st_mode):
            raise UsageError(f"{name} is not a regular file; choose another name")
        # Created by an exclusive open and not by mkstemp, whose 0600 would ignore the user's umask.
        with temp.open("xb") as file:
            if replaced:
                temp.chmod(stat.S_IMODE(replaced.st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temp.replace(target)
        else:
            _publish_new(temp, target)
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
