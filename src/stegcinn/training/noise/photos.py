"""Photos as people have them after scaling: what the noise network learns from.

A photo that was a JPEG file is no host for small changes of pixels before it is scaled down, and then what is left of
its compression, 4:2:0 among it, is what makes its colours smooth.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stegcinn.runtime.arrays import UInt8
from stegcinn.training.data import list_photos, read_colour

FACTORS = (1 / 2, 1 / 3)  # by which most are scaled down; others by what is between these bounds
LEAST, MOST = 0.3, 0.85
USUAL = 0.6  # share of photos that are scaled by one of FACTORS
RECOMPRESSED = 0.7  # share that is saved as JPEG before: most of them 4:2:0
SUBSAMPLED = 0.75
QUALITIES = range(75, 98)
FILTERS = (
    Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX, Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
)  # fmt: skip


def version(rgb: UInt8, rng: np.random.Generator) -> UInt8:
    """A photo after compression and scaling, each drawn."""
    image = Image.fromarray(rgb)
    if rng.random() < RECOMPRESSED:
        buffer = io.BytesIO()
        sampling = 2 if rng.random() < SUBSAMPLED else 0
        image.save(buffer, "JPEG", quality=int(rng.choice(QUALITIES)), subsampling=sampling)
        image = Image.open(buffer).convert("RGB")
    factor = rng.choice(FACTORS) if rng.random() < USUAL else rng.uniform(LEAST, MOST)
    size = [max(1, round(side * factor)) for side in image.size]
    return np.asarray(image.resize((size[0], size[1]), FILTERS[rng.integers(len(FILTERS))]))


class Pile:
    """Versions of all photos of some folders in memory, cut at random."""

    def __init__(self, folders: list[Path], side: int, versions: int, *, validation: bool, seed: int) -> None:
        """`versions` of each photo, those of at least `side` pixels; ValueError if there are none."""
        rng = np.random.default_rng(seed)
        self.side, self.photos = side, list[UInt8]()
        self.names = [path.name for folder in folders for path in list_photos(folder, validation=validation)]
        for path in (path for folder in folders for path in list_photos(folder, validation=validation)):
            rgb = read_colour(path)
            if rgb is None:
                continue
            for _ in range(versions):
                scaled = version(rgb, rng)
                if min(scaled.shape[:2]) >= side:
                    self.photos.append(scaled)
        if not self.photos:
            raise ValueError(f"no colour photo has {side}x{side} pixels after scaling; give larger ones")
        areas = np.array([photo.shape[0] * photo.shape[1] for photo in self.photos], np.float64)
        self.shares = np.sqrt(areas) / np.sqrt(areas).sum()

    def crops(self, count: int, rng: np.random.Generator) -> Tensor:
        """`count` crops, mirrored and turned at random: (count, 3, side, side) float32 0..255."""
        found = np.empty((count, self.side, self.side, 3), np.uint8)
        for i, at in enumerate(rng.choice(len(self.photos), count, p=self.shares)):
            photo = self.photos[at]
            y, x = (int(rng.integers(side - self.side + 1)) for side in photo.shape[:2])
            crop = photo[y : y + self.side, x : x + self.side]
            crop = crop[:, ::-1] if rng.random() < 0.5 else crop
            found[i] = crop.swapaxes(0, 1) if rng.random() < 0.5 else crop
        return torch.from_numpy(found).permute(0, 3, 1, 2).float()
