"""What a terminal shows while work goes on, from the first second to the last, and nothing of it afterwards."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import sys
import time
from pathlib import Path

import pytest
from command import FAKE, spawn

from stegcinn.cli import console, main, status

pytestmark = pytest.mark.usefixtures("workplace")


def test_quick_work_and_files_show_nothing(
    host: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal, after in ((True, 60.0), (False, 0.0)):
        monkeypatch.setattr(status, "PROGRESS_AFTER", after)
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        assert main.main(["capacity", str(host)]) == 0
        assert capsys.readouterr().err == ""


def on_terminal(*argv: str | Path, seconds: float = 2.3) -> tuple[list[str], bytes]:
    """What a terminal was shown, one text after the other, and standard output; codecs take `seconds` each."""
    terminal, end = pty.openpty()
    script = f"{FAKE}    fakes.LsbCodec.seconds = {seconds}\n    sys.exit(main())"
    process = spawn(script, *argv, stderr=end)
    out, _ = process.communicate(timeout=60)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # how a pseudo-terminal ends
        while chunk := os.read(terminal, 1000):
            shown += chunk
    os.close(terminal)
    assert process.returncode == 0, shown
    return shown.decode().replace("\n", "").split("\r"), out


@pytest.mark.parametrize(
    ("argv", "label"),
    [
        (("capacity", "host.png"), "measuring"),
        (("hide", "host.png", "-m", "x", "-o", "o.png"), "hiding"),
        (("reveal", "container.png", "-o", "r"), "revealing"),
    ],
)
@pytest.mark.slow
def test_work_that_tells_nothing_shows_that_it_goes_on(container: Path, argv: tuple[str, ...], label: str) -> None:
    shown, _ = on_terminal(*argv)
    progress = [text for text in shown if text.startswith(label)]
    assert progress[0] == f"{label}   0%, 1 s"
    assert f"{label}   0%, 2 s" in progress
    shares = [int(re.fullmatch(rf"{label} +(\d+)%, \d+ s *", text)[1]) for text in progress]  # type: ignore[index]
    assert shares == sorted(shares)
    assert " " * len(progress[-1].rstrip()) in shown  # wiped


def test_lines_that_stay_are_not_mixed_with_what_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(status, "EVERY", 0.01)
    monkeypatch.setenv("COLUMNS", "20")
    with status.activity("a text that is longer than the terminal is wide") as now:
        time.sleep(0.1)
        console.say("kept")
        now("short")
        time.sleep(0.1)
    err = capsys.readouterr().err
    first, rest = err.split("stegcinn: kept\n")
    assert first.endswith("\r" + " " * 19 + "\r")
    assert set(first.split("\r")) == {"a text that is long", " " * 19, ""}
    assert rest.startswith(("short\r", "a text that is long\rshort "))
    assert rest.endswith("\r")


def test_long_work_is_told_in_minutes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(status, "PROGRESS_AFTER", 0.05)
    real = time.monotonic
    with status.progress("ranking") as report:
        report(0.999)
        monkeypatch.setattr(time, "monotonic", lambda: real() + 3661)
        time.sleep(0.2)
        monkeypatch.setattr(time, "monotonic", real)
    assert capsys.readouterr().err.startswith("ranking  99%, 61:01\r")
