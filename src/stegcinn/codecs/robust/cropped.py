"""Where the blocks of a picture lie that lost a part at its top or left.

What the key says of a block depends on its row and column, so the pilots of what is left are found by correlation with
those of all places: for whole blocks at once; where the blocks begin within the first 16 pixels is tried. Pictures that
have a print lose it, and are not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import ceil, pi, sqrt

import numpy as np
import numpy.typing as npt
from PIL import Image

from stegcinn.carriers.photo import MAX_PIXELS
from stegcinn.codecs.robust import grid, reading
from stegcinn.codecs.robust.grid import View
from stegcinn.codecs.robust.places import LEAST_BLOCKS, PILOT, Places, sparseness
from stegcinn.codecs.robust.reading import Reading
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import Float32
from stegcinn.sealing.keys import Keys

REACH = 64  # blocks that may be missing at the top, and at the left
NEAR = 16  # the same where other than whole blocks are
SEARCHED = 64  # blocks of each side, from the top left, that tell where blocks begin
FOLDS = 1, 2, 4  # how much larger than what is left of it the picture may have been
STEPS = reading.STEPS[(reading.STEPS >= 4) & (reading.STEPS <= 40)]  # that are looked for
MATCHING = 4.0  # as `reading.SEEN`, of the best of all offsets: chance alone comes to about as much
BEGINNING = 5.5  # the same of the best offsets, steps and beginnings of blocks
LIKELY = 4  # offsets that are looked at closely
HALVES = grid.CELL  # half samples of chroma, which are pixels, in a block
APART = 3  # of these, between beginnings that are tried: one off, pilots still stand out
BETWEEN = Image.Resampling.BICUBIC  # what a half sample is


def read(view: View, keys: Keys) -> Reading | None:
    """Read a picture that lacks whole blocks, up to REACH at the top and at the left, and any at its other sides."""
    rows, columns = view.clipping.shape
    for places, whole in _wholes(rows, columns, REACH, keys):
        offsets = _offsets(view.coefficients, places, REACH)
        for _, down, across in [found for found in offsets if found[0] > MATCHING][:LIKELY]:
            found = _read_from(view, down, across, whole, keys)
            if found is not None:
                return found
    return None


def attempts(planes: Float32, keys: Keys) -> Iterator[tuple[float, Reading | None]]:
    """The same where blocks begin elsewhere than at the edge: by `grid.halved` planes, and the share that was tried.

    Not in what is smaller than the smallest container.
    """
    total = -(-planes.shape[1] // 8), -(-planes.shape[2] // 8)
    if grid.PLANES * total[0] * total[1] < LEAST_BLOCKS:
        return
    most = (SEARCHED + 1) * grid.CELL // 2
    part = planes[: grid.PLANES, :most, :most]
    rows, columns = (side // 8 - 1 for side in part.shape[1:])  # whole blocks, wherever they begin
    among = [places for places, _ in _wholes(rows, columns, NEAR, keys, total)]

    def seen(down: int, across: int) -> float:
        coefficients = grid.of_planes(_begun(part, down, across))[:rows, :columns]
        return max(_offsets(coefficients, places, NEAR)[0][0] for places in among)

    begun = [(down, across) for down in range(0, HALVES, APART) for across in range(0, HALVES, APART)][1:]
    scores = {}
    for number, at in enumerate(begun):
        scores[at] = seen(*at)
        yield number / len(begun), None
    best = max(scores, key=lambda at: scores[at])
    if scores[best] > BEGINNING:
        near = [((best[0] + i) % HALVES, (best[1] + j) % HALVES) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        for at in sorted(near, key=lambda at: seen(*at), reverse=True)[:LIKELY]:
            yield 1.0, read(View.of(_begun(planes, *at)), keys)


def _wholes(
    rows: int, columns: int, reach: int, keys: Keys, of: tuple[int, int] | None = None
) -> Iterator[tuple[Places, tuple[int, int]]]:
    """Places of so many rows and columns and the reach, and the size of the picture that they are taken to be of.

    `of`: rows and columns that are left of the picture, if not as many.
    """
    left = of or (rows, columns)
    folds = {sparseness(grid.PLANES * left[0] * fold * left[1]): fold for fold in FOLDS}  # all else is the same in them
    for fold in sorted(folds.values()):
        whole = left[0] * fold, left[1]
        yield Places(keys, rows + reach, columns + reach, whole), whole


def _read_from(view: View, down: int, across: int, whole: tuple[int, int], keys: Keys) -> Reading | None:
    """Read a picture that begins with a block that is so far from the first of all."""
    rows, columns = view.clipping.shape
    least = rows + down, columns + across
    places = Places(keys, *least, whole)
    for header, *_ in reading.headers(view.placed(down, across, *least), places):
        size = -(-header.height // grid.CELL), -(-header.width // grid.CELL)
        if size[0] * size[1] * grid.CELL**2 <= MAX_PIXELS and least[0] <= size[0] and least[1] <= size[1]:
            with suppress(RevealError):
                return reading.read(view.placed(down, across, *size), Places(keys, *size), keys)
    return None


def _offsets(coefficients: Float32, places: Places, reach: int) -> list[tuple[float, int, int]]:
    """How far from the first of the places the coefficients may begin, by correlation with the pilots.

    Score, rows and columns, the likeliest first: the best at each step, dithered or not.
    """
    shape = _quick(places.rows), _quick(places.columns)
    patterns = [_transformed(cosine + 1j * sine, shape) for cosine, sine in map(places.pattern, (False, True))]
    pilots = np.count_nonzero(places.roles == PILOT) * coefficients[..., 0].size / places.blocks
    found: dict[tuple[int, int], float] = {}
    for step in STEPS:
        phase = coefficients[..., :2] * np.float32(pi / step)
        waves = np.conj(_transformed(np.cos(phase) + 1j * np.sin(phase), shape))
        for pattern in patterns:
            every = np.fft.ifft2((waves * pattern).sum(axis=(0, 1))).real
            scores = every[: reach + 1, : reach + 1] / sqrt(pilots)
            down, across = np.unravel_index(np.argmax(scores), scores.shape)
            at = int(down), int(across)
            found[at] = max(found.get(at, 0.0), float(scores[at]))
    return sorted(((score, *at) for at, score in found.items()), reverse=True)


def _transformed(values: npt.NDArray[np.complex64], shape: tuple[int, int]) -> npt.NDArray[np.complex64]:
    """The transform of values (rows, columns, 2, 2) padded to a shape: (2, 2, *shape)."""
    by_mode = np.ascontiguousarray(values.transpose(2, 3, 0, 1).astype(np.complex64))
    return np.fft.fft2(by_mode, shape).astype(np.complex64, copy=False)


def _quick(length: int) -> int:
    """The next length whose Fourier transform is quick: without prime factors above 5."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def _begun(planes: Float32, down: int, across: int) -> Float32:
    """Planes (n, h, w) from so many half samples on."""
    _, height, width = planes.shape
    top, left = down / 2, across / 2
    size = width - ceil(left), height - ceil(top)
    box = (left, top, left + size[0], top + size[1])
    return np.stack([np.asarray(Image.fromarray(plane).resize(size, BETWEEN, box)) for plane in planes])
