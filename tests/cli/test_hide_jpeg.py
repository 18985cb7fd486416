"""The command hide with JPEG files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import Run, one_error
from PIL import Image

import jpegs
from stegcinn.carriers.jpegfile.file import JpegFile

pytestmark = pytest.mark.usefixtures("workplace")

MESSAGE = "meet me at noon"


@pytest.fixture
def photo(workplace: Path) -> Path:
    """A JPEG file that tells where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)})
    path = Path("photo.jpg")
    path.write_bytes(jpegs.saved(jpegs.picture(320, 240), quality=92, exif=exif))
    return path


@pytest.fixture
def png(workplace: Path) -> Path:
    path = Path("photo.png")
    Image.fromarray(jpegs.picture(200, 160)).save(path)
    return path


def quality(path: str | Path) -> tuple[int, bool]:
    return JpegFile.read(Path(path).read_bytes(), str(path)).quality


@pytest.mark.parametrize("name", ["x.jpg", "x.jpeg", "x.JPG"])
def test_a_jpeg_stays_one(photo: Path, run: Run, name: str) -> None:
    outcome = run("hide", photo, "-m", MESSAGE, "-o", name)
    assert outcome.code == 0
    assert "codec jpeg" in outcome.err
    assert "of chroma coefficients changed" in outcome.err
    assert run("reveal", name).out == MESSAGE.encode()
    before, after = (JpegFile.read(Path(each).read_bytes(), "the image") for each in (photo, name))
    assert np.array_equal(before.luma.coefficients, after.luma.coefficients)


def test_a_jpeg_is_written_to_a_pipe(photo: Path, run: Run) -> None:
    outcome = run("hide", photo, "-m", MESSAGE, "-o", "-")
    assert outcome.out.startswith(b"\xff\xd8\xff")
    assert run("reveal", "-", stdin=outcome.out).out == MESSAGE.encode()


@pytest.mark.parametrize("chosen", [None, 30, 75, 98])
def test_another_photo_becomes_a_jpeg(png: Path, run: Run, chosen: int | None) -> None:
    options = [] if chosen is None else ["--quality", str(chosen)]
    outcome = run("hide", png, "-m", MESSAGE, "-o", "o.jpg", *options, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["codec"] == "jpeg"
    assert quality("o.jpg") == (chosen or 90, True)
    assert run("reveal", "o.jpg").out == MESSAGE.encode()


@pytest.mark.parametrize("chosen", ["1", "29", "99", "100"])
def test_other_qualities_are_refused(png: Path, run: Run, chosen: str) -> None:
    one_error(run("hide", png, "-m", MESSAGE, "-o", "o.jpg", f"--quality={chosen}"), 2, "30 to 98", chosen)
    assert not Path("o.jpg").exists()


@pytest.mark.parametrize("chosen", ["0", "-1", "high"])
def test_what_is_no_quality_is_refused(png: Path, run: Run, chosen: str) -> None:
    outcome = run("hide", png, "-m", MESSAGE, "-o", "o.jpg", f"--quality={chosen}")
    assert outcome.code == 2
    assert "argument --quality: " in outcome.err


def test_only_a_jpeg_has_a_quality(png: Path, run: Run) -> None:
    one_error(
        run("hide", png, "-m", MESSAGE, "-o", "o.png", "--quality", "80"), 2, "no codec does all of this in a .png"
    )
    one_error(
        run("hide", png, "-m", MESSAGE, "-o", "o.png", "--quality", "80", "--codec", "stealth"), 2, "makes no JPEG"
    )


def test_a_jpeg_keeps_its_quality(photo: Path, run: Run) -> None:
    one_error(run("hide", photo, "-m", MESSAGE, "-o", "o.jpg", "--quality", "80"), 5, "is a JPEG already", "halve it")
    for name, options, expected in (("o.jpg", ["--quality", "80"], 80), ("p.jpg", [], 92)):
        assert run("hide", photo, "-m", MESSAGE, "-o", name, "--halve", *options).code == 0
        assert quality(name) == (expected, True)
        assert run("reveal", name).out == MESSAGE.encode()


def test_places_are_noted_and_left_out(photo: Path, run: Run) -> None:
    told = [note for note in run("hide", photo, "-m", MESSAGE, "-o", "told.jpg").notes if "GPS" in note]
    assert len(told) == 1
    assert "--strip-metadata" in told[0]
    outcome = run("hide", photo, "-m", MESSAGE, "-o", "bare.jpg", "--strip-metadata")
    assert outcome.code == 0
    assert not any("GPS" in note for note in outcome.notes)
    assert b"Exif" in Path("told.jpg").read_bytes()
    assert b"Exif" not in Path("bare.jpg").read_bytes()
    assert run("reveal", "bare.jpg").out == MESSAGE.encode()


@pytest.mark.parametrize("best", ["99", "100"])
def test_what_shows_every_change_is_refused(run: Run, workplace: Path, best: str) -> None:
    Path("best.jpg").write_bytes(jpegs.saved(jpegs.picture(200, 160), quality=int(best)))
    one_error(run("hide", "best.jpg", "-m", MESSAGE, "-o", "o.jpg"), 5, f"has JPEG quality {best}", "halve it")
