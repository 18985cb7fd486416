"""The lossless formats that a photo can be saved in, by suffix."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stegcinn.carriers.foreign import as_pillow_writes
from stegcinn.carriers.photo import Photo
from stegcinn.errors import UsageError
from stegcinn.files import shown

# As Pillow writes them by default. Beyond some size that takes seconds, as a container's colours are noise: then less.
_PNG: dict[str, Any] = {"format": "PNG", "compress_level": 6}
_LESS_EFFORT = {**_PNG, "compress_level": 4}
USUAL_EFFORT_PIXELS = 5_000_000
_SRGB_GAMMA = (45455).to_bytes(4, "big")  # as gAMA has it
_TIFF: dict[str, Any] = {"format": "TIFF", "compression": "tiff_adobe_deflate"}
# `exact` keeps the RGB values under fully transparent pixels, which WebP would otherwise rewrite.
_WEBP: dict[str, Any] = {"format": "WEBP", "lossless": True, "exact": True}
_BMP: dict[str, Any] = {"format": "BMP"}
_SAVE_OPTIONS = {".png": _PNG, ".webp": _WEBP, ".tif": _TIFF, ".bmp": _BMP}
_SPELLINGS = {".tiff": ".tif", ".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg"}
LOSSLESS = tuple(_SAVE_OPTIONS)
FRAGILE = "send this file as it is: JPEG, resizing and most messengers destroy what is hidden"
FRAGILE_JPEG = (
    "send this file as it is: a JPEG that is saved anew or resized, as most messengers do, loses what is hidden"
)
_LOSSY = {".jpg", ".jpeg", ".jpe", ".jfif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxl", ".gif"}
_WEBP_MAX_SIDE = 16383
STRIPS, STRIP = 8, 32  # of rows, which tell about how large a file will be


def encode_photo(photo: Photo, suffix: str) -> bytes:
    """Encode a photo without loss in the format of `suffix`, one of LOSSLESS; UsageError as `losses` raises it."""
    losses(photo, suffix)
    options, buffer = _SAVE_OPTIONS[suffix], io.BytesIO()
    if options is _PNG and photo.pixels > USUAL_EFFORT_PIXELS:
        options = _LESS_EFFORT
    photo.to_pil().save(buffer, **options, icc_profile=photo.icc_profile)
    if options["format"] != "PNG":
        return buffer.getvalue()
    return as_pillow_writes(buffer.getvalue(), photo.shown)


def expected_size(photo: Photo, suffix: str) -> int:
    """About how many bytes the file of a photo has in the format of `suffix`, one of LOSSLESS: from a part of its rows.

    UsageError as `losses` raises it.
    """
    height = len(photo.rgb)
    strips = [slice(top, top + STRIP) for top in np.linspace(0, height - STRIP, STRIPS).astype(int)]
    if height <= STRIP * STRIPS:
        return len(encode_photo(photo, suffix))
    rgb, alpha = (
        None if plane is None else np.concatenate([plane[strip] for strip in strips])
        for plane in (photo.rgb, photo.alpha)
    )
    assert rgb is not None
    return len(encode_photo(Photo(rgb, alpha, photo.icc_profile), suffix)) * height // len(rgb)


def losses(photo: Photo, suffix: str) -> list[str]:
    """What the format of `suffix`, one of LOSSLESS, cannot hold of this photo besides its pixels, a note each.

    Raises UsageError where the pixels are concerned: transparency in a BMP, a WebP side over 16383.
    """
    options = _SAVE_OPTIONS[suffix]
    if options is _BMP and photo.alpha is not None:
        raise UsageError("a .bmp file cannot hold transparency; use .png, .webp or .tif")
    if options is _WEBP and max(photo.rgb.shape) > _WEBP_MAX_SIDE:
        raise UsageError(f"a .webp file takes sides up to {_WEBP_MAX_SIDE:,} pixels; use .png, .tif or .bmp")
    notes = []
    if options is _BMP and photo.icc_profile is not None:
        notes.append("a .bmp file cannot hold the colour profile: dropped")
    told = dict(photo.shown)
    if options is not _PNG and b"cICP" in told:
        notes.append(f"a {suffix} file cannot hold the colour space (cICP): dropped, so that it may look another way")
    elif (
        options is not _PNG
        and photo.icc_profile is None
        and b"sRGB" not in told
        and told.get(b"gAMA", _SRGB_GAMMA) != _SRGB_GAMMA
    ):
        notes.append(f"a {suffix} file cannot hold the gamma (gAMA): dropped, so that it may look another way")
    return notes


def check_suffix(path: str | os.PathLike[str], suffixes: Sequence[str]) -> str:
    """Return the suffix of an output path as `suffixes` spell it, or raise UsageError if it is none of them."""
    suffix = Path(path).suffix.lower()
    suffix = _SPELLINGS.get(suffix, suffix)
    if suffix not in suffixes:
        why = "not the suffix of a format that can be written"
        if suffix in _LOSSY:
            why = f"{suffix} alters colours, which loses the payload"
        raise UsageError(f"{shown(path)}: {why}; use {', '.join(suffixes)}")
    return suffix
