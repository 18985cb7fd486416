"""Photos are written without loss, under suffixes that say so."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import GRAY, RGB, SRGB, encoded
from PIL import Image

from photos import crop
from stegcinn.carriers import formats
from stegcinn.carriers.base import read_photo
from stegcinn.carriers.formats import LOSSLESS, check_suffix, encode_photo, losses
from stegcinn.carriers.photo import Photo
from stegcinn.errors import UsageError

FORMATS = {".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".bmp": "BMP"}


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("with_alpha", [False, True])
def test_encoding_is_lossless_and_keeps_alpha_and_profile(suffix: str, with_alpha: bool) -> None:
    alpha = GRAY // 128 * 255  # half of the pixels are fully transparent
    photo = Photo(RGB, alpha if with_alpha else None, SRGB) if suffix != ".bmp" else Photo(RGB)
    assert losses(photo, suffix) == []
    data = encode_photo(photo, suffix)
    again = read_photo(data)
    assert np.array_equal(again.rgb, photo.rgb)
    assert again.icc_profile == photo.icc_profile
    assert (again.alpha is None) == (photo.alpha is None)
    assert again.alpha is None or np.array_equal(again.alpha, photo.alpha)
    assert Image.open(io.BytesIO(data)).format == FORMATS[suffix]
    flat = encode_photo(Photo(np.zeros_like(RGB)), suffix)
    assert suffix == ".bmp" or len(flat) < RGB.size / 10  # compressed


@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("profile", [None, SRGB])
def test_a_png_is_as_pillow_writes_it_by_default(with_alpha: bool, profile: bytes | None) -> None:
    """Nothing sorts it out from the files that half the world's programs write."""
    photo = Photo(RGB, GRAY if with_alpha else None, profile)
    usual = io.BytesIO()
    photo.to_pil().save(usual, "PNG", icc_profile=profile)
    assert encode_photo(photo, ".png") == usual.getvalue()


def test_a_large_png_has_the_chunks_and_the_header_that_pillow_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made with less effort, as that takes seconds: only who compresses the pixels anew sees that."""
    photo, usual = Photo(crop("astronaut", 512, 512)), io.BytesIO()
    photo.to_pil().save(usual, "PNG")
    monkeypatch.setattr(formats, "USUAL_EFFORT_PIXELS", photo.pixels - 1)
    ours, pillows = png_chunks(encode_photo(photo, ".png")), png_chunks(usual.getvalue())
    assert len(ours) > 5
    assert (
        [kind for kind, _ in ours] == [kind for kind, _ in pillows] == [b"IHDR", *[b"IDAT"] * (len(ours) - 2), b"IEND"]
    )
    assert [len(data) for _, data in ours[:-2]] == [len(data) for _, data in pillows[:-2]]
    assert ours[1][1][:2] == pillows[1][1][:2] == b"\x78\x9c"
    assert ours != pillows
    assert np.array_equal(read_photo(encode_photo(photo, ".png")).rgb, photo.rgb)


def png_chunks(file: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(file):
        (size,) = struct.unpack_from(">I", file, at)
        kind, data = file[at + 4 : at + 8], file[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", file, at + 8 + size) == (zlib.crc32(kind + data),)
        found.append((kind, data))
        at += 12 + size
    return found


def test_a_bmp_holds_no_transparency_and_no_profile() -> None:
    for work in (encode_photo, losses):
        with pytest.raises(UsageError, match="transparency"):
            work(Photo(RGB, GRAY), ".bmp")
    profiled = Photo(RGB, None, SRGB)
    assert losses(profiled, ".bmp") == ["a .bmp file cannot hold the colour profile: dropped"]
    again = read_photo(encode_photo(profiled, ".bmp"))
    assert np.array_equal(again.rgb, RGB)
    assert again.icc_profile is None


def test_webp_has_a_largest_side() -> None:
    for work in (encode_photo, losses):
        with pytest.raises(UsageError, match="16,383"):
            work(Photo(np.zeros((64, 16384, 3), np.uint8), None, None), ".webp")
    encode_photo(Photo(np.zeros((64, 16383, 3), np.uint8), None, None), ".webp")


def test_suffixes() -> None:
    for path, suffix in (
        ("a.png", ".png"),
        ("A.B.WebP", ".webp"),
        (Path("x/y.TIF"), ".tif"),
        ("y.bmp", ".bmp"),
        ("z.tiff", ".tif"),
        ("z.TIFF", ".tif"),
    ):
        assert check_suffix(path, LOSSLESS) == suffix
    for path in ("a.jpg", "a.JPEG", "a.jfif", "a.avif", "a.heic", "a.jp2", "a.gif"):
        with pytest.raises(UsageError, match=r"loses the payload; use \.png, \.webp, \.tif, \.bmp$"):
            check_suffix(path, LOSSLESS)
    for path in ("a", "a.txt", "png", ".png", "a.png."):
        with pytest.raises(UsageError, match=r"can be written; use \.png, \.webp, \.tif, \.bmp$"):
            check_suffix(path, LOSSLESS)


def test_suffixes_are_those_that_are_asked_for() -> None:
    assert check_suffix("a.JPG", (".jpg", ".png")) == ".jpg"
    for path in ("a.png", "a.tiff"):
        with pytest.raises(UsageError, match=r"can be written; use \.webp$"):
            check_suffix(path, (".webp",))
    with pytest.raises(UsageError, match=r"'two\\nlines\.txt': not the suffix") as caught:
        check_suffix("two\nlines.txt", LOSSLESS)
    assert "\n" not in str(caught.value)


def test_metadata_is_dropped() -> None:
    exif = Image.Exif()
    exif[0x010E] = "Secret"
    jpeg = encoded(Image.fromarray(RGB), "JPEG", exif=exif, comment=b"Secret", xmp=b"Secret")
    assert b"Secret" in jpeg
    photo = read_photo(jpeg)
    for suffix in LOSSLESS:
        assert b"Secret" not in encode_photo(photo, suffix)
