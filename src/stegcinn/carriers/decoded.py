"""The colours that a JPEG decoder can make: a lattice that holds about one RGB triple in four.

A decoder rounds Y, Cb and Cr to integers and converts those by integer arithmetic (ITU-T T.871; libjpeg's fixed-point
coefficients). A photo that was decoded and not touched since has no other colours, and whoever looks sees it at once if
some pixels do: a photo for hiding should have been scaled since.
"""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.runtime.arrays import Bool, Int32, Int64, UInt8

DECODED = 0.999  # share of unclipped pixels on the lattice that tells a decoded photo; others have 0.25 to 0.5

_STRIP = 64  # rows looked at at a time: what is computed of them stays in the cache
_CHROMA = np.arange(-128, 128)
_HALF = 1 << 15
_NEVER = 1 << 30  # no green is as far from luma


def _green(added: Int64, green: Int64) -> Int32:
    """Where chroma -128..127 adds `added` to red or blue: by what is added, -255..255, its part of green in 2**-16."""
    found = np.full(511, _NEVER, np.int32)
    inside = np.abs(added) <= 255
    found[added[inside] + 255] = green[inside]
    return found


_GREEN_OF_RED = _green((91881 * _CHROMA + _HALF) >> 16, -46802 * _CHROMA)
_GREEN_OF_BLUE = _green((116130 * _CHROMA + _HALF) >> 16, -22554 * _CHROMA + _HALF)


def decodable(rgb: UInt8) -> Bool:
    """Which unclipped pixels (..., 3) a decoder can have made; False where a channel is at 0 or 255."""
    luma = luma_of(rgb).astype(np.int16)
    red, green, blue = (rgb[..., c] - luma for c in range(3))
    same: Bool = (_GREEN_OF_RED[red + 255] + _GREEN_OF_BLUE[blue + 255]) >> 16 == green
    return same & unclipped(rgb)


def unclipped(rgb: UInt8) -> Bool:
    """Which pixels (..., 3) have no channel at 0 or 255, where many chroma values come to the same."""
    least, most = _extremes(rgb)
    inside: Bool = (least > 0) & (most < 255)
    return inside


def is_decoded(rgb: UInt8) -> bool:
    """Whether (H, W, 3) holds a JPEG decoder's colours, unchanged. Gray pixels tell nothing; any photo has them."""
    telling, decoded = 0, 0
    for top in range(0, len(rgb), _STRIP):
        strip = rgb[top : top + _STRIP]
        least, most = _extremes(strip)
        coloured = least != most
        telling += int(np.count_nonzero(unclipped(strip) & coloured))
        decoded += int(np.count_nonzero(decodable(strip) & coloured))
    return telling > 0 and decoded / telling >= DECODED


def _extremes(rgb: UInt8) -> tuple[UInt8, UInt8]:
    """The least and the greatest channel of each pixel; faster than reductions over an axis of three."""
    red, green, blue = (rgb[..., c] for c in range(3))
    return np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)
