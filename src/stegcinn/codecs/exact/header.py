"""The header of `exact`: how much is used and how the model was fitted, masked, in pixels of the last phase."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.colourmodel import calibration, mixture, rangecoder
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.colourmodel.cells import PHASES
from stegcinn.colourmodel.networks import Part
from stegcinn.colourmodel.rangecoder import Decoder, Encoder, Tables, Tile
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import Bool
from stegcinn.sealing.keys import Keys, RandomBytes

# (level, phase) that may carry bits, coarse to fine; what is coarser stays the host's, or is drawn
CODED_PHASES = tuple((level, phase) for level in (1, 0) for phase in range(len(PHASES)))
LAST_PHASE = CODED_PHASES[-1]
SHARES = 1 << 16

CARRY = 8  # bytes beyond which a carry is as good as impossible
FILLING = 3  # random bytes per pixel: more than any can take
SALT_SIZE = 8
_LOAD = struct.Struct(">BH")
HEADER_SIZE = SALT_SIZE + _LOAD.size + calibration.SIZE
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
    """The last phase: its distributions, and the pixels that hold the header, in an order that the key chooses.

    The header is coded with the model's scales as they are; as many pixels are used as it takes to settle its bytes.
    """

    def __init__(self, parts: list[Part], key: Keys) -> None:
        self.parts = parts
        width = parts[-1].columns.stop
        size = parts[-1].rows.stop * width
        words = np.frombuffer(key.stream("exact header", 8 * HEADER_DRAWS), "<u8") % np.uint64(size)
        _, firsts = np.unique(words, return_index=True)
        self.places = words[np.sort(firsts)].astype(np.int64)[:HEADER_PIXELS]
        self.count = 0  # of places used, once drawn or absorbed
        rows, columns = np.divmod(self.places, width)
        count = len(self.places)
        parameters = np.empty((1, count, mixture.PARAMETERS), np.uint8)
        guess_r, guess_b = np.empty((1, count), np.int16), np.empty((1, count), np.int16)
        luma, self.colours = np.empty((1, count), np.uint8), np.empty((1, count, 3), np.uint8)
        self._inside: list[tuple[Part, Bool, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]] = []
        for part in parts:
            here = (rows >= part.rows.start) & (rows < part.rows.stop)
            here &= (columns >= part.columns.start) & (columns < part.columns.stop)
            where = rows[here] - part.rows.start, columns[here] - part.columns.start
            self._inside.append((part, here, where))
            parameters[0, here] = part.tile.parameters[:, *where].T
            guess_r[0, here], guess_b[0, here] = part.tile.guess_r[where], part.tile.guess_b[where]
            luma[0, here], self.colours[0, here] = part.tile.luma[where], part.rgb[where]
        self._tile = Tile(np.moveaxis(parameters, -1, 0), guess_r, guess_b, luma, np.ones((1, count), np.bool_))

    def used(self, shape: tuple[int, int]) -> Bool:
        """Which pixels of the phase the header took."""
        used = np.zeros(shape[0] * shape[1], np.bool_)
        used[self.places[: self.count]] = True
        return used.reshape(shape)

    def draw(self, tables: Tables, header: bytes, random: RandomBytes) -> None:
        """Write the header into the image; NoRoomError if it does not fit."""
        decoder = Decoder(header + random(FILLING * len(self.places) + rangecoder.HEAD))
        for piece in self._pieces():
            decoder.draw(tables, piece, self.colours[:, self.count : self.count + piece.luma.size])
            self.count += piece.luma.size
            if decoder.consumed >= HEADER_SIZE + CARRY:
                break
        else:
            raise NoRoomError
        for part, here, where in self._inside:
            drawn = np.arange(len(here))[here] < self.count
            part.rgb[where[0][drawn], where[1][drawn]] = self.colours[0, here][drawn]

    def absorb(self, tables: Tables) -> bytes:
        """Read the header off the image; RevealError if there is no room for one."""
        encoder = Encoder()
        for piece in self._pieces():
            encoder.absorb(tables, piece, self.colours[:, self.count : self.count + piece.luma.size])
            self.count += piece.luma.size
            if encoder.settled >= HEADER_SIZE + CARRY:
                return encoder.peek()[:HEADER_SIZE]
        raise RevealError

    def _pieces(self) -> Iterator[Tile]:
        for start in range(0, len(self.places), HEADER_PIECE):
            yield self._tile.cut(slice(None), slice(start, start + HEADER_PIECE))


def mask(salt: bytes, load: Load, fitted: Calibration, key: Keys) -> bytes:
    """Salt, then load and calibration under a keystream of key and salt: uniform bytes, other ones every time."""
    plain = _LOAD.pack(load.first, load.share) + fitted.to_bytes()
    return salt + key.masked(plain, f"exact header {salt.hex()}")


def unmask(header: bytes, key: Keys) -> tuple[bytes, Load, Calibration]:
    """The inverse of `mask`; RevealError if no load reads like that."""
    salt = header[:SALT_SIZE]
    plain = key.masked(header[SALT_SIZE:], f"exact header {salt.hex()}")
    load = Load(*_LOAD.unpack(plain[: _LOAD.size]))
    if load.first >= len(CODED_PHASES):
        raise RevealError
    return salt, load, Calibration.from_bytes(plain[_LOAD.size :])
