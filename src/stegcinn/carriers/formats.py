"""The lossless formats that a photo can be saved in, by suffix."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

from stegcinn.carriers.photo import Photo
from stegcinn.errors import StegcinnWarning, UsageError
from stegcinn.files import shown

# Level 2 is five times as fast as zlib's usual 6 on a container, whose colours are noise, for 8 % more bytes.
_PNG: dict[str, Any] = {"format": "PNG", "compress_level": 2}
_TIFF: dict[str, Any] = {"format": "TIFF", "compression": "tiff_adobe_deflate"}
# `exact` keeps the RGB values under fully transparent pixels, which WebP would otherwise rewrite.
_WEBP: dict[str, Any] = {"format": "WEBP", "lossless": True, "exact": True}
_BMP: dict[str, Any] = {"format": "BMP"}
_SAVE_OPTIONS = {".png": _PNG, ".webp": _WEBP, ".tif": _TIFF, ".tiff": _TIFF, ".bmp": _BMP}
_LOSSY = {".jpg", ".jpeg", ".jpe", ".jfif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxl", ".gif"}
_USE_INSTEAD = "use .png, .webp, .tif or .bmp"
_WEBP_MAX_SIDE = 16383


def encode_photo(photo: Photo, suffix: str) -> bytes:
    """Encode a photo without loss in the format of `suffix` (".png", ".webp", ".tif", ".tiff" or ".bmp").

    Raises UsageError for another suffix, for alpha in a BMP, and for a WebP side over 16383. Warns with
    StegcinnWarning when a BMP loses the colour profile.
    """
    options = check_format(photo, suffix)
    if options is _BMP and photo.icc_profile is not None:
        warnings.warn("a .bmp file cannot hold the colour profile: dropped", StegcinnWarning, stacklevel=2)
    buffer = io.BytesIO()
    photo.to_pil().save(buffer, **options, icc_profile=photo.icc_profile)
    return buffer.getvalue()


def check_format(photo: Photo, suffix: str) -> dict[str, Any]:
    """Return how `encode_photo` would save this photo, or raise the UsageError that it would raise."""
    options = _SAVE_OPTIONS[check_suffix(f"image{suffix}")]
    if options is _BMP and photo.alpha is not None:
        raise UsageError("a .bmp file cannot hold transparency; use .png, .webp or .tif")
    if options is _WEBP and max(photo.rgb.shape) > _WEBP_MAX_SIDE:
        raise UsageError(f"a .webp file takes sides up to {_WEBP_MAX_SIDE} pixels; use .png, .tif or .bmp")
    return options


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the lower-case suffix of an output path, or raise UsageError if its format is not lossless."""
    suffix = Path(path).suffix.lower()
    if suffix in _LOSSY:
        raise UsageError(f"{shown(path)}: {suffix} alters colours, which loses the payload; {_USE_INSTEAD}")
    if suffix not in _SAVE_OPTIONS:
        raise UsageError(f"{shown(path)}: not the suffix of a format that can be written; {_USE_INSTEAD}")
    return suffix
