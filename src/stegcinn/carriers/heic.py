"""HEIC, as iPhones take photos, through the optional package pi-heif.

It is pillow-heif without its encoder, by the same author: the wheels of that one hold x265 and are under the GPL, those
of pi-heif hold libheif and libde265, under the LGPL. Nothing is registered with Pillow, which others use as well.
"""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from stegcinn.errors import ImageError

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}  # ISO/IEC 23008-12, annex B
LOSSY = "shows how it was compressed (HEIC), and experts may prove any change; halve it first to be safer"


def is_heic(file: bytes) -> bool:
    """Whether a file says at its beginning that its picture is coded as HEVC."""
    if file[4:8] != b"ftyp":
        return False
    box = file[8 : int.from_bytes(file[:4], "big")]
    return bool(_BRANDS & {box[at : at + 4] for at in range(0, len(box), 4) if at != 4})  # 4: a version


def opened(file: bytes, name: str) -> Any:
    """The file, not decoded yet: its `size`, `info`, and a method `to_pillow`; ImageError without pi-heif."""
    try:
        import pi_heif
    except ImportError:
        raise ImageError(f"{name} is a HEIC photo: pip install 'stegcinn[heic]' to read it, or export it") from None
    return pi_heif.open_heif(io.BytesIO(file))


def decoded(heif: Any, notes: list[str]) -> Image.Image:
    """Its first picture, upright, with 8 bits per channel."""
    if heif.info.get("bit_depth", 8) > 8:
        notes.append("has more than 8 bits per channel and is reduced to 8 bits")
    image: Image.Image = heif.to_pillow()
    return image
