"""A rich model of the chroma coefficients of a JPEG file: which values stand side by side, in which mode, how often.

After JRM and CC-JRM (Kodovsky, Fridrich: *Steganalysis of JPEG Images Using Rich Models*, SPIE 2012): co-occurrences of
truncated magnitudes and of their differences, within blocks and between neighbouring ones, mode by mode and over all
modes, of the file and of itself when decoded, cropped by half a block and coded again (calibration). What is counted
across components is added: Cb with Cr, and each with the luma. A picture and its mirror images have the same features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import Component, JpegFile
from stegcinn.runtime.arrays import Bool, Float32, Float64, Int16

SIDE = dct.SIDE
CROP = 4  # samples cut off above and on the left for calibration
LOW = 5  # modes with u + v up to this are counted one by one
V, U = np.mgrid[:SIDE, :SIDE]
AC = U + V > 0
ONE_BY_ONE = AC & (U + V <= LOW)
HALF = ONE_BY_ONE & (V <= U)  # one of each mode and its transposed
# Last values told apart: of magnitudes alone, in pairs mode by mode and over all modes; of differences; of DC
T_ALONE, T_MODE, T_ALL, T_DIFFERENCE, T_DC = 6, 3, 5, 2, 10
Shift = tuple[int, int, int, int]  # by rows and columns of blocks, and by v and u


def features(jpeg: JpegFile) -> Float32:
    """Square roots of relative frequencies, of the file and of its calibrated self; a vector, float32.

    ValueError if the picture is too small to have neighbouring blocks when it is cropped.
    """
    planes = [c.visible for c in jpeg.components]
    return _roots([counts(planes), counts([_calibrated(c) for c in jpeg.components])])


def luma_features(jpeg: JpegFile) -> Float32:
    """The same of the luma alone, for those who change that."""
    return _roots([plane_counts(jpeg.luma.visible), plane_counts(_calibrated(jpeg.luma))])


def counts(planes: Sequence[Int16]) -> Float64:
    """Relative frequencies in the coefficients (rows, columns, 64) of Y, Cb and Cr, natural order; a vector."""
    if min(side for plane in planes for side in plane.shape[:2]) < 3:
        raise ValueError("a rich model needs three rows and columns of blocks at least")
    y, cb, cr = (plane.reshape(*plane.shape[:2], SIDE, SIDE) for plane in planes)
    found = [plane_counts(planes[1]), plane_counts(planes[2]), _joint(cb, cr)]
    found += [_with_luma(_summed(np.abs(y), chroma), np.abs(chroma)) for chroma in (cb, cr)]
    return np.concatenate(found)


def _roots(tables: Sequence[Float64]) -> Float32:
    found: Float32 = np.sqrt(np.concatenate(tables)).astype(np.float32)
    return found


def _calibrated(component: Component) -> Int16:
    """The coefficients when the first samples are cut off, and as many of the last as do not fill a block."""
    plane = dct.samples(component.visible, component.quantisation)
    height, width = ((side - CROP) // SIDE * SIDE for side in plane.shape)
    cropped = plane[CROP : CROP + height, CROP : CROP + width]
    found: Int16 = np.rint(dct.coefficients(cropped, component.quantisation)).astype(np.int16)
    return found


def plane_counts(plane: Int16) -> Float64:
    """Relative frequencies in the coefficients (rows, columns, 64) of one component, natural order; a vector."""
    blocks = plane.reshape(*plane.shape[:2], SIDE, SIDE)
    both = [_one_way(np.ascontiguousarray(turned)) for turned in (blocks, blocks.transpose(1, 0, 3, 2))]
    return (both[0] + both[1]) / 2


def _one_way(blocks: Int16) -> Float64:
    magnitudes = np.abs(blocks)
    found = [_tables(np.minimum(magnitudes, T_ALONE), T_ALONE + 1, HALF)]
    for shift, modes in (((0, 0, 0, 1), ONE_BY_ONE), ((0, 0, 1, 1), HALF), ((0, 0, 1, -1), ONE_BY_ONE & (V < U))):
        found += [_pairs(magnitudes, [shift], T_MODE, modes), _pairs(magnitudes, [shift], T_ALL)]
    for shifts, modes in (([(0, 1, 0, 0)], ONE_BY_ONE), ([(1, 1, 0, 0), (1, -1, 0, 0)], HALF)):
        found += [_unordered(magnitudes, shifts, T_MODE, modes), _unordered(magnitudes, shifts, T_ALL)]
    found += [_runs(magnitudes, ONE_BY_ONE), _runs(magnitudes)]
    dc = blocks[..., 0, 0].astype(np.int64)
    steps = np.minimum(np.abs(dc[:, 1:] - dc[:, :-1]), T_DC)
    found.append(np.bincount(steps.ravel(), minlength=T_DC + 1) / steps.size)
    return np.concatenate(found)


def _shifted(x: Int16, shift: Shift) -> tuple[Int16, Int16, Bool]:
    """All elements that have a partner, their partners, and which modes those elements are of."""
    first = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(shift, x.shape, strict=True))
    second = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(shift, x.shape, strict=True))
    modes = np.zeros((SIDE, SIDE), np.bool_)
    modes[first[2:]] = True
    return x[first], x[second], modes


def _tables(codes: Int16, count: int, modes: Bool | None = None, there: Bool = AC | True) -> Float64:
    """How often each code below `count` is found: in each of the modes, or in all AC modes together.

    `codes`: (rows, columns, v, u) of the modes that are `there`, in a rectangle. Frequencies of a mode sum to one.
    """
    rows, columns = codes.shape[:2]
    flat = codes.reshape(rows * columns, -1)
    if modes is None:
        chosen = flat[:, AC[there]]
        return np.bincount(chosen.ravel(), minlength=count) / max(1, chosen.size)
    chosen = flat[:, modes[there]].astype(np.int64)
    chosen += count * np.arange(chosen.shape[1])
    found: Float64 = np.bincount(chosen.ravel(), minlength=count * chosen.shape[1]) / max(1, len(flat))
    return found


def _pairs(magnitudes: Int16, shifts: Sequence[Shift], last: int, modes: Bool | None = None) -> Float64:
    """Frequencies of pairs of magnitudes, averaged over shifts."""
    cut, side, found = np.minimum(magnitudes, last), last + 1, []
    for shift in shifts:
        a, b, there = _shifted(cut, shift)
        found.append(_tables(side * a + b, side**2, modes, there))
    return np.mean(found, axis=0)  # type: ignore[no-any-return]


def _unordered(magnitudes: Int16, shifts: Sequence[Shift], last: int, modes: Bool | None = None) -> Float64:
    """The same for pairs without order: mirror images have them the other way round."""
    table = _pairs(magnitudes, shifts, last, modes).reshape(-1, last + 1, last + 1)
    return (table + table.swapaxes(1, 2))[:, *np.triu_indices(last + 1)].ravel()


def _runs(magnitudes: Int16, modes: Bool | None = None) -> Float64:
    """Differences of a magnitude to the next block's, and the next block's to the one after, whatever the direction."""
    a, b, c = (magnitudes[:, i : magnitudes.shape[1] - 2 + i] for i in range(3))
    first, second = (np.clip(x, -T_DIFFERENCE, T_DIFFERENCE) + T_DIFFERENCE for x in (a - b, b - c))
    side = 2 * T_DIFFERENCE + 1
    table = _tables(side * first + second, side**2, modes).reshape(-1, side, side)
    mirrored = table[:, ::-1, ::-1].swapaxes(1, 2)
    rows, columns = np.indices((side, side))
    return (table + mirrored)[:, rows + columns < side].ravel()


def _joint(cb: Int16, cr: Int16) -> Float64:
    """Values of Cb and Cr in one place: as many whether both are negated or not, as mirror images may have them."""
    found = []
    for last, modes in ((T_MODE, HALF), (T_ALL, None)):
        a, b = (np.clip(x[: cr.shape[0], : cr.shape[1]], -last, last) + last for x in (cb, cr))
        side = 2 * last + 1
        for_both = sum(_tables(code, side**2, modes) for code in (side * a + b, (side * a + b).transpose(0, 1, 3, 2)))
        table = np.reshape(for_both, (-1, side, side)) / 2
        table = table + table[:, ::-1, ::-1]
        found.append(table[:, :last].ravel())
        found.append(table[:, last, : last + 1].ravel())
    return np.concatenate(found)


def _summed(luma: Int16, chroma: Int16) -> Int16:
    """Luma magnitudes of the blocks that lie where a block of chroma lies, mode by mode, in the chroma's shape."""
    rows, columns = chroma.shape[:2]
    down, along = (max(1, round(a / b)) for a, b in zip(luma.shape[:2], chroma.shape[:2], strict=True))
    short = [(0, max(0, factor * n - have)) for factor, n, have in
             zip((down, along), (rows, columns), luma.shape[:2], strict=True)]  # fmt: skip
    whole = np.pad(luma, [*short, (0, 0), (0, 0)], mode="edge")[: down * rows, : along * columns]
    summed: Int16 = whole.reshape(rows, down, columns, along, SIDE, SIDE).sum((1, 3), dtype=np.int16)
    return summed


def _with_luma(luma: Int16, chroma: Int16) -> Float64:
    """Magnitudes of luma and chroma in one place."""
    found = []
    for last, modes in ((T_MODE, HALF), (T_ALL, None)):
        a, b = np.minimum(luma, last), np.minimum(chroma, last)
        code = (last + 1) * a + b
        found.append(_tables(code, (last + 1) ** 2, modes) + _tables(code.swapaxes(2, 3), (last + 1) ** 2, modes))
    return np.concatenate(found) / 2
