"""Whether a photo, or an area of it, has no colours but those that some decoder makes.

A photo that nobody decoded has some of them by chance: of the colours in any area a quarter to two thirds. Pixels of
flat areas are all alike, so it is different colours that are counted: their differences of channels, of which a
decoder's chroma makes few.
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.evidence.decoders import SPAN, Decoder, decoders, pairs_of
from stegcinn.carriers.evidence.parts import TILE, bands, codes, sample, telling
from stegcinn.runtime.arrays import Bool, Int32, UInt8, UInt16

TILE_PAIRS = 12  # of a tile that is all on a lattice; other photos have up to 7, but where scaling copied pixels
PHOTO_PAIRS = 12  # of a photo, each seen twice or more; with fewer, chance is too coarse
PHOTO_SHARE = 0.75  # of them on the lattice: 0.85 of decoders near those that we know, up to 0.64 of other photos

_SAMPLE = 1 << 16  # pixels by which a photo is judged
_STEP = 4  # every how many pixels those decoders are asked first that take long
_GRAY = 255 * SPAN + 255  # the pair of gray pixels

Element = TypeVar("Element", bound=np.generic)


def decodable(rgb: UInt8) -> Bool:
    """Which unclipped pixels (..., 3) libjpeg can have made; of others it may be wrong."""
    return decoders()[0].makes(rgb)


def decoder_of(rgb: UInt8) -> Decoder | None:
    """The decoder whose colours (H, W, 3) has, if any, by a sample."""
    pixels = sample(rgb, _SAMPLE)
    pixels = pixels[telling(pixels)]
    pairs, counts = np.unique(pairs_of(pixels), return_counts=True)
    pairs = pairs[counts > 1]
    if len(pairs) < PHOTO_PAIRS:
        return None
    colours = pixels[np.unique(codes(pixels), return_index=True)[1]]
    shares = [float((each.pairs[pairs] if each.is_plain else each.makes(colours)).mean()) for each in decoders()]
    best = int(np.argmax(shares))
    return decoders()[best] if shares[best] >= PHOTO_SHARE else None


def decoder_of_area(rgb: UInt8) -> Decoder | None:
    """The decoder whose colours some tile of (H, W, 3) has throughout, if any."""
    for band in bands(rgb):
        height, width = (side // TILE * TILE for side in band.shape[:2])
        if height and width and (found := _of_tile(band[:height, :width])):
            return found
    return None


def _of_tile(rgb: UInt8) -> Decoder | None:
    """`decoder_of_area` of a band whose sides are multiples of TILE."""
    silent = ~telling(rgb)
    pairs = pairs_of(rgb)
    pairs[silent] = _GRAY
    tiles = _tiles(pairs, TILE)
    plain = _plain()[pairs]
    common = np.bitwise_and.reduce(_tiles(plain, TILE), axis=-1)
    for which in np.unique(common[_many(tiles, common != 0)]):
        return next(each for bit, each in enumerate(decoders()) if which >> bit & 1)
    coarse = np.s_[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP]
    for each in decoders():
        if each.is_plain:
            continue
        made: Bool = each.makes(rgb[coarse]) | silent[coarse]
        whole = np.logical_and.reduce(_tiles(made, TILE // _STEP), axis=-1)
        for tile in np.flatnonzero(_many(tiles, whole)):
            row, column = (TILE * int(at) for at in divmod(tile, rgb.shape[1] // TILE))
            part = np.s_[row : row + TILE, column : column + TILE]
            if (each.makes(rgb[part]) | silent[part]).all():
                return each
    return None


def _many(tiles: Int32, wanted: Bool) -> Bool:
    """Which of the wanted tiles (N, pixels) of pairs have TILE_PAIRS different ones, gray apart."""
    ordered = np.sort(tiles[wanted], axis=1)
    new = (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) + 1 - (ordered == _GRAY).any(axis=1)
    many = np.zeros(len(tiles), bool)
    many[wanted] = new >= TILE_PAIRS
    return many


@cache
def _plain() -> UInt16:
    """By pair, a bit for each of the plain decoders that makes it; all for gray."""
    found = np.zeros(SPAN * SPAN, np.uint16)
    for bit, each in enumerate(decoders()):
        if each.is_plain:
            found |= each.pairs.astype(np.uint16) << np.uint16(bit)
    found[_GRAY] = np.bitwise_or.reduce(found)
    return found


def _tiles(values: npt.NDArray[Element], side: int) -> npt.NDArray[Element]:
    """(H, W) as (tiles, side * side), row by row."""
    height, width = values.shape
    tiles = values.reshape(height // side, side, width // side, side).swapaxes(1, 2)
    return tiles.reshape(-1, side * side)
