"""What a JPEG file tells besides its picture, and how to leave it out."""

from __future__ import annotations

import io
from collections.abc import Container
from contextlib import suppress

from PIL import ExifTags, Image

from stegcinn.carriers.jpegfile.markers import ADOBE, APPLICATIONS, COMMENT, EOI, RESTARTS, SOS, TEM

ALONE = (TEM, *RESTARTS)  # markers without a segment
ICC, ICC_SIGNATURE = 0xE2, b"ICC_PROFILE\0"
JFIF, JFIF_SIGNATURE = 0xE0, b"JFIF\0"
JFIF_SIZE = 14  # bytes, of which the last two are the size of its thumbnail
ADOBE_SIGNATURE = b"Adobe"
KEPT = {ICC: ICC_SIGNATURE, JFIF: JFIF_SIGNATURE, ADOBE: ADOBE_SIGNATURE}  # without which colours would be others


def tells_position(data: bytes) -> bool:
    """Whether the EXIF segment of a JPEG file names a place on earth."""
    with suppress(Exception), Image.open(io.BytesIO(data), formats=["JPEG"]) as image:  # whatever damaged EXIF raises
        position = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        return ExifTags.GPS.GPSLatitude in position and ExifTags.GPS.GPSLongitude in position
    return False


def stripped(data: bytes) -> bytes:
    """The JPEG file without comments, EXIF, XMP, thumbnails, further pictures, and whatever follows its end.

    What its colours need is kept: the JFIF and Adobe segments and the colour profile. `data` is a file that
    `markers.parse` takes; what stands between its segments goes, too.
    """
    parts, at = [data[:2]], 2
    while (at := _marker(data, at)) + 1 < len(data):
        code = data[at + 1]
        if code == EOI:
            return b"".join([*parts, data[at : at + 2]])
        if code in ALONE:
            at += 2
            continue
        end = at + 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
        if code == SOS:
            end = _marker(data, end, RESTARTS)  # those are within its entropy-coded segments
        body = data[at + 4 : end]
        if code == JFIF and body.startswith(JFIF_SIGNATURE) and len(body) > JFIF_SIZE:  # whose thumbnail follows
            parts.append(data[at : at + 2] + (JFIF_SIZE + 2).to_bytes(2, "big") + body[: JFIF_SIZE - 2] + bytes(2))
        elif not (code == COMMENT or code in APPLICATIONS) or body.startswith(KEPT.get(code, b"\0\0no such segment")):
            parts.append(data[at:end])
        at = end
    return b"".join(parts)


def _marker(data: bytes, at: int, passed: Container[int] = ()) -> int:
    """Where the next marker begins, after fill bytes and what is none (B.1.1.2); the end of the file without one.

    Those in `passed` are none here.
    """
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] not in (0, 0xFF) and data[at + 1] not in passed:
            return at
        at += 1
    return len(data)
