"""The command capacity: a line for people, or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import Outcome, Run, one_error
from PIL import Image

from fakes import SIDE, LsbCodec, load_fake
from jpegs import picture
from stegcinn import candidates
from stegcinn.carriers.base import read_photo
from stegcinn.carriers.evidence.search import as_decoded
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Progress, Room, Wish
from stegcinn.codecs.lumalocked import chosen_colors
from stegcinn.sealing import envelope

pytestmark = pytest.mark.usefixtures("workplace")


def test_capacity(host: Path, run: Run) -> None:
    line = (
        b"1,124 bytes (0.98 bits per pixel) with codec exact, colors keep; "
        b"up to 548 are quiet against the attackers measured\n"
    )
    outcome = run("capacity", host, "--codec", "exact")
    assert outcome == run("capacity", "-", "--codec", "exact", stdin=host.read_bytes()) == Outcome(0, line, "")


def test_the_codecs_that_may_be_chosen_are_told_apart(host: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(LsbCodec):
        name = "stealth"

        def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room:
            return Room(super().capacity(photo, wish, progress).most // 2, 100, chosen_colors(photo, wish))

    monkeypatch.setattr(candidates, "load_codec", lambda name: Small() if name == "stealth" else load_fake(name))
    assert run("capacity", host).out == (
        b"1,124 bytes (0.98 bits per pixel) with codec exact, colors keep; 548 with codec stealth; "
        b"up to 548 are quiet against the attackers measured\n"
    )
    assert json.loads(run("capacity", host, "--json").out)["per_codec"] == {"stealth": 548, "exact": 1124}


def test_json_of_capacity(host: Path, run: Run) -> None:
    size, safe = (SIDE * SIDE // share - envelope.OVERHEAD for share in (8, 16))
    expected = {
        "bytes": size, "bpp": 8 * size / SIDE**2, "codec": "cinn", "colors": "generate", "per_codec": {"cinn": size},
        "safe_bytes": safe, "decoded": False, "evidence": None, "channel": None,
        "routes": [{"codec": "cinn", "suffix": ".png", "bytes": size, "safe_bytes": safe, "evidence": None}],
    }  # fmt: skip
    outcome = run("capacity", host, "--json", "--codec", "cinn", "--colors", "generate")
    assert json.loads(outcome.out) == expected


def test_nothing_is_safe_in_a_photo_decoded_from_jpeg(run: Run) -> None:
    noise = np.random.default_rng(0).integers(100, 150, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(noise).save("photo.jpg", quality=50)
    outcome = run("capacity", "photo.jpg", "--codec", "stealth")
    assert outcome.out.endswith(b" with codec stealth, colors keep\n")
    assert outcome.notes == [f"stegcinn: note: {as_decoded('JPEG')}"]
    room = json.loads(run("capacity", "photo.jpg", "--json", "--codec", "stealth").out)
    assert (room["safe_bytes"], room["decoded"], room["evidence"]) == (0, True, as_decoded("JPEG"))


def test_a_jpeg_may_stay_one(run: Run) -> None:
    Image.fromarray(picture(480, 320)).save("photo.jpg", quality=85)
    outcome = run("capacity", "photo.jpg")
    assert outcome.notes == [f"stegcinn: note: {as_decoded('JPEG')}"]
    first, second = outcome.out.decode().splitlines()
    assert first.startswith("JPG: ")
    assert "with codec jpeg" in first
    assert second.startswith("PNG: ")
    assert "quiet" not in second
    room = json.loads(run("capacity", "photo.jpg", "--json").out)
    assert (room["decoded"], room["evidence"], room["routes"][0]["evidence"]) == (True, None, None)
    assert room["safe_bytes"] == room["routes"][0]["safe_bytes"] > 0
    assert f"up to {room['safe_bytes']:,} are quiet against the attackers measured" in first


def test_a_halved_photo(run: Run) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(100, 150, (2 * SIDE + 1, 2 * SIDE, 3)).astype(np.uint8)).save("p.jpg", quality=50)
    room = json.loads(run("capacity", "p.jpg", "--exact-halve", "--json", "--codec", "exact").out)
    assert (room["decoded"], room["bytes"]) == (False, SIDE * SIDE // 8 - envelope.OVERHEAD)
    outcome = run("hide", "p.jpg", "-m", "hello", "-o", "o.png", "--exact-halve", "--json")
    assert as_decoded("JPEG") not in outcome.err
    assert read_photo("o.png").rgb.shape == (SIDE, SIDE, 3)
    assert json.loads(outcome.out)["bpp"] == 8 * 5 / SIDE**2
    assert run("reveal", "o.png", "-o", "-").out == b"hello"
    exactly = (
        f"stegcinn: note: p.jpg is halved to {SIDE}x{SIDE} pixels, exactly: anyone who has the original has this host"
    )
    assert outcome.notes[0] == exactly


def test_a_photo_halved_by_chance(run: Run) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(100, 150, (2 * SIDE, 2 * SIDE, 3)).astype(np.uint8)).save("p.jpg", quality=50)
    lumas = []
    for name in ("o.png", "p.png"):
        outcome = run("hide", "p.jpg", "-m", "hello", "-o", name, "--halve")
        assert outcome.code == 0, outcome
        lumas.append(read_photo(name).luma)
        height, width = lumas[-1].shape
        assert f"p.jpg is halved to {width}x{height} pixels, its edges and phase drawn at random" in outcome.notes[0]
        assert SIDE - 4 <= min(height, width) <= max(height, width) <= SIDE
        assert run("reveal", name).out == b"hello"
    assert not np.array_equal(*lumas)
    assert run("hide", "p.jpg", "-m", "x", "-o", "q.png", "--halve", "--exact-halve").code == 2


def test_no_capacity_is_no_error(run: Run) -> None:
    Image.new("RGB", (SIDE, SIDE)).save("black.png")
    outcome = run("capacity", "black.png")
    assert (outcome.code, outcome.out) == (0, b"0 bytes (0.00 bits per pixel) with codec stealth\n")
    assert "takes no payload" in outcome.notes[0]


def test_an_image_too_small(secret: Path, run: Run) -> None:
    Image.new("RGB", (20, 20)).save("small.png")
    one_error(run("capacity", "small.png"), 5, "20x20")
