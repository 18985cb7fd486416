"""Where a picture's blocks lie after it was sharpened, turned, mirrored, scaled or cropped on the way.

A reader tries the picture as it is first. What comes here is told by the pilots, at the cost of a transform for each
way it may lie: no payload is decoded before pilots and header are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, exp, log

import numpy as np

from stegcinn.carriers.photo import MAX_PIXELS
from stegcinn.codecs.base import Progress
from stegcinn.codecs.robust import cropped, grid, lumaprint, reading
from stegcinn.codecs.robust.grid import View
from stegcinn.codecs.robust.places import Places
from stegcinn.codecs.robust.reading import Reading
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import Float32, Float64
from stegcinn.sealing.keys import Keys

LONG_EDGES = (1600, 1280, 2048, 2560, 4096, 1920, 4000, 4032, 3264, 4608)  # pixels: of channels, and of cameras
SCALES = 0.5, 2.0  # of the sender's size to the receiver's
_FINENESS = 0.008  # between scales that are tried: half of it off, pilots are seen half as well
_SEARCHED = 64  # blocks of each side, from the top left, that tell the scale
_NEAR = 1.05  # times the size at which a header was read may be that which it tells
_FEW = 2  # of what is tried for a print, where many scales are searched: none, and the likeliest
_LIKELY = 4  # scales that are looked at closely
_BLUR = (0.125, 0.75, 0.125)  # what decoders' upsampling and an encoder's averaging make of a sample of chroma


def read(planes: Float32, seen: Float64, width: int, height: int, keys: Keys, progress: Progress) -> Reading:
    """Read a picture that does not lie as it was, by `grid.halved` planes (3, h, w); RevealError if it cannot.

    `seen`: its `lumaprint.thumbnail`.
    """
    for share, found in _attempts(planes, seen, width, height, keys):
        progress(share)
        if found is not None:
            return found
    raise RevealError


def _attempts(
    planes: Float32, seen: Float64, width: int, height: int, keys: Keys
) -> Iterator[tuple[float, Reading | None]]:
    """Each way it may lie: the share of the work that is done, and what was read."""
    prints = _prints(seen)
    yield 0.05, _read(np.concatenate([sharpened(planes[: grid.PLANES]), planes[grid.PLANES :]]), prints, keys)
    for number, (across, thumbnail) in enumerate(((planes, seen), (planes.transpose(0, 2, 1), seen.T))):
        for down, left in ((1, 1), (-1, 1), (1, -1), (-1, -1))[1 - number :]:
            turned = np.ascontiguousarray(across[:, ::down, ::left])
            yield 0.1 + 0.1 * number, _read(turned, _prints(thumbnail[::down, ::left]), keys)
    long_edge = max(width, height)
    edges = [edge for edge in LONG_EDGES if SCALES[0] <= edge / long_edge <= SCALES[1] and edge != long_edge]
    for edge in edges:
        yield 0.3, _read_at(planes, width, height, edge / long_edge, prints, keys)
    yield 0.4, cropped.read(View.of(planes), keys)
    scales = [exp(log(SCALES[0]) + _FINENESS * n) for n in range(ceil(log(SCALES[1] / SCALES[0]) / _FINENESS))]
    scores: list[tuple[float, float]] = []
    among = [Places(keys, _SEARCHED, _SEARCHED, seen=each) for each in prints[:_FEW]]
    for number, scale in enumerate(scales):
        scores.append((_score(planes, width, height, scale, among), scale))
        yield 0.4 + 0.3 * number / len(scales), None
    for score, scale in sorted(scores, reverse=True)[:_LIKELY]:
        if score > 0:
            yield 0.7, _read_at(planes, width, height, scale, prints, keys)
    for share, found in cropped.attempts(planes, keys):
        yield 0.7 + 0.3 * share, found


def _prints(seen: Float64) -> list[int | None]:
    """What is tried of a picture that lies in some way, by its thumbnail."""
    return [None, *lumaprint.likely(seen, lumaprint.SURE)]


def sharpened(planes: Float32) -> Float32:
    """Planes (n, h, w) before a decoder's upsampling and an encoder's averaging blurred them, nearly."""
    blurred = planes
    for axis in (1, 2):
        before, at, after = (
            np.take(blurred, np.clip(np.arange(planes.shape[axis]) + shift, 0, planes.shape[axis] - 1), axis)
            for shift in (-1, 0, 1)
        )
        blurred = _BLUR[0] * before + _BLUR[1] * at + _BLUR[2] * after
    found: Float32 = (2 * planes - blurred).astype(np.float32)
    return found


def _read(planes: Float32, prints: Sequence[int | None], keys: Keys) -> Reading | None:
    try:
        return reading.read_any(View.of(planes), prints, keys)
    except RevealError:
        return None


def _read_at(
    planes: Float32, width: int, height: int, scale: float, prints: Sequence[int | None], keys: Keys
) -> Reading | None:
    """At about a scale of the sender's size to this one: the header tells it exactly."""
    wanted = round(width * scale), round(height * scale)
    if wanted[0] * wanted[1] > MAX_PIXELS:
        return None
    view = View.of(grid.resampled(planes, (width, height), wanted))
    for seen in prints:
        for header, *_ in reading.headers(view, Places(keys, *view.clipping.shape, seen=seen)):
            exact = header.width, header.height
            near = all(1 / _NEAR < a / b < _NEAR for a, b in zip(exact, wanted, strict=True))
            if near and (found := _read(grid.resampled(planes, (width, height), exact), [seen], keys)):
                return found
    return None


def _score(planes: Float32, width: int, height: int, scale: float, among: Sequence[Places]) -> float:
    """How much pilots stand out at a scale, in the top left of the picture, by some places; 0 if they do not."""
    wanted = round(width * scale), round(height * scale)
    chroma = planes[: grid.PLANES]
    coefficients = grid.of_planes(grid.resampled(chroma, (width, height), wanted, _SEARCHED * grid.CELL // 2))
    whole = -(-wanted[1] // grid.CELL), -(-wanted[0] // grid.CELL)
    rows, columns = coefficients.shape[:2]
    parts = [places.first(rows, columns, whole) for places in among]
    return max((sync.score for part in parts for sync in reading.syncs(coefficients, part)), default=0.0)
