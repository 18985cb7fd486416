"""What the codecs have in common that hide in the colours of a photo and keep its gray-scale, pixel for pixel."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod

import numpy as np

from stegcinn.carriers import formats
from stegcinn.carriers.base import Source
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Colors, Embedding, Extraction, Progress, Room, StreamSize, Wish, silent
from stegcinn.errors import ImageError, SelfCheckError
from stegcinn.runtime.arrays import Bool, UInt8
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Envelope
from stegcinn.sealing.keys import VERSION, Keys


class LumaLocked(ABC):
    """A codec over photos whose containers have their hosts' luma, from which the keys are derived, and lose nothing.

    See `codecs.base.Codec` for the interface.
    """

    name: str
    label: str
    auto: bool
    formats: tuple[str, ...] = formats.LOSSLESS
    envelope: Envelope = envelope
    shared_salt = False
    max_bpp: float  # bits per pixel that no stream surpasses, whatever the photo

    def ready(self) -> None:  # noqa: B027 -- most have nothing to wait for
        """Nothing to wait for."""

    def refusal(self, wish: Wish) -> str | None:
        """It keeps colours and generates them."""
        if wish.channel is not None:
            return "what it hides does not survive a channel"
        return "it makes no JPEG, which has a quality" if wish.quality is not None else None

    def open(self, source: Source) -> Photo:
        """The picture, but for that of a JPEG file, in which no such container survives."""
        if source.is_jpeg:
            raise ImageError(f"{source.name} is a JPEG, which keeps no pixel as it was; use the file that was made")
        return source.photo()

    def host(self, source: Source, wish: Wish) -> Photo:
        """The picture."""
        return source.photo()

    def salt(self, photo: Photo, version: int = VERSION) -> bytes:
        """SHA-256 of size and gray-scale, which hiding leaves as they are; what is not seen counts as black."""
        luma = seen(photo, version).luma
        height, width = luma.shape
        return hashlib.sha256(f"stegcinn luma {width}x{height}\n".encode() + luma.tobytes()).digest()

    first_version = 1

    def is_slow(self, photo: Photo) -> bool:
        """That is told by a header."""
        return False

    def limit(self, photo: Photo) -> int:
        """By `max_bpp`."""
        return int(self.max_bpp * photo.pixels) // 8

    def evidence(self, photo: Photo) -> str | None:
        """The photo's own: a structure that any change to its pixels leaves."""
        return photo.evidence

    def disturbance(self, photo: Photo, size: int, progress: Progress = silent) -> float | None:
        """It cannot tell."""
        return None

    def losses(self, photo: Photo, suffix: str) -> list[str]:
        """Of the colour profile, at most."""
        return formats.losses(photo, suffix)

    def encode(self, photo: Photo, suffix: str) -> bytes:
        """Without loss."""
        return formats.encode_photo(photo, suffix)

    def check(self, host: Photo, saved: Photo) -> None:
        """Neither gray-scale nor transparency may change."""
        if not np.array_equal(saved.luma, host.luma):
            raise SelfCheckError("the gray-scale of the container is not the host's; please report this")
        before, after = (np.zeros(0) if alpha is None else alpha for alpha in (host.alpha, saved.alpha))
        if not np.array_equal(before, after):
            raise SelfCheckError("the transparency of the container is not the host's; please report this")

    @abstractmethod
    def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room: ...

    @abstractmethod
    def embed(self, photo: Photo, stream: bytes, keys: Keys, wish: Wish, progress: Progress) -> Embedding[Photo]: ...

    @abstractmethod
    def extract(
        self, photo: Photo, keys: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction: ...


def seen(photo: Photo, version: int) -> Photo:
    """What counts of a photo: as it is in format version 1; later without the colours of pixels that are not seen."""
    return photo if version == 1 else photo.bared


def usable(photo: Photo, version: int) -> Bool:
    """Which pixels may carry bits, (H, W)."""
    return np.ones(photo.visible.shape, np.bool_) if version == 1 else photo.visible


def chosen_colors(photo: Photo, wish: Wish) -> Colors:
    """What is wished; else a photo keeps its colours, and one without gets some."""
    return wish.colors or ("generate" if photo.is_gray else "keep")


def embedding(host: Photo, rgb: UInt8, colors: Colors, disturbance: float | None = None) -> Embedding[Photo]:
    """Of the colours `rgb` in place of the host's, but for pixels that are not seen."""
    rgb = np.where(host.visible[..., None], rgb, host.rgb) if host.alpha is not None else rgb
    changed = float(np.mean((rgb != host.rgb).any(axis=-1)))
    return Embedding(host.with_rgb(rgb), changed, disturbance, colors)
