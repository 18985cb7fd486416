"""A JPEG file whose coefficients can be changed while all else stays as it is, byte for byte.

Only entropy-coded segments are ever written anew, and in them only the bits of blocks that change. EXIF, thumbnails,
profiles, further pictures after the end marker, tables and the order of segments are copied, not understood.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stegcinn.carriers.jpegfile import entropy
from stegcinn.carriers.jpegfile.entropy import MINUS, PLUS, EntropyError, Lacking
from stegcinn.carriers.jpegfile.markers import BLOCK, Layout, Plane, parse
from stegcinn.carriers.jpegfile.quality import estimated_quality
from stegcinn.errors import ImageError
from stegcinn.runtime.arrays import Int16, UInt8, UInt16


class LackingError(ImageError):
    """The file's Huffman tables have no codes for coefficients that are wanted; `lacking` tells which and where."""

    def __init__(self, name: str, lacking: Lacking) -> None:
        self.lacking = lacking
        super().__init__(
            f"the Huffman tables of {name} lack {len(lacking.symbols)} codes for {len(lacking.places)} changed blocks; "
            "change others"
        )


@dataclass(frozen=True, eq=False)
class Component:
    """A component of the picture.

    `coefficients` (rows, columns, 64) int16, quantised, not to be changed: all blocks that the file can have, in raster
    order; those beyond `visible_rows` and `visible_columns` only pad MCUs. The 64 coefficients of a block, and the 64
    steps of `quantisation` (uint16), are in natural order: 8 v + u, where u is the horizontal frequency; 0 is DC.
    `h` and `v` are the sampling factors.
    """

    id: int
    h: int
    v: int
    quantisation: UInt16
    coefficients: Int16
    visible_rows: int
    visible_columns: int

    @property
    def visible(self) -> Int16:
        """The coefficients of the blocks that are seen, a view."""
        return self.coefficients[: self.visible_rows, : self.visible_columns]


@dataclass(frozen=True, eq=False)
class JpegFile:
    """A baseline, extended (8-bit) or progressive colour JPEG with Huffman codes; files compare by identity.

    Made by `read`.
    """

    name: str
    components: tuple[Component, Component, Component]
    notes: tuple[str, ...]
    layout: Layout
    data: bytes  # the file as it was read
    was: tuple[Int16, ...]  # its coefficients

    @staticmethod
    def read(data: bytes, name: str) -> JpegFile:
        """Read a JPEG file. ImageError, calling it `name`, if it is none, is of another kind, damaged or cut short."""
        layout = parse(data, name)
        array = np.frombuffer(data, np.uint8)
        try:
            blocks = [np.zeros((plane.rows, plane.columns, BLOCK), np.int16) for plane in layout.planes]
            for scan in layout.scans:
                entropy.decode(array, layout, scan, blocks)
        except EntropyError as error:
            reason = "cut short or damaged" if error.short else "damaged"
            raise ImageError(f"{name} is {reason}; get an intact copy") from None
        except MemoryError as error:
            raise ImageError(f"{name} needs more memory than there is; use a smaller photo") from error
        for plane in blocks:
            plane.setflags(write=False)
        notes = () if layout.has_end else ("has no end marker; it is read as it is",)
        first, second, third = map(_component, layout.planes, blocks)
        return JpegFile(name, (first, second, third), notes, layout, data, tuple(blocks))

    @property
    def width(self) -> int:
        """In pixels, as stored: EXIF orientation plays no part."""
        return self.layout.width

    @property
    def height(self) -> int:
        """In pixels, as stored."""
        return self.layout.height

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.width * self.height

    @property
    def luma(self) -> Component:
        """Y."""
        return self.components[0]

    @property
    def chroma(self) -> tuple[Component, Component]:
        """Cb and Cr."""
        return self.components[1:]

    @property
    def quality(self) -> tuple[int, bool]:
        """The number its luma was quantised with, and whether it is certain; see `estimated_quality`."""
        return estimated_quality(self.layout.planes[0].quantisation, chroma=False)

    def with_coefficients(self, changed: Mapping[int, Int16]) -> JpegFile:
        """The same file with other coefficients of some components, by index: as `Component.coefficients`, copied.

        ValueError for another dtype or shape, and for changes of coefficients, or of their lowest bits, that no scan of
        the file codes: AC of blocks that only pad, or what a progressive file leaves out.
        """
        components = list(self.components)
        for index, wanted in changed.items():
            plane, was = self.layout.planes[index], self.was[index]
            if wanted.dtype != np.int16 or wanted.shape != was.shape:
                raise ValueError(f"coefficients must be int16 {was.shape}, not {wanted.dtype} {wanted.shape}")
            wanted = np.array(wanted, order="C")
            if not _is_coded(plane, wanted ^ was) or (wanted == np.iinfo(np.int16).min).any():
                raise ValueError("coefficients that the file does not code must stay as they are")
            wanted.setflags(write=False)
            components[index] = dataclasses.replace(components[index], coefficients=wanted)
        first, second, third = components
        return dataclasses.replace(self, components=(first, second, third))

    def write(self) -> bytes:
        """The file: the very bytes that were read, but for the bits of blocks whose coefficients are others now.

        LackingError where codes lack.
        """
        data, lacking = self._written
        if lacking.symbols:
            raise LackingError(self.name, lacking)
        return data

    def missing_symbols(self) -> Lacking:
        """The codes that lack for the coefficients of this file; those it was read with lack none."""
        return self._written[1]

    def codable(self, index: int) -> UInt8:
        """Which coefficients of a component may change by one: PLUS, MINUS, both or none; shaped as its coefficients.

        Holds for one change at a time, to the file as it was read: changes in one block, or next to each other in a run
        of blocks or of DC coefficients, may together need a code that none of them needs. `missing_symbols` tells.
        """
        plane, shape = self.layout.planes[index], self.was[index].shape
        moves = np.zeros(shape, np.uint8)
        moves[:] = _moves(plane.low_in_padding)
        moves[: plane.visible_rows, : plane.visible_columns] = _moves(plane.low)
        data = np.frombuffer(self.data, np.uint8)
        for scan in self.layout.scans:
            if index in scan.planes:
                entropy.price(data, self.layout, scan, self.was, {index: moves})
        return moves

    @cached_property
    def _written(self) -> tuple[bytes, Lacking]:
        """The file, and what lacks for it: coded once, though first the one and then the other is asked for."""
        data, wanted = np.frombuffer(self.data, np.uint8), [component.coefficients for component in self.components]
        changed = [_differing(a, b) for a, b in zip(self.was, wanted, strict=True)]
        parts, at, lacking = [], 0, []
        for scan in self.layout.scans:
            if any(changed[plane] for plane in scan.planes):
                recoded, lacks = entropy.recode(data, self.layout, scan, self.was, wanted, sum(changed))
                parts += [self.data[at : scan.start], recoded]
                at = scan.stop
                lacking.append(lacks)
        return b"".join([*parts, self.data[at:]]), entropy.joined(lacking)


def _component(plane: Plane, blocks: Int16) -> Component:
    quantisation = np.array(plane.quantisation, np.uint16)
    quantisation.setflags(write=False)
    return Component(plane.id, plane.h, plane.v, quantisation, blocks, plane.visible_rows, plane.visible_columns)


def _differing(a: Int16, b: Int16) -> int:
    """How many blocks differ."""
    return 0 if a is b else int(np.count_nonzero((a != b).any(axis=2)))


def _moves(low: tuple[int, ...]) -> UInt8:
    """The moves of the coefficients whose last bit is coded."""
    return np.where(np.array(low) == 0, PLUS | MINUS, 0).astype(np.uint8)


def _is_coded(plane: Plane, changed: Int16) -> bool:
    """Whether the bits that no scan has are zero."""
    rows, columns = plane.visible_rows, plane.visible_columns
    strips = [(plane.low, changed[:rows, :columns])]
    strips += [(plane.low_in_padding, strip) for strip in (changed[rows:], changed[:rows, columns:])]
    for low, blocks in strips:
        mask = np.array([(1 << bit) - 1 for bit in low]).astype(np.uint16).view(np.int16)
        if mask.any() and (blocks & mask).any():
            return False
    return True
