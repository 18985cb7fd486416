"""The line on a terminal that says what is being done and for how long: replaced as work goes on, gone at its end."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

PROGRESS_AFTER = 1.0  # seconds; shorter work shows none
EVERY = 0.5  # seconds between two looks at the clock


class _Line:
    """The one line of this process. A thread of its own shows that work goes on where nothing is told for long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown = 0
        self.text = ""
        self.since = 0.0

    def show(self) -> None:
        """Show the text, and the seconds since it began to be true, in the place of what was shown before."""
        seconds = int(time.monotonic() - self.since)
        clock = f"{seconds // 60}:{seconds % 60:02}" if seconds >= 60 else f"{seconds} s"
        with self._lock:
            text = f"{self.text}, {clock}" if seconds else self.text
            text = text[: shutil.get_terminal_size().columns - 1]  # what is longer would begin a new line
            # The cursor stays in front, so that the next message overwrites this one.
            print(text.ljust(self._shown), end="\r", file=sys.stderr, flush=True)
            self._shown = len(text)

    def clear(self) -> None:
        """Show nothing."""
        with self._lock:
            if self._shown:
                print(" " * self._shown, end="\r", file=sys.stderr, flush=True)
                self._shown = 0


_LINE = _Line()


def clear() -> None:
    """Make room for a line that stays."""
    _LINE.clear()


@contextlib.contextmanager
def progress(label: str) -> Iterator[Callable[[float], None]]:
    """Show a percentage and how long it took so far: on a terminal only, and only while the work takes long."""
    _LINE.text, _LINE.since = f"{label}   0%", time.monotonic()

    def report(share: float) -> None:
        _LINE.text = f"{label} {math.floor(100 * share):3}%"

    with _shown_after(PROGRESS_AFTER):
        yield report


@contextlib.contextmanager
def activity(text: str) -> Iterator[Callable[[str], None]]:
    """Show from now on what is being done, and how long it is unchanged: on a terminal only."""

    def report(text: str) -> None:
        _LINE.text, _LINE.since = text, time.monotonic()

    report(text)
    with _shown_after(0.0):
        yield report


@contextlib.contextmanager
def _shown_after(seconds: float) -> Iterator[None]:
    """Keep the line up to date, from that many seconds on."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def look() -> None:
        wait = seconds
        while not done.wait(wait):
            _LINE.show()
            wait = EVERY

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()
        _LINE.clear()
