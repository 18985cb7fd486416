"""Hosts of `robust`, and bits written into them: into coefficients of a JPEG file, or into the colours of pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from PIL import Image

from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.making import UNIT, MadeJpeg
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.robust import code, grid, lattice
from stegcinn.codecs.robust.code import Header
from stegcinn.codecs.robust.places import SLOTS, Places
from stegcinn.codecs.robust.recolouring import recoloured
from stegcinn.runtime.arrays import Float32, Int64, UInt8
from stegcinn.sealing.keys import Keys, RandomBytes

SLACK = 0.1  # steps that a coefficient may stay off its lattice: what saves a third of the change, and costs no errors
PASSES = 2  # over pixels: what rounding and the cube of colours took from the first is given by the second


@dataclass(frozen=True)
class Text:
    """What is to be written: bits of places, with the steps and dithers of their lattices, all (n,)."""

    places: Int64
    bits: UInt8
    step: Float32
    dither: Float32

    def moved(self, values: Float32) -> Float32:
        """The nearest values to those of the places that say the bits."""
        target = lattice.targets(values, self.bits, self.step, self.dither)
        slack = np.float32(SLACK) * self.step
        return np.clip(values, target - slack, target + slack)


def text(places: Places, header: Header, stream: bytes, keys: Keys, random: RandomBytes, *, dithered: bool) -> Text:
    """Pilots, header and body of a stream."""
    body = places.body(header.plan.used, header.nonce)
    said = np.append(header.encoded(), np.zeros(1, np.uint8))[places.roles]  # PILOT is the last
    at = np.concatenate([places.head, body])
    bits = np.concatenate([said ^ places.mask, code.encode(stream, header, keys, random)])
    step = lattice.steps(header.strength)[at % SLOTS]
    return Text(at, bits, step, places.dither.reshape(-1)[at] * np.float32(dithered))


class Host(Protocol):
    """What bits are written into."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""

    @property
    def table(self) -> int | None:
        """The strength that the picture's own steps are those of, if there is one."""

    def coefficients(self) -> Float32:
        """As exactly as they are known, see `grid.of_planes`."""

    def written(self, places: Places, text: Text) -> Host:
        """The same with a text."""

    def image(self) -> Image.Image:
        """What a viewer shows."""


@dataclass(frozen=True, eq=False)
class JpegHost:
    """A JPEG file that was made of a photo."""

    made: MadeJpeg
    quality: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.made.file.width, self.made.file.height

    @property
    def table(self) -> int | None:
        """That of its quality."""
        return self.quality

    def coefficients(self) -> Float32:
        """Before they were rounded."""
        pairs = zip(self.made.file.chroma, self.made.errors, strict=True)
        exact = [
            (plane.visible[..., grid.MODES] + missed[..., grid.MODES] / np.float32(UNIT)) * _steps(plane.quantisation)
            for plane, missed in pairs
        ]
        found: Float32 = np.stack(exact, axis=2).astype(np.float32)
        return found

    def written(self, places: Places, text: Text) -> JpegHost:
        """The same file with other chroma coefficients; those that say their bits already stay."""
        values = places.slotted(self.coefficients())
        own = _steps(self.made.file.chroma[0].quantisation)[text.places % SLOTS]
        exact = np.take(values, text.places)
        near = np.rint(text.moved(exact) / own)
        target = lattice.targets(exact, text.bits, text.step, text.dither)
        off = np.abs(near * own - target) > np.float32(SLACK) * text.step
        wanted = places.slotted(grid.as_quantised(self.made.file))
        wanted.reshape(-1)[text.places] = np.where(off, np.rint(target / own), near) * own
        return replace(self, made=replace(self.made, file=self._with(places.slotted(wanted))))

    def _with(self, coefficients: Float32) -> JpegFile:
        changed = {}
        for index, plane in enumerate(self.made.file.chroma):
            blocks = plane.coefficients.copy()
            seen = blocks[: plane.visible_rows, : plane.visible_columns]
            seen[..., grid.MODES] = np.rint(coefficients[:, :, index] / _steps(plane.quantisation))
            changed[index + 1] = blocks
        return self.made.file.with_coefficients(changed)

    def image(self) -> Image.Image:
        """As Pillow decodes it."""
        image = Image.open(io.BytesIO(self.made.file.write()))
        image.load()
        return image.convert("RGB")


@dataclass(frozen=True, eq=False)
class PixelHost:
    """A photo whose luma stays, pixel for pixel."""

    photo: Photo

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width, _ = self.photo.rgb.shape
        return width, height

    @property
    def table(self) -> int | None:
        """None."""
        return None

    def coefficients(self) -> Float32:
        """Of its pixels."""
        return grid.of_rgb(self.photo.rgb)

    def written(self, places: Places, text: Text) -> PixelHost:
        """The photo with other colours."""
        rgb = self.photo.rgb
        for _ in range(PASSES):
            coefficients = grid.of_rgb(rgb)
            values = places.slotted(coefficients)
            values.reshape(-1)[text.places] = text.moved(np.take(values, text.places))
            change = places.slotted(values) - coefficients
            rgb = recoloured(rgb, grid.planes_of(change, -(-rgb.shape[0] // 2), -(-rgb.shape[1] // 2)))
        if self.photo.alpha is not None:
            rgb = np.where(self.photo.visible[..., None], rgb, self.photo.rgb)
        return PixelHost(self.photo.with_rgb(rgb))

    def image(self) -> Image.Image:
        """Its pixels."""
        return Image.fromarray(self.photo.rgb)


def changed(before: Host, after: Host) -> float:
    """The share of chroma coefficients, or of pixels, that are others."""
    if isinstance(before, JpegHost) and isinstance(after, JpegHost):
        pairs = zip(before.made.file.chroma, after.made.file.chroma, strict=True)
        return float(np.mean([np.mean(a.visible != b.visible) for a, b in pairs]))
    if isinstance(before, PixelHost) and isinstance(after, PixelHost):
        return float(np.mean((before.photo.rgb != after.photo.rgb).any(axis=2)))
    raise ValueError("hosts of two kinds have nothing to compare")


def _steps(quantisation: np.ndarray) -> Float32:
    found: Float32 = quantisation[grid.MODES].astype(np.float32)
    return found
