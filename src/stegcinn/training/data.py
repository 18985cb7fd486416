"""Photos for training: folders of images, in COCO's, BOSSBase's or no particular layout, cut or resized at random."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.cinn.chroma import to_chroma
from stegcinn.codecs.cinn.pyramid import LumaPyramid, split
from stegcinn.errors import ImageError, StegcinnWarning, UsageError
from stegcinn.runtime.arrays import UInt8

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".ppm", ".pgm", ".bmp", ".tif", ".tiff"}
COLOUR_MODES = {"RGB", "RGBA", "P", "CMYK", "YCbCr"}
VALIDATION_SHARE = 32  # one file in so many, by the hash of its name, is held out from training
SMALL_VALIDATION, SMALL_SHARE = 4, 8  # photos held out at least: four, or one in eight of a small folder
COCO_SPLITS = ("train2017", "val2017"), ("train2014", "val2014")  # COCO's own folders for training and validation
MEMORY = 2 << 30  # bytes of decoded photos kept; what is beyond is read again whenever it is drawn


def _name_digest(path: Path) -> bytes:
    return hashlib.sha256(path.name.encode()).digest()


def list_photos(folder: Path, *, validation: bool, limit: int = 0) -> list[Path]:
    """Image files under `folder`, sorted, of one half of a fixed split; at most `limit` (0: all), by their names' hash.

    COCO's root (with train2017 and val2017, or 2014) is split as COCO is. Anywhere else, BOSSBase's flat folder of PGM
    files among them, the split depends on the files' names alone; of a small folder, one in eight
    is held out, up to four.
    """
    for names in COCO_SPLITS:
        if all((folder / name).is_dir() for name in names):
            chosen = [p for p in _images(folder / names[validation]) if p.is_file()]
            break
    else:
        every = _images(folder)
        held_out = {p for p in every if _name_digest(p)[0] % VALIDATION_SHARE == 0}
        if len(held_out) < (least := min(SMALL_VALIDATION, len(every) // SMALL_SHARE)):
            held_out.update(sorted(set(every) - held_out, key=_name_digest)[: least - len(held_out)])
        chosen = [p for p in every if (p in held_out) == validation]
    return sorted(sorted(chosen, key=_name_digest)[:limit]) if limit else chosen


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file; ImageError if it is damaged, which may show only when its pixels are asked for."""
    try:
        with Image.open(path) as image:
            yield image
    except Exception as error:  # a damaged file makes the many decoders raise nearly anything
        raise ImageError(f"{path} cannot be read ({error})") from error


def read_colour(path: Path) -> UInt8 | None:
    """The pixels of an 8-bit colour photo, (H, W, 3); None for any other, which would teach that there is no colour."""
    with _opened(path) as image:
        return np.asarray(image.convert("RGB")) if image.mode in COLOUR_MODES else None


def read_host(path: Path, size: int) -> UInt8:
    """A photo, colour or gray, resized to `size` by `size` pixels as the paper does: (size, size, 3)."""
    with _opened(path) as image:
        # PGM may have 16 bits; Pillow then calls it I
        gray = image.mode.startswith("I") or image.mode == "F"
        flat = image.point(lambda v: v / 256).convert("L") if gray else image
        return np.asarray(flat.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class Batch:
    """Details and conditions of levels 1, 2, ...: (N, 6, h, w) and (N, 10, h, w) each."""

    details: list[Tensor]
    conditions: list[Tensor]


class PhotoSet:
    """Random crops of the photos in several folders, one folder drawn by weight for each crop.

    To decode all photos beforehand would take too long. So one that turns out to be damaged, maybe hours later, is
    passed over with a StegcinnWarning; others are drawn for it, the same ones in a resumed run.
    """

    def __init__(
        self, folders: list[tuple[Path, float]], *, crop: int, protocol: str = "crop", limit: int = 0,
        validation: bool = False,
    ) -> None:  # fmt: skip
        """`folders`: (path, weight); `crop`: side in pixels. UsageError if a folder has no usable photo.

        With protocol "resize", whole photos are resized to `crop` by `crop` pixels when they are first read.
        """
        self.crop, self.protocol = crop, protocol
        self.groups: list[list[Path]] = []
        self._kept: dict[Path, UInt8] = {}
        self._room = MEMORY
        self._damaged: set[Path] = set()
        names = []
        for folder, _ in folders:
            group = [p for p in list_photos(folder, validation=validation, limit=limit) if self._fits(p)]
            if not group:
                kind = "held-out " if validation else ""
                raise UsageError(f"{folder} holds no {kind}colour photo of at least {crop}x{crop} pixels")
            self.groups.append(group)
            names += [f"{p.relative_to(folder).as_posix()} {p.stat().st_size}" for p in group]
        self.manifest = "\n".join(names) + "\n"
        weights = np.array([w for _, w in folders])
        self.weights = weights / weights.sum()

    def _fits(self, path: Path) -> bool:
        with _opened(path) as image:
            return image.mode in COLOUR_MODES and (self.protocol == "resize" or min(image.size) >= self.crop)

    def read(self, path: Path) -> UInt8:
        """The pixels of one of the photos, (H, W, 3), as the protocol wants them."""
        if path in self._kept:
            return self._kept[path]
        rgb = read_host(path, self.crop) if self.protocol == "resize" else read_colour(path)
        assert rgb is not None
        if rgb.nbytes <= self._room:
            self._room -= rgb.nbytes
            self._kept[path] = rgb
        return rgb

    def crops(self, count: int, rng: np.random.Generator) -> UInt8:
        """`count` random crops, half of them mirrored: (count, crop, crop, 3) uint8."""
        out = np.empty((count, self.crop, self.crop, 3), np.uint8)
        for i in range(count):
            group = self.groups[rng.choice(len(self.groups), p=self.weights)]
            photo = self._draw(group, rng)
            y, x = (rng.integers(side - self.crop + 1) for side in photo.shape[:2])
            patch = photo[y : y + self.crop, x : x + self.crop]
            out[i] = patch[:, ::-1] if rng.random() < 0.5 else patch
        return out

    def _draw(self, group: list[Path], rng: np.random.Generator) -> UInt8:
        """The pixels of a random photo that is not damaged; ImageError if there is none in the group."""
        while True:
            path = group[rng.integers(len(group))]
            try:
                return self.read(path)
            except ImageError as error:
                if path not in self._damaged:
                    self._damaged.add(path)
                    warnings.warn(f"{error}; passed over", StegcinnWarning, stacklevel=2)
                if self._damaged.issuperset(group):
                    raise


def draw_noise(count: int, noise: tuple[float, float], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Standard deviations of dequantisation noise, one per image, log-uniform in `noise`: (count, 1, 1, 1)."""
    return np.exp(rng.uniform(np.log(noise[0]), np.log(noise[1]), size=(count, 1, 1, 1))).astype(np.float32)


def to_batch(rgb: UInt8, sigma: npt.NDArray[np.float32], levels: int, rng: np.random.Generator) -> Batch:
    """Chroma pyramids of (N, H, W, 3) photos after dequantisation.

    To red and blue we add uniform noise over the rounding cell and Gaussian noise of standard deviation `sigma`
    (levels, (N, 1, 1, 1)), and tell the network `sigma` (SoftFlow, Kim et al. 2020): the flow then never models
    colours finer than that, and its draws survive rounding.
    """
    y = luma_of(rgb)
    shape = (len(rgb), 1, *y.shape[1:])
    red, blue = (
        rgb[..., c][:, None]
        + (rng.random(shape, np.float32) - np.float32(0.5))
        + sigma * rng.standard_normal(shape, np.float32)
        for c in (0, 2)
    )
    return pyramid_batch(y, chroma_planes(y, red[:, 0], blue[:, 0]), sigma, levels)


def chroma_planes(y: UInt8, red: npt.NDArray[np.floating], blue: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Luma-locked chroma of images, (N, 2, H, W), from luma and real-valued red and blue, (N, H, W) each."""
    return np.moveaxis(to_chroma(y.astype(np.float32), red, blue), 0, 1).astype(np.float32)


def pyramid_batch(
    y: UInt8, chroma: npt.NDArray[np.float32], sigma: float | npt.NDArray[np.float32], levels: int
) -> Batch:
    """Details and conditions of images with luma `y` (N, H, W) and chroma (N, 2, H, W); the network is told `sigma`."""
    mean, luma = chroma, LumaPyramid(y[:, None].astype(np.float32), levels)
    all_details, conditions = [], []
    for level in range(1, levels + 1):
        mean, details = split(mean)
        all_details.append(torch.from_numpy(details))
        conditions.append(torch.from_numpy(luma.condition(level, mean, sigma)))
    return Batch(all_details, conditions)
