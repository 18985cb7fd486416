"""What goes wrong around `hide` and `reveal`: killed processes, full disks, vanishing files, two writers of one file.

python scripts/stress/faults.py [--kills 200] [--seed 0]

Every run is the command line in a process of its own. What must hold: an output is what was there before, or a complete
container (or payload) that is right; inputs are never touched; a failure has its exit code. A killed process may leave
a hidden temporary file: that is counted, and allowed. Prints a table of runs and violations; the exit code is 1 if
there was any. Faults that need rights to mount are skipped, and said so, where there are none.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import hashlib
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import stegcinn.stego  # noqa: F401 -- loaded once, before the first fork
from stegcinn.carriers.base import read_photo
from stegcinn.carriers.formats import encode_photo
from stegcinn.cli import main as cli
from stegcinn.codecs import CODECS, load_codec
from stegcinn.files import write_atomic
from stegcinn.runtime.arrays import UInt8

SIDE = 64
JPEG_SIDE = 640
PAYLOADS = (b"the first payload" * 10, b"the second one" * 12)
BIG = 4 << 20  # bytes, so that a write takes long enough to be hit
NOBODY = 65534
MS_RDONLY, MS_REMOUNT = 1, 32


def picture(side: int) -> UInt8:
    """Noise over gradients, (side, side, 3)."""
    rows, columns = np.mgrid[:side, :side] * SIDE // side
    smooth = np.stack([rows * 2 + 40, columns * 2 + 60, rows + columns + 50], axis=-1)
    noise = np.random.default_rng(0).integers(-9, 10, smooth.shape)
    return (smooth + noise).clip(0, 255).astype(np.uint8)


class Ground:
    """A folder with a photo, also as a JPEG file, two payloads and a container; outcomes are judged against this."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host, self.files = folder / "host.png", [folder / "one.bin", folder / "two.bin"]
        self.jpeg = folder / "host.jpg"
        self.host.write_bytes(encode_photo(read_photo(picture(SIDE)), ".png"))
        buffer = io.BytesIO()
        Image.fromarray(picture(JPEG_SIDE)).save(buffer, "JPEG", quality=90)
        self.jpeg.write_bytes(buffer.getvalue())
        for file, payload in zip(self.files, PAYLOADS, strict=True):
            file.write_bytes(payload)
        folder.chmod(0o755)
        self.out = folder / "out"
        self.renew()
        self.digests = self._digests()
        self.right: dict[bytes, bytes | None] = {}  # what containers seen so far hold

    def renew(self, old: bytes | None = None, suffix: str = ".png") -> Path:
        """An empty folder for outputs, or one with `old` in it; returns the output to name."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        output = self.out / f"o{suffix}"
        if old is not None:
            output.write_bytes(old)
        return output

    def inputs_untouched(self) -> bool:
        return self._digests() == self.digests

    def _digests(self) -> list[str]:
        return [hashlib.sha256(f.read_bytes()).hexdigest() for f in (self.host, self.jpeg, *self.files) if f.exists()]

    def payload_of(self, file: bytes) -> bytes | None:
        """What a container holds; None if it is none."""
        if file not in self.right:
            container, revealed = self.folder / "judged.png", self.folder / "judged.bin"
            container.write_bytes(file)
            revealed.unlink(missing_ok=True)
            # in a process too: one that has threads, as after a reveal, must not fork
            code = finish(start(["reveal", str(container), "-o", str(revealed)]))
            self.right[file] = revealed.read_bytes() if code == 0 else None
        return self.right[file]


def start(argv: list[str], prepare: Callable[[], None] = lambda: None) -> int:
    """The command line in a process of its own; everything is imported, so it starts at once. -> its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        prepare()
        code = cli.main(argv)
    except BaseException:
        code = 99
    os._exit(code)


def finish(pid: int) -> int:
    """Its exit code; negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def hide(ground: Ground, output: Path, which: int = 0, *options: str) -> list[str]:
    host = ground.jpeg if output.suffix == ".jpg" else ground.host
    return ["hide", str(host), str(ground.files[which]), "-o", str(output), *options]


Tally = collections.Counter[str]


def killed_hide(ground: Ground, kills: int, rng: random.Random) -> Tally:
    """kill -9 at random moments, codecs in turn; half of the time there is an older container to be replaced."""
    usual, old, counts = {}, {}, Tally()
    for codec in CODECS:
        output = ground.renew(suffix=load_codec(codec).formats[0])
        begun = time.monotonic()
        assert finish(start(hide(ground, output, 1, "--codec", codec))) == 0
        usual[codec], old[codec] = time.monotonic() - begun, output.read_bytes()
        assert ground.payload_of(old[codec]) == PAYLOADS[1]
    for number in range(kills):
        replaces, codec = number % 2 == 0, CODECS[number // 2 % len(CODECS)]
        output = ground.renew(old[codec] if replaces else None, load_codec(codec).formats[0])
        pid = start(hide(ground, output, 0, "--force", "--codec", codec))
        time.sleep(rng.uniform(0, 1.1 * usual[codec]))
        os.kill(pid, signal.SIGKILL)
        code = finish(pid)
        now = output.read_bytes() if output.exists() else None
        before = old[codec] if replaces else None
        good = now == before or (now is not None and ground.payload_of(now) == PAYLOADS[0])
        counts["runs"] += 1
        counts["violations"] += not (good and ground.inputs_untouched())
        counts["finished before the kill"] += code == 0
        counts["left a temporary file"] += len(list(ground.out.glob(".*.tmp"))) > 0
    return counts


def killed_write(ground: Ground, kills: int, rng: random.Random) -> Tally:
    """kill -9 while nothing but `write_atomic` runs, over and over, on a file of BIG bytes."""
    counts = Tally()
    versions = [bytes([v]) * BIG for v in (1, 2)]
    output = ground.renew(versions[0])

    def write() -> None:
        while True:
            for version in versions:
                write_atomic(output, version, overwrite=True)

    for _ in range(kills):
        pid = start([], write)
        time.sleep(rng.uniform(0.001, 0.05))
        os.kill(pid, signal.SIGKILL)
        finish(pid)
        counts["runs"] += 1
        counts["violations"] += output.read_bytes() not in versions
        left = list(ground.out.glob(".*.tmp"))
        counts["left a temporary file"] += len(left) > 0
        for file in left:
            file.unlink()
    return counts


def too_large(ground: Ground) -> Tally:
    """The file system refuses after some bytes (RLIMIT_FSIZE)."""
    counts = Tally()
    for size, old in ((0, None), (1, b"older"), (4000, None), (4000, b"older")):
        output = ground.renew(old)
        limit = lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
        code = finish(start(hide(ground, output, 0, "--force"), limit))
        kept = (output.read_bytes() if output.exists() else None) == old
        counts["runs"] += 1
        counts["violations"] += not (code == 1 and kept and not list(ground.out.glob(".*.tmp")))
    return counts


def mounted(folder: Path, options: str, flags: int = 0) -> bool:
    """A file system in memory at a folder; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()) == 0


def unmount(folder: Path) -> None:
    ctypes.CDLL(None).umount(os.fsencode(folder))


def full_disk(ground: Ground) -> Tally | str:
    """A file system of 16 KiB that is nearly full: the container does not fit beside what is there."""
    counts = Tally()
    ground.renew()
    if not mounted(ground.out, "size=16k"):
        return "skipped: no right to mount"
    try:
        for filled in (4, 12, 16):  # KiB
            (ground.out / "filler").write_bytes(bytes(filled << 10))
            output = ground.out / "o.png"
            code = finish(start(hide(ground, output)))
            complete = output.exists() and ground.payload_of(output.read_bytes()) == PAYLOADS[0]
            right = complete if code == 0 else (code == 1 and not output.exists())
            counts["runs"] += 1
            counts["refused"] += code == 1
            counts["violations"] += not (right and not list(ground.out.glob(".*.tmp")))
            output.unlink(missing_ok=True)
    finally:
        unmount(ground.out)
    counts["violations"] += counts["refused"] == 0  # else nothing was tried
    return counts


def read_only(ground: Ground) -> Tally | str:
    """A file system mounted read-only: refused before any work."""
    ground.renew()
    if not mounted(ground.out, "size=64k"):
        return "skipped: no right to mount"
    try:
        if not mounted(ground.out, "", MS_RDONLY | MS_REMOUNT):
            return "skipped: no right to remount"
        code = finish(start(hide(ground, ground.out / "o.png")))
        return Tally(runs=1, violations=int(code != 2 or bool(list(ground.out.iterdir()))))
    finally:
        unmount(ground.out)


def unwritable(ground: Ground) -> Tally | str:
    """A folder without write permission, as a user that permissions bind."""
    ground.renew(b"older")
    ground.out.chmod(0o555)

    def drop() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.environ["XDG_CACHE_HOME"] = "/nonexistent"

    try:
        code = finish(start(hide(ground, ground.out / "o.png", 0, "--force"), drop))
        kept = [(f.name, f.read_bytes()) for f in ground.out.iterdir()] == [("o.png", b"older")]
        return Tally(runs=1, violations=int(not (code == 2 and kept)))
    finally:
        ground.out.chmod(0o755)


def vanishing(ground: Ground, runs: int, rng: random.Random) -> Tally:
    """Photo, payload or the output's folder go away at a random moment."""
    counts = Tally()
    saved = {file: file.read_bytes() for file in (ground.host, *ground.files)}
    for number in range(runs):
        output = ground.renew()
        gone = (ground.host, ground.files[0], ground.out)[number % 3]

        def vanish(gone: Path = gone) -> None:
            if gone == ground.out:
                shutil.rmtree(gone, ignore_errors=True)
            else:
                gone.unlink()

        if number < 3:
            vanish()
        pid = start(hide(ground, output))
        if number >= 3:
            time.sleep(rng.choice((0, 0.002, 0.005, 0.01, 0.02, 0.1, 0.4, 0.8)))  # inputs are read in milliseconds
            vanish()
        code = finish(pid)
        complete = output.exists() and ground.payload_of(output.read_bytes()) == PAYLOADS[0]
        if gone == ground.out:  # a folder that went away later took a finished container along
            right = (code == 0) if not output.exists() else complete
            right |= code in (1, 2) and not output.exists()
        else:
            right = complete if code == 0 else (code in (2, 5) and not output.exists())
        counts["runs"] += 1
        counts["told"] += code != 0
        counts["violations"] += not right
        for file, content in saved.items():
            if not file.exists():
                file.write_bytes(content)
    counts["violations"] += not ground.inputs_untouched() or counts["told"] == 0  # else nothing was tried
    return counts


def two_writers(ground: Ground, runs: int) -> Tally:
    """Two processes, one output: without --force one wins and the other is told; with it the last one wins."""
    counts = Tally()
    for number in range(runs):
        force = ("--force",) if number % 2 else ()
        output = ground.renew()
        codes = sorted(finish(pid) for pid in [start(hide(ground, output, which, *force)) for which in (0, 1)])
        held = ground.payload_of(output.read_bytes())
        right = codes == ([0, 0] if force else [0, 2]) and held in PAYLOADS and len(list(ground.out.iterdir())) == 1
        counts["runs"] += 1
        counts["violations"] += not right
    return counts


def killed_reveal(ground: Ground, kills: int, rng: random.Random) -> Tally:
    """kill -9 at random moments of `reveal`: the payload is there in full or not at all."""
    counts, container = Tally(), ground.folder / "container.png"
    ground.renew()
    container.unlink(missing_ok=True)
    assert finish(start(hide(ground, container))) == 0
    for _ in range(kills):
        output = ground.renew()
        pid = start(["reveal", str(container), "-o", str(output)])
        time.sleep(rng.uniform(0, 0.5))
        os.kill(pid, signal.SIGKILL)
        finish(pid)
        counts["runs"] += 1
        counts["violations"] += output.exists() and output.read_bytes() != PAYLOADS[0]
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="of hide, and ten times as many of a bare write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kills, few, rng = arguments.kills, max(1, arguments.kills // 8), random.Random(arguments.seed)
    for name in CODECS:
        load_codec(name)  # before the first fork: a user with fewer permissions may not read the program
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        results: dict[str, Tally | str] = {
            "killed while writing": killed_write(ground, 10 * kills, rng),
            "file size limit": too_large(ground),
            "full disk": full_disk(ground),
            "read-only file system": read_only(ground),
            "folder without write permission": unwritable(ground),
            "vanishing files": vanishing(ground, 3 * few, rng),
            "two writers": two_writers(ground, 2 * few),
            "killed reveal": killed_reveal(ground, few, rng),
            "killed hide": killed_hide(ground, kills, rng),
        }
    for name, counts in results.items():
        print(f"{name:<32} {counts if isinstance(counts, str) else ', '.join(f'{k} {v}' for k, v in counts.items())}")
    return int(any(counts["violations"] for counts in results.values() if not isinstance(counts, str)))


if __name__ == "__main__":
    sys.exit(main())
