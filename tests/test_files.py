"""Files and folders are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stegcinn.errors import StegcinnError, UsageError
from stegcinn.files import new_folder, replacing, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_when_all_of_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for text in ("old", "new"):
        with replacing(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "old"
        assert path.read_text() == text
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half of it and \ud800", "utf-8")
    with pytest.raises(IsADirectoryError), replacing(path):
        path.parent.read_text()
    assert path.read_text() == "new"
    assert names(path.parent) == ["file"]


def test_several_may_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as one, replacing(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # which ends last
    assert names(tmp_path) == ["file"]


def test_a_folder_appears_when_all_of_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    with pytest.raises(UnicodeEncodeError), new_folder(path) as temporary:
        (temporary / "file").write_text("half of it and \ud800", "utf-8")
    assert names(path.parent) == []
    with new_folder(path) as temporary:
        (temporary / "file").touch()
        assert not path.exists()
    assert names(path) == ["file"]
    assert names(path.parent) == ["folder"]
    with pytest.raises(UsageError, match="already exists"), new_folder(path):
        pytest.fail("this folder is not new")
    assert names(path) == ["file"]


# what a user names


def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
def test_new_file_has_the_data_and_the_usual_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, overwrite: bool
) -> None:
    if not links:
        no_hard_links(monkeypatch)
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        path = tmp_path / f"{mode:o}.png"
        old = os.umask(mask)
        try:
            write_atomic(path, b"data", overwrite=overwrite)
        finally:
            os.umask(old)
        assert path.read_bytes() == b"data"
        assert path.stat().st_mode & 0o777 == mode
        assert path.stat().st_nlink == 1
    assert names(tmp_path) == ["600.png", "644.png"]


def test_overwriting_is_asked_for_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with pytest.raises(UsageError, match=r"out\.png already exists"):
        write_atomic(path, b"new", overwrite=False)
    assert path.read_bytes() == b"old"
    write_atomic(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["out.png"]


@pytest.mark.parametrize("links", [True, False])
def test_only_one_of_many_writers_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        no_hard_links(monkeypatch)
    path = tmp_path / "out.png"
    barrier = threading.Barrier(8)
    fsync = os.fsync

    def together(descriptor: int) -> None:  # all have passed the early check and written their data
        fsync(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # not the folder, which is synced in the end
            barrier.wait()

    monkeypatch.setattr(os, "fsync", together)
    winners = []

    def write(number: int) -> None:
        with contextlib.suppress(UsageError):
            write_atomic(path, bytes([number]) * 1000, overwrite=False)
            winners.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    assert path.read_bytes() == bytes(winners) * 1000
    assert names(tmp_path) == ["out.png"]


def test_bad_targets(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    cases = {
        tmp_path: "is a directory",
        tmp_path / "gone" / "out.png": "directory does not exist",
        tmp_path / "file" / "out.png": "directory does not exist",
        tmp_path / "fifo": "not a regular file",
    }
    for path, reason in cases.items():
        with pytest.raises(UsageError, match=reason) as caught:
            write_atomic(path, b"data", overwrite=True)
        assert str(path) in str(caught.value)
    assert names(tmp_path) == ["fifo", "file"]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StegcinnError),
        (OSError(errno.EIO, "Input/output error"), StegcinnError),
        (PermissionError(errno.EACCES, "Permission denied"), UsageError),
        (OSError(errno.EROFS, "Read-only file system"), UsageError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
@pytest.mark.parametrize("calls", [["fsync"], ["link", "replace"]])
def test_failure_leaves_no_trace(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    calls: list[str],
    error: BaseException,
    raised: type[BaseException],
    existing: bool,
) -> None:
    path = tmp_path / "out.png"
    if existing:
        path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise error

    for call in calls:
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(raised) as caught:
        write_atomic(path, b"data", overwrite=existing)
    assert type(caught.value) is raised
    if isinstance(caught.value, StegcinnError):
        assert "out.png" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == (["out.png"] if existing else [])
    assert not existing or path.read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_closed_directory(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(UsageError, match="not writable"):
        write_atomic(closed / "out.png", b"data", overwrite=False)


def test_symbolic_links_are_followed_if_overwriting_is_asked_for(tmp_path: Path) -> None:
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    link.symlink_to("real.png")
    with pytest.raises(UsageError, match=r"link\.png already exists"):  # though it dangles: who laid it, and why?
        write_atomic(link, b"first", overwrite=False)
    assert not real.exists()
    real.write_bytes(b"first")
    with pytest.raises(UsageError, match=r"link\.png already exists"):
        write_atomic(link, b"second", overwrite=False)
    write_atomic(link, b"second", overwrite=True)
    assert real.read_bytes() == b"second"
    assert link.is_symlink()
    assert not real.is_symlink()


@pytest.mark.parametrize("nameless", [True, False])
def test_what_is_private_is_its_owners_alone_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    modes, fsync = [], os.fsync

    def look(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    old = os.umask(0)
    try:
        write_atomic(tmp_path / "payload", b"secret", overwrite=False, private=True)
    finally:
        os.umask(old)
    assert modes[0] == 0o600
    assert stat.S_IMODE((tmp_path / "payload").stat().st_mode) == 0o600


@pytest.mark.parametrize("nameless", [True, False])
def test_what_replaces_a_file_is_never_wider_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path, opened, real = tmp_path / "out", [], os.open
    path.write_bytes(b"old")
    path.chmod(0o640)

    def look(place: object, flags: int, mode: int = 0o777, **options: object) -> int:
        if flags & os.O_WRONLY:
            opened.append(mode)
        return real(place, flags, mode, **options)

    monkeypatch.setattr(os, "open", look)
    write_atomic(path, b"new", overwrite=True)
    assert opened == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files have names here from the first byte")
def test_a_kill_leaves_nothing(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from stegcinn.files import write_atomic
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]), b"secret", overwrite=False, private=True)
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "payload"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path) == []
