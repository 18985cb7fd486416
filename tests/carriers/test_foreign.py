"""Files as other programs write them."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

import stegcinn
from photos import crop
from stegcinn.carriers.base import Source
from stegcinn.carriers.foreign import MAX_PROFILE
from stegcinn.carriers.formats import encode_photo, losses
from stegcinn.errors import ImageError, StegcinnWarning

RGB = crop("astronaut", 96, 96)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    png = saved("PNG")
    return png[:33] + chunk(kind, data) + png[33:]


def large_profile() -> bytes:
    profile = bytearray(SRGB + bytes(MAX_PROFILE))
    profile[:4] = struct.pack(">I", len(profile))
    return bytes(profile)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt"])
def test_texts_never_stop_a_picture(kind: bytes) -> None:
    text = b'{"prompt": "cat"} ' * 70_000
    data = {
        b"zTXt": b"workflow\0\0" + zlib.compress(text), b"iTXt": b"workflow\0\1\0\0\0" + zlib.compress(text),
        b"tEXt": b"workflow\0" + text,
    }[kind]  # fmt: skip
    source = Source(with_chunk(kind, data))
    assert np.array_equal(source.photo().rgb, RGB)
    assert source.notes == []


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_a_large_profile_is_dropped_and_the_container_holds(form: str) -> None:
    profile = large_profile()
    file = (
        saved(form, icc_profile=profile)
        if form != "PNG"
        else with_chunk(b"iCCP", b"display\0\0" + zlib.compress(profile))
    )
    source = Source(file)
    assert source.photo().icc_profile is None
    assert source.notes == ["the image has a colour profile of more than 1,048,576 bytes: dropped"]
    with pytest.warns(StegcinnWarning):
        container = stegcinn.hide(file, b"kept", codec="exact")
    assert stegcinn.reveal(container) == b"kept"


def test_a_usual_profile_stays() -> None:
    assert Source(saved("PNG", icc_profile=SRGB)).photo().icc_profile == SRGB


@pytest.mark.parametrize(
    ("kind", "data", "note"),
    [
        (b"gAMA", struct.pack(">I", 100_000), "the gamma (gAMA)"),
        (b"cICP", bytes([9, 16, 0, 1]), "the colour space (cICP)"),
        (b"gAMA", struct.pack(">I", 45455), None),  # sRGB's
        (b"sRGB", b"\0", None),
        (b"pHYs", struct.pack(">IIB", 3780, 3780, 1), None),
    ],
)
def test_how_a_png_is_to_be_shown_stays_in_a_png_and_is_told_where_it_goes(
    kind: bytes, data: bytes, note: str | None
) -> None:
    source = Source(with_chunk(kind, data))
    photo = source.photo()
    assert source.notes == losses(photo, ".png") == []
    assert photo.shown == photo.with_rgb(RGB).shown == ((kind, data),)
    large = replace(photo, rgb=crop("astronaut", 192, 192))
    assert Source(large).halved().photo().shown == ((kind, data),)
    assert chunk(kind, data) in encode_photo(photo, ".png")
    assert Source(encode_photo(photo, ".png")).photo().shown == photo.shown
    for suffix in (".webp", ".tif", ".bmp"):
        told = [f"a {suffix} file cannot hold {note}: dropped, so that it may look another way"] if note else []
        assert losses(photo, suffix) == told


def test_only_what_is_well_formed_and_in_its_place_is_kept() -> None:
    for file in (with_chunk(b"gAMA", bytes(5)), with_chunk(b"tIME", bytes(7)), with_chunk(b"eXIf", b"II*\0")):
        assert Source(file).photo().shown == ()
    late = saved("PNG")[:-12] + chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1)) + chunk(b"IEND", b"")
    assert Source(late).photo().shown == ()
    profiled = saved("PNG", icc_profile=SRGB)
    both = Source(profiled[:33] + chunk(b"sRGB", b"\0") + profiled[33:]).photo()
    assert (both.shown, both.icc_profile) == ((), SRGB)  # no file may have both


def test_a_transparent_colour_of_16_bits_stays_transparent() -> None:
    wide = RGB.astype(np.uint16) * 257
    wide[:32, :32] = 1234, 4321, 777
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 96, 96, 16, 2, 0, 0, 0))
    colour = chunk(b"tRNS", struct.pack(">3H", 1234, 4321, 777))
    file = b"\x89PNG\r\n\x1a\n" + header + colour + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    alpha = Source(file).photo().alpha
    assert alpha is not None
    assert not alpha[:32, :32].any()
    assert alpha[40:, 40:].all()


def test_a_png_for_iphones_is_refused_in_words() -> None:
    png = saved("PNG")
    with pytest.raises(ImageError, match=r"CgBI.*export it as PNG"):
        Source(png[:8] + chunk(b"CgBI", b"\x50\0\x20\x06") + png[8:]).photo()


@pytest.mark.parametrize(("marker", "kind"), [(0xC9, "arithmetic"), (0xC3, "lossless"), (0xC5, "hierarchical")])
def test_a_jpeg_of_a_rare_kind_is_refused_in_words(marker: int, kind: str) -> None:
    file = bytearray(saved("JPEG"))
    file[file.index(b"\xff\xc0") + 1] = marker
    with pytest.raises(ImageError, match=f"rare kind .{kind} coding.*export it as PNG"):
        Source(bytes(file)).photo()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_taken_if_it_is_whole(progressive: bool) -> None:
    file = saved("JPEG", quality=92, progressive=progressive)
    source = Source(file[:-2])
    assert np.array_equal(source.photo().rgb, Source(file).photo().rgb)
    assert source.notes == ["the image lacks its end marker; all of the picture is there"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("missing", [12, 40, 400, 2000])
def test_a_jpeg_that_is_cut_short_is_refused(missing: int) -> None:
    with pytest.raises(ImageError, match="cut short"):
        Source(saved("JPEG", quality=92)[:-missing]).photo()


def test_a_raw_photo_is_no_photo_of_its_previews_size() -> None:
    tags = {50706: b"\1\4\0\0"}
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "TIFF", tiffinfo=tags)
    with pytest.raises(ImageError, match=r"raw photo.*develop it"):
        Source(file.getvalue()).photo()


def test_a_flag_that_turns_a_container_does_not_hide_it() -> None:
    with pytest.warns(StegcinnWarning):
        container = stegcinn.hide(RGB[:, :80], b"kept", codec="exact")
    exif, turned = Image.Exif(), io.BytesIO()
    exif[0x112] = 6
    container.image.save(turned, "PNG", exif=exif)
    assert stegcinn.reveal(turned.getvalue()) == b"kept"
    both = io.BytesIO()
    container.image.transpose(Image.Transpose.ROTATE_90).save(both, "PNG", exif=exif)  # turned back by the flag
    assert stegcinn.reveal(both.getvalue()) == b"kept"
    assert Source(turned.getvalue()).photo().rgb.shape == (80, 96, 3)  # to look at, and as a host, it is upright


def test_an_image_in_memory_is_as_its_owner_turned_it() -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x112] = 6
    Image.fromarray(RGB[:, :80]).save(file, "JPEG", exif=exif)
    turned = Image.open(file).rotate(-90, expand=True)
    assert turned.getexif()[0x112] == 6  # Pillow keeps it
    assert Source(turned).photo().rgb.shape == (80, 96, 3)


def test_a_photo_to_be_halved_may_be_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stegcinn.carriers.base.MAX_PIXELS", 128 * 128 - 1)
    large = crop("astronaut", 256, 128)
    with pytest.raises(ImageError, match="scale it down"):
        Source(large).photo()
    assert Source(large).halved(exact=True).photo().rgb.shape == (128, 64, 3)
