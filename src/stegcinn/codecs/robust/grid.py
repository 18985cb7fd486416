"""What `robust` hides in: the lowest coefficients of the 4:2:0 chroma of a picture, whatever file it comes in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.making import CB, CR
from stegcinn.runtime.arrays import Float32, UInt8

CELL = 16  # pixels of a block's side, as chroma has half the resolution
PLANES = 2  # Cb and Cr
MODES = np.array([1, 8, 9, 2, 16, 10, 17])  # 8 v + u, cheapest first: what lies on the same diagonal side by side
_ACROSS, _DOWN = MODES % dct.SIDE, MODES // dct.SIDE
LOWEST, HIGHEST = 1, 254  # levels at which a channel counts as cut off
CLIPPED = (0.1, 0.5)  # shares of a block's pixels between classes of clipping
_LOW = 3  # frequencies in each direction that MODES need


@dataclass(frozen=True, eq=False)
class View:
    """What a reader has of a picture.

    `coefficients` (rows, columns, 2, 7) float32, see `of_planes`; `clipping` (rows, columns) uint8, what share of each
    block's pixels is at the end of a channel, by class: 0 (hardly any) to len(CLIPPED). Decoders cut such colours off,
    and their blocks err most.
    """

    coefficients: Float32
    clipping: UInt8

    @staticmethod
    def of(planes: Float32) -> View:
        """That of halved planes (3, h, w): chroma, and the share of pixels that are clipped."""
        coefficients = of_planes(planes[:PLANES])
        return View(coefficients, _classes(planes[PLANES]))

    @staticmethod
    def of_file(file: JpegFile | None, rgb: UInt8) -> View:
        """That of a picture as it is: of its file, if that has such coefficients, and of its pixels (H, W, 3)."""
        found = None if file is None else of_jpeg(file)
        return View(of_rgb(rgb) if found is None else found, _classes(_clipped(rgb)))

    def placed(self, down: int, across: int, rows: int, columns: int) -> View:
        """As a part of `rows` x `columns` blocks, from (`down`, `across`) on; coefficients of others are NaN."""
        here = self.clipping.shape
        part = slice(down, down + here[0]), slice(across, across + here[1])
        found = View(
            np.full((rows, columns, *self.coefficients.shape[2:]), np.nan, np.float32),
            np.zeros((rows, columns), np.uint8),
        )
        found.coefficients[part] = self.coefficients
        found.clipping[part] = self.clipping
        return found


def of_jpeg(file: JpegFile) -> Float32 | None:
    """The coefficients of a JPEG file as they are, see `of_planes`; None if its chroma is not halved both ways."""
    return as_quantised(file) if is_halved(file) else None


def is_halved(file: JpegFile) -> bool:
    """Whether chroma has half the resolution of luma both ways (4:2:0)."""
    return all((file.luma.h, file.luma.v) == (2 * plane.h, 2 * plane.v) for plane in file.chroma)


def halved(file: JpegFile | None, rgb: UInt8) -> Float32:
    """Planes (3, h, w) as `View.of` wants them, of a picture as it is, see `View.of_file`."""
    clipped = _clipped(rgb)
    if file is None or not is_halved(file):
        return np.concatenate([chroma(rgb), clipped[None]])
    height, width = clipped.shape
    planes = [dct.samples(plane.visible, plane.quantisation)[:height, :width] for plane in file.chroma]
    return np.stack([*planes, clipped])


def as_quantised(file: JpegFile) -> Float32:
    """The coefficients of the chroma blocks that a JPEG file has, whatever their number, see `of_planes`."""
    planes = [plane.visible[..., MODES] * plane.quantisation[MODES].astype(np.float32) for plane in file.chroma]
    return np.stack(planes, axis=2).astype(np.float32)


def of_rgb(rgb: UInt8) -> Float32:
    """The coefficients of pixels (H, W, 3), see `of_planes`."""
    return of_planes(chroma(rgb))


def of_planes(planes: Float32) -> Float32:
    """The coefficients of halved chroma planes (2, h, w) about 0: (rows, columns, 2, 7) float32, in order of MODES.

    Planes are continued by their edges to whole blocks of 8x8, of the orthonormal DCT of ITU-T T.81.
    """
    _, height, width = planes.shape
    rows, columns = -(-height // dct.SIDE), -(-width // dct.SIDE)
    padded = np.pad(planes, ((0, 0), (0, 8 * rows - height), (0, 8 * columns - width)), mode="edge")
    waves = _waves()
    across = padded.reshape(PLANES, 8 * rows, columns, 8) @ waves.T
    both = waves @ across.reshape(PLANES, rows, 8, columns * _LOW)
    found: Float32 = both.reshape(PLANES, rows, _LOW, columns, _LOW)[:, :, _DOWN, :, _ACROSS].transpose(2, 3, 1, 0)
    return np.ascontiguousarray(found)


def chroma(rgb: UInt8) -> Float32:
    """Cb and Cr of JFIF (ITU-T T.871) of pixels (H, W, 3), without their offset, each 2x2 pixels averaged: (2, h, w).

    An odd last row or column counts twice.
    """
    height, width, _ = rgb.shape
    if height % 2 or width % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = rgb[::2, ::2].astype(np.uint16)
    for down, across in ((0, 1), (1, 0), (1, 1)):
        total += rgb[down::2, across::2]
    weights = np.stack([CB, CR], axis=1) / np.float32(4)
    return np.ascontiguousarray(np.moveaxis(total.astype(np.float32) @ weights, 2, 0))


def resampled(planes: Float32, size: tuple[int, int], wanted: tuple[int, int], most: int | None = None) -> Float32:
    """Halved planes (n, h, w) of a picture of a `size` (width, height) as those of one of the `wanted` size.

    `most`: only so many samples of each side, from the top left, and those roughly.
    """
    _, height, width = planes.shape
    sides = [-(-side // 2) for side in wanted]
    kernel = Image.Resampling.BICUBIC if most is None else Image.Resampling.BILINEAR
    if most is not None:
        sides = [min(side, most) for side in sides]
    box = (0.0, 0.0, min(width, sides[0] * size[0] / wanted[0]), min(height, sides[1] * size[1] / wanted[1]))
    return np.stack([np.asarray(Image.fromarray(p).resize((sides[0], sides[1]), kernel, box)) for p in planes])


def _waves() -> Float32:
    """Those of the lowest frequencies, (3, 8)."""
    return dct.cosines()[:_LOW].astype(np.float32)


def _clipped(rgb: UInt8) -> Float32:
    """The share of each 2x2 pixels that are at an end of a channel, but for those that a picture of odd size lacks."""
    red, green, blue = (rgb[..., channel] for channel in range(3))
    darkest, brightest = np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)
    ends = (darkest <= LOWEST) | (brightest >= HIGHEST)
    ends = np.pad(ends, ((0, ends.shape[0] % 2), (0, ends.shape[1] % 2)), mode="edge")
    number = sum(ends[down::2, across::2].astype(np.float32) for down in (0, 1) for across in (0, 1))
    share: Float32 = np.asarray(number, np.float32) / np.float32(4)
    return share


def _classes(clipped: Float32) -> UInt8:
    """Of each block, see `View`."""
    height, width = clipped.shape
    rows, columns = -(-height // dct.SIDE), -(-width // dct.SIDE)
    padded = np.pad(clipped, ((0, 8 * rows - height), (0, 8 * columns - width)), mode="edge")
    classes: UInt8 = np.digitize(padded.reshape(rows, 8, columns, 8).mean(axis=(1, 3)), CLIPPED).astype(np.uint8)
    return classes


def planes_of(coefficients: Float32, height: int, width: int) -> Float32:
    """Halved chroma planes (2, height, width) whose coefficients are zero but for those of MODES: `of_planes` back."""
    rows, columns = coefficients.shape[:2]
    spread = np.zeros((PLANES, rows, _LOW, columns, _LOW), np.float32)
    spread[:, :, _DOWN, :, _ACROSS] = coefficients.transpose(3, 2, 0, 1)
    waves = _waves()
    down = waves.T @ spread.reshape(PLANES, rows, _LOW, columns * _LOW)
    planes: Float32 = (down.reshape(PLANES, 8 * rows, columns, _LOW) @ waves).astype(np.float32)
    return planes.reshape(PLANES, 8 * rows, 8 * columns)[:, :height, :width]
