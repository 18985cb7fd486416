"""Sets of images of one size under names: the hosts of a benchmark, and their stegos; and how they are kept on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stegcinn.carriers.base import read_photo
from stegcinn.errors import ImageError, StegcinnError
from stegcinn.files import replacing
from stegcinn.runtime.arrays import UInt8

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images (N, H, W, 3) uint8 and the names of the photos that they were cut from."""

    names: tuple[str, ...]
    images: UInt8

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any name or pixel."""
        known = hashlib.sha256("\n".join(self.names).encode() + str(self.images.shape).encode())
        known.update(self.images.tobytes())
        return known.hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write an npz file of `names` and `images`, replacing it atomically."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, names=np.array(self.names), images=self.images)

    @classmethod
    def load(cls, path: Path) -> ImageSet:
        """Read what `save` wrote; StegcinnError if the file is not of that kind."""
        try:
            with np.load(path, allow_pickle=False) as file:
                names, images = tuple(map(str, file["names"])), file["images"]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise StegcinnError(f"{path} is no set of images (npz with names and images)") from error
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or len(names) != len(images):
            raise StegcinnError(f"{path} must hold N names and (N, H, W, 3) uint8 images")
        return cls(names, images)


def photos_in(folder: Path) -> list[Path]:
    """All image files under a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def listing_digest(folder: Path) -> str:
    """Twelve hexadecimal digits that change with the name or size of any photo in a folder, but not with its place."""
    lines = (f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n" for path in photos_in(folder))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()[:12]


def read_hosts(folder: Path, *, count: int | None, size: int, seed: int = 0, halve: bool = False) -> ImageSet:
    """The middle size x size pixels of up to `count` colour photos of a folder, in an order drawn from `seed`.

    Photos that are smaller, gray or unreadable are passed over. Nothing is resized, as that changes what noise photos
    have, unless `halve` asks for photos scaled down to half (Lanczos), which do not show how they were compressed.
    StegcinnError if there is no photo left.
    """
    files = photos_in(folder)
    names: list[str] = []
    images: list[UInt8] = []
    for index in np.random.default_rng(seed).permutation(len(files)):
        if len(names) == count:
            break
        try:
            photo = read_photo(str(files[index]))
            photo = photo.halved() if halve else photo
        except ImageError:
            continue
        height, width = photo.rgb.shape[:2]
        if min(height, width) < size or photo.is_gray:
            continue
        y, x = (height - size) // 2, (width - size) // 2
        names.append(str(files[index].relative_to(folder)))
        images.append(photo.rgb[y : y + size, x : x + size])
    if not names:
        raise StegcinnError(f"{folder} holds no colour photo of at least {size}x{size} pixels")
    return ImageSet(tuple(names), np.stack(images))


def read_stegos(source: Path, hosts: ImageSet) -> ImageSet:
    """Ready-made stegos of some of the hosts: an npz file as `ImageSet.save` writes it, or a folder of lossless images.

    In a folder a stego has its host's name, with any lossless suffix, and its host's size.
    """
    if source.is_file():
        return ImageSet.load(source)
    names: list[str] = []
    images: list[UInt8] = []
    for name in hosts.names:
        for path in (source / name).parent.glob(f"{Path(name).stem}.*"):
            if path.suffix.lower() not in SUFFIXES - {".jpg", ".jpeg"}:
                continue
            rgb = read_photo(str(path)).rgb
            if rgb.shape != hosts.images.shape[1:]:
                raise StegcinnError(f"{path} is not of its host's size")
            names.append(name)
            images.append(rgb)
            break
    if not names:
        raise StegcinnError(f"{source} holds no stego of these hosts")
    return ImageSet(tuple(names), np.stack(images))
