"""What is opened to be hidden in or revealed from: read once, and decoded as a codec asks."""

from __future__ import annotations

import os
import stat
import warnings
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from stegcinn.carriers import photo
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.photo import MAX_PIXELS, Photo
from stegcinn.errors import ImageError, StegcinnWarning, UsageError
from stegcinn.files import read_at_most, shown

MAX_HALVED = 170_000_000  # pixels of what is to be halved; Pillow opens little more
JPEG_SIGNATURE = b"\xff\xd8\xff"
QUALITY_LEAST, QUALITY_MOST = 75, 95  # of a JPEG file that is made of another one's picture
MAX_FILE = 1 << 30  # bytes; an uncompressed photo of the most pixels with 16 bits per sample has less than half of that


class Carrier(Protocol):
    """What a codec hides in, decoded from a source."""

    @property
    def pixels(self) -> int:
        """How many the picture has."""


@runtime_checkable
class Readable(Protocol):
    """A binary file object."""

    def read(self) -> bytes:
        """All of it."""


ImageSource = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Image.Image | np.ndarray[Any, np.dtype[Any]]
)


class Source:
    """A path, an encoded file in memory, a binary file object, a PIL image, an array of pixels, or a photo.

    `file` holds the encoded bytes where there are any, and `notes` what decoding had to change, a line each. Raises
    ImageError for a file that cannot be read, UsageError for anything else than those.
    """

    def __init__(self, image: ImageSource | Photo, *, upright: bool = True) -> None:
        """`upright`: whether the orientation that a file tells is applied to its picture."""
        self._upright = upright
        self.name = shown(image) if isinstance(image, (str, os.PathLike)) else "the image"
        self.quality: int | None = None  # of the JPEG file that it was, if it is no file any more
        self.file: bytes | None = None
        self.notes: list[str] = []
        self.is_halved = False
        match image:
            case str() | os.PathLike():
                self.file = _read(Path(image), self.name)
            case bytes() | bytearray() | memoryview():
                self.file = bytes(image)
            case Image.Image() | np.ndarray() | Photo():
                self._pixels: Image.Image | np.ndarray[Any, np.dtype[Any]] | Photo = image
            case Readable():
                self.file = _all_of(image)
            case _:
                kinds = "a path, bytes, a binary file, a PIL image or an array"
                raise UsageError(f"a photo is {kinds}, not {type(image).__name__}")
        if self.file is not None and not self.file:
            raise ImageError(f"{self.name} is empty; choose a photo")

    @property
    def is_jpeg(self) -> bool:
        """Whether it is a JPEG file, by its first bytes."""
        return self.file is not None and self.file.startswith(JPEG_SIGNATURE)

    @cached_property
    def _photo(self) -> Photo:
        return self._decoded(MAX_PIXELS)

    def _decoded(self, largest: int, halving: photo.Halving | None = None) -> Photo:
        image = self._pixels if self.file is None else self.file
        if isinstance(image, np.ndarray):
            image = photo.from_array(image, self.name, largest=largest)
        if isinstance(image, Photo):
            return image.halved(halving(*image.rgb.shape[1::-1])) if halving else image
        decoded, notes = photo.decode(image, self.name, upright=self._upright, largest=largest, halving=halving)
        self.notes += [f"{self.name} {note}" for note in notes]
        return decoded

    def photo(self) -> Photo:
        """The picture as 8-bit RGB, decoded once; ImageError, see `photo.decode`."""
        return self._photo

    @cached_property
    def _coefficients(self) -> JpegFile:
        if self.file is None:
            raise ImageError(f"{self.name} is no file; give the JPEG file itself")
        jpeg = JpegFile.read(self.file, self.name)
        self.notes += [f"{self.name} {note}" for note in jpeg.notes]
        return jpeg

    def coefficients(self) -> JpegFile:
        """The picture as the coefficients of its JPEG file, decoded once; ImageError, see `JpegFile.read`."""
        return self._coefficients

    def halved(self, *, exact: bool = False) -> Source:
        """The same at half its width and height, which is no file any more; ImageError if that is of no use.

        Up to MAX_EDGE pixels go at each side, and the kernel's phase with them, drawn anew each time; not if `exact`.
        """
        half = Source(self._decoded(MAX_HALVED, photo.no_edges if exact else photo.drawn_edges))
        how = "exactly: anyone who has the original has this host" if exact else "its edges and phase drawn at random"
        height, width = half.photo().luma.shape
        half.name, half.notes = self.name, [*self.notes, f"{self.name} is halved to {width}x{height} pixels, {how}"]
        half.is_halved = True
        if self.is_jpeg:
            with suppress(ImageError):
                half.quality = min(max(self._coefficients.quality[0], QUALITY_LEAST), QUALITY_MOST)
        return half

    def as_stored(self) -> Source | None:
        """The same with its pixels as they lie in the file, if that tells another orientation."""
        if self.file is None or self.is_jpeg or not photo.tells_orientation(self.file):
            return None
        stored = Source(self.file, upright=False)
        stored.name = self.name
        return stored


def read_photo(image: ImageSource) -> Photo:
    """The photo of a source; StegcinnWarning tells what had to be changed. Errors as those of `Source` and `photo`."""
    source = Source(image)
    decoded = source.photo()
    for note in source.notes:
        warnings.warn(note, StegcinnWarning, stacklevel=2)
    return decoded


def halved(photo: ImageSource, *, exact: bool = False) -> Image.Image:
    """A photo at half its width and height, as `hide` makes it with `halve`: to measure and hide in one and the same.

    It no longer shows how it was compressed. Up to four pixels go at each side, and the kernel's phase with them, drawn
    anew each time: who has the original does not have the host at once. `exact`: nothing is drawn, for work that is to
    be repeated. Warns of what had to be changed. Raises ImageError, UsageError.
    """
    source = Source(photo)
    image = source.halved(exact=exact).photo().to_pil()
    for note in source.notes:
        warnings.warn(note, StegcinnWarning, stacklevel=2)
    return image


def _read(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is a directory; name a photo in it")
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            raise ImageError(f"{name} is neither a file nor a pipe; save the photo to a file first")
        with path.open("rb") as file:
            data = read_at_most(file, MAX_FILE) if status.st_size <= MAX_FILE else None
        if data is None:
            raise ImageError(f"{name} has more than {MAX_FILE:,} bytes; scale the photo down first")
        return data
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} cannot be opened ({reason}); check its name and permissions") from error


def _all_of(file: Readable) -> bytes:
    try:
        data = file.read()
    except ValueError as error:
        raise UsageError("the file of the photo is closed; open it anew") from error
    if not isinstance(data, bytes):
        raise UsageError(f"the file must be opened in binary mode: reading it gives {type(data).__name__}, not bytes")
    return data
