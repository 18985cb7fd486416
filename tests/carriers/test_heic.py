"""HEIC: read where pi-heif is installed, and told what to install where it is not. turned.heic is a part of a photo of
scikit-image with an orientation of 6."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from photos import crop
from stegcinn.carriers import heic, photo
from stegcinn.carriers.base import Source
from stegcinn.carriers.evidence.decoders import decoders
from stegcinn.carriers.evidence.parts import unclipped
from stegcinn.carriers.evidence.search import as_decoded, find_evidence
from stegcinn.cli.main import main
from stegcinn.errors import ImageError

FILE = Path(__file__).with_name("turned.heic")
DATA = FILE.read_bytes()
needs_pi_heif = pytest.mark.skipif(find_spec("pi_heif") is None, reason="needs pi-heif")


def test_heic_is_known_by_its_brands() -> None:
    assert heic.is_heic(DATA)
    assert photo.is_photo(DATA)
    compatible = b"\0\0\0\x18ftypmif1\0\0\0\0heicmif1"
    assert heic.is_heic(compatible)
    for other in (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", b"\0\0\0\x18ftypmif1heicavif", b"heic" * 8, b""):
        assert not heic.is_heic(other)


def test_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    assert main(["capacity", str(FILE)]) == 5
    line = f"stegcinn: {FILE} is a HEIC photo: pip install 'stegcinn[heic]' to read it, or export it\n"
    assert capsys.readouterr() == ("", line)


@needs_pi_heif
def test_a_photo_is_read_upright() -> None:
    source = Source(FILE)
    rgb = source.photo().rgb
    expected = np.rot90(crop("chelsea", 128, 160, 60, 100), -1)
    assert rgb.shape == expected.shape == (160, 128, 3)
    assert np.abs(rgb.astype(int) - expected).mean() < 4
    assert source.notes == []


@needs_pi_heif
def test_a_photo_that_is_not_halved_proves_any_change_by_its_file_and_by_its_colours() -> None:
    found = Source(FILE).photo()
    assert found.evidence == as_decoded("HEIC")
    assert find_evidence(found.rgb) == as_decoded("JPEG or HEIC")
    assert max(each.makes(found.rgb)[unclipped(found.rgb)].mean() for each in decoders()) == 1


@needs_pi_heif
def test_a_halved_photo_shows_no_compression() -> None:
    half = Source(DATA).halved(exact=True)
    assert half.photo().rgb.shape == (80, 64, 3)
    assert half.photo().evidence is None
    assert not any("HEIC" in note or "compress" in note for note in half.notes)


@needs_pi_heif
def test_sizes_are_judged_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic, "decoded", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="more than 1,000 pixels; scale it down first"):
        photo.decode(DATA, "photo", largest=1000)
    with pytest.raises(ImageError, match="damaged or cut short"):
        photo.decode(DATA[:400], "photo")
