"""A host and its container compared: how alike they are, and a picture of what changed."""

from __future__ import annotations

import contextlib
import math

import numpy as np
from PIL import Image, ImageOps

from stegcinn.carriers.foreign import opened, readable
from stegcinn.runtime.arrays import UInt8

AMPLIFY = 8  # how much larger than life the difference is shown, at least
MID_GRAY = 128  # shown where nothing changed


def amplified(host: UInt8, container: UInt8, times: int = AMPLIFY) -> UInt8:
    """The change of each channel that many times as strong, around MID_GRAY."""
    change = times * (container.astype(np.int16) - host)
    shown: UInt8 = np.clip(MID_GRAY + change, 0, 255).astype(np.uint8)
    return shown


def amplified_chroma(host: UInt8, container: UInt8, times: int = AMPLIFY) -> UInt8:
    """The change of Cb and Cr (H, W, 2) that many times as strong: the colours that it makes of MID_GRAY, (H, W, 3)."""
    chroma = amplified(host, container, times)
    planes = np.full(chroma.shape[:2], MID_GRAY, np.uint8), chroma[..., 0], chroma[..., 1]
    return np.asarray(
        Image.merge("YCbCr", [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]).convert("RGB")
    )


def stored_colours(jpeg: bytes) -> tuple[UInt8, UInt8]:
    """Y (H, W), and Cb and Cr at its size (H, W, 2), of a colour JPEG file as it stores them, upright as it tells.

    The pixels that are made of them are rounded once more, which looks like changes where there are none.
    """
    with opened(readable(jpeg, "the image", [])) as image:
        image.draft("YCbCr", image.size)
        image.load()
        with contextlib.suppress(Exception):  # damaged EXIF
            image = ImageOps.exif_transpose(image)
        planes = np.asarray(image)
    return planes[..., 0], planes[..., 1:]


def amplification(host: UInt8, container: UInt8) -> int:
    """How much larger than life their difference is shown: more where changes are too small to be seen otherwise."""
    largest = int(np.abs(container.astype(np.int16) - host).max())
    return max(AMPLIFY, (255 - MID_GRAY) // max(1, largest))


def psnr(a: UInt8, b: UInt8) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal images."""
    error = float(np.mean(np.square(a.astype(np.float64) - b)))
    return 10 * math.log10(255**2 / error) if error else math.inf


def gray(rgb: UInt8) -> UInt8:
    """The gray-scale of colours as Pillow computes it, whatever we believe of it."""
    plane: UInt8 = np.asarray(Image.fromarray(rgb).convert("L"))
    return plane
