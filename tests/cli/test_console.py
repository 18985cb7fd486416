"""Passwords, terminals and progress, whichever the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from command import FAKE, SECRET, Outcome, Run, finish, one_error, spawn

from stegcinn.carriers.formats import FRAGILE

pytestmark = pytest.mark.usefixtures("workplace")


# passwords


def test_password_file(host: Path, secret: Path, run: Run) -> None:
    Path("p").write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn\r\nsecond line\n")
    Path("same").write_text("grün", encoding="utf-8")
    Path("wrong").write_text("blau")
    outcome = run("hide", host, secret, "-o", "o.png", "--password-file", "p")
    assert (outcome.code, outcome.notes) == (0, [f"stegcinn: note: {FRAGILE}"])
    assert run("reveal", "o.png", "-o", "-", "--password-file", "same").out == SECRET
    wrong = run("reveal", "o.png", "-o", "r", "--password-file", "wrong")
    one_error(wrong, 4, "no payload")
    assert run("reveal", "o.png", "-o", "r") == run("reveal", host, "-o", "r") == wrong
    assert not Path("r").exists()


@pytest.mark.parametrize(
    ("content", "word"), [(b"", "empty"), (b"\nsecond", "empty"), (b"\r\n", "empty"), (b"\xff", "UTF-8"), (None, "p ")]
)
def test_unusable_password_files(host: Path, secret: Path, run: Run, content: bytes | None, word: str) -> None:
    if content is not None:
        Path("p").write_bytes(content)
    one_error(run("hide", host, secret, "-o", "o.png", "--password-file", "p"), 2, word)
    assert not Path("o.png").exists()


def answer(monkeypatch: pytest.MonkeyPatch, *answers: str | BaseException) -> None:
    left = iter(answers)

    def getpass(prompt: str) -> str:
        given = next(left)
        if isinstance(given, BaseException):
            raise given
        return given

    monkeypatch.setattr("getpass.getpass", getpass)


def test_asked_password(host: Path, secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "one", "one", "one", "two")
    assert run("hide", host, secret, "-o", "o.png", "--ask-password").code == 0
    assert run("reveal", "o.png", "-o", "-", "--ask-password").out == SECRET
    assert run("reveal", "o.png", "-o", "-", "--ask-password").code == 4


@pytest.mark.parametrize(
    ("answers", "code", "word"),
    [
        (("one", "two"), 2, "differ"),
        (("",), 2, "empty"),
        ((EOFError(),), 2, "--password-file"),
        ((KeyboardInterrupt(),), 130, "interrupted"),
    ],
)
def test_unusable_answers(
    host: Path, secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch,
    answers: tuple[str | BaseException, ...], code: int, word: str,
) -> None:  # fmt: skip
    answer(monkeypatch, *answers)
    one_error(run("hide", host, secret, "-o", "o.png", "--ask-password"), code, word)
    assert not Path("o.png").exists()


def test_no_terminal_to_ask_on(host: Path, secret: Path) -> None:
    argv = ("hide", host, secret, "-o", "o.png", "--ask-password")
    outcome = finish(spawn(f"{FAKE}    sys.exit(main())", *argv, start_new_session=True))
    assert outcome == Outcome(2, b"", "stegcinn: the password could not be asked for; use --password-file\n")


# terminals


def test_a_terminal_is_sent_text_with_a_line_end(host: Path, run: Run) -> None:
    run("hide", host, "-m", "one\r\ntwo\tthree", "-o", "o.png")
    assert run("reveal", "o.png", terminal=True).out == b"one\ntwo\tthree\n"
    assert run("reveal", "o.png", "-o", "-").out == b"one\r\ntwo\tthree"


@pytest.mark.parametrize("payload", [b"\x1b[2J", b"a\rb", b"\x00", b"\xff", "\x9b31m".encode(), b"\x7f"])
@pytest.mark.parametrize("output", [(), ("-o", "-")])
def test_a_terminal_is_not_sent_control_characters(host: Path, run: Run, payload: bytes, output: Sequence[str]) -> None:
    run("hide", host, "-", "-o", "o.png", stdin=payload)
    one_error(run("reveal", "o.png", *output, terminal=True), 2, "not plain text", "-o")
    assert run("reveal", "o.png", *output).out == payload


def test_a_terminal_is_not_sent_an_image(host: Path, secret: Path, run: Run) -> None:
    one_error(run("hide", host, secret, "-o", "-", terminal=True), 2, "terminal")
