"""New chroma for pixels whose gray-scale stays as it is, level for level."""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.luma import LUMA_WEIGHTS, luma_of
from stegcinn.runtime.arrays import Bool, Float32, Int32, UInt8

_TO_RGB = np.array([[0, -0.344136286, 1.772], [1.402, -0.714136286, 0]], np.float32)  # of Cb and Cr; ITU-T T.871
_TRIES = 4  # halvings of a change that would leave the cube of colours
_STRIP = 256  # rows at a time, an even number


def recoloured(rgb: UInt8, planes: Float32) -> UInt8:
    """Pixels (H, W, 3) with halved chroma `planes` (2, h, w) added, each value to 2x2 pixels, and the same luma.

    Where that leaves the cube of colours, less is added, or nothing.
    """
    found = rgb.copy()
    for top in range(0, len(rgb), _STRIP):
        strip = planes[:, top // 2 : (top + _STRIP) // 2]
        added = np.repeat(np.repeat(np.moveaxis(strip, 0, 2), 2, axis=0), 2, axis=1)
        part = found[top : top + _STRIP]
        added = added[: len(part), : part.shape[1]]
        moved = added.any(axis=2)
        part[moved] = _moved(part[moved], added[moved] @ _TO_RGB)
    return found


def _moved(rgb: UInt8, change: Float32) -> UInt8:
    """Colours (n, 3) moved by about `change` (n, 3), their luma kept."""
    found, luma = rgb.copy(), luma_of(rgb).astype(np.int32)
    left = np.arange(len(rgb))
    for _ in range(_TRIES):
        wanted = rgb[left] + change[left]
        colour, inside = _on_luma(wanted, luma[left])
        found[left[inside]] = colour[inside]
        left = left[~inside]
        if not len(left):
            break
        change = change / 2
    return found


def _on_luma(wanted: Float32, luma: Int32) -> tuple[UInt8, Bool]:
    """The colours nearest to `wanted` (n, 3) that have a luma, green following from red and blue; and which there are."""
    red, green, blue = (np.rint(wanted[:, i]).astype(np.int32) for i in range(3))
    np.clip(red, 0, 255, out=red)
    np.clip(blue, 0, 255, out=blue)
    weight_r, weight_g, weight_b = LUMA_WEIGHTS
    low = (luma << 16) - (1 << 15) - weight_r * red - weight_b * blue  # of green times its weight, least
    least, most = -(-low // weight_g), (low + (1 << 16) - 1) // weight_g
    green = np.clip(green, np.maximum(least, 0), np.minimum(most, 255))
    inside = (green >= np.maximum(least, 0)) & (green <= np.minimum(most, 255))
    return np.clip(np.stack([red, green, blue], axis=1), 0, 255).astype(np.uint8), inside
