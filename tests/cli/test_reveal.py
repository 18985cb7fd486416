"""The command reveal: the payload in a file of its name, on standard output, and never over another file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import SECRET, Outcome, Run, names, one_error

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload

pytestmark = pytest.mark.usefixtures("workplace")


def test_round_trip_restores_bytes_and_name(container: Path, run: Run) -> None:
    outcome = run("reveal", container)
    assert (outcome.code, outcome.out) == (0, b"")
    assert outcome.err == "stegcinn: revealed 512 bytes into secret.bin\n"
    assert Path("secret.bin").read_bytes() == SECRET


def test_reveal_to_a_named_file(container: Path, run: Run) -> None:
    assert run("reveal", container, "-o", "other.bin").code == 0
    assert Path("other.bin").read_bytes() == SECRET
    assert not Path("secret.bin").exists()


def test_pipes(host: Path, secret: Path, run: Run) -> None:
    hidden = run("hide", "-", secret, "-o", "-", stdin=host.read_bytes())
    assert hidden.out.startswith(b"\x89PNG")
    assert "compressed, in stdout" in hidden.err
    assert run("reveal", "-", "-o", "-", stdin=hidden.out) == Outcome(0, SECRET, "")


def test_payload_from_stdin_has_no_name(host: Path, run: Run) -> None:
    assert run("hide", host, "-", "-o", "o.png", stdin=SECRET).code == 0
    before = names()
    assert run("reveal", "o.png") == Outcome(0, SECRET, "")
    assert names() == before


def test_nothing_to_reveal(host: Path, run: Run) -> None:
    one_error(run("reveal", host, "-o", "r"), 4, "no payload found")
    assert not Path("r").exists()


def test_json_of_a_suggested_name(container: Path, run: Run) -> None:
    assert json.loads(run("reveal", container, "--json").out)["output"] == "secret.bin"


def test_json_of_a_message_needs_an_output(host: Path, run: Run) -> None:
    run("hide", host, "-m", "hello", "-o", "o.png")
    one_error(run("reveal", "o.png", "--json"), 2, "-o")
    assert json.loads(run("reveal", "o.png", "--json", "-o", "r").out)["name"] is None


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
        hidden = stego.conceal(Source(host), Payload(SECRET, name))
    Path("o.png").write_bytes(hidden.file)
    before = set(tmp_path.rglob("*"))
    outcome = run("reveal", "o.png")
    assert outcome.code == 0
    told = [f"stegcinn: note: the name {name!a} is not safe everywhere"] if name else []
    assert [note.rpartition(": ")[0] for note in outcome.notes] == told
    if file is None:
        assert outcome.out == SECRET
    assert set(tmp_path.rglob("*")) - before == ({Path.cwd() / file} if file else set())
