"""BRISQUE: Mittal, Moorthy, Bovik: *No-Reference Image Quality Assessment in the Spatial Domain* (TIP 2012).

Features as the authors' program computes them; the regression is their own published model, which the package
`brisque` ships as data (its program does not run with NumPy 2.4 and is not used). The score is a function of the
gray-scale alone: a container with its host's gray-scale has its host's score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution

import numpy as np
from PIL import Image

from stegcinn.carriers.luma import luma_of
from stegcinn.runtime.arrays import Float64, UInt8

WINDOW, SIGMA = 7, 7 / 6
SHAPES = np.arange(0.2, 10.0005, 0.001)  # among which shape parameters are searched
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (-1, 1))  # rows down, columns right
LEAST_SIDE = 32  # pixels: of the half-size image 16 are left

# Ranges of the 36 features in the authors' training set, which the model expects scaled to -1..1 (file `allrange`)
LOW = (
    0.336999, 0.019667, 0.230000, -0.125959, 0.000167, 0.000616, 0.231000, -0.125873, 0.000165, 0.000600, 0.241000,
    -0.128814, 0.000179, 0.000386, 0.243000, -0.133080, 0.000182, 0.000421, 0.436998, 0.016929, 0.247000, -0.200231,
    0.000104, 0.000834, 0.257000, -0.200017, 0.000112, 0.000876, 0.257000, -0.155072, 0.000112, 0.000356, 0.258000,
    -0.154374, 0.000117, 0.000351,
)  # fmt: skip
HIGH = (
    9.999411, 0.807472, 1.644021, 0.202917, 0.712384, 0.468672, 1.644021, 0.169548, 0.713132, 0.467896, 1.553016,
    0.101368, 0.687324, 0.533087, 1.554016, 0.101000, 0.689177, 0.533133, 3.639918, 0.800955, 1.096995, 0.175286,
    0.755547, 0.399270, 1.095995, 0.155928, 0.751488, 0.402398, 1.041992, 0.093209, 0.623516, 0.532925, 1.042992,
    0.093714, 0.621958, 0.534484,
)  # fmt: skip


@dataclass(frozen=True)
class Regression:
    """A support vector regression with a radial kernel."""

    vectors: Float64  # (N, 36)
    weights: Float64  # (N,)
    gamma: float
    rho: float

    def __call__(self, features: Float64) -> float:
        """The quality that 36 scaled features stand for."""
        distances = ((self.vectors - features) ** 2).sum(1)
        return float(self.weights @ np.exp(-self.gamma * distances) - self.rho)


def brisque(rgb: UInt8) -> float:
    """Quality of an (H, W, 3) uint8 image of at least 32x32 pixels, about 0 (pristine) to 100 (bad).

    ModuleNotFoundError without the package `brisque`; ValueError if the image is too small or perfectly flat.
    """
    scaled = -1 + 2 * (features(luma_of(rgb)) - np.array(LOW)) / (np.array(HIGH) - np.array(LOW))
    return _model()(scaled)


def features(gray: UInt8) -> Float64:
    """The 36 features of an (H, W) gray image: 18 of it and 18 of it at half its size."""
    if min(gray.shape) < LEAST_SIDE:
        raise ValueError(f"BRISQUE needs at least {LEAST_SIDE}x{LEAST_SIDE} pixels")
    if gray.min() == gray.max():
        raise ValueError("BRISQUE is not defined for a perfectly flat image")
    full = gray.astype(np.float32)
    half = Image.fromarray(full).resize(
        (math.ceil(gray.shape[1] / 2), math.ceil(gray.shape[0] / 2)), Image.Resampling.BICUBIC
    )
    return np.concatenate([_scale_features(x.astype(np.float64)) for x in (full, np.asarray(half))])


def _scale_features(x: Float64) -> Float64:
    """Shape and variance of the normalised luminance, then shape, mean and both variances of neighbours' products."""
    mean = _blurred(x)
    deviation = np.sqrt(np.abs(_blurred(x * x) - mean * mean))
    normal = (x - mean) / (deviation + 1)
    shape, left, right = _fit(normal)
    found = [shape, (left**2 + right**2) / 2]
    for offset in NEIGHBOURS:
        shape, left, right = _fit(normal * np.roll(normal, offset, (0, 1)))
        ratio = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape)) * math.gamma(2 / shape)
        found += [shape, (right - left) * ratio / math.gamma(1 / shape), left**2, right**2]
    return np.array(found)


def _blurred(x: Float64) -> Float64:
    """Gaussian average, the image taken to be 0 beyond its border as in the authors' program."""
    taps = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    taps /= taps.sum()
    padded = np.pad(x, WINDOW // 2)
    rows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0) @ taps
    both: Float64 = np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=1) @ taps
    return both


@cache
def _ratios() -> Float64:
    """Gamma(2/s)^2 / (Gamma(1/s) Gamma(3/s)) of all SHAPES."""
    return np.array([math.gamma(2 / s) ** 2 / (math.gamma(1 / s) * math.gamma(3 / s)) for s in SHAPES])


def _fit(x: Float64) -> tuple[float, float, float]:
    """Shape and left and right deviation of an asymmetric generalised Gaussian, by matching moments (section III-A)."""
    left, right = (math.sqrt(float(np.mean(side**2))) if side.size else 0.0 for side in (x[x < 0], x[x > 0]))
    if not left or not right:
        raise ValueError("BRISQUE is not defined for an image without variation on both sides of its mean")
    gamma = left / right
    ratio = float(np.mean(np.abs(x))) ** 2 / float(np.mean(x**2))
    wanted = ratio * (gamma**3 + 1) * (gamma + 1) / (gamma**2 + 1) ** 2
    return float(SHAPES[np.argmin((_ratios() - wanted) ** 2)]), left, right


@cache
def _model() -> Regression:
    """The authors' model, in LIBSVM's text format, out of the package `brisque`."""
    header, _, body = _model_text().partition("SV\n")
    facts = dict(line.split(" ", 1) for line in header.splitlines())
    rows = [line.split() for line in body.splitlines()]
    weights = np.array([float(row[0]) for row in rows])
    vectors = np.zeros((len(rows), len(LOW)))
    for place, row in enumerate(rows):
        for entry in row[1:]:
            index, value = entry.split(":")
            vectors[place, int(index) - 1] = float(value)
    return Regression(vectors, weights, float(facts["gamma"]), float(facts["rho"]))


def _model_text() -> str:
    try:
        path = distribution("brisque").locate_file("brisque/models/svm.txt")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("BRISQUE needs the package brisque", name="brisque") from error
    with open(str(path), encoding="ascii") as file:  # noqa: PTH123 -- a path as the package manager tells it
        return file.read()
