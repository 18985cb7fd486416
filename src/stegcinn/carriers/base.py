"""What is opened to be hidden in or revealed from: read once, and decoded as a codec asks."""

from __future__ import annotations

import os
import stat
import warnings
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
    """A path, an encoded file in memory, a binary file object, a PIL image or an array of pixels.

    `file` holds the encoded bytes where there are any, and `notes` what decoding had to change, a line each. Raises
    ImageError for a file that cannot be read, UsageError for anything else than those.
    """

    def __init__(self, image: ImageSource, *, upright: bool = True) -> None:
        """`upright`: whether the orientation that a file tells is applied to its picture."""
        self._upright = upright
        self.name = shown(image) if isinstance(image, (str, os.PathLike)) else "the image"
        self.file: bytes | None = None
        self.notes: list[str] = []
        self.is_halved = False
        match image:
            case str() | os.PathLike():
                self.file = _read(Path(image), self.name)
            case bytes() | bytearray() | memoryview():
                self.file = bytes(image)
            case Image.Image() | np.ndarray():
                self._pixels: Image.Image | np.ndarray[Any, np.dtype[Any]] = image
            case Readable():
                self.file = _all_of(image)
            case _:
                kinds = "a path, bytes, a binary file, a PIL image or an array"
                raise UsageError(f"a photo is {kinds}, not {type(image).__name__}")
        if self.file is not None and not self.file:
            raise ImageError(f"{self.name} is empty; choose a photo")

    @cached_property
    def _photo(self) -> Photo:
        return self._decoded(MAX_PIXELS)

    def _decoded(self, largest: int, *, halve: bool = False) -> Photo:
        image = self._pixels if self.file is None else self.file
        if isinstance(image, np.ndarray):
            whole = photo.from_array(image, self.name, largest=largest)
            return whole.halved() if halve else whole
        decoded, notes = photo.decode(image, self.name, upright=self._upright, largest=largest, halve=halve)
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

    def halved(self) -> Source:
        """The same at half its width and height, which is no file any more; ImageError if that is of no use."""
        half = Source(self._decoded(MAX_HALVED, halve=True).to_pil())
        half.name, half.notes, half.is_halved = self.name, self.notes, True
        return half

    def as_stored(self) -> Source | None:
        """The same with its pixels as they lie in the file, if that tells another orientation."""
        if self.file is None or not photo.tells_orientation(self.file):
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
