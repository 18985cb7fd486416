"""What a JPEG file tells besides its picture, and how to leave it out."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Container, Iterator
from contextlib import suppress

from PIL import ExifTags, Image

from stegcinn.carriers.jpegfile.markers import ADOBE, APPLICATIONS, COMMENT, EOI, RESTARTS, SOS, TEM

ALONE = (TEM, *RESTARTS)  # markers without a segment
ICC, ICC_SIGNATURE = 0xE2, b"ICC_PROFILE\0"
JFIF, JFIF_SIGNATURE = 0xE0, b"JFIF\0"
JFIF_SIZE = 14  # bytes, of which the last two are the size of its thumbnail
ADOBE_SIGNATURE = b"Adobe"
KEPT = {ICC: ICC_SIGNATURE, JFIF: JFIF_SIGNATURE, ADOBE: ADOBE_SIGNATURE}  # without which colours would be others
APP1, EXIF_SIGNATURE = 0xE1, b"Exif\0\0"
TURNED = range(2, 9)  # orientations other than the usual one
# XMP specification part 3, 1.1.3: a packet, and parts of a longer one, each after GUID, length and offset
XMP, XMP_MORE, XMP_MORE_HEAD = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0", 40
PLACES = tuple(
    re.compile(rb":GPS" + name + rb"""\s*(?:=\s*["']\s*[^"'\s]|>\s*[^<\s])""") for name in (b"Latitude", b"Longitude")
)


def tells_position(data: bytes) -> bool:
    """Whether the EXIF segment or the XMP packets of a JPEG file name a place on earth."""
    packets = b"".join(_packet(data[start + 4 : end]) for code, start, end in _segments(data) if code == APP1)
    if all(place.search(packets) for place in PLACES):
        return True
    with suppress(Exception), Image.open(io.BytesIO(data), formats=["JPEG"]) as image:  # whatever damaged EXIF raises
        position = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        return ExifTags.GPS.GPSLatitude in position and ExifTags.GPS.GPSLongitude in position
    return False


def stripped(data: bytes) -> bytes:
    """The JPEG file without comments, EXIF, XMP, thumbnails, further pictures, and whatever follows its end.

    What its colours need is kept: the JFIF and Adobe segments and the colour profile; and of EXIF the orientation, if
    it is not the usual one, as the picture would be shown turned without it. `data` is a file that `markers.parse`
    takes; what stands between its segments goes, too.
    """
    parts, has_exif = [data[:2]], False
    for code, start, end in _segments(data):
        body = data[start + 4 : end]
        if code == JFIF and body.startswith(JFIF_SIGNATURE) and len(body) > JFIF_SIZE:  # whose thumbnail follows
            parts.append(
                data[start : start + 2] + (JFIF_SIZE + 2).to_bytes(2, "big") + body[: JFIF_SIZE - 2] + bytes(2)
            )
        elif code == APP1 and body.startswith(EXIF_SIGNATURE) and not has_exif:  # programs heed the first one
            parts.append(_oriented(_orientation(body)))
            has_exif = True
        elif not (code == COMMENT or code in APPLICATIONS) or body.startswith(KEPT.get(code, b"\0\0no such segment")):
            parts.append(data[start:end])
    return b"".join(parts)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Code, start and end of each segment, scans with their data, to the end marker, which is the last."""
    at = 2
    while (at := _marker(data, at)) + 1 < len(data):
        code = data[at + 1]
        if code == EOI:
            yield code, at, at + 2
            return
        if code in ALONE:
            at += 2
            continue
        end = at + 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
        if code == SOS:
            end = _marker(data, end, RESTARTS)  # those are within its entropy-coded segments
        yield code, at, end
        at = end


def _orientation(body: bytes) -> int:
    """What an EXIF segment tells; 1, the usual one, if it tells none."""
    exif = Image.Exif()
    with suppress(Exception):  # whatever damaged EXIF raises, or there is none
        exif.load(body)
        return int(exif[ExifTags.Base.Orientation])
    return 1


def _oriented(orientation: int) -> bytes:
    """The shortest EXIF segment that tells an orientation; none for the usual one (Exif 2.32, 4.6.4; TIFF 6.0, 2)."""
    if orientation not in TURNED:
        return b""
    entry = struct.pack(">HHIHH", ExifTags.Base.Orientation, 3, 1, orientation, 0)  # one SHORT
    body = EXIF_SIGNATURE + struct.pack(">2sHIH", b"MM", 42, 8, 1) + entry + bytes(4)
    return struct.pack(">BBH", 0xFF, APP1, len(body) + 2) + body


def _packet(body: bytes) -> bytes:
    """The text of XMP in an APP1 segment, or part of it."""
    if body.startswith(XMP_MORE):
        return body[len(XMP_MORE) + XMP_MORE_HEAD :]
    return body.removeprefix(XMP) if body.startswith(XMP) else b""


def _marker(data: bytes, at: int, passed: Container[int] = ()) -> int:
    """Where the next marker begins, after fill bytes and what is none (B.1.1.2); the end of the file without one.

    Those in `passed` are none here.
    """
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] not in (0, 0xFF) and data[at + 1] not in passed:
            return at
        at += 1
    return len(data)
