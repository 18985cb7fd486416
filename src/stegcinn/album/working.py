"""What is done with each photo of an album, here or in processes side by side."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from stegcinn import stego
from stegcinn.carriers.base import JPEG_SIGNATURE, ImageSource, Readable, Source
from stegcinn.carriers.jpegfile.metadata import stripped
from stegcinn.carriers.photo import is_photo
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Codec, Graded, Grades, Wish, silent
from stegcinn.errors import ImageError, MachineError, RevealError
from stegcinn.results import Container
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import VERSION, Keyring

AHEAD = 2  # tasks that wait for each process, so that none waits for a task

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """A photo that may carry something."""

    codec: str
    suffix: str  # of its container
    grades: Grades | None  # None where it takes nothing
    told: bool  # whether they are what the codec expects of changes, and no mere measure of room
    evidence: str | None  # why any change can be proved, if so
    digest: str = field(repr=False)  # of the host's file, where there is one
    reason: str | None = None  # why it takes nothing, if that is to be told
    survives: bool = False  # whether what it carries comes through a channel that was asked for
    is_photo: bool = True


@dataclass(frozen=True)
class Measuring:
    """A task: how much a photo takes, by the codec that is asked for, or that fits its file or the channel."""

    host: ImageSource
    codec: str | None
    channel: str | None = None


@dataclass(frozen=True)
class Hiding:
    """A task: to hide a share in a photo whose file has the digest that it had when it was measured."""

    host: ImageSource
    codec: str
    suffix: str
    digest: str
    share: bytes = field(repr=False)
    password: str | None = field(repr=False)
    channel: str | None = None
    strip_metadata: bool = False


@dataclass(frozen=True)
class Finding:
    """A task: what is hidden in an image."""

    image: ImageSource
    password: str | None = field(repr=False)
    thorough: bool = False


def measured(task: Measuring) -> Measured:
    """Never ImageError: the reason is told."""
    file = b""
    try:
        source = Source(task.host)
        file = source.file or b""
        suffix = ".jpg" if source.is_jpeg else ".png"
        codec = load_codec(task.codec) if task.codec else _usual(suffix, task.channel)
        suffix = suffix if suffix in codec.formats and task.channel is None else codec.formats[0]
        wish = Wish(convert=True, channel=task.channel, suffix=suffix)
        carrier = codec.host(source, wish)
        grades, told = _grades(codec, carrier, wish)
        reason = None if grades else f"{source.name} takes nothing"
        survives = task.channel is not None
        return Measured(codec.name, suffix, grades, told, codec.evidence(carrier), digest(source), reason, survives)
    except ImageError as error:
        fact = hashlib.sha256(file).hexdigest()
        return Measured("", "", None, True, None, fact, str(error), is_photo=is_photo(file))


def hidden(task: Hiding) -> Container:
    """ImageError if the host is another one by now; errors of `stego.conceal`."""
    source = Source(task.host)
    if digest(source) != task.digest:
        raise ImageError(f"{source.name} has changed meanwhile; begin anew, in a new folder")
    payload = Payload(task.share, share=True)
    wish = Wish(channel=task.channel, strip_metadata=task.strip_metadata)
    keyring = _keyring(task.password)
    return stego.conceal(source, payload, password=keyring, codec=task.codec, wish=wish, suffix=task.suffix)


def found(task: Finding) -> Payload | MachineError | None:
    """What is hidden in an image, by the version of the format that there are shares in; None if nothing is.

    Or why that is not known.
    """
    try:
        return stego.find(Source(task.image), _keyring(task.password), thorough=task.thorough, versions=(VERSION,))
    except MachineError as error:
        return error
    except (ImageError, RevealError):
        return None


def without_metadata(file: bytes) -> bytes:
    """The file of a photo that carries nothing, as bare as containers are if it is a JPEG file.

    ImageError if its picture would not be the same.
    """
    if not file.startswith(JPEG_SIGNATURE):
        return file
    bare = stripped(file)
    if not np.array_equal(Source(bare).photo().rgb, Source(file).photo().rgb):
        raise ImageError("its metadata cannot be told from its picture")
    return bare


@lru_cache(maxsize=1)
def _keyring(password: str | None) -> Keyring:
    """One for all photos of a process: some codecs have the same salt in all, and stretching takes its time."""
    return Keyring(password)


def kept(image: ImageSource) -> ImageSource:
    """The same, to be opened more than once, and in other processes: of a file object, what is in it."""
    return Source(image).file or b"" if isinstance(image, Readable) else image


def digest(source: Source) -> str:
    """SHA-256 of a source's file; of nothing where it has none, as it cannot change then."""
    return hashlib.sha256(source.file or b"").hexdigest()


def _usual(suffix: str, channel: str | None) -> Codec[Any]:
    """The first that may be chosen, makes such files, and tells how much it disturbs; or that survives the channel."""
    there = map(load_codec, CODECS)
    if channel is not None:
        return next(each for each in there if each.refusal(Wish(channel=channel)) is None)
    return next(each for each in there if each.auto and suffix in each.formats and isinstance(each, Graded))


def _grades(codec: Codec[Any], carrier: Any, wish: Wish) -> tuple[Grades | None, bool]:
    """What the codec expects of sealed contents; where it cannot tell, every photo is to be as full as others."""
    if isinstance(codec, Graded):
        grades, told = codec.grades(carrier, silent), True
    else:
        most = codec.capacity(carrier, wish, silent).most
        grades, told = Grades((0, most), (0.0, FULL)) if most else None, False
    return grades and grades.less(codec.envelope.OVERHEAD), told


FULL = 100.0  # stands for the disturbance of a full photo, where that is not known


def each_of(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[tuple[int, Result]]:
    """Numbers and results of all tasks, as they are done; in `jobs` processes, or for one in this.

    Errors of `work` are raised when they come.
    """
    if jobs == 1 or len(tasks) < 2:
        try:
            yield from enumerate(map(work, tasks))
        finally:
            _keyring.cache_clear()  # a process of its own takes them with it
        return
    processes = min(jobs, len(tasks))
    # Not by fork: other threads of this process may hold locks that a copy would never see released.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin) as pool:
        waiting: dict[Future[Result], int] = {}
        rest = iter(enumerate(tasks))
        try:
            while True:
                while len(waiting) < AHEAD * processes and (following := next(rest, None)):
                    waiting[pool.submit(work, following[1])] = following[0]
                if not waiting:
                    return
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C to the process that began this one, and end when that does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
