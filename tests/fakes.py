"""A codec that takes no time, for the tests of what is above codecs, and photos for it."""

from __future__ import annotations

import os
import time
from importlib.resources import files
from typing import Any

import numpy as np

from stegcinn.carriers.base import Source
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Codec, Embedding, Extraction, Grades, Progress, Room, StreamSize, Wish, silent
from stegcinn.codecs.cinn.chroma import quantise
from stegcinn.codecs.lumalocked import LumaLocked, chosen_colors, embedding
from stegcinn.errors import CapacityError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.keys import Keyring, Keys

SIDE = 96
RELEASED = all((files("stegcinn") / "weights" / name / "config.json").is_file() for name in ("exact-1", "cinn-2"))


def pixels(seed: int = 0, side: int = SIDE) -> UInt8:
    """Noise in the middle of the scale, (side, side, 3)."""
    return np.random.default_rng(seed).integers(90, 160, (side, side, 3), dtype=np.uint8)


def keys_of(codec: str, rgb: UInt8, password: str | None) -> Keys:
    """The keys that a codec has for a picture (H, W, 3)."""
    each = load_codec(codec)
    return Keyring(password)(each.salt(each.host(Source(rgb), Wish(convert=True))))


class LsbCodec(LumaLocked):
    """A bit in the parity of each red, in photos without extreme colours; green pays to keep the luma."""

    name = "exact"
    label = "exact: parities"
    auto = True
    max_bpp = 1.0
    seconds = 0.0
    disturbs: float | None = 1.0

    def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room:
        time.sleep(self.seconds)
        progress(1.0)
        size = photo.pixels // 8 if photo.rgb.min() > 20 and photo.rgb.max() < 235 else 0
        return Room(size, 0 if photo.evidence else size // 2, chosen_colors(photo, wish))

    def embed(self, photo: Photo, stream: bytes, keys: Keys, wish: Wish, progress: Progress) -> Embedding[Photo]:
        if len(stream) > (most := self.capacity(photo, wish, progress).most):
            raise CapacityError(len(stream), most)
        bits = np.unpackbits(np.frombuffer(stream + os.urandom(most + 1 - len(stream)), np.uint8))[: photo.pixels]
        real = np.moveaxis(photo.rgb, 2, 0).astype(np.float64)
        real[0] = (photo.rgb[..., 0] & 254) | bits.reshape(photo.rgb.shape[:2])
        progress(1.0)
        return embedding(photo, quantise(photo.luma, real), chosen_colors(photo, wish), self.disturbs)

    def disturbance(self, photo: Photo, size: int, progress: Progress = silent) -> float | None:
        return self.disturbs if size <= self.capacity(photo, Wish(), progress).most else None

    def extract(
        self, photo: Photo, keys: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        time.sleep(self.seconds)
        return Extraction(np.packbits(photo.rgb[..., 0] & 1).tobytes(), 1.0)


class GradedLsbCodec(LsbCodec):
    """One that tells how much every size disturbs: in proportion to it, up to `loudest`."""

    loudest = 6.0

    def grades(self, photo: Photo, progress: Progress = silent) -> Grades | None:
        most = self.capacity(photo, Wish(), progress).most
        return Grades((0, most), (0.0, self.loudest)) if most else None


def load_fake(name: str) -> Codec[Any]:
    """LsbCodec in the place of the codec called `name`, as `load_codec` gives it; JPEG files keep theirs.

    `stealth` is a GradedLsbCodec.
    """
    if name == "jpeg":
        return load_codec(name)
    codec = GradedLsbCodec() if name == "stealth" else LsbCodec()
    codec.name, codec.auto = name, name not in ("cinn", "robust")
    return codec
