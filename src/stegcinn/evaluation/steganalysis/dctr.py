"""Residuals of the decoded chroma planes by the 64 waves of the DCT, counted by where in the grid of blocks they lie.

DCTR: Holub, Fridrich: *Low-Complexity Features for JPEG Steganalysis Using Undecimated DCT* (TIFS 2015). A picture and
its mirror images, its transposed self among them, have nearly the same features.
"""

from __future__ import annotations

import numpy as np

from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import Component, JpegFile
from stegcinn.carriers.jpegfile.quality import estimated_quality
from stegcinn.runtime.arrays import Bool, Float32, Int64

SIDE = dct.SIDE
LAST = 4  # last step told apart, T of section IV
TIE = 1e-3  # what is less than this below the middle of two steps is rounded up: in the grid of blocks, many are there
FOLDED = SIDE // 2 + 1  # phases along one side: n and 8 - n are mirror images


def features(jpeg: JpegFile) -> Float32:
    """Square roots of relative frequencies of both planes, a vector, float32."""
    return np.concatenate([_component_features(component, chroma=True) for component in jpeg.chroma])


def luma_features(jpeg: JpegFile) -> Float32:
    """The same of the luma alone, for those who change that."""
    return _component_features(jpeg.luma, chroma=False)


def _component_features(component: Component, *, chroma: bool) -> Float32:
    quality, _ = estimated_quality(component.quantisation.tolist(), chroma=chroma)
    return plane_features(dct.samples(component.visible, component.quantisation), step_of(quality))


def step_of(quality: int) -> float:
    """Of quantisation, in samples, for a file of this quality: equation (15), continued below 50 as it is there."""
    return SIDE * (2 - min(quality, 98) / 50) if quality >= 50 else SIDE * 50 / max(1, quality)


def plane_features(plane: Float32, step: float) -> Float32:
    """Square roots of relative frequencies of 0, 1 ... LAST steps and more in one plane, its sides multiples of 8."""
    height, width = (side - SIDE + 1 for side in plane.shape)
    waves = dct.cosines().astype(np.float32)
    cells = FOLDED**2 * (LAST + 1)
    places = _phases(height)[:, None] * FOLDED + _phases(width)  # of each window in the grid of blocks
    places = (LAST + 1) * places.ravel() + cells * np.arange(SIDE)[:, None]
    tables = np.empty((SIDE, SIDE, FOLDED, FOLDED, LAST + 1))
    for v in range(SIDE):
        down = sum(tap * plane[i : i + height] for i, tap in enumerate(waves[v]))
        shifted = np.stack([down[:, j : j + width].ravel() for j in range(SIDE)])
        residuals = waves @ shifted  # of all u
        np.abs(residuals, out=residuals)
        residuals *= np.float32(1 / step)
        residuals += np.float32(0.5 + TIE)
        np.floor(residuals, out=residuals)
        np.minimum(residuals, LAST, out=residuals)
        tables[v] = np.bincount((places + residuals.astype(np.int64)).ravel(), minlength=SIDE * cells).reshape(
            tables[v].shape
        )
    tables += tables.transpose(1, 0, 3, 2, 4).copy()
    tables /= tables.sum(-1, keepdims=True)
    found: Float32 = np.sqrt(tables[_kept()].ravel()).astype(np.float32)
    return found


def _phases(count: int) -> Int64:
    """Of windows that begin at 0, 1 ..., how far the next block's border is."""
    offset = np.arange(count) % SIDE
    return np.minimum(offset, SIDE - offset)


def _kept() -> Bool:
    """One of each wave and phase and their transposed selves, (v, u, down, along); not the mean, which has no step."""
    v, u, down, along = np.indices((SIDE, SIDE, FOLDED, FOLDED))
    kept: Bool = (v < u) | ((v == u) & (v > 0) & (down <= along))
    return kept
