"""The command rank: a line or a JSON object for every photo, and a word on those that are left out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photos import crop
from stegcinn.carriers.evidence.search import as_decoded
from stegcinn.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rgb = crop("astronaut", 160, 160)
    noisy = np.clip(rgb + np.random.default_rng(0).normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)
    (tmp_path / "more").mkdir()
    Image.fromarray(noisy).save(tmp_path / "more" / "noisy.png")
    Image.fromarray(rgb[..., 0]).save(tmp_path / "gray.png")
    Image.fromarray(noisy).save(tmp_path / "noisy.jpg", quality=95)
    (tmp_path / "text.txt").write_text("no photo")
    return tmp_path


def test_command(folder, capsys):
    assert main.main(["rank", str(folder), "--payload", "500", "--json"]) == 0
    out, err = capsys.readouterr()
    best, decoded = json.loads(out)
    assert (Path(best.pop("path")), best.pop("bpp")) == (folder / "more" / "noisy.png", 8 * 500 / 160**2)
    assert best.pop("disturbance") > 0
    assert best["judgement"] in ("safe", "noticeable")
    assert "attacker" in best.pop("reason")
    assert best == {"codec": "stealth", "judgement": best["judgement"], "decoded": False}
    assert decoded["reason"] == as_decoded("JPEG")
    assert (Path(decoded["path"]).name, decoded["judgement"], decoded["decoded"]) == ("noisy.jpg", "provable", True)
    assert err.count("left out") == 2
    assert main.main(["rank", str(folder), "--payload", "500"]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == f"stegcinn: note: provable: {as_decoded('JPEG')}"
    header, first, second = out.splitlines()
    assert header.split() == ["disturbance", "bits/pixel", "judgement", "photo"]
    assert first.split()[2:] in (
        ["safe", str(folder / "more" / "noisy.png")],
        ["noticeable", str(folder / "more" / "noisy.png")],
    )
    assert second.split()[2:] == ["provable", str(folder / "noisy.jpg")]


def test_of_many_photos_left_out_a_few_are_named_and_the_others_counted(folder, capsys):
    for number in range(5):
        (folder / f"{number}.txt").write_text("no photo")
    assert main.main(["rank", str(folder), "--payload", "500"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(notes) == main.LEFT_OUT_TOLD + 1
    assert "left out: 4 more that are no photos or do not take as much" in notes[-1]


def test_halved_photos_are_not_decoded(folder, capsys):
    assert main.main(["rank", str(folder), "--payload", "100", "--halve", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {Path(photo["path"]).name: photo["decoded"] for photo in found} == {"noisy.png": False, "noisy.jpg": False}
    assert all(photo["bpp"] == 8 * 100 / 80**2 for photo in found)


@pytest.mark.parametrize(("argv", "code"), [
    (["--payload", "10000000"], 3), (["--payload", "10000000", "--json"], 3), (["--payload", "-1"], 2),
    (["--payload", "x"], 2), ([], 2),
])  # fmt: skip
def test_refusals(folder, capsys, argv, code):
    assert main.main(["rank", str(folder), *argv]) == code
    out, err = capsys.readouterr()
    assert (out, "stegcinn" in err) == ("", True)


@pytest.mark.parametrize("name", [b"bell\x07.png", b"\xff\xfe.png"])
def test_names_do_not_rule_the_terminal(folder, name, capsys):
    """Nor end the work where they are no text at all."""
    odd = folder / "more" / os.fsdecode(name)
    (folder / "more" / "noisy.png").rename(odd)
    assert main.main(["rank", str(folder / "more"), "--payload", "500"]) == 0
    out = capsys.readouterr().out
    assert out.encode()
    assert all(c.isprintable() or c == "\n" for c in out)
