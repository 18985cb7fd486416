"""Choosing a host: textured photos before smooth ones, and nothing that is no photo."""

from __future__ import annotations

import io
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stegcinn
from photos import crop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rgb = crop("astronaut", 160, 160)
    smooth = np.asarray(Image.fromarray(rgb).resize((53, 53)).resize((160, 160), Image.Resampling.BICUBIC))
    noisy = np.clip(rgb + np.random.default_rng(0).normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)
    (tmp_path / "more").mkdir()
    for name, image in (("smooth.png", smooth), ("more/noisy.png", noisy), ("gray.png", rgb[..., 0])):
        Image.fromarray(image).save(tmp_path / name)
    Image.fromarray(noisy).save(tmp_path / "noisy.jpg", quality=95)
    (tmp_path / "text.txt").write_text("no photo")
    return tmp_path


@pytest.mark.parametrize("kind", [Path, str])
def test_the_noisiest_photo_is_disturbed_least(folder, kind):
    left_out = {}
    found = stegcinn.rank(kind(folder), 500, skipped=lambda host, reason: left_out.update({host.name: reason}))
    assert found[0].host == folder / "more" / "noisy.png"
    assert {photo.host.name for photo in found} == {"noisy.png", "noisy.jpg", "smooth.png"}
    assert sorted(left_out) == ["gray.png", "text.txt"]
    assert left_out["gray.png"] == f"{folder / 'gray.png'} does not take 500 bytes in small changes"
    assert "not a photo" in left_out["text.txt"]
    assert all((photo.bpp, photo.codec) == (8 * 500 / 160**2, "stealth") for photo in found)
    assert [photo.disturbance for photo in found] == sorted(photo.disturbance for photo in found)


def test_photos_are_judged_in_the_words_of_hiding(folder):
    verdicts = {}
    for photo in stegcinn.rank(folder, 500):
        judgement = photo.judgement
        verdicts[photo.host.name] = judgement.verdict
        if judgement.verdict == "provable":
            assert judgement == stegcinn.capacity(photo.host).judge(500)
        elif judgement.verdict == "noticeable":
            assert f"disturbance {photo.disturbance:.1f}" in judgement.reason
            assert photo.disturbance > 3
    assert verdicts["noisy.jpg"] == "provable"  # as JPEG it does not take as much
    assert verdicts["smooth.png"] == "noticeable"


def test_hosts_are_anything_that_can_be_hidden_in(folder):
    path = folder / "more" / "noisy.png"
    with Image.open(path) as image:
        image.load()
    hosts = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), image, np.asarray(image)]
    found = stegcinn.rank(iter(hosts), 500)
    assert all(photo.host is host for photo, host in zip(found, hosts, strict=True))
    assert len({astuple(photo)[1:4] for photo in found}) == 1


def test_what_is_left_out_need_not_be_told(folder):
    assert stegcinn.rank([folder / "gray.png", folder / "text.txt"], 500) == []
    assert stegcinn.rank([], 500) == []


def test_more_payload_disturbs_more(folder):
    path = folder / "more" / "noisy.png"
    small, large = (stegcinn.rank([path], size)[0].disturbance for size in (100, 2000))
    assert 0 < 4 * small < large


def test_progress_rises_within_each_photo(folder):
    shares = []
    stegcinn.rank(folder, 500, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    fifths = {share * 5 for share in shares}
    assert any(0 < fifth < 1 or 1 < fifth < 2 for fifth in fifths)  # not only where a photo is done


def test_halved_photos(folder):
    jpeg = folder / "noisy.jpg"
    (whole,), (half,) = (stegcinn.rank([jpeg], 100, halve=halve) for halve in (False, True))
    assert (whole.codec, half.codec) == ("jpeg", "stealth")
    assert half.bpp == 4 * whole.bpp
    left_out = []
    Image.open(jpeg).crop((0, 0, 100, 100)).save(folder / "small.png")
    small = [folder / "small.png"]
    assert stegcinn.rank(small, 100, halve=True, skipped=lambda host, reason: left_out.append(reason)) == []
    assert "half of the photo is 50x50 pixels" in left_out[0]


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(stegcinn.UsageError, match="is no folder; name one"):
        stegcinn.rank(tmp_path / name, 100)
