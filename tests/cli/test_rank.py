"""Choosing a host: textured photos before smooth ones, and nothing that is no photo."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data

from stegcinn.cli import main
from stegcinn.rank import rank


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rgb = skimage_data.astronaut()[:160, :160]
    smooth = np.asarray(Image.fromarray(rgb).resize((20, 20)).resize((160, 160), Image.Resampling.BICUBIC))
    noisy = np.clip(rgb + np.random.default_rng(0).normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)
    (tmp_path / "more").mkdir()
    for name, image in (("smooth.png", smooth), ("more/noisy.png", noisy), ("gray.png", rgb[..., 0])):
        Image.fromarray(image).save(tmp_path / name)
    Image.fromarray(noisy).save(tmp_path / "noisy.jpg", quality=95)
    (tmp_path / "text.txt").write_text("no photo")
    return tmp_path


def test_the_noisiest_photo_is_disturbed_least(folder):
    left_out = []
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = rank(paths, 500, lambda path, reason: left_out.append(path.name))
    assert next(photo.path.name for photo in found) == "noisy.png"
    assert {photo.path.name for photo in found} == {"noisy.png", "noisy.jpg", "smooth.png"}
    assert [photo.decoded for photo in found if photo.path.name == "noisy.jpg"] == [True]
    assert sorted(left_out) == ["gray.png", "text.txt"]
    assert all(photo.bpp == 8 * 500 / 160**2 for photo in found)
    assert [photo.disturbance for photo in found] == sorted(photo.disturbance for photo in found)


def test_more_payload_disturbs_more(folder):
    path = folder / "more" / "noisy.png"
    small, large = (rank([path], size, print)[0].disturbance for size in (100, 2000))
    assert 0 < 4 * small < large


def test_halved_photos(folder):
    jpeg = folder / "noisy.jpg"
    (whole,), (half,) = (rank([jpeg], 100, print, halve=halve) for halve in (False, True))
    assert (whole.decoded, half.decoded) == (True, False)
    assert half.bpp == 4 * whole.bpp
    left_out = []
    Image.open(jpeg).crop((0, 0, 100, 100)).save(folder / "small.png")
    assert rank([folder / "small.png"], 100, lambda path, reason: left_out.append(reason), halve=True) == []
    assert "half of the photo is 50x50 pixels" in left_out[0]


def test_command(folder, capsys):
    assert main.main(["rank", str(folder), "--payload", "500", "--json"]) == 0
    out, err = capsys.readouterr()
    assert Path(json.loads(out)[0]["path"]) == folder / "more" / "noisy.png"
    assert err.count("left out") == 2
    assert main.main(["rank", str(folder), "--payload", "500"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("noisy.png")


@pytest.mark.parametrize(("argv", "code"), [
    (["--payload", "10000000"], 1), (["--payload", "10000000", "--json"], 1), (["--payload", "-1"], 2),
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
    assert all(c.isprintable() for c in out.rstrip("\n"))
