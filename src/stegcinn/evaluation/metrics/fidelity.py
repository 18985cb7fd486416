"""How close a container is to its host, and how strong its colours are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from stegcinn.runtime.arrays import UInt8

PEAK = 255.0
SSIM_SIGMA = 1.5  # Wang et al. 2004, section III-C: an 11x11 Gaussian window


@dataclass(frozen=True)
class Fidelity:
    """One container beside its host."""

    psnr: float  # dB, over all three channels; infinite for equal images
    ssim: float  # mean over pixels and channels, 1 for equal images
    ciede2000: float  # mean colour difference; about 1 is just noticeable side by side
    changed: float  # share of pixels with another colour


def fidelity(host: UInt8, container: UInt8) -> Fidelity:
    """Compare two (H, W, 3) uint8 images of one size, at least 11x11.

    PSNR; SSIM (Wang, Bovik, Sheikh, Simoncelli 2004) with its Gaussian window; the mean CIEDE2000 difference (Sharma,
    Wu, Dalal 2005) of the images as sRGB under D65.
    """
    if host.shape != container.shape or host.ndim != 3 or host.shape[-1] != 3:
        raise ValueError(f"host {host.shape} and container {container.shape} must be (H, W, 3) and alike")
    error = float(np.mean((host.astype(np.float64) - container) ** 2))
    psnr = 10 * math.log10(PEAK**2 / error) if error else math.inf
    ssim = structural_similarity(  # type: ignore[no-untyped-call]
        host, container, channel_axis=-1, gaussian_weights=True, sigma=SSIM_SIGMA, use_sample_covariance=False,
        data_range=PEAK,
    )  # fmt: skip
    difference = deltaE_ciede2000(rgb2lab(host), rgb2lab(container))  # type: ignore[no-untyped-call]
    changed = float((host != container).any(-1).mean())
    return Fidelity(psnr, float(ssim), float(difference.mean()), changed)


def colourfulness(rgb: UInt8) -> float:
    """Perceived colourfulness of an (H, W, 3) uint8 image, 0 for gray: about 33 is moderate, 109 extreme.

    Hasler, Suesstrunk: *Measuring Colourfulness in Natural Images* (2003), equation 2 (M3).
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    opponents = red - green, (red + green) / 2 - blue
    spread = math.hypot(*(float(o.std()) for o in opponents))
    return spread + 0.3 * math.hypot(*(float(o.mean()) for o in opponents))


def chroma_energy(rgb: UInt8) -> float:
    """Root mean square of the fine chroma of an (H, W, 3) uint8 image, in levels: Cb and Cr less their 2x2 means.

    Colours that are too loud at the pixel level show here first; coarse colours do not count. BT.601, full range.
    """
    red, green, blue = np.moveaxis(rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2].astype(np.float64), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = np.stack([(blue - luma) / 1.772, (red - luma) / 1.402])
    blocks = chroma.reshape(2, luma.shape[0] // 2, 2, luma.shape[1] // 2, 2)
    fine = blocks - blocks.mean((2, 4), keepdims=True)
    return float(np.sqrt((fine**2).mean()))
