"""Pictures of where a photo can hide, and of photos in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stegcinn
from fakes import RELEASED
from photos import crop
from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.cli import pictures
from stegcinn.cli.main import main

pytestmark = pytest.mark.skipif(not RELEASED, reason="the weights are not there")
SIDE = 128


@pytest.fixture
def half_noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Noise on the left, a quiet slope on the right, one colour in a corner."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    slope = np.linspace(60, 180, SIDE)[:, None, None].repeat(SIDE, axis=1).repeat(3, axis=2)
    slope[:, : SIDE // 2] += rng.normal(0, 8, (SIDE, SIDE // 2, 3))
    slope[-32:, -32:] = 90
    Image.fromarray(np.clip(slope, 0, 255).astype(np.uint8)).save("photo.png")
    return Path("photo.png")


def test_the_map_is_hot_where_there_is_noise(half_noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", str(half_noisy), "--map", "heat.png"]) == 0
    plain = capsys.readouterr().out
    assert main(["capacity", str(half_noisy)]) == 0
    assert capsys.readouterr().out == plain  # the numbers are the same
    with Image.open("heat.png") as image:
        assert image.size == (SIDE, SIDE)
        heat = np.asarray(image).astype(int)
    colourful = heat.max(axis=2) - heat.min(axis=2)
    noisy, calm, flat = colourful[8:80, 8:56], colourful[8:80, 72:120], colourful[-24:-4, -24:-4]
    assert noisy.mean() > 2 * calm.mean()
    assert flat.max() == 0  # gray: nothing hides there
    levels = stego.noisiness(Source(half_noisy))
    assert levels.shape == (SIDE, SIDE)
    assert levels[-24:-4, -24:-4].max() == 0
    assert 3 < np.median(levels[8:80, 8:56]) < 12  # of the 8 levels there are


def test_a_map_of_the_halved_photo(half_noisy: Path) -> None:
    with Image.open(half_noisy) as image:
        image.resize((2 * SIDE, 2 * SIDE)).save("large.png")
    assert main(["capacity", "large.png", "--exact-halve", "--map", "heat.png"]) == 0
    with Image.open("heat.png") as image:
        assert image.size == (SIDE, SIDE)


def test_the_sheet_shows_the_first_photos_in_order(
    half_noisy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("photos").mkdir()
    shown: list[tuple[str, int]] = []
    real = stego.measure

    def measure(source: Source, **options: object) -> stegcinn.Capacity:
        room = real(source, **options)  # type: ignore[arg-type]
        shown.append((source.name, room.safe_bytes))
        return room

    monkeypatch.setattr(stego, "measure", measure)
    for i, name in enumerate(("astronaut", "chelsea", "coffee", "rocket", "astronaut")):
        Image.fromarray(crop(name, 96, 96, 40 * i, 60)).save(f"photos/{i}\x07.png")
    monkeypatch.setattr(pictures, "SHEET", 4)
    monkeypatch.setattr(pictures, "COLUMNS", 3)
    assert main(["rank", "photos", "--payload", "50", "--sheet", "sheet.png"]) == 0
    listed = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert [name.replace("'", "") for name, _ in shown] == listed[:4]
    width, height = pictures.THUMBNAIL
    with Image.open("sheet.png") as image:
        assert image.size == (
            pictures.GAP + 3 * (width + pictures.GAP),
            pictures.GAP + 2 * (height + pictures.CAPTION + pictures.GAP),
        )
        sheet = np.asarray(image)
    first = Path("photos") / Path(listed[0].replace("\\x07", "\x07")).name
    with Image.open(first) as photo:
        top = pictures.GAP + height - 96
        assert np.array_equal(sheet[top : top + 96, pictures.GAP : pictures.GAP + 96], np.asarray(photo))
    captions = sheet[pictures.GAP + height : pictures.GAP + height + pictures.CAPTION]
    assert (captions < 100).any()


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ("capacity photo.png --map heat.jpg", 2, "heat.jpg is a picture to look at, which is written as .png"),
        ("capacity photo.png --map photo.png", 2, "photo.png already exists"),
        ("rank . --payload 9 --sheet photo.png", 2, "photo.png already exists"),
        ("capacity gray.png --map heat.png", 5, "no colours in which small changes could be hidden"),
    ],
)
def test_refusals(half_noisy: Path, capsys: pytest.CaptureFixture[str], argv: str, code: int, words: str) -> None:
    Image.fromarray(crop("astronaut", 64, 64)[..., 0]).save("gray.png")
    assert main(argv.split()) == code
    out, err = capsys.readouterr()
    assert (out, words in err) == ("", True)
    assert not Path("heat.png").exists()
