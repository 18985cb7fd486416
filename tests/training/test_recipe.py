"""The recipe of docs/training.md does what it says, command by command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photos import crop
from stegcinn.cli.main import main

ROOT = Path(__file__).parents[2]
SHORTER = ("--set", "stage1.steps=60", "--set", "rounds.iterations=3", "--device", "cpu")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_forty_photos_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = re.search(r"^## Two minutes.*?^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert section
    commands = [shlex.split(line)[1:] for line in section[1].splitlines() if line.startswith("stegcinn ")]
    assert [words[0] for words in commands] == ["train", "export", "hide", "reveal"]
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    for i in range(40):
        name = ("astronaut", "chelsea", "coffee", "rocket")[i % 4]
        Image.fromarray(crop(name, 96, 96, *rng.integers(200, size=2))).save(f"photos/{i}.jpg", quality=95)
    Image.fromarray(crop("astronaut", 256, 256)).save("photo.jpg", quality=95)
    for words in commands:
        assert main([*words, *(SHORTER if words[0] == "train" else ())]) == 0, capsysbinary.readouterr().err
    out, err = capsysbinary.readouterr()
    assert out == b"hello"
    said = err.decode().splitlines()
    assert said[0] == "stegcinn: 36 photos, 60 steps and 1 round of 3 on cpu, saved every 20"
    assert any(line.endswith("next: stegcinn export quick -o quick-release") for line in said)
    for name, width in (("curves.png", 640), ("sheet.png", 4 * 2 * 128)):
        with Image.open(Path("quick") / name) as image:
            assert image.width == width
