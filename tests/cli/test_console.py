"""Passwords, terminals and progress, whichever the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from command import FAKE, SECRET, Outcome, Run, finish, one_error, spawn

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.formats import FRAGILE
from stegcinn.sealing.envelope import Payload

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


def test_a_password_of_blanks_protects_nothing(host: Path, secret: Path, run: Run) -> None:
    Path("p").write_text(" \t\u3000\n", encoding="utf-8")
    one_error(run("hide", host, secret, "-o", "o.png", "--password-file", "p"), 2, "nothing but blanks")
    assert not Path("o.png").exists()
    # Someone may have hidden under one before.
    Path("o.png").write_bytes(stego.conceal(Source(host), Payload(SECRET), password=" \t\u3000").file)
    assert run("reveal", "o.png", "-o", "-", "--password-file", "p").out == SECRET


def test_a_blank_around_a_password_is_pointed_out(host: Path, secret: Path, run: Run) -> None:
    told = "stegcinn: note: the password in p begins or ends with a blank, which is part of it"
    for content, noted in (("one \nmore", True), (" one", True), ("one\t\r\n", True), ("o n e\n", False)):
        Path("p").write_text(content)
        assert (told in run("hide", host, secret, "-o", "o.png", "--force", "--password-file", "p").notes) is noted
        assert (told in run("reveal", "o.png", "-o", "-", "--password-file", "p").notes) is noted


def test_a_variable_names_the_passwords_file(
    host: Path, secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("p").write_text("one")
    Path("other").write_text("two")
    monkeypatch.setenv("STEGCINN_PASSWORD_FILE", "p")
    told = [
        "stegcinn: note: the password is that of p, as STEGCINN_PASSWORD_FILE says", f"stegcinn: note: {FRAGILE}"
    ]  # fmt: skip
    assert run("hide", host, secret, "-o", "o.png").notes == told
    assert run("hide", host, secret, "-o", "p", "--force").code == 2
    outcome = run("reveal", "o.png", "-o", "-")
    assert (outcome.out, outcome.notes) == (SECRET, told[:1])
    assert run("capacity", host).err == ""
    assert run("reveal", "o.png", "-o", "-", "--password-file", "other").code == 4
    answer(monkeypatch, "one")
    assert run("reveal", "o.png", "-o", "-", "--ask-password") == Outcome(0, SECRET, "")
    monkeypatch.setenv("STEGCINN_PASSWORD_FILE", "")  # as good as none
    assert run("reveal", "o.png", "-o", "r").code == 4
    monkeypatch.setenv("STEGCINN_PASSWORD_FILE", "nowhere")
    assert "nowhere cannot be read" in run("reveal", "o.png", "-o", "r").err


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


def test_a_terminal_shows_what_would_turn_text_around(host: Path, run: Run) -> None:
    text = "abc\u202etxt.exe\u202c \u2066x\u2069 \u200f\u061c שלום مرحبا"
    run("hide", host, "-m", text, "-o", "o.png")
    shown = "abc\\u202etxt.exe\\u202c \\u2066x\\u2069 \\u200f\\u061c שלום مرحبا\n"
    assert run("reveal", "o.png", terminal=True).out.decode() == shown
    assert run("reveal", "o.png").out.decode() == text


def test_a_terminal_is_not_sent_more_than_anyone_reads(host: Path, run: Run) -> None:
    run("hide", host, "-", "-o", "o.png", stdin=b"a" * (1 << 20))
    assert len(run("reveal", "o.png", terminal=True).out) == (1 << 20) + 1
    run("hide", host, "-", "-o", "large.png", stdin=b"a" * ((1 << 20) + 1))
    one_error(run("reveal", "large.png", terminal=True), 2, "has 1,048,577 bytes, too many to show", "-o")
    assert len(run("reveal", "large.png").out) == (1 << 20) + 1


def test_a_terminal_is_not_sent_an_image(host: Path, secret: Path, run: Run) -> None:
    one_error(run("hide", host, secret, "-o", "-", terminal=True), 2, "terminal")
