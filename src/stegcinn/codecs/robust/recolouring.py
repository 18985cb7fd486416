"""New chroma for pixels whose gray-scale stays as it is, level for level."""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.runtime.native import Kernel, in_parts

TRIES = 4  # halvings of a change that would leave the cube of colours
_LARGEST = 500  # levels that are added, at most
_STRIP = 256  # rows at a time, an even number

_RECOLOUR = Kernel("recolour", "u1 f4 n n n n n u1!")


def recoloured(rgb: UInt8, planes: Float32) -> UInt8:
    """Pixels (H, W, 3) with halved chroma `planes` (2, h, w) added, each value to 2x2 pixels, and the same luma.

    Where that leaves the cube of colours, less is added, or nothing.
    """
    height, width, _ = rgb.shape
    if planes.shape != (2, -(-height // 2), -(-width // 2)):
        raise ValueError(f"chroma of {planes.shape} does not belong to pixels of {rgb.shape}")
    planes = np.clip(planes, -_LARGEST, _LARGEST)
    found = np.empty_like(rgb, order="C")

    def part(rows: slice) -> None:
        strip = np.ascontiguousarray(planes[:, rows.start // 2 : rows.stop // 2])
        pixels = np.ascontiguousarray(rgb[rows])
        _RECOLOUR(pixels, strip, len(pixels), width, strip.shape[1], strip.shape[2], TRIES, found[rows])

    in_parts(part, height, _STRIP)
    return found
