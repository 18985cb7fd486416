"""Pictures of noise, and files by hand, for the tests of reading and writing."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from stegcinn.carriers.base import ImageSource, read_photo
from stegcinn.errors import ImageError

H, W = 70, 90
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


RGB = noise(H, W, 3)
RGBA = noise(H, W, 4)
GRAY = noise(H, W)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def gray3(gray: np.ndarray) -> np.ndarray:
    return np.dstack([gray] * 3)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: np.ndarray, depth: int, colour: int, *extra: bytes, size: tuple[int, int] = (W, H)) -> bytes:
    """A PNG by hand: Pillow writes no 16-bit RGB, and no header that lies about the size."""
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in samples)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body


def refused(source: ImageSource) -> str:
    """The one-line message with which `source` is refused."""
    with pytest.raises(ImageError) as caught:
        read_photo(source)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) > 20
    return message
