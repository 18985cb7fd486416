"""Files as other programs write them, made readable where only what is dropped stands in the way; else refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from stegcinn.errors import ImageError

MAX_PROFILE = 1 << 20  # bytes of a colour profile; Pillow reads no larger one from a PNG, ours among them

# Of all that Pillow opens, what the tests cover; each further decoder is one more for hostile files to try. TGA, which
# has no mark to be known by, is last.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000", "TGA")

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT = {b"tEXt", b"zTXt", b"iTXt"}  # dropped, but Pillow refuses a picture for the size of its texts
_RGB_16 = bytes([16, 2])  # bit depth and colour type; Pillow takes the upper byte of samples, but not of tRNS
_SHOWN = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9}  # bytes of those that tell how it is shown
_ZLIB_DEFAULT = b"\x78\x9c"
_JPEG, _END = b"\xff\xd8\xff", b"\xff\xd9"
_CODINGS = {  # by the frame's marker (ITU-T T.81, table B.1)
    0xC3: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF), "arithmetic"),
}
_SCAN = 0xDA
_FILLING = b"\x5a" * 64  # entropy-coded data that a JPEG does not have
_DNG_VERSION, _SUBFILE_TYPE, _SUB_IFDS, _REDUCED = 50706, 254, 330, 1  # TIFF tags, and a bit of the second


Chunks = tuple[tuple[bytes, bytes], ...]  # kinds and data


def opened(file: bytes) -> Image.Image:
    """Open an encoded file of one of FORMATS; UnidentifiedImageError for others, anything for damaged ones."""
    Image.init()  # else Pillow takes formats that it was built without for an error of ours
    return Image.open(io.BytesIO(file), formats=[form for form in FORMATS if form in Image.OPEN])


def readable(file: bytes, name: str, notes: list[str]) -> bytes:
    """The file, or one with the same pixels that Pillow reads; ImageError for kinds that hardly any program reads."""
    if file.startswith(_PNG):
        return _png(file, name, notes)
    if file.startswith(_JPEG):
        return _jpeg(file, name, notes)
    return file


def is_raw_preview(image: Image.Image) -> bool:
    """Whether an open image is the preview that a raw photo (DNG, NEF, ...) begins with; its tags are a TIFF's."""
    tags = getattr(image, "tag_v2", {})
    reduced = _SUB_IFDS in tags and tags.get(_SUBFILE_TYPE, 0) & _REDUCED
    return _DNG_VERSION in tags or bool(reduced)


def _chunks(file: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Of a PNG: type, data and all of each chunk; what follows the last whole one comes as one of type b""."""
    at = len(_PNG)
    while at + 12 <= len(file):
        (size,) = struct.unpack_from(">I", file, at)
        if at + 12 + size > len(file):
            break
        yield file[at + 4 : at + 8], file[at + 8 : at + 8 + size], file[at : at + 12 + size]
        at += 12 + size
    yield b"", b"", file[at:]


def _png(file: bytes, name: str, notes: list[str]) -> bytes:
    if file[len(_PNG) + 4 : len(_PNG) + 8] == b"CgBI":
        raise ImageError(f"{name} is a PNG for iPhone programs (CgBI), which few others read; export it as PNG anew")
    kept, changed, kinds = [_PNG], False, {kind: data for kind, data, _ in _chunks(file)}
    for kind, data, whole in _chunks(file):
        large = kind == b"iCCP" and _inflates_beyond(data.partition(b"\0")[2][1:], MAX_PROFILE)
        if large:
            notes.append(f"has a colour profile of more than {MAX_PROFILE:,} bytes: dropped")
        if large or kind in _TEXT:
            changed = True
        elif kind == b"tRNS" and kinds.get(b"IHDR", b"")[8:10] == _RGB_16 and len(data) == 6:
            kept.append(_chunk(kind, b"".join(b"\0" + data[i : i + 1] for i in (0, 2, 4))))
            changed = True
        else:
            kept.append(whole)
    return b"".join(kept) if changed else file


def shown_by(file: bytes) -> Chunks:
    """Of a PNG, the chunks that tell at what gamma, in what colours and how large it is to be shown; else none."""
    found: dict[bytes, bytes] = {}
    profiled = False
    for kind, data, _ in _chunks(file) if file.startswith(_PNG) else ():
        if kind == b"IDAT":
            break
        if _SHOWN.get(kind) == len(data):
            found.setdefault(kind, data)
        if kind == b"iCCP":
            profiled = True
    return tuple(each for each in found.items() if not (profiled and each[0] == b"sRGB"))  # no file may have both


def as_pillow_writes(png: bytes, shown: Chunks) -> bytes:
    """A PNG of Pillow's with more chunks, and with the zlib header of Pillow's usual effort, whatever it was made with.

    The header's word for the effort is for people; no decoder heeds it.
    """
    parts, first = [_PNG], True
    for kind, data, whole in _chunks(png):
        if kind == b"IDAT" and first:
            parts += [_chunk(*each) for each in shown]
            whole = _chunk(kind, _ZLIB_DEFAULT + data[2:])
            first = False
        parts.append(whole)
    return b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _inflates_beyond(compressed: bytes, most: int) -> bool:
    try:
        return len(zlib.decompressobj().decompress(compressed, most + 1)) > most
    except zlib.error:  # Pillow's to judge
        return False


def _jpeg(file: bytes, name: str, notes: list[str]) -> bytes:
    at = 2
    while at + 4 <= len(file) and file[at] == 0xFF:  # the segments before the first scan
        marker = file[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker in _CODINGS:
            raise ImageError(f"{name} is a JPEG of a rare kind ({_CODINGS[marker]} coding); export it as PNG first")
        if marker == _SCAN:
            break
        at += 2 + int.from_bytes(file[at + 2 : at + 4], "big")
    if file.rfind(_END) > at:
        return file
    if not _is_complete(file):
        raise ImageError(f"{name} is damaged or cut short; get an intact copy or export it as PNG")
    notes.append("lacks its end marker; all of the picture is there")
    return file + _END


def _is_complete(jpeg: bytes) -> bool:
    """Whether a JPEG lacks nothing but its end marker: then no pixel depends on what follows."""
    pictures = []
    for filling in (b"", _FILLING):
        with opened(jpeg + filling + _END) as image:
            pictures.append(image.tobytes())
    return pictures[0] == pictures[1]
