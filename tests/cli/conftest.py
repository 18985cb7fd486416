"""A command in an empty folder, over a codec that takes no time, and files for it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from command import SECRET, Outcome, Run
from PIL import Image

from fakes import load_fake, pixels
from stegcinn import candidates
from stegcinn.album import working
from stegcinn.cli import main


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty; codecs are fakes."""
    monkeypatch.setattr(candidates, "load_codec", load_fake)
    monkeypatch.setattr(working, "load_codec", load_fake)
    for variable in ("STEGCINN_DEBUG", "STEGCINN_PASSWORD_FILE"):
        monkeypatch.delenv(variable, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def run(workplace: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
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
def host(workplace: Path) -> Path:
    path = Path("host.png")
    Image.fromarray(pixels()).save(path)
    return path


@pytest.fixture
def secret(workplace: Path) -> Path:
    path = Path("secret.bin")
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def container(host: Path, secret: Path, run: Run) -> Path:
    assert run("hide", host, secret, "-o", "container.png").code == 0
    secret.unlink()
    return Path("container.png")
