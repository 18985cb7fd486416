"""Jobs, and the processes that do them.

Processes rather than threads: a cancelled job ends at once, wherever it is, and its memory with it; a photo that
crashes a decoder or exhausts the memory takes no other job along; and the server stays quick.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import queue
import secrets
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Literal

from stegcinn.errors import StegcinnError, describe
from stegcinn.web.work import Outcome

IDLE_SECONDS = 300.0  # after which a process without work is ended
PROGRESS_SECONDS = 0.1  # between two reports of progress
ENDED_BY_SYSTEM = "the system ended the work, most likely for lack of memory; use a smaller photo or file"
TOOK_TOO_LONG = "the work took more than {:g} seconds; use the shell for it, or start the server with --time-limit"
NICENESS = 5  # so that work leaves room for the browser it is done for

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Work = Callable[..., Outcome]  # called with a Progress and keyword arguments; must be importable by name


class BusyError(Exception):
    """More jobs are waiting than is reasonable."""


class Job:
    """One call of a function from work.py, and what is known of it."""

    def __init__(self, work: Work, arguments: dict[str, Any]) -> None:
        self.id = secrets.token_urlsafe(16)
        self.kind = work.__name__
        self.state: State = "waiting"
        self.progress = 0.0
        self.outcome: Outcome | None = None
        self.error: tuple[str, int] | None = None  # one line, and the exit code the command line has for it
        self._work: tuple[Work, dict[str, Any]] | None = (work, arguments)
        self._process: _Process | None = None
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that its files hold."""
        return sum(map(len, self.outcome.files.values())) if self.outcome else 0

    def cancel(self) -> None:
        """End it, if it has not ended."""
        with self._lock:
            if self.state in ("waiting", "running"):
                self._end("cancelled")
                if self._process:
                    self._process.kill()

    def run(self, process: _Process, seconds: float) -> bool:
        """Have it done in at most so many seconds; False if the process is of no more use."""
        with self._lock:
            if self._work is None:
                return True
            task, self._work = self._work, None
            self._process, self.state = process, "running"
        usable = True
        try:
            process.pipe.send(task)
            del task  # the process has the photo and the password; here they are of no more use
            due = time.monotonic() + seconds
            word, value = process.answer(due)
            while word == "progress":
                self.progress = max(self.progress, value)
                word, value = process.answer(due)
        except TimeoutError:
            usable = False
            word, value = "failed", (TOOK_TOO_LONG.format(seconds), 1)
        except (EOFError, OSError):  # it was killed: by `cancel`, or by the system
            usable = False
            word, value = "failed", (ENDED_BY_SYSTEM, 1)
        with self._lock:
            self._process = None  # from here on it may do another job, which must not be killed
            if self.state != "running":
                return False
            self.outcome, self.error = (value, None) if word == "done" else (None, value)
            self._end(word)
        return usable

    def fail(self, error: Exception) -> None:
        """Note that it could not even be begun."""
        with self._lock:
            self.error = (describe(error), 1)
            self._end("failed")

    def _end(self, state: State) -> None:
        self.state, self._work = state, None
        if state == "done":
            self.progress = 1.0


class Pool:
    """Some processes, started when there is work, each doing one job at a time; the others wait in line."""

    def __init__(
        self, size: int, waiting: int, prepare: Callable[[], None] | None = None, *, seconds: float = math.inf
    ) -> None:
        """`prepare` is called in every process before its first job; it must be importable by name.

        A job that takes more than `seconds` fails, and its process is ended.
        """
        self._seconds = seconds
        self._line: queue.Queue[Job | None] = queue.Queue()
        self._waiting = waiting
        self._prepare = prepare
        self._size = size
        self._threads: list[threading.Thread] = []
        self._jobs: set[Job] = set()
        self._lock = threading.Lock()

    def submit(self, job: Job) -> None:
        """Put a job in line; BusyError if that is too long."""
        with self._lock:
            if sum(each.state == "waiting" for each in self._jobs) >= self._waiting:
                raise BusyError
            self._jobs.add(job)
            if len(self._threads) < self._size:
                self._threads.append(threading.Thread(target=self._attend, daemon=True))
                self._threads[-1].start()
        self._line.put(job)

    def close(self) -> None:
        """Cancel all jobs and end all processes."""
        for _ in self._threads:
            self._line.put(None)
        with self._lock:
            jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        for thread in self._threads:
            thread.join()

    def _attend(self) -> None:
        """See one process through its jobs."""
        if hasattr(signal, "pthread_sigmask"):  # a process inherits this: Ctrl-C is for the server, which then ends it
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        process: _Process | None = None
        while True:
            try:
                job = self._line.get(timeout=IDLE_SECONDS if process else None)
            except queue.Empty:
                if process:
                    process.end()
                process = None
                continue
            if job is None:
                if process:
                    process.end()
                return
            if process and not process.alive:
                process.end()
                process = None
            try:
                process = process or _Process(self._prepare)
                usable = job.run(process, self._seconds)
            except Exception as error:  # no memory for a process or an answer: the next job may be smaller
                job.fail(error)
                usable = False
            if process and not usable:
                process.end()
                process = None
            with self._lock:
                self._jobs.discard(job)
            del job  # its files would stay until the next one


class _Process:
    def __init__(self, prepare: Callable[[], None] | None) -> None:
        context = multiprocessing.get_context("spawn")  # fork would copy the locks that other threads hold
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_attend_pipe, args=(theirs, prepare), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen here

    def answer(self, due: float) -> tuple[Any, Any]:
        """What it says next; TimeoutError if that does not come by `due`, on the monotonic clock."""
        left = due - time.monotonic()
        if not self.pipe.poll(None if left == math.inf else max(0.0, left)):
            raise TimeoutError
        word, value = self.pipe.recv()
        return word, value

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        with contextlib.suppress(ValueError):  # while a thread that starts a process is just noting that this one ended
            self._process.close()
        self.pipe.close()


def _attend_pipe(pipe: Connection, prepare: Callable[[], None] | None) -> None:
    """The life of a process: do what comes through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # of Pillow about damaged metadata, which is dropped anyway
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    if prepare:
        prepare()
    with contextlib.suppress(EOFError, OSError):  # the server has gone
        while True:
            work, arguments = pipe.recv()
            answer = _answer(pipe, work, arguments)
            del arguments
            pipe.send(answer)
            del answer


def _answer(pipe: Connection, work: Work, arguments: dict[str, Any]) -> tuple[str, Any]:
    last = 0.0

    def progress(share: float) -> None:
        nonlocal last
        if time.monotonic() >= last + PROGRESS_SECONDS:
            last = time.monotonic()
            pipe.send(("progress", share))

    try:
        return "done", work(progress, **arguments)
    except Exception as error:
        if os.environ.get("STEGCINN_DEBUG"):
            traceback.print_exc()
        return "failed", (describe(error), error.exit_code if isinstance(error, StegcinnError) else 1)
