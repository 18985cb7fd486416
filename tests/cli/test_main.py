"""The command line as such: what it takes, what it refuses, and how it fails."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import warnings
from importlib.resources import files
from pathlib import Path

import pytest
from command import Outcome, Run, names, one_error
from PIL import Image

import stegcinn
from fakes import pixels
from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.cli import main
from stegcinn.errors import ImageError, SelfCheckError, StegcinnError, WeightsError

pytestmark = pytest.mark.usefixtures("workplace")

HINT = "(STEGCINN_DEBUG=1 shows the traceback)"


def test_help_and_version_of_the_module() -> None:
    command = [sys.executable, "-m", "stegcinn"]
    assert subprocess.run([*command, "--version"], capture_output=True, check=True).stdout.startswith(b"stegcinn ")
    for name in main.COMMANDS:
        told = subprocess.run([*command, *name.split(), "--help"], capture_output=True, check=True).stdout
        assert b" stegcinn " + name.encode() in told.partition(b"\n\nexample")[2]


def test_version_names_the_weights(run: Run) -> None:
    lines = run("--version").out.decode().splitlines()
    assert lines[0] == f"stegcinn {stegcinn.__version__}"
    for name in ("cinn-1", "cinn-2", "exact-1"):
        config = (files("stegcinn") / "weights" / name / "config.json").read_bytes()
        assert f"{name} {hashlib.sha256(config).hexdigest()[:12]}" in lines[1]


def test_help_is_plain_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for argv in (["--help"], *([*name.split(), "--help"] for name in main.COMMANDS)):
        assert b"\x1b" not in run(*argv, terminal=True).out


def test_without_a_command_there_is_help(run: Run) -> None:
    assert run() == run("--help")
    assert run().out.startswith(b"usage: stegcinn")


# refusals


@pytest.mark.parametrize(
    "argv",
    [
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


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ("hide host.png -o o.png", "-m"),
        ("hide host.png secret.bin -m text -o o.png", "-m"),
        ("hide - - -o o.png", "both"),
        ("hide host.png secret.bin -o - --json", "--json"),
        ("reveal host.png -o - --json", "--json"),
        ("hide host.png secret.bin -o o.avif", ".avif alters colours"),
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
        ("hide host.png folder.png -o o.png", "folder.png is a directory; hide an archive"),
        ("capacity host.png --codec nonsense", "'nonsense'; choose from auto, jpeg, stealth, exact, cinn"),
    ],
)
def test_refusals(host: Path, secret: Path, run: Run, argv: str, word: str) -> None:
    Image.fromarray(pixels(1)).save("other.png")
    Path("folder.png").mkdir()
    Path("link.png").symlink_to(host)
    before = {name: Path(name).read_bytes() for name in names() if Path(name).is_file()}
    one_error(run(*argv.split()), 2, word)
    assert {name: Path(name).read_bytes() for name in names() if Path(name).is_file()} == before


@pytest.mark.parametrize(("content", "stdin"), [(b"no image", b""), (b"", b""), (None, b""), (None, b"no image")])
@pytest.mark.parametrize("command", ["hide {} secret.bin -o o.png", "reveal {} -o r", "capacity {}"])
def test_images_that_are_none(secret: Path, run: Run, content: bytes | None, stdin: bytes, command: str) -> None:
    if content is not None:
        Path("bad.png").write_bytes(content)
    before = names()
    one_error(run(*command.format("-" if stdin else "bad.png").split(), stdin=stdin), 5)
    assert names() == before


# failures


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


def test_nothing_that_pillow_thinks_of_metadata_is_told(run: Run) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0"
    Image.fromarray(pixels()).save("damaged.png", exif=exif)
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        Source("damaged.png").photo()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        outcome = run("capacity", "damaged.png")
        assert warnings.filters == filters
    assert (outcome.code, outcome.err, told) == (0, "", [])
