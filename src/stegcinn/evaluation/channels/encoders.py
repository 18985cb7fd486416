"""Encoders that come with Pillow: libjpeg-turbo, libwebp, libavif, and lossless PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, features

from stegcinn.evaluation.channels.steps import Pixels, within
from stegcinn.runtime.arrays import UInt8

SAMPLINGS = {"420": "4:2:0", "422": "4:2:2", "444": "4:4:4"}


@dataclass(frozen=True)
class Jpeg(Pixels):
    """Pillow's libjpeg-turbo, with the tables of the standard scaled by the quality."""

    quality: int
    sampling: str = "420"
    optimized: bool = False  # Huffman tables for this picture alone
    progressive: bool = False

    def __post_init__(self) -> None:
        check_quality(self.quality)

    def __call__(self, rgb: UInt8) -> bytes:
        return saved(
            rgb, "JPEG", quality=self.quality, subsampling=SAMPLINGS[self.sampling], optimize=self.optimized,
            progressive=self.progressive,
        )  # fmt: skip

    def __str__(self) -> str:
        habits = "-optimized" * self.optimized + "-progressive" * self.progressive
        return f"jpeg-q{self.quality}-{self.sampling}{habits}"


@dataclass(frozen=True)
class WebP:
    """Lossy WebP, which is always 4:2:0."""

    quality: int

    def __post_init__(self) -> None:
        check_quality(self.quality)

    @property
    def missing(self) -> str | None:
        """The library behind it."""
        return _missing("webp")

    def __call__(self, rgb: UInt8) -> bytes:
        return saved(rgb, "WEBP", quality=self.quality)

    def __str__(self) -> str:
        return f"webp-q{self.quality}"


@dataclass(frozen=True)
class Avif:
    """AVIF, 4:2:0."""

    quality: int

    def __post_init__(self) -> None:
        check_quality(self.quality)

    @property
    def missing(self) -> str | None:
        """The library behind it."""
        return _missing("avif")

    def __call__(self, rgb: UInt8) -> bytes:
        return saved(rgb, "AVIF", quality=self.quality, subsampling="4:2:0")

    def __str__(self) -> str:
        return f"avif-q{self.quality}"


@dataclass(frozen=True)
class Png(Pixels):
    """A PNG of the very pixels: nothing is lost but what is not a pixel."""

    def __call__(self, rgb: UInt8) -> bytes:
        return saved(rgb, "PNG", compress_level=1)

    def __str__(self) -> str:
        return "png"


def saved(rgb: UInt8, kind: str, **options: Any) -> bytes:
    """As Pillow saves a picture (height, width, 3) uint8, without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind, **options)
    return buffer.getvalue()


def check_quality(quality: int) -> None:
    """UsageError for a quality that no encoder has."""
    within(quality, 1, 100, "a quality")


def _missing(feature: str) -> str | None:
    return None if features.check(feature) else f"this build of Pillow has no {feature}: pip install --upgrade pillow"
