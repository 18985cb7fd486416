"""The header of `exact`: how much is used and how the model was fitted, masked, in pixels of the last phase."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stegcinn.colourmodel import calibration, rangecoder
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.colourmodel.cells import PHASES
from stegcinn.colourmodel.networks import ColourModel, plane
from stegcinn.colourmodel.rangecoder import Decoder, Encoder, Tables, Tile
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import Bool, Int64, UInt8
from stegcinn.sealing.keys import Keys, RandomBytes

# (level, phase) that may carry bits, coarse to fine; what is coarser stays the host's, or is drawn
CODED_PHASES = tuple((level, phase) for level in (1, 0) for phase in range(len(PHASES)))
LAST_PHASE = CODED_PHASES[-1]
SHARES = 1 << 16

CARRY = 8  # bytes beyond which a carry is as good as impossible
FILLING = 3  # random bytes per pixel: more than any can take
SALT_SIZE = 4
CHECK_SIZE = 4  # bytes that tell a header from anything else, but for a chance of 2**-32
_LOAD = struct.Struct(">BH")
HEADER_SIZE = SALT_SIZE + _LOAD.size + calibration.SIZE + CHECK_SIZE
HEADER_PIXELS = 4096  # of the last phase, at most; a photo that needs more is as good as colourless
HEADER_DRAWS = 4 * HEADER_PIXELS  # with repetitions
HEADER_PIECE = 16  # pixels between looks at whether the header is complete


@dataclass(frozen=True)
class Load:
    """Which pixels are used: all of CODED_PHASES after `first`, and of that phase those whose number is <= `share`."""

    first: int
    share: int


class NoRoomError(Exception):
    """The photo cannot even take the header."""


class Header:
    """The pixels of the last phase that hold the header, in an order that the key chooses.

    The header is coded with the model's scales as they are; as many pixels are used as it takes to settle its bytes,
    and only for these the networks are run: most images hold nothing, which is soon told.
    """

    def __init__(self, model: ColourModel, rgb: UInt8, luma: UInt8, usable: Bool, key: Keys) -> None:
        """`rgb` (H, W, 3), of which `draw` writes to pixels where they are `usable` (H, W), with `luma` (H, W)."""
        self._model, self._rgb, self._luma = model, rgb, luma
        self._pixels = plane(rgb, *LAST_PHASE)
        height, width = self._pixels.shape[:2]
        words = np.frombuffer(key.stream("exact header", 8 * HEADER_DRAWS), "<u8") % np.uint64(height * width)
        _, firsts = np.unique(words, return_index=True)
        words = words[np.sort(firsts)].astype(np.int64)
        self.places = words[plane(usable, *LAST_PHASE).reshape(-1)[words]][:HEADER_PIXELS]
        self.count = 0  # of places used, once drawn or absorbed

    def used(self) -> Bool:
        """Which pixels of the phase the header took."""
        height, width = self._pixels.shape[:2]
        used = np.zeros(height * width, np.bool_)
        used[self.places[: self.count]] = True
        return used.reshape(height, width)

    def draw(self, tables: Tables, header: bytes, random: RandomBytes) -> None:
        """Write the header into the image; NoRoomError if it does not fit."""
        decoder = Decoder(header + random(FILLING * len(self.places) + rangecoder.HEAD))
        for where, tile in self._pieces():
            colours = self._pixels[where][None]
            decoder.draw(tables, tile, colours)
            self._pixels[where] = colours[0]
            if decoder.consumed >= HEADER_SIZE + CARRY:
                return
        raise NoRoomError

    def absorb(self, tables: Tables) -> bytes:
        """Read the header off the image; RevealError if there is no room for one."""
        encoder = Encoder()
        for where, tile in self._pieces():
            encoder.absorb(tables, tile, self._pixels[where][None])
            if encoder.settled >= HEADER_SIZE + CARRY:
                return encoder.peek()[:HEADER_SIZE]
        raise RevealError

    def _pieces(self) -> Iterator[tuple[tuple[Int64, Int64], Tile]]:
        """Rows and columns of some places after the other, and what the model expects there, counting them as used."""
        for start in range(0, len(self.places), HEADER_PIECE):
            where = np.divmod(self.places[start : start + HEADER_PIECE], self._pixels.shape[1])
            self.count += len(where[0])
            yield where, self._model.at(self._rgb, self._luma, *LAST_PHASE, *where)


def salt_size(key: Keys) -> int:
    """Bytes of a header's salt: in format version 1 there was no check, but an authentic head behind it."""
    return SALT_SIZE + CHECK_SIZE if key.version == 1 else SALT_SIZE


def mask(salt: bytes, load: Load, fitted: Calibration, key: Keys) -> bytes:
    """Salt, then load and calibration under a keystream of key and salt: uniform bytes, other ones every time."""
    plain = _LOAD.pack(load.first, load.share) + fitted.to_bytes()
    plain = plain.ljust(HEADER_SIZE - len(salt), b"\0")
    return salt + key.masked(plain, f"exact header {salt.hex()}")


def unmask(header: bytes, key: Keys) -> tuple[bytes, Load, Calibration]:
    """The inverse of `mask`; RevealError if no load reads like that."""
    salt = header[: salt_size(key)]
    plain = key.masked(header[len(salt) :], f"exact header {salt.hex()}")
    load, end = Load(*_LOAD.unpack(plain[: _LOAD.size])), _LOAD.size + calibration.SIZE
    if load.first >= len(CODED_PHASES) or any(plain[end:]):
        raise RevealError
    return salt, load, Calibration.from_bytes(plain[_LOAD.size : end])
