"""The command hide: what it writes, tells and refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from command import SECRET, Outcome, Run, one_error
from PIL import Image

from fakes import SIDE, LsbCodec, pixels
from photos import crop
from stegcinn.carriers.evidence.search import as_decoded
from stegcinn.carriers.formats import FRAGILE, FRAGILE_JPEG
from stegcinn.cli import console
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload

pytestmark = pytest.mark.usefixtures("workplace")

STORED = len(envelope.pack(Payload(SECRET)).stored)
UNREADABLE_BY_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may do anything")


def test_hide_reports_on_stderr(host: Path, secret: Path, run: Run) -> None:
    outcome = run("hide", host, secret, "-o", "o.png")
    assert outcome.out == b""
    assert (
        f"hid 512 bytes, {STORED} compressed, in o.png: 0.444 bits per pixel, codec stealth, colors keep, "
        in outcome.err
    )
    assert outcome.notes == [
        "stegcinn: note: without a password, anyone with stegcinn can read the payload", f"stegcinn: note: {FRAGILE}"
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff", ".bmp", ".PNG"])
def test_every_lossless_format(host: Path, secret: Path, run: Run, suffix: str) -> None:
    assert run("hide", host, secret, "-o", f"o{suffix}").code == 0
    assert run("reveal", f"o{suffix}", "-o", "r").code == 0
    assert Path("r").read_bytes() == SECRET


@pytest.mark.parametrize("payload", [b"", b"a", "grüß dich\n\tÅ 𝄞".encode()])
def test_message(host: Path, run: Run, payload: bytes) -> None:
    assert run("hide", host, "-m", payload.decode(), "-o", "o.png").code == 0
    assert run("reveal", "o.png") == Outcome(0, payload, "")


def test_message_that_is_not_unicode(host: Path, run: Run) -> None:
    assert run("hide", host, "-m", os.fsdecode(b"\xff\xfe"), "-o", "o.png").code == 0
    assert run("reveal", "o.png").out == b"\xff\xfe"


def test_message_from_standard_input(host: Path, run: Run) -> None:
    """What stands in the arguments stands in the list of processes, for everyone on the machine."""
    assert run("hide", host, "-m", "-", "-o", "o.png", stdin=b"meet me\n").code == 0
    assert run("reveal", "o.png") == Outcome(0, b"meet me\n", "")
    one_error(run("hide", "-", "-m", "-", "-o", "p.png", stdin=b"x"), 2, "cannot both be standard input")
    assert "list of processes" in " ".join(run("hide", "--help").out.decode().split())


def test_force_overwrites_the_named_output(host: Path, secret: Path, container: Path, run: Run) -> None:
    secret.write_bytes(b"new")
    assert run("hide", host, secret, "-o", container, "--force").code == 0
    assert run("reveal", container, "-o", secret, "--force").code == 0
    assert secret.read_bytes() == b"new"


def test_file_may_follow_the_options(host: Path, secret: Path, run: Run) -> None:
    assert run("hide", host, "-o", "o.png", secret).code == 0
    assert run("reveal", "o.png", "-o", "r").code == 0
    assert Path("r").read_bytes() == SECRET
    assert run("hide", host, "-o", "p.png", "--bogus").code == 2


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
    assert "stegcinn: note: deep.png has more than 8 bits per channel and is reduced to 8 bits" in outcome.notes


def test_a_photo_straight_from_a_jpeg_file_is_noted(secret: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    rgb = np.kron(rng.integers(60, 200, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    Image.fromarray(rgb).save("photo.jpg", quality=90)
    assert run("hide", "photo.jpg", secret, "-o", "o.png").notes[0] == f"stegcinn: note: {as_decoded('JPEG')}"


def test_a_jpeg_is_to_be_sent_as_it_is_too(run: Run) -> None:
    Image.fromarray(crop("astronaut", 256, 256)).save("photo.jpg", quality=90)
    outcome = run("hide", "photo.jpg", "-m", "hello", "-o", "o.jpg")
    assert outcome.code == 0
    assert [note for note in outcome.notes if "as it is" in note] == [f"stegcinn: note: {FRAGILE_JPEG}"]


@pytest.mark.parametrize(
    ("disturbance", "note"),
    [(3.0, None), (3.14, "a trained attacker may notice this payload (disturbance 3.1); hide less, "),
     (None, "a trained attacker may notice this payload; hide less, ")],
)  # fmt: skip
def test_hide_says_what_may_be_noticed(
    host: Path, secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch, disturbance: float | None, note: str | None
) -> None:
    monkeypatch.setattr(LsbCodec, "disturbs", disturbance)
    told = [line for line in run("hide", host, secret, "-o", "o.png").notes if "notice" in line]
    assert len(told) == (note is not None)
    assert all(line.startswith(f"stegcinn: note: {note}") for line in told)


def test_json_of_hide_and_reveal(host: Path, secret: Path, run: Run) -> None:
    hidden = json.loads(run("hide", host, secret, "-o", "o.png", "--json").out)
    assert hidden.pop("seconds") > 0
    assert 0.3 < hidden.pop("changed_pixels") < 0.7
    assert hidden == {
        "output": "o.png", "bytes": 512, "stored_bytes": STORED, "name": "secret.bin", "bpp": 512 * 8 / SIDE**2,
        "codec": "stealth", "colors": "keep", "raw_accuracy": 1.0, "disturbance": 1.0, "judgement": "safe",
        "survival": None,
    }  # fmt: skip
    revealed = json.loads(run("reveal", "o.png", "-o", "r", "--json").out)
    assert revealed.pop("seconds") > 0
    assert revealed == {"output": "r", "bytes": 512, "name": "secret.bin"}


# refusals


@pytest.mark.parametrize("output", ["o.avif", "other.png", "host.png", "nowhere/o.png"])
def test_outputs_are_judged_before_any_work(
    host: Path, secret: Path, run: Run, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("other.png").touch()
    for name in ("password", "open_source", "read_payload"):
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
    one_error(run("hide", host, "big.bin", "-o", "o.png"), 3, "needs 5,000 bytes", "takes 1,124")
    assert not Path("o.png").exists()


def test_a_photo_too_small_to_be_halved(host: Path, secret: Path, run: Run) -> None:
    one_error(run("hide", host, secret, "-o", "o.png", "--halve"), 5, "half of the photo is 48x48 pixels")
    assert not Path("o.png").exists()


def test_a_format_that_cannot_hold_the_photo_is_refused_before_the_work(
    secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.dstack([pixels(), pixels()[..., 0]])).save("alpha.png")
    monkeypatch.setattr(LsbCodec, "embed", lambda *_: pytest.fail("it worked"))
    one_error(run("hide", "alpha.png", secret, "-o", "o.bmp"), 2, "transparency")


def test_a_file_without_an_end_is_refused(host: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(envelope, "MAX_PAYLOAD", 10 << 20)
    one_error(run("hide", host, "/dev/zero", "-o", "o.png"), 2, "more than 10,485,760 bytes")
    for argv in (("hide", host, "-", "-o", "o.png"), ("capacity", "-")):
        one_error(run(*argv, stdin=bytes(11 << 20)), 2, "standard input has more than 10,485,760 bytes")
