"""A JPEG file made of a photo, and what rounding its chroma coefficients lost: the sender's side information."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import Component, JpegFile
from stegcinn.carriers.photo import Photo
from stegcinn.errors import ImageError
from stegcinn.runtime.arrays import Float32, Int8, UInt8

QUALITY = 90  # as cameras and programs mostly have it
QUALITIES = range(30, 99)  # at 99 and 100 any change can be proved
SAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # Pillow's numbers of what the luma's factors are to chroma's
MAX_SIDE = 65500  # pixels, libjpeg's limit
RATIONAL = np.array([0, 4, 32, 36])  # modes whose waves have samples of one size (Holub, Fridrich, Denemark 2014)
UNIT = 128  # of rounding errors, per quantisation step

CB = np.array([-0.168735892, -0.331264108, 0.5], np.float32)  # ITU-T T.871
CR = np.array([0.5, -0.418687589, -0.081312411], np.float32)


@dataclass(frozen=True, eq=False)
class MadeJpeg:
    """A JPEG file, and by how much each of its visible chroma coefficients fell short of what was rounded.

    `errors`: for Cb and Cr, (rows, columns, 64) int8 in 1/UNIT steps, -UNIT / 2 to UNIT / 2.
    """

    file: JpegFile
    errors: tuple[Int8, Int8]


def make(photo: Photo, quality: int = QUALITY, sampling: tuple[int, int] = (2, 2)) -> MadeJpeg:
    """Encode a photo, baseline, with libjpeg's tables for `quality` (of QUALITIES); `sampling` is one of SAMPLINGS.

    Transparent photos are put on white, as the file has no transparency. ImageError for one that no JPEG file can hold.
    """
    if max(photo.rgb.shape[:2]) > MAX_SIDE:
        raise ImageError(f"the photo has a side of over {MAX_SIDE} pixels, which no JPEG has; scale it down first")
    rgb, buffer = _flattened(photo), io.BytesIO()
    options: dict[str, Any] = {} if photo.icc_profile is None else {"icc_profile": photo.icc_profile}
    Photo(rgb).to_pil().save(buffer, "JPEG", quality=quality, subsampling=SAMPLINGS[sampling], **options)
    file = JpegFile.read(buffer.getvalue(), "the JPEG file made of the photo")
    cb, cr = (_errors(rgb, weights, sampling, plane) for weights, plane in zip((CB, CR), file.chroma, strict=True))
    return MadeJpeg(file, (cb, cr))


def _flattened(photo: Photo) -> UInt8:
    if photo.alpha is None:
        return photo.rgb
    alpha = photo.alpha[..., None].astype(np.uint16)
    return ((photo.rgb * alpha + np.uint16(255) * (255 - alpha) + 127) // 255).astype(np.uint8)


def _errors(rgb: UInt8, weights: Float32, sampling: tuple[int, int], plane: Component) -> Int8:
    """Of the visible blocks of a chroma plane, strip by strip of blocks.

    Edges are repeated as libjpeg does: columns and lines before they are averaged, whole lines of averages after.
    """
    across, down = sampling
    height = -(-len(rgb) // down)
    rows, columns = plane.visible.shape[:2]
    right = max(0, 8 * across * columns - rgb.shape[1])
    found = np.empty((rows, columns, 64), np.int8)
    for row in range(rows):
        lines = down * np.minimum(np.arange(8 * row, 8 * (row + 1)), height - 1)[:, None] + np.arange(down)
        lines = np.minimum(lines.reshape(-1), len(rgb) - 1)
        strip = np.pad(rgb[lines], ((0, 0), (0, right), (0, 0)), mode="edge")[:, : 8 * across * columns]
        chroma = (strip @ weights).reshape(8, down, columns, 8, across).mean(axis=(1, 4))
        exact = dct.coefficients(chroma.reshape(8, -1), plane.quantisation)[0]
        missed = exact - plane.visible[row]
        found[row] = np.rint(np.clip(missed, -0.5, 0.5) * UNIT)
    alike = found[..., RATIONAL]  # halves come up there all the time, and to move all of them would be seen
    found[..., RATIONAL] = np.where(np.abs(alike) >= UNIT // 2 - 1, 0, alike)
    return found
