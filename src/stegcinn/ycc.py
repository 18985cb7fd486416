"""The colours that a JPEG decoder can make: a lattice that holds about one RGB triple in four.

A decoder rounds Y, Cb and Cr to integers and converts those by integer arithmetic (ITU-T T.871; libjpeg's fixed-point
coefficients). A photo that was decoded and not touched since has no other colours, and whoever looks sees it at once if
some pixels do: a photo for hiding should have been scaled since.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stegcinn import colour

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

DECODED = 0.999  # share of unclipped pixels on the lattice that tells a decoded photo; others have 0.25 to 0.5

_CHROMA = np.arange(-128, 128)
_HALF = 1 << 15
# What chroma -128..127 adds to luma; green's two parts are summed, then shifted by 16.
RED_OF_CR: Int64 = (91881 * _CHROMA + _HALF) >> 16
BLUE_OF_CB: Int64 = (116130 * _CHROMA + _HALF) >> 16
GREEN_OF_CB: Int64 = -22554 * _CHROMA + _HALF
GREEN_OF_CR: Int64 = -46802 * _CHROMA
NONE = -1  # of the chroma indices 0..255


def chroma(rgb: UInt8) -> tuple[Int64, Int64]:
    """Indices (cb, cr), 0..255, of the chroma that each pixel (..., 3) was decoded from; NONE in both off the lattice.

    A clipped pixel, with a channel at 0 or 255, has none either: many chroma values come to the same.
    """
    luma = colour.luma(rgb).astype(np.int64)
    red, green, blue = (rgb[..., c].astype(np.int64) - luma for c in range(3))
    cr, cb = index_of(RED_OF_CR)[red + 255], index_of(BLUE_OF_CB)[blue + 255]
    on_lattice = (cr != NONE) & (cb != NONE) & (rgb > 0).all(axis=-1) & (rgb < 255).all(axis=-1)
    on_lattice &= (GREEN_OF_CB[cb] + GREEN_OF_CR[cr]) >> 16 == green
    return np.where(on_lattice, cb, NONE), np.where(on_lattice, cr, NONE)


def is_decoded(rgb: UInt8) -> bool:
    """Whether (H, W, 3) holds a JPEG decoder's colours, unchanged. Gray pixels tell nothing; any photo has them."""
    inside = ((rgb > 0) & (rgb < 255)).all(axis=-1) & (rgb != rgb[..., :1]).any(axis=-1)
    on_lattice = chroma(rgb)[0] != NONE
    return bool(inside.any() and on_lattice[inside].mean() >= DECODED)


def index_of(values: Int64) -> Int64:
    """For each difference -255..255 to luma, the chroma index that adds it, or NONE."""
    found = np.full(511, NONE, np.int64)
    inside = np.abs(values) <= 255
    found[values[inside] + 255] = np.flatnonzero(inside)
    return found
