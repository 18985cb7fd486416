"""Photos for training: a folder of images becomes batches of luma-conditioned chroma details at every scale."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from stegcinn import colour
from stegcinn.pyramid import LumaPyramid, split

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".ppm", ".pgm", ".bmp", ".tif", ".tiff"}
COLOUR_MODES = {"RGB", "RGBA", "P", "CMYK", "YCbCr"}
VALIDATION_SHARE = 32  # one file in so many, by the hash of its name, is held out from training


def list_photos(folder: Path, *, validation: bool) -> list[Path]:
    """Image files under `folder`, sorted; the split depends on the file's name alone."""

    def held_out(path: Path) -> bool:
        return hashlib.sha256(path.name.encode()).digest()[0] % VALIDATION_SHARE == 0

    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    return [p for p in files if held_out(p) == validation]


def read_colour(path: Path) -> npt.NDArray[np.uint8] | None:
    """The pixels of an 8-bit colour photo, (H, W, 3); None for any other, which would teach that there is no colour."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")) if image.mode in COLOUR_MODES else None


@dataclass(frozen=True)
class Batch:
    """Details and conditions of levels 1, 2, ...: (N, 6, h, w) and (N, 10, h, w) each."""

    details: list[Tensor]
    conditions: list[Tensor]


class PhotoSet:
    """Random crops of the photos in several folders, one folder drawn by weight for each crop."""

    def __init__(self, folders: list[tuple[Path, float]], *, crop: int, levels: int, validation: bool = False) -> None:
        """`folders`: (path, weight); `crop`: side in pixels, a multiple of 2**levels. ValueError without photos."""
        self.crop, self.levels = crop, levels
        self.groups: list[list[npt.NDArray[np.uint8]]] = []
        for folder, _ in folders:
            photos = [read_colour(path) for path in list_photos(folder, validation=validation)]
            fit = [rgb for rgb in photos if rgb is not None and min(rgb.shape[:2]) >= crop]
            if not fit:
                raise ValueError(f"{folder} holds no colour photo of at least {crop}x{crop} pixels")
            self.groups.append(fit)
        weights = np.array([w for _, w in folders])
        self.weights = weights / weights.sum()

    def crops(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """`count` random crops, half of them mirrored: (count, crop, crop, 3) uint8."""
        out = np.empty((count, self.crop, self.crop, 3), np.uint8)
        for i in range(count):
            group = self.groups[rng.choice(len(self.groups), p=self.weights)]
            photo = group[rng.integers(len(group))]
            y, x = (rng.integers(side - self.crop + 1) for side in photo.shape[:2])
            patch = photo[y : y + self.crop, x : x + self.crop]
            out[i] = patch[:, ::-1] if rng.random() < 0.5 else patch
        return out

    def batch(self, count: int, noise: tuple[float, float], rng: np.random.Generator) -> Batch:
        """A training batch with dequantisation noise of random standard deviation per image, log-uniform in `noise`."""
        sigma = np.exp(rng.uniform(np.log(noise[0]), np.log(noise[1]), size=(count, 1, 1, 1))).astype(np.float32)
        return to_batch(self.crops(count, rng), sigma, self.levels, rng)


def to_batch(
    rgb: npt.NDArray[np.uint8], sigma: npt.NDArray[np.float32], levels: int, rng: np.random.Generator
) -> Batch:
    """Chroma pyramids of (N, H, W, 3) photos after dequantisation.

    To red and blue we add uniform noise over the rounding cell and Gaussian noise of standard deviation `sigma`
    (levels, (N, 1, 1, 1)), and tell the network `sigma` (SoftFlow, Kim et al. 2020): the flow then never models
    colours finer than that, and its draws survive rounding.
    """
    y = colour.luma(rgb)[:, None].astype(np.float32)
    shape = y.shape
    red, blue = (
        rgb[..., c][:, None]
        + (rng.random(shape, np.float32) - np.float32(0.5))
        + sigma * rng.standard_normal(shape, np.float32)
        for c in (0, 2)
    )
    chroma = colour.to_chroma(y, red, blue)
    mean = np.concatenate(list(chroma), axis=1).astype(np.float32)
    luma = LumaPyramid(y, levels)
    all_details, conditions = [], []
    for level in range(1, levels + 1):
        mean, details = split(mean)
        all_details.append(torch.from_numpy(details))
        conditions.append(torch.from_numpy(luma.condition(level, mean, sigma)))
    return Batch(all_details, conditions)
