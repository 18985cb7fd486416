"""The watermark `dwtDct` of the package invisible-watermark, as its own encoder and decoder have it, if installed.

A bit in the greatest DCT coefficient of each 4x4 block of the wavelet's low band of U, all bits over and over.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from stegcinn.errors import CapacityError
from stegcinn.runtime.arrays import UInt8

METHOD = "dwtDct"
LEAST_PIXELS = 256 * 256  # of a picture that its encoder takes
BLOCK = 8  # pixels a side that carry a bit: 4 in the low band
HINT = "pip install --no-deps invisible-watermark, and opencv-python-headless, PyWavelets, torch"


def missing() -> str | None:
    """What this machine lacks for it."""
    lacking = [name for name in ("imwatermark", "cv2", "pywt", "torch") if find_spec(name) is None]
    return f"no {', '.join(lacking)}: {HINT}" if lacking else None


def embed(image: UInt8, payload: bytes) -> UInt8:
    """A watermarked (H, W, 3) RGB picture; CapacityError if the picture is too small."""
    from imwatermark import WatermarkEncoder

    height, width = image.shape[:2]
    blocks = (height // BLOCK) * (width // BLOCK) if height * width >= LEAST_PIXELS else 0
    if 8 * len(payload) > blocks:
        raise CapacityError(len(payload), blocks // 8)
    encoder = WatermarkEncoder()
    encoder.set_watermark("bytes", payload)
    marked = encoder.encode(_swapped(image), METHOD)
    return _swapped(np.clip(marked, 0, 255).astype(np.uint8))


def extract(image: UInt8, size: int) -> bytes:
    """The watermark of `size` bytes that its decoder reads; something comes out of any picture."""
    from imwatermark import WatermarkDecoder

    if image.shape[0] * image.shape[1] < LEAST_PIXELS:
        return b""
    read: bytes = WatermarkDecoder("bytes", 8 * size).decode(_swapped(image), METHOD)
    return read


def _swapped(image: UInt8) -> UInt8:
    """From RGB to the order that OpenCV has, or back."""
    return np.ascontiguousarray(image[..., ::-1])
