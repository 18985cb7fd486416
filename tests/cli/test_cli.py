"""The command line, over a codec that takes no time; a few tests at the end run the released one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stegcinn
import stegcinn.__main__ as program
from stegcinn import stego
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.base import read_photo
from stegcinn.cli import console, main
from stegcinn.codecs import CODECS
from stegcinn.codecs.base import Colors, Embedding, Extraction, Progress, Room
from stegcinn.codecs.cinn.chroma import quantise
from stegcinn.errors import CapacityError, ImageError, SelfCheckError, StegcinnError, WeightsError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from fakes import SIDE, LsbCodec, pixels

SECRET = bytes(range(256)) * 2
UNREADABLE_BY_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may do anything")
HINT = "(STEGCINN_DEBUG=1 shows the traceback)"
RELEASED = all((files("stegcinn") / "weights" / name / "config.json").is_file() for name in ("exact-1", "cinn-2"))


@dataclass(frozen=True)
class Outcome:
    code: int
    out: bytes
    err: str

    @property
    def notes(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("stegcinn: note: ")]


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stego, "load_codec", lambda name: LsbCodec())
    monkeypatch.delenv("STEGCINN_DEBUG", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*argv: str | Path, stdin: bytes = b"", terminal: bool = False) -> Outcome:
        capsysbinary.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            if terminal:
                patch.setattr(sys.stdout, "isatty", lambda: True)
            try:
                code = main.main([str(a) for a in argv])
            except SystemExit as stop:
                code = int(stop.code or 0)
        out, err = capsysbinary.readouterr()
        outcome = Outcome(code, out, err.decode())
        assert all(line.startswith("stegcinn: ") for line in outcome.err.splitlines())
        return outcome

    return run


@pytest.fixture
def host() -> Path:
    path = Path("host.png")
    Image.fromarray(pixels()).save(path)
    return path


@pytest.fixture
def secret() -> Path:
    path = Path("secret.bin")
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def container(host: Path, secret: Path, run: Run) -> Path:
    assert run("hide", host, secret, "-o", "container.png").code == 0
    secret.unlink()
    return Path("container.png")


def names() -> set[str]:
    return {str(path) for path in Path().rglob("*")}


def one_error(outcome: Outcome, code: int, *words: str) -> None:
    """The outcome is a refusal in exactly one line that says all of `words`."""
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (code, b"", 1), outcome
    assert all(word in outcome.err for word in words), outcome.err


# hide and reveal


def test_round_trip_restores_bytes_and_name(container: Path, run: Run) -> None:
    outcome = run("reveal", container)
    assert (outcome.code, outcome.out) == (0, b"")
    assert outcome.err == "stegcinn: revealed 512 bytes into secret.bin\n"
    assert Path("secret.bin").read_bytes() == SECRET


def test_hide_reports_on_stderr(host: Path, secret: Path, run: Run) -> None:
    outcome = run("hide", host, secret, "-o", "o.png")
    assert outcome.out == b""
    assert "hid 512 bytes in o.png: 0.444 bits per pixel, codec stealth, colors keep, " in outcome.err
    assert outcome.notes == ["stegcinn: note: without a password, anyone with stegcinn can read the payload"]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff", ".bmp", ".PNG"])
def test_every_lossless_format(host: Path, secret: Path, run: Run, suffix: str) -> None:
    assert run("hide", host, secret, "-o", f"o{suffix}").code == 0
    assert run("reveal", f"o{suffix}", "-o", "r").code == 0
    assert Path("r").read_bytes() == SECRET


def test_reveal_to_a_named_file(container: Path, run: Run) -> None:
    assert run("reveal", container, "-o", "other.bin").code == 0
    assert Path("other.bin").read_bytes() == SECRET
    assert not Path("secret.bin").exists()


def test_pipes(host: Path, secret: Path, run: Run) -> None:
    hidden = run("hide", "-", secret, "-o", "-", stdin=host.read_bytes())
    assert hidden.out.startswith(b"\x89PNG")
    assert "hid 512 bytes in stdout" in hidden.err
    assert run("reveal", "-", "-o", "-", stdin=hidden.out) == Outcome(0, SECRET, "")


def test_payload_from_stdin_has_no_name(host: Path, run: Run) -> None:
    assert run("hide", host, "-", "-o", "o.png", stdin=SECRET).code == 0
    before = names()
    assert run("reveal", "o.png") == Outcome(0, SECRET, "")
    assert names() == before


@pytest.mark.parametrize("payload", [b"", b"a", "grüß dich\n\tÅ 𝄞".encode()])
def test_message(host: Path, run: Run, payload: bytes) -> None:
    assert run("hide", host, "-m", payload.decode(), "-o", "o.png").code == 0
    assert run("reveal", "o.png") == Outcome(0, payload, "")


def test_message_that_is_not_unicode(host: Path, run: Run) -> None:
    assert run("hide", host, "-m", os.fsdecode(b"\xff\xfe"), "-o", "o.png").code == 0
    assert run("reveal", "o.png").out == b"\xff\xfe"


def test_force_overwrites_the_named_output(host: Path, secret: Path, container: Path, run: Run) -> None:
    secret.write_bytes(b"new")
    assert run("hide", host, secret, "-o", container, "--force").code == 0
    assert run("reveal", container, "-o", secret, "--force").code == 0
    assert secret.read_bytes() == b"new"


def test_a_name_is_left_out_where_there_is_no_room(host: Path, run: Run) -> None:
    room = SIDE * SIDE // 8 - envelope.OVERHEAD
    Path("a-long-name.bin").write_bytes(os.urandom(room))
    outcome = run("hide", host, "a-long-name.bin", "-o", "o.png", "--json")
    assert json.loads(outcome.out)["name"] is None
    assert any("a-long-name.bin was left out" in note for note in outcome.notes)
    assert run("reveal", "o.png").out == Path("a-long-name.bin").read_bytes()


def test_warnings_of_the_library_are_notes(secret: Path, run: Run) -> None:
    Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257).save("deep.png")
    outcome = run("hide", "deep.png", secret, "-o", "o.png")
    assert outcome.code == 0
    assert outcome.notes[0] == "stegcinn: note: deep.png has more than 8 bits per channel and is reduced to 8 bits"


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


@pytest.mark.parametrize(
    ("terminal", "after", "shown"),
    [(True, 0.0, "measuring  50%\rmeasuring 100%\r" + " " * 14 + "\r"), (True, 60.0, ""), (False, 0.0, "")],
)
def test_progress_is_for_terminals_and_slow_work(
    host: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    terminal: bool, after: float, shown: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(console, "PROGRESS_AFTER", after)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert main.main(["capacity", str(host)]) == 0
    assert capsys.readouterr().err == shown


# names that came with a payload


def test_a_suggested_name_never_overwrites(container: Path, run: Run) -> None:
    Path("secret.bin").write_bytes(b"precious")
    for force in ((), ("--force",)):
        one_error(run("reveal", container, *force), 2, "secret.bin already exists", "-o")
    assert Path("secret.bin").read_bytes() == b"precious"


def test_a_suggested_name_follows_no_link(container: Path, run: Run) -> None:
    Path("secret.bin").symlink_to("../elsewhere")
    one_error(run("reveal", container), 2, "secret.bin already exists", "-o")
    assert not Path("../elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../evil", "evil"),
        ("/tmp/stegcinn-evil", "stegcinn-evil"),
        ("..\\..\\evil", "evil"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("-", None),
        ("..", None),
        ("", None),
        ("a\x1b[2Jb\nc", "a[2Jbc"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("CON", "_CON"),
    ],
)
def test_hostile_names_are_harmless(
    host: Path, run: Run, name: str, file: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(envelope, "safe_name", lambda name: name)  # a sender with a program of their own
        hidden = stego.conceal(read_photo(host), Payload(SECRET, name))
    Path("o.png").write_bytes(hidden.file)
    before = set(tmp_path.rglob("*"))
    outcome = run("reveal", "o.png")
    assert outcome.code == 0
    if file is None:
        assert outcome == Outcome(0, SECRET, "")
    assert set(tmp_path.rglob("*")) - before == ({Path.cwd() / file} if file else set())


# passwords


def test_password_file(host: Path, secret: Path, run: Run) -> None:
    Path("p").write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn\r\nsecond line\n")
    Path("same").write_text("grün", encoding="utf-8")
    Path("wrong").write_text("blau")
    outcome = run("hide", host, secret, "-o", "o.png", "--password-file", "p")
    assert (outcome.code, outcome.notes) == (0, [])
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


# json


def test_json_of_hide_and_reveal(host: Path, secret: Path, run: Run) -> None:
    hidden = json.loads(run("hide", host, secret, "-o", "o.png", "--json").out)
    assert hidden.pop("seconds") > 0
    assert 0.3 < hidden.pop("changed_pixels") < 0.7
    assert hidden == {
        "output": "o.png", "bytes": 512, "name": "secret.bin", "bpp": 512 * 8 / SIDE**2,
        "codec": "stealth", "colors": "keep", "raw_accuracy": 1.0, "disturbance": 1.0,
    }  # fmt: skip
    revealed = json.loads(run("reveal", "o.png", "-o", "r", "--json").out)
    assert revealed.pop("seconds") > 0
    assert revealed == {"output": "r", "bytes": 512, "name": "secret.bin"}


def test_json_of_a_suggested_name(container: Path, run: Run) -> None:
    assert json.loads(run("reveal", container, "--json").out)["output"] == "secret.bin"


def test_json_of_a_message_needs_an_output(host: Path, run: Run) -> None:
    run("hide", host, "-m", "hello", "-o", "o.png")
    one_error(run("reveal", "o.png", "--json"), 2, "-o")
    assert json.loads(run("reveal", "o.png", "--json", "-o", "r").out)["name"] is None


def test_json_of_capacity(host: Path, run: Run) -> None:
    size, safe = (SIDE * SIDE // share - envelope.OVERHEAD for share in (8, 16))
    expected = {
        "bytes": size, "bpp": 8 * size / SIDE**2, "codec": "cinn", "colors": "generate", "stealth_bytes": 0,
        "safe_bytes": safe, "decoded": False,
    }  # fmt: skip
    outcome = run("capacity", host, "--json", "--codec", "cinn", "--colors", "generate")
    assert json.loads(outcome.out) == expected


def test_a_photo_straight_from_a_jpeg_file_is_noted(secret: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    rgb = np.kron(rng.integers(60, 200, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    Image.fromarray(rgb).save("photo.jpg", quality=90)
    assert stego.DECODED in run("hide", "photo.jpg", secret, "-o", "o.png").notes[0]


# capacity


def test_capacity(host: Path, run: Run) -> None:
    line = b"1,093 bytes (0.95 bits per pixel) with codec stealth, colors keep, 517 of them as good as unseen\n"
    assert run("capacity", host) == run("capacity", "-", stdin=host.read_bytes()) == Outcome(0, line, "")


def test_nothing_is_safe_in_a_photo_decoded_from_jpeg(run: Run) -> None:
    noise = np.random.default_rng(0).integers(100, 150, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(noise).save("photo.jpg", quality=50)
    outcome = run("capacity", "photo.jpg")
    assert outcome.out.endswith(b" with codec stealth, colors keep\n")
    assert outcome.notes == [f"stegcinn: note: {stego.DECODED}"]
    assert json.loads(run("capacity", "photo.jpg", "--json").out)["safe_bytes"] == 0


def test_a_halved_photo(run: Run) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(100, 150, (2 * SIDE + 1, 2 * SIDE, 3)).astype(np.uint8)).save("p.jpg", quality=50)
    room = json.loads(run("capacity", "p.jpg", "--halve", "--json").out)
    assert (room["decoded"], room["bytes"]) == (False, SIDE * SIDE // 8 - envelope.OVERHEAD)
    outcome = run("hide", "p.jpg", "-m", "hello", "-o", "o.png", "--halve", "--json")
    assert "JPEG" not in outcome.err
    assert read_photo("o.png").rgb.shape == (SIDE, SIDE, 3)
    assert json.loads(outcome.out)["bpp"] == 8 * 5 / SIDE**2
    assert run("reveal", "o.png", "-o", "-").out == b"hello"


def test_a_photo_too_small_to_be_halved(host: Path, secret: Path, run: Run) -> None:
    one_error(run("hide", host, secret, "-o", "o.png", "--halve"), 5, "half of the photo is 48x48 pixels")
    assert not Path("o.png").exists()


@pytest.mark.parametrize(
    ("disturbance", "note"),
    [(3.0, None), (3.14, "a trained attacker may notice this payload (disturbance 3.1); hide less, "),
     (None, "a trained attacker may notice this payload; what fits into small changes ")],
)  # fmt: skip
def test_hide_says_what_may_be_noticed(
    host: Path, secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch, disturbance: float | None, note: str | None
) -> None:
    monkeypatch.setattr(LsbCodec, "disturbance", disturbance)
    told = [line for line in run("hide", host, secret, "-o", "o.png").notes if "notice" in line]
    assert len(told) == (note is not None)
    assert all(line.startswith(f"stegcinn: note: {note}") for line in told)


def test_no_capacity_is_no_error(run: Run) -> None:
    Image.new("RGB", (SIDE, SIDE)).save("black.png")
    outcome = run("capacity", "black.png")
    assert (outcome.code, outcome.out) == (0, b"0 bytes (0.00 bits per pixel) with codec exact, colors generate\n")
    assert "takes no payload" in outcome.notes[0]


# refusals


@pytest.mark.parametrize(
    "argv",
    [
        "",
        "paint",
        "hide",
        "hide host.png secret.bin",
        "hide host.png secret.bin -o o.png --colors loud",
        "hide host.png secret.bin -o o.png --password-file p --ask-password",
        "hide host.png secret.bin -o o.png --forc",
        "reveal",
        "capacity host.png -o o.png",
        "train nowhere -o run",
        "train . -o run --device tpu",
        "export run",
        "train .=heavy -o run",
        "train",
        "benchmark nowhere -o run",
        "benchmark . -o run --preset huge",
        "benchmark .",
    ],
)
def test_usage_errors_of_the_parser(host: Path, secret: Path, run: Run, argv: str) -> None:
    outcome = run(*argv.split())
    assert (outcome.code, outcome.out) == (2, b"")
    usage, message = outcome.err.splitlines()
    assert usage.startswith("stegcinn: usage: stegcinn ")
    assert message
    assert names() == {"host.png", "secret.bin"}


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ("hide host.png -o o.png", "-m"),
        ("hide host.png secret.bin -m text -o o.png", "-m"),
        ("hide - - -o o.png", "both"),
        ("hide host.png secret.bin -o - --json", "--json"),
        ("reveal host.png -o - --json", "--json"),
        ("hide host.png secret.bin -o o.jpg", ".jpg alters colours"),
        ("hide host.png secret.bin -o o.xyz", "not the suffix"),
        ("hide host.png secret.bin -o o", "not the suffix"),
        ("hide host.png secret.bin -o other.png", "other.png already exists; choose another name, or --force"),
        ("hide host.png secret.bin -o host.png", "host.png is an input"),
        ("hide host.png secret.bin -o host.png --force", "host.png is an input"),
        ("hide host.png secret.bin -o link.png --force", "link.png is an input"),
        ("hide host.png other.png -o other.png --force", "other.png is an input"),
        ("hide host.png secret.bin -o other.png --force --password-file other.png", "other.png is an input"),
        ("reveal host.png -o host.png --force", "host.png is an input"),
        ("hide host.png secret.bin -o folder.png --force", "folder.png is a directory"),
        ("reveal host.png -o folder.png --force", "folder.png is a directory"),
        ("hide host.png secret.bin -o nowhere/o.png", "nowhere/o.png is in a directory that does not exist"),
        ("reveal host.png -o nowhere/r", "does not exist"),
        ("hide host.png secret.bin -o secret.bin/o.png", "does not exist"),
        ("reveal host.png -o /dev/null --force", "not a regular file"),
        ("hide host.png nowhere.bin -o o.png", "nowhere.bin cannot be read (No such file"),
        ("hide host.png folder.png -o o.png", "folder.png cannot be read (Is a directory)"),
        ("capacity host.png --codec nonsense", "'nonsense'; choose from auto, stealth, exact, cinn"),
    ],
)
def test_refusals(host: Path, secret: Path, run: Run, argv: str, word: str) -> None:
    Image.fromarray(pixels(1)).save("other.png")
    Path("folder.png").mkdir()
    Path("link.png").symlink_to(host)
    before = {name: Path(name).read_bytes() for name in names() if Path(name).is_file()}
    one_error(run(*argv.split()), 2, word)
    assert {name: Path(name).read_bytes() for name in names() if Path(name).is_file()} == before


@pytest.mark.parametrize("output", ["o.jpg", "other.png", "host.png", "nowhere/o.png"])
def test_outputs_are_judged_before_any_work(
    host: Path, secret: Path, run: Run, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("other.png").touch()
    for name in ("password", "read_photo", "read_payload"):
        monkeypatch.setattr(console, name, None)
    assert run("hide", host, secret, "-o", output).code == 2


@UNREADABLE_BY_ROOT
def test_permissions(host: Path, secret: Path, run: Run) -> None:
    Path("locked").mkdir()
    Path("locked/in.png").write_bytes(host.read_bytes())
    Path("locked").chmod(0o500)
    one_error(run("hide", host, secret, "-o", "locked/o.png"), 2, "not writable")
    Path("locked").chmod(0o000)
    assert run("hide", "locked/in.png", secret, "-o", "o.png").code in (2, 5)
    one_error(run("hide", host, secret, "-o", "locked/o.png"), 2, "locked/o.png")
    Path("locked").chmod(0o700)
    secret.chmod(0)
    one_error(run("hide", host, secret, "-o", "o.png"), 2, "secret.bin cannot be read (Permission denied)")


def test_a_payload_that_does_not_fit(host: Path, run: Run) -> None:
    Path("big.bin").write_bytes(os.urandom(5000))
    one_error(run("hide", host, "big.bin", "-o", "o.png"), 3, "needs 5000 bytes", "takes 1093")
    assert not Path("o.png").exists()


@pytest.mark.parametrize(("content", "stdin"), [(b"no image", b""), (b"", b""), (None, b""), (None, b"no image")])
@pytest.mark.parametrize("command", ["hide {} secret.bin -o o.png", "reveal {} -o r", "capacity {}"])
def test_images_that_are_none(secret: Path, run: Run, content: bytes | None, stdin: bytes, command: str) -> None:
    if content is not None:
        Path("bad.png").write_bytes(content)
    before = names()
    one_error(run(*command.format("-" if stdin else "bad.png").split(), stdin=stdin), 5)
    assert names() == before


def test_a_format_that_cannot_hold_the_photo_is_refused_before_the_work(
    secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.dstack([pixels(), pixels()[..., 0]])).save("alpha.png")
    monkeypatch.setattr(LsbCodec, "embed", lambda *_: pytest.fail("it worked"))
    one_error(run("hide", "alpha.png", secret, "-o", "o.bmp"), 2, "transparency")


def test_an_image_too_small(secret: Path, run: Run) -> None:
    Image.new("RGB", (20, 20)).save("small.png")
    one_error(run("capacity", "small.png"), 5, "20x20")


def test_nothing_to_reveal(host: Path, run: Run) -> None:
    one_error(run("reveal", host, "-o", "r"), 4, "no payload found")
    assert not Path("r").exists()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StegcinnError("failed"), 1, "failed"),
        (SelfCheckError("could not be verified"), 1, "could not be verified"),
        (WeightsError("are damaged"), 1, "are damaged"),
        (ImageError("two\nlines"), 5, "two\\nlines"),
        (MemoryError(), 1, "not enough memory; use a smaller photo or file"),
        (OSError(5, "Input/output error"), 1, "input/output error: [Errno 5] Input/output error"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("x \x1b[2J"), 1, "unexpected ZeroDivisionError: x \\x1b[2J " + HINT),
        (ModuleNotFoundError("no x", name="x"), 1, "unexpected ModuleNotFoundError: no x " + HINT),
    ],
)  # fmt: skip
def test_failures(
    host: Path, secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(stego, "conceal", fail)
    assert run("hide", host, secret, "-o", "o.png") == Outcome(code, b"", f"stegcinn: {line}\n")
    assert names() == {"host.png", "secret.bin"}


def test_debugging_shows_the_traceback(
    host: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEGCINN_DEBUG", "1")
    assert main.main(["reveal", str(host)]) == 4
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("stegcinn: no payload found")


# train


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Training that only takes note of what it is asked for."""
    import stegcinn.training.cinn
    from stegcinn.training.cinn import config

    fake = types.SimpleNamespace(calls=[], error=None, folders=[(Path("old"), 1.0)])

    def train(*arguments: object, report: Callable[[object], None], **options: object) -> None:
        for step, saved in ((1, False), (2, True)):
            report(
                types.SimpleNamespace(
                    step=step, steps=4, round=step - 1, loss=1.5, accuracy=0.9 if step > 1 else None,
                    images_per_second=12.34, seconds_left=3700.2, saved=saved,
                )
            )  # fmt: skip
        if fake.error:
            raise fake.error
        fake.calls.append((*arguments, options))

    def export(*arguments: object, **options: object) -> dict[str, object]:
        fake.calls.append((*arguments, options))
        return {"noise": 2.0}

    loop = types.SimpleNamespace(train=train, resume_config=lambda out: (config.preset("paper"), fake.folders))
    release = types.SimpleNamespace(export=export)
    for name, module in (("loop", loop), ("release", release)):
        monkeypatch.setattr(stegcinn.training.cinn, name, module, raising=False)
        monkeypatch.setitem(sys.modules, f"stegcinn.training.cinn.{name}", module)
    return fake


PROGRESS = "stegcinn: 50% round 1, step 2/4: loss 1.5000, accuracy 0.9000, 12.3 images/s, 1:01:40 left\n"


def test_train(run: Run, training: types.SimpleNamespace) -> None:
    from stegcinn.training.cinn.config import preset

    for folder in ("a", "b", "c=2"):
        Path(folder).mkdir()
    assert run("train", "a", "b=0.25", "c=2", "-o", "out", "--set", "seed=7", "--device", "cpu") == Outcome(
        0, b"", PROGRESS
    )
    folders = [(Path("a"), 1.0), (Path("b"), 0.25), (Path("c=2"), 1.0)]
    settings = replace(preset("default"), seed=7)
    assert training.calls == [(settings, folders, Path("out"), {"start": None, "device": "cpu"})]


def test_train_with_a_preset_a_file_and_resumed(run: Run, training: types.SimpleNamespace) -> None:
    from stegcinn.training.cinn.config import load, preset

    Path("mine.toml").write_text("seed = 3\n[network]\nkind = 'pyramid'\n")
    assert run("train", ".", "-o", "out", "--preset", "paper").code == 0
    assert run("train", ".", "-o", "out", "--config", "mine.toml", "--start", "w.safetensors").code == 0
    assert run("train", "-o", "out", "--resume").code == 0
    here = [(Path(), 1.0)]
    assert [call[:3] for call in training.calls] == [
        (preset("paper"), here, Path("out")),
        (load(Path("mine.toml")), here, Path("out")),
        (preset("paper"), training.folders, Path("out")),
    ]
    assert [call[3]["start"] for call in training.calls] == [None, Path("w.safetensors"), None]


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ("train -o out", "folder"),
        ("train . -o out --preset fast", "unknown preset"),
        ("train . -o out --preset paper --config x.toml", "either"),
        ("train . -o out --config missing.toml", "missing.toml"),
        ("train . -o out --resume", "--resume"),
        ("train -o out --resume --set seed=1", "--resume"),
        ("train . -o out --set sed=1", "unknown key sed"),
        ("train . -o done", "--resume"),
    ],
)
def test_training_that_makes_no_sense(run: Run, training: types.SimpleNamespace, argv: str, word: str) -> None:
    Path("done").mkdir()
    Path("done/checkpoint.safetensors").touch()
    outcome = run(*argv.split())
    assert outcome.code == 2
    assert word in outcome.err
    assert outcome.err.count("\n") == 1
    assert training.calls == []


@pytest.mark.parametrize(("argv", "words"), [
    ("train .=0 -o out", "more than 0, not 0"), ("train .=-1 -o out", "not -1"), ("train .=nan -o out", "not nan"),
    ("train .=inf -o out", "not inf"), ("train .=x -o out", "weighted_folder"),
    ("benchmark . -o out --jobs 0", "at least 1, not 0"), ("benchmark . -o out --jobs x", "number"),
    ("rank . --payload -1", "at least 0, not -1"),
])  # fmt: skip
def test_numbers_out_of_range(run: Run, argv: str, words: str) -> None:
    outcome = run(*argv.split())
    assert outcome.code == 2
    assert words in outcome.err.splitlines()[-1]


@pytest.mark.parametrize(("error", "code"), [(FloatingPointError("loss is nan"), 1), (KeyboardInterrupt(), 130)])
def test_training_that_fails(run: Run, training: types.SimpleNamespace, error: BaseException, code: int) -> None:
    training.error = error
    message = f"stegcinn: {error if error.args else 'interrupted'}\n"
    assert run("train", ".", "-o", "out") == Outcome(code, b"", PROGRESS + message)


def test_progress_of_training_on_a_terminal(
    training: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main.main(["train", ".", "-o", "out"]) == 0
    first, second = capsys.readouterr().err.split("\r")
    assert first == "25% stage 1, step 1/4: loss 1.5000, 12.3 images/s, 1:01:40 left"
    assert second == PROGRESS.removeprefix("stegcinn: ")


def test_export(run: Run, training: types.SimpleNamespace) -> None:
    assert run("export", "run", "-o", "new") == Outcome(0, b"", "stegcinn: exported run to new\n")
    assert run("export", "run", ".", "-o", "new", "--noise", "2.5", "--json") == Outcome(0, b'{"noise": 2.0}\n', "")
    assert training.calls == [
        (Path("run"), Path("new"), {"folders": None, "noise": None}),
        (Path("run"), Path("new"), {"folders": [(Path(), 1.0)], "noise": 2.5}),
    ]


# benchmark


@pytest.fixture
def benchmark_run(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    module = types.SimpleNamespace(calls=[], error=None, PLANS={"small": "a small plan", "paper": "all"})

    def run(*arguments: object, report: Callable[[str], None], **options: object) -> None:
        report("hill@0.4: stegos made")
        if module.error:
            raise module.error
        module.calls.append((*arguments, options))

    module.run = run
    monkeypatch.setitem(sys.modules, "stegcinn.evaluation.benchmark", types.SimpleNamespace(run=module))
    monkeypatch.setitem(sys.modules, "stegcinn.evaluation.benchmark.run", module)
    return module


def test_benchmark(run: Run, benchmark_run: types.SimpleNamespace) -> None:
    Path("photos").mkdir()
    outcome = run("benchmark", "photos", "-o", "out", "--jobs", "2", "--hyperiqa", "koniq.pkl", "--vgg", "vgg.pth")
    lines = "stegcinn: hill@0.4: stegos made\nstegcinn: results are in out/results.json and out/tables.md\n"
    assert outcome == Outcome(0, b"", lines)
    options = {"jobs": 2, "hyperiqa": Path("koniq.pkl"), "vgg": Path("vgg.pth")}
    assert benchmark_run.calls == [(Path("photos"), Path("out"), "a small plan", options)]


@pytest.mark.parametrize(("error", "code"), [(ValueError("12 hosts are too few"), 1), (KeyboardInterrupt(), 130)])
def test_a_benchmark_that_fails(
    run: Run, benchmark_run: types.SimpleNamespace, error: BaseException, code: int
) -> None:
    benchmark_run.error = error
    outcome = run("benchmark", ".", "-o", "out", "--preset", "paper")
    assert outcome.code == code
    assert outcome.err.splitlines()[-1] == f"stegcinn: {error if error.args else 'interrupted'}"


# in a process of its own

FAKE = """
    import sys, time
    import stegcinn.stego, fakes
    from stegcinn.cli.main import main
    stegcinn.stego.load_codec = lambda name: fakes.LsbCodec()
"""


def spawn(script: str, *argv: str | Path, **options: object) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])  # the same package, wherever it is
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *map(str, argv)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **{**streams, **options})  # type: ignore[call-overload,no-any-return]


def finish(process: subprocess.Popen[bytes]) -> Outcome:
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, out or b"", (err or b"").decode())


def test_help_and_version_of_the_module() -> None:
    command = [sys.executable, "-m", "stegcinn"]
    assert subprocess.run([*command, "--version"], capture_output=True, check=True).stdout.startswith(b"stegcinn ")
    for name in ("hide", "reveal", "capacity", "demo", "train", "export", "serve", "benchmark", "completion"):
        told = subprocess.run([*command, name, "--help"], capture_output=True, check=True).stdout
        assert b" stegcinn " + name.encode() in told.partition(b"\n\nexample")[2]


def test_version_names_the_weights(run: Run) -> None:
    lines = run("--version").out.decode().splitlines()
    assert lines[0] == f"stegcinn {stegcinn.__version__}"
    for name in ("cinn-1", "cinn-2", "exact-1"):
        config = (files("stegcinn") / "weights" / name / "config.json").read_bytes()
        assert f"{name} {hashlib.sha256(config).hexdigest()[:12]}" in lines[1]


def test_help_is_plain_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for argv in (["--help"], *([name, "--help"] for name in main.COMMANDS)):
        assert b"\x1b" not in run(*argv, terminal=True).out


def test_ctrl_c_ends_the_program_at_once_but_lets_a_write_end_in_order(
    container: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = []

    def write(*_: object, **__: object) -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    monkeypatch.setattr("stegcinn.files.write_atomic", write)
    monkeypatch.setattr(sys, "argv", ["stegcinn", "reveal", str(container), "-o", "r"])
    before = signal.getsignal(signal.SIGINT)
    try:
        assert program.run() == 0
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
    assert handlers == [signal.default_int_handler]


def test_the_module_itself_imports_only_the_standard_library() -> None:
    script = """
        import stegcinn, sys
        before = set(sys.modules)
        import stegcinn.cli
        print({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
    """
    assert finish(spawn(script)).out.strip() == b"{'stegcinn'}"


def test_hide_and_reveal_do_without_torch(host: Path, secret: Path) -> None:
    script = f"""{FAKE}
    sys.modules["torch"] = None
    assert main(["hide", "host.png", "secret.bin", "-o", "o.png"]) == 0
    sys.exit(main(["reveal", "o.png", "-o", "r"]))
    """
    assert finish(spawn(script)).code == 0
    assert Path("r").read_bytes() == SECRET


@pytest.mark.parametrize(
    ("module", "argv", "extra"),
    [
        ("torch", "train . -o run", "train"),
        ("skimage", "demo", "demo"),
        ("uvicorn", "serve --no-browser", "web"),
        ("joblib", "benchmark . -o run", "eval"),
        ("torch", "benchmark . -o run", "eval"),
    ],
)
def test_missing_extras(module: str, argv: str, extra: str) -> None:
    script = f"{FAKE}    sys.modules[{module!r}] = None\n    sys.exit(main())"
    line = f"stegcinn: this command needs {module}: pip install 'stegcinn[{extra}]'\n"
    assert finish(spawn(script, *argv.split())) == Outcome(2, b"", line)
    assert names() == set()


def test_ctrl_c_leaves_nothing_behind(host: Path, secret: Path) -> None:
    script = f"""{FAKE}
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fakes.LsbCodec.seconds = 60
    print("ready", flush=True)
    sys.exit(main())
    """
    process = spawn(script, "hide", host, secret, "-o", "o.png")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert finish(process) == Outcome(130, b"", "stegcinn: interrupted\n")
    assert names() == {"host.png", "secret.bin"}


def test_a_reader_that_leaves_is_no_news(container: Path) -> None:
    process = spawn(f"{FAKE}    sys.exit(main())", "reveal", container, "-o", "-")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert finish(process) == Outcome(1, b"", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_takes_nothing(container: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        outcome = finish(spawn(f"{FAKE}    sys.exit(main())", "reveal", container, "-o", "-", stdout=full))
    assert outcome.code == 1
    assert outcome.err == "stegcinn: input/output error: [Errno 28] No space left on device\n"


def test_a_closed_standard_output_is_told(host: Path, container: Path) -> None:
    script = f"{FAKE}    sys.stdout = None\n    sys.exit(main())"
    line = "stegcinn: standard output is closed; name a file with -o\n"
    for argv in (("reveal", container, "-o", "-"), ("hide", host, "-m", "x", "-o", "-")):
        assert finish(spawn(script, *argv)) == Outcome(2, b"", line)


def test_a_file_without_an_end_is_refused(host: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(envelope, "MAX_PAYLOAD", 10 << 20)
    one_error(run("hide", host, "/dev/zero", "-o", "o.png"), 2, "more than 10485760 bytes")
    for argv in (("hide", host, "-", "-o", "o.png"), ("capacity", "-")):
        one_error(run(*argv, stdin=bytes(11 << 20)), 2, "standard input has more than 10485760 bytes")


def test_trouble_with_a_file_where_standard_output_is_closed(host: Path, secret: Path) -> None:
    script = f"""{FAKE}    import stegcinn.files
    def fail(*_, **__): raise OSError(28, "No space left on device")
    stegcinn.files.write_atomic = fail
    sys.stdout = None
    sys.exit(main())"""
    outcome = finish(spawn(script, "hide", host, secret, "-o", "o.png"))
    assert outcome == Outcome(1, b"", "stegcinn: input/output error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_closed_streams(container: Path, closed: str) -> None:
    script = f"{FAKE}    sys.{closed} = None\n    sys.exit(main())"
    outcome = finish(spawn(script, "reveal", "-" if closed == "stdin" else container, "-o", "r"))
    if closed == "stdin":
        assert outcome == Outcome(2, b"", "stegcinn: standard input cannot be read\n")
    else:
        assert (outcome.code, outcome.out, Path("r").read_bytes()) == (0, b"", SECRET)


def test_no_terminal_to_ask_on(host: Path, secret: Path) -> None:
    argv = ("hide", host, secret, "-o", "o.png", "--ask-password")
    outcome = finish(spawn(f"{FAKE}    sys.exit(main())", *argv, start_new_session=True))
    assert outcome == Outcome(2, b"", "stegcinn: the password could not be asked for; use --password-file\n")


def test_slow_work_shows_progress_on_a_terminal(host: Path) -> None:
    terminal, end = pty.openpty()
    process = spawn(f"{FAKE}    fakes.LsbCodec.seconds = 1.2\n    sys.exit(main())", "capacity", host, stderr=end)
    out, _ = process.communicate(timeout=60)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # how a pseudo-terminal ends
        while chunk := os.read(terminal, 1000):
            shown += chunk
    os.close(terminal)
    assert process.returncode == 0
    assert out.startswith(b"1,093 bytes")
    assert shown == b"measuring  50%\rmeasuring 100%\r" + b" " * 14 + b"\r"


# the released codec


@pytest.mark.skipif(not RELEASED, reason="the weights are not there")
@pytest.mark.parametrize("codec", CODECS)
def test_the_real_thing(secret: Path, codec: str) -> None:
    noise = np.random.default_rng(0).normal(size=(8, 8, 3))
    smooth = np.stack(
        [np.asarray(Image.fromarray(c.astype(np.float32)).resize((256, 192), Image.Resampling.BICUBIC))
         for c in np.moveaxis(noise, 2, 0)], axis=-1,
    )  # fmt: skip
    Image.fromarray(np.clip(128 + 40 * smooth, 0, 255).astype(np.uint8)).save("photo.png")
    Path("p").write_text("a password\n")
    script = "import sys\nsys.modules['torch'] = None\nfrom stegcinn.cli.main import main\nsys.exit(main())"
    options = () if codec == "stealth" else ("--codec", codec)
    hidden = finish(
        spawn(script, "hide", "photo.png", secret, "-o", "o.png", "--password-file", "p", "--json", *options)
    )
    assert hidden.code == 0, hidden.err
    assert json.loads(hidden.out)["codec"] == codec
    with Image.open("photo.png") as host, Image.open("o.png") as container:
        assert host.convert("L").tobytes() == container.convert("L").tobytes()
    revealed = finish(spawn(script, "reveal", "o.png", "-o", "r", "--password-file", "p"))
    assert revealed.code == 0, revealed.err
    assert Path("r").read_bytes() == SECRET
    assert finish(spawn(script, "reveal", "o.png", "-o", "-")).code == 4


def test_file_may_follow_the_options(host: Path, secret: Path, run: Run) -> None:
    assert run("hide", host, "-o", "o.png", secret).code == 0
    assert run("reveal", "o.png", "-o", "r").code == 0
    assert Path("r").read_bytes() == SECRET
    assert run("hide", host, "-o", "p.png", "--bogus").code == 2
