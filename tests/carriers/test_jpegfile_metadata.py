"""What a JPEG file tells besides its picture."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

import jpegs
from jpegs import segment
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.metadata import stripped, tells_position
from stegcinn.errors import ImageError

RGB = jpegs.picture(80, 72)
SECRETS = [
    b"Exif\0\0",
    b"a comment",
    b"http://ns.adobe.com/xap/1.0/\0",
    b"Photoshop 3.0\0",
    b"MPF\0",
    b"JFXX\0",
    b"trails",
]
OTHERS = b"".join(
    segment(code, body + b"secret " * 5)
    for code, body in zip((0xE1, 0xFE, 0xE1, 0xED, 0xE2, 0xE0), SECRETS, strict=False)
)


def located() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)})
    return jpegs.saved(RGB, quality=90, exif=exif)


def rich(**options: object) -> bytes:
    data = jpegs.saved(RGB, quality=90, icc_profile=b"0123456789abcdefRGB profile", **options)
    return data[:20] + OTHERS + segment(0xEE, b"Adobe\0d\0\0\0\0\x01") + data[20:] + b"trails secret \xff\xd8\xff\xd9"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_all_but_colours_goes(options):
    data, plain = rich(**options), jpegs.saved(RGB, quality=90, **options)
    bare = stripped(data)
    assert all(secret in data and secret not in bare for secret in [*SECRETS, b"secret"])
    for kept in (b"JFIF\0", b"ICC_PROFILE\0", b"RGB profile", b"Adobe\0d"):
        assert kept in bare
    assert bare.endswith(b"\xff\xd9")
    before, after = (JpegFile.read(each, "the image").components for each in (data, bare))
    for a, b in zip(before, after, strict=True):
        assert np.array_equal(a.coefficients, b.coefficients)
    assert stripped(bare) == bare
    assert stripped(plain) == plain


def test_what_stands_between_segments_goes():
    """Cameras leave such; and markers without a segment."""
    plain = jpegs.saved(RGB, quality=90)
    for between in (b"\0\0secret", b"\xff\xff", b"\xff\x01", b"\xff\xd3secret"):
        data = plain[:20] + between + segment(0xE1, b"Exif\0\0secret") + plain[20:]
        JpegFile.read(data, "the image")
        assert stripped(data) == plain


def test_a_thumbnail_in_the_first_segment_goes():
    plain = jpegs.saved(RGB, quality=90)
    assert plain[2:4] == b"\xff\xe0"
    thumbnail = segment(0xE0, plain[6:18] + bytes([2, 3]) + b"secret" * 3)
    assert stripped(plain[:2] + thumbnail + plain[20:]) == plain


def test_a_file_without_an_end_is_stripped():
    assert stripped(rich()[: rich().rindex(b"\xff\xd9trails")]) + b"\xff\xd9" == stripped(rich())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_damaged_files_do_no_harm(seed):
    """What can still be read has the same coefficients after."""
    rng = np.random.default_rng(seed)
    data = bytearray(rich() if seed % 2 else located())
    for at in rng.integers(2, len(data), rng.integers(1, 6)):
        data[at] = rng.integers(256)
    damaged = bytes(data[: rng.integers(2, len(data))] if seed % 3 == 0 else data)
    bare = stripped(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tells_position(damaged) in (False, True)
    try:
        before = JpegFile.read(damaged, "the image").components
    except ImageError:
        return
    after = JpegFile.read(bare, "the image").components
    for a, b in zip(before, after, strict=True):
        assert np.array_equal(a.coefficients, b.coefficients)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xe1\0"]
)
def test_next_to_nothing_does_no_harm(data):
    assert len(stripped(data)) <= len(data)
    assert not tells_position(data)


def test_places_are_told():
    assert tells_position(located())
    assert not tells_position(stripped(located()))
    assert not tells_position(jpegs.saved(RGB))
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    assert not tells_position(jpegs.saved(RGB, exif=exif))
    exif.get_ifd(0x8825).update({5: b"\0", 6: 400.0})  # a height alone is no place
    assert not tells_position(jpegs.saved(RGB, exif=exif))
    data = located()
    at = data.index(b"Exif\0\0") + 6
    assert not tells_position(data[: at + 4] + struct.pack(">I", 2**31) + data[at + 8 :])


def turned(orientation: object) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "secret maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)})
    return exif


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_photo_is_shown_as_before(orientation):
    data = jpegs.saved(RGB, quality=90, exif=turned(orientation))
    bare = stripped(data)
    shown = [np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(each)))) for each in (data, bare)]
    assert np.array_equal(*shown)
    exif = Image.open(io.BytesIO(bare)).getexif()
    assert dict(exif) == {0x0112: orientation}
    assert not exif.get_ifd(0x8825)
    assert b"secret" not in bare
    assert len(bare) == len(jpegs.saved(RGB, quality=90)) + 36
    assert stripped(bare) == bare


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_no_other_orientation_is_kept(orientation):
    assert stripped(jpegs.saved(RGB, quality=90, exif=turned(orientation))) == jpegs.saved(RGB, quality=90)


def test_only_the_first_orientation_counts():
    data, plain = jpegs.saved(RGB, quality=90, exif=turned(6)), jpegs.saved(RGB, quality=90)
    other = segment(0xE1, turned(3).tobytes())
    first, second = data.index(b"\xff\xe1"), data.index(b"\xff\xdb")
    assert stripped(data[:second] + other + data[second:]) == stripped(data)
    assert stripped(data[:first] + segment(0xE1, b"Exif\0\0secret") + data[first:]) == plain


LATITUDE, LONGITUDE = b'exif:GPSLatitude="48,12N"', b'exif:GPSLongitude="11,0E"'
PACKET, MORE = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0" + bytes(40)


@pytest.mark.parametrize(
    "bodies",
    [
        [PACKET + b"<rdf " + LATITUDE + b"\n" + LONGITUDE + b"/>"],
        [PACKET + b"<exif:GPSLatitude>48,12N</exif:GPSLatitude> <exif:GPSLongitude >11,0E</exif:GPSLongitude>"],
        [PACKET + LATITUDE, MORE + LONGITUDE],
        [MORE + LATITUDE + LONGITUDE[:9], MORE + LONGITUDE[9:]],  # cut in two
    ],
)
def test_places_in_xmp_are_told(bodies):
    plain = jpegs.saved(RGB)
    data = plain[:20] + b"".join(segment(0xE1, body) for body in bodies) + plain[20:]
    assert tells_position(data)
    assert not tells_position(stripped(data))


@pytest.mark.parametrize(
    "body",
    [
        PACKET + LATITUDE,  # half of it is no place
        PACKET + b'exif:GPSLatitude="" exif:GPSLongitude=""',
        PACKET + b"<exif:GPSLatitude></exif:GPSLatitude><exif:GPSLongitude></exif:GPSLongitude>",
        PACKET + b'exif:GPSAltitude="1" exif:GPSLatitudeRef="N" exif:GPSLongitudeRef="E"',
        b"another" + LATITUDE + LONGITUDE,
    ],
)
def test_what_is_no_place_in_xmp(body):
    plain = jpegs.saved(RGB)
    assert not tells_position(plain[:20] + segment(0xE1, body) + plain[20:])
