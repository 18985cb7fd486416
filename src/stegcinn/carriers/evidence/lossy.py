"""Whether a file's pixels come out of a lossy decoder, whatever they look like."""

from __future__ import annotations

from PIL import Image

_KINDS = {"JPEG": "JPEG", "MPO": "JPEG", "AVIF": "AVIF", "HEIF": "HEIC"}  # by Pillow's names; HEIF is a plugin's
_FRAME = 16  # bytes that an animated WebP's frame begins with


def lossy_kind(image: Image.Image, file: bytes) -> str | None:
    """What decoder made the pixels of an image just opened from a file, as in "JPEG"; None where no loss is told."""
    if image.format == "TIFF":
        return "JPEG" if image.info.get("compression") in ("jpeg", "tiff_jpeg") else None
    if image.format == "WEBP":
        return None if _is_lossless_webp(file) else "WebP"
    return _KINDS.get(image.format or "")


def _is_lossless_webp(file: bytes) -> bool:
    """By the kind of the first picture in a RIFF file."""
    at = 12
    while at + 8 <= len(file):
        kind, size = file[at : at + 4], int.from_bytes(file[at + 4 : at + 8], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        at += 8 + (_FRAME if kind == b"ANMF" else size + size % 2)
    return False
