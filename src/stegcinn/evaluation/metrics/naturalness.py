"""How far the colours of an image are from those of photos, without a reference: a small measure of our own.

In the manner of NIQE (Mittal, Soundararajan, Bovik, *Making a "Completely Blind" Image Quality Analyzer*, SPL 2013),
which sees gray alone, carried over to colours after IL-NIQE (Zhang, Zhang, Bovik, TIP 2015): statistics of the patches
of an image have a mean and a covariance, and so have those of many photos. Features, patches and photos are our own, so
that figures are not to be compared with those of NIQE. `naturalness.json` says what it was fitted on.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from stegcinn.runtime.arrays import Float64, UInt8

SIDE = 32  # pixels of a patch
SCALES = 2
TAPS = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))  # NIQE's window: 7 pixels, standard deviation 7/6
STABLE = 1.0  # added to local deviations, as NIQE has it
SHARP = (
    0.75  # photos are fitted by the patches whose sharpness is this share of the sharpest one's (NIQE, section II-C)
)
SHAPES = np.arange(0.2, 10, 0.001)  # of generalised Gaussians, to look up
LEAST = 1e-6
FEATURES = 17 * SCALES


@dataclass(frozen=True)
class Model:
    """Mean and covariance of the features of photos' patches."""

    mean: Float64
    covariance: Float64


def naturalness(rgb: UInt8) -> float:
    """Distance of an (H, W, 3) uint8 image from photos, 0 for the average photo and larger the less natural it is.

    Both sides must have 32 pixels or more, else ValueError.
    """
    model, found = released(), features(rgb)
    centred = found - found.mean(0)
    covariance = centred.T @ centred / len(found)
    apart = found.mean(0) - model.mean
    return float(np.sqrt(apart @ np.linalg.solve((model.covariance + covariance) / 2, apart)))


def features(rgb: UInt8) -> Float64:
    """Of the patches of an (H, W, 3) image side by side, (patches, FEATURES)."""
    rows, columns = rgb.shape[0] // SIDE, rgb.shape[1] // SIDE
    if not rows * columns:
        raise ValueError(f"an image of at least {SIDE}x{SIDE} pixels is needed, not {rgb.shape[1]}x{rgb.shape[0]}")
    planes = opponents(rgb[: rows * SIDE, : columns * SIDE])
    found = []
    for scale in range(SCALES):
        if scale:
            planes = planes.reshape(3, planes.shape[1] // 2, 2, -1, 2).mean((2, 4))
        found.append(_of_scale(planes, SIDE >> scale))
    return np.concatenate(found, axis=1)


def sharpness(rgb: UInt8) -> Float64:
    """Mean local deviation of the luma of each patch, (patches,)."""
    planes = opponents(rgb[: rgb.shape[0] // SIDE * SIDE, : rgb.shape[1] // SIDE * SIDE])
    mean: Float64 = _patches(_local(planes[:1])[1], SIDE).mean((0, 2))
    return mean


def opponents(rgb: UInt8) -> Float64:
    """Luma, red against green, and yellow against blue, (3, H, W)."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    return np.stack([0.299 * red + 0.587 * green + 0.114 * blue, red - green, (red + green) / 2 - blue])


@cache
def released() -> Model:
    """What was fitted to photos."""
    kept = json.loads((files(__package__) / "naturalness.json").read_text())
    covariance = np.zeros((FEATURES, FEATURES))
    covariance[np.triu_indices(FEATURES)] = kept["covariance"]
    return Model(np.array(kept["mean"]), covariance + np.triu(covariance, 1).T)


def _of_scale(planes: Float64, side: int) -> Float64:
    """(patches, 17): shapes and strengths of normalised residuals, how neighbours and planes go together, and how
    strong colours are beside luma."""
    mean, deviation = _local(planes)
    residuals = planes - mean
    normalised = residuals / (deviation + STABLE)
    patches = _patches(normalised, side)
    squares = (patches**2).mean(-1)
    ratios = (np.abs(patches).mean(-1) ** 2) / np.maximum(squares, LEAST)
    shapes, curve = _curve()
    found = [np.interp(ratios, curve, shapes), np.sqrt(squares)]
    for shifted in (np.roll(normalised, 1, 1), np.roll(normalised, 1, 2)):
        found.append(_patches(normalised * shifted, side).mean(-1) / np.maximum(squares, LEAST))
    strength = _patches(np.log(deviation + STABLE), side).mean(-1)
    found.append(strength[1:] - strength[:1])
    raw = _patches(residuals, side)
    power = np.sqrt((raw**2).mean(-1)) + LEAST
    found.append(np.stack([(raw[a] * raw[b]).mean(-1) / (power[a] * power[b]) for a, b in ((0, 1), (0, 2), (1, 2))]))
    return np.concatenate(found).T


def _local(planes: Float64) -> tuple[Float64, Float64]:
    """Local means and deviations of planes (P, H, W), mirrored at their border."""
    mean = _blurred(planes)
    return mean, np.sqrt(np.maximum(_blurred(planes**2) - mean**2, 0))


def _blurred(planes: Float64) -> Float64:
    taps, reach = TAPS / TAPS.sum(), len(TAPS) // 2
    padded = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), mode="symmetric")
    height, width = planes.shape[1:]
    rows = sum(tap * padded[:, i : i + height] for i, tap in enumerate(taps))
    blurred: Float64 = sum(tap * rows[:, :, i : i + width] for i, tap in enumerate(taps))
    return blurred


def _patches(planes: Float64, side: int) -> Float64:
    """(P, patches, pixels)."""
    count, height, width = planes.shape
    split = planes.reshape(count, height // side, side, width // side, side).swapaxes(2, 3)
    return split.reshape(count, -1, side * side)


@cache
def _curve() -> tuple[Float64, Float64]:
    """Shapes of generalised Gaussians, and their squared mean size over their mean square, which grows with them."""
    gamma = [[math.lgamma(k / shape) for k in (1, 2, 3)] for shape in SHAPES]
    return SHAPES, np.array([math.exp(2 * two - one - three) for one, two, three in gamma])
