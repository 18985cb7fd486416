"""What a step of a channel is, and those that change pixels: resizing, noise, crops, turns.

All steps are the same for the same picture: what is drawn at random is drawn from the picture itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from stegcinn.errors import UsageError
from stegcinn.runtime.arrays import UInt8

KERNELS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
}
LEAST_FACTOR, MOST_FACTOR = 0.1, 4.0
QUARTERS = (90, 180, 270)  # degrees
MOST_LEVELS = 50.0  # of noise: beyond, there is no photo left


class Step(Protocol):
    """One thing that happens to a picture on its way. `str` of it is its name, as the grammar reads it."""

    @property
    def missing(self) -> str | None:
        """What this machine lacks for it, and how to get it; None where there is nothing missing."""

    def __call__(self, rgb: UInt8) -> UInt8 | bytes:
        """The picture (height, width, 3) uint8 after it, or the file that it was encoded as."""


class Pixels:
    """A step that needs nothing but numpy and Pillow."""

    missing: str | None = None


@dataclass(frozen=True)
class Resize(Pixels):
    """Both sides times a factor, by one of KERNELS as Pillow has them (`area` is its box)."""

    factor: float
    kernel: str = "lanczos"

    def __post_init__(self) -> None:
        within(self.factor, LEAST_FACTOR, MOST_FACTOR, "a factor of resizing")

    def __call__(self, rgb: UInt8) -> UInt8:
        height, width = rgb.shape[:2]
        return resized(rgb, round(width * self.factor), round(height * self.factor), self.kernel)

    def __str__(self) -> str:
        return f"resize-{self.factor:g}-{self.kernel}"


@dataclass(frozen=True)
class Fit(Pixels):
    """Scaled down until the longer side has no more pixels, as messengers do; smaller pictures stay as they are."""

    pixels: int
    kernel: str = "lanczos"

    def __post_init__(self) -> None:
        within(self.pixels, 16, 1 << 16, "a longer side")

    def __call__(self, rgb: UInt8) -> UInt8:
        height, width = rgb.shape[:2]
        longer = max(height, width)
        if longer <= self.pixels:
            return rgb
        return resized(rgb, round(width * self.pixels / longer), round(height * self.pixels / longer), self.kernel)

    def __str__(self) -> str:
        return f"fit-{self.pixels}-{self.kernel}"


@dataclass(frozen=True)
class Noise(Pixels):
    """Gaussian noise of so many levels (standard deviation) in every sample, then rounded."""

    levels: float

    def __post_init__(self) -> None:
        within(self.levels, 0, MOST_LEVELS, "noise in levels")

    def __call__(self, rgb: UInt8) -> UInt8:
        digest = hashlib.sha256(str(rgb.shape).encode() + rgb.tobytes()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        noise = rng.standard_normal(rgb.shape, np.float32) * np.float32(self.levels)
        noisy: UInt8 = np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)
        return noisy

    def __str__(self) -> str:
        return f"noise-{self.levels:g}"


@dataclass(frozen=True)
class Crop(Pixels):
    """So many rows at the top and columns at the left go: all that follows is moved against every grid."""

    pixels: int

    def __post_init__(self) -> None:
        within(self.pixels, 1, 1 << 16, "a crop in pixels")

    def __call__(self, rgb: UInt8) -> UInt8:
        if min(rgb.shape[:2]) <= self.pixels:
            raise UsageError(f"{self} leaves nothing of a picture of {rgb.shape[1]}x{rgb.shape[0]}; crop less")
        return np.ascontiguousarray(rgb[self.pixels :, self.pixels :])

    def __str__(self) -> str:
        return f"crop-{self.pixels}"


@dataclass(frozen=True)
class Rotate(Pixels):
    """Turned clockwise by quarters, without loss."""

    degrees: int

    def __post_init__(self) -> None:
        if self.degrees not in QUARTERS:
            raise UsageError(f"pictures are turned by {', '.join(map(str, QUARTERS))} degrees, not {self.degrees}")

    def __call__(self, rgb: UInt8) -> UInt8:
        return np.ascontiguousarray(np.rot90(rgb, -self.degrees // 90))

    def __str__(self) -> str:
        return f"rotate-{self.degrees}"


@dataclass(frozen=True)
class Mirror(Pixels):
    """Left and right change places."""

    def __call__(self, rgb: UInt8) -> UInt8:
        return np.ascontiguousarray(rgb[:, ::-1])

    def __str__(self) -> str:
        return "mirror"


def resized(rgb: UInt8, width: int, height: int, kernel: str) -> UInt8:
    """A picture of another size, one pixel at least, by one of KERNELS."""
    size = max(1, width), max(1, height)
    return np.asarray(Image.fromarray(rgb).resize(size, KERNELS[kernel]))


def within(value: float, least: float, most: float, what: str) -> None:
    """UsageError for a number that is out of range."""
    if not least <= value <= most:
        raise UsageError(f"{what} is {least:g} to {most:g}, not {value:g}")
