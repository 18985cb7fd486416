"""The exact codec: an entropy coder run backwards turns the payload into colours drawn from a model of natural colours.

embed:   stream -> numbers on the line -> (phase by phase, coarse to fine) integer colours with the host's luma
extract: colours -> (the same distributions) -> the stream, bit for bit: nothing is rounded, nothing needs correcting

A stream takes the finest phases first: all pixels of the last ones, and of one more a share that the key chooses. What
is not needed stays the host's. A masked header, in pixels of the last phase that the key chooses, tells how much is
used and how the model's scales were fitted to the host.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import is_gray, luma_of
from stegcinn.codecs.base import Colors, Embedding, Extraction, Progress, Room, portions, silent
from stegcinn.colourmodel import calibration, mixture, rangecoder
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.colourmodel.cells import PHASES
from stegcinn.colourmodel.networks import ColourModel, Part, plane
from stegcinn.colourmodel.rangecoder import Decoder, Encoder, Tables, Tile
from stegcinn.errors import CapacityError, RevealError
from stegcinn.runtime import knownanswer
from stegcinn.runtime.arrays import Bool, Float64, UInt8
from stegcinn.sealing import envelope, keys
from stegcinn.sealing.keys import Keys, RandomBytes

# (level, phase) that may carry bits, coarse to fine; what is coarser stays the host's, or is drawn
STEPS = tuple((level, phase) for level in (1, 0) for phase in range(len(PHASES)))
LAST = STEPS[-1]
SURE = 4  # bytes beyond the stream's end that must be settled: a chance of 2**-32 that its end comes back altered
CARRY = 8  # bytes beyond which a carry is as good as impossible

REACH = 6.0  # standardised distance at which draws are cut off: an outlier in a wrong place is seen at once

SALT_SIZE = 8
_LOAD = struct.Struct(">BH")
HEADER_SIZE = SALT_SIZE + _LOAD.size + calibration.SIZE
HEADER_PIXELS = 4096  # of the last phase, at most; a photo that needs more is as good as colourless
HEADER_DRAWS = 4 * HEADER_PIXELS  # with repetitions
HEADER_PIECE = 16  # pixels between looks at whether the header is complete

SHARES = 1 << 16
FILLING = 3  # random bytes per pixel: more than any can take
MAX_BITS = 18  # per pixel that anything could take
GOLDEN_RATIO = 0.6180339887498949  # its multiples spread evenly over 0..1, whatever their number
RESERVE = 1.12  # of a load over what the host's code length promises
RESERVE_SPREAD = 6.0  # bits, times the square root of the bits needed
SAMPLE_TILE = 64  # cells
SAMPLE_EVERY = 16  # of a large photo's tiles, one in so many is looked at to fit the calibration ...
SAMPLE_LEAST = 8  # ... but at least so many
SAMPLE_PIXELS = 2048  # per phase, about, whose code length is computed again and again
# Bits by which a rehearsal may promise too much, over the square root of the pixels. The standard deviation of two
# draws' difference is 3 to 8 of these in `keep`: with ATTEMPTS, failure is rarer than 1 in 10**12 (docs/decisions.md).
MARGIN = 26.0
REHEARSALS = {"keep": 1, "generate": 3}  # what drawn coarse colours leave room for varies more
ATTEMPTS = {"keep": 4, "generate": 12}  # of a full load
HOPE = {"keep": 1.15, "generate": 1.4}  # how much more than one attempt another may carry
ANSWER_SIDE = 75  # pixels of the known answer
COOLING = -36  # shift of scale indices at the coarse levels that `generate` draws; they carry no bits


@dataclass(frozen=True)
class Load:
    """Which pixels are used: all of the steps after `first`, and of that step those whose number is <= `share`."""

    first: int
    share: int


# All the others lean on the first step: it adds one pixel in 16 and costs 2 dB (docs/decisions.md). So it is left to
# the host, but for calm ones, whose other pixels it hardly disturbs.
FULL = Load(1, SHARES - 1)
FULL_IF_CALM = Load(0, SHARES - 1)
CALM = 5.5  # bits per pixel of the finest level's first step


@dataclass(frozen=True)
class Fit:
    """How a host's colours are distributed: its calibration, and its bits per pixel at each of STEPS."""

    calibration: Calibration
    bits: tuple[float, ...]

    def full(self, colors: Colors) -> Load:
        """The largest load that this host is given."""
        return FULL_IF_CALM if colors == "keep" and self.bits[STEPS.index((0, 0))] <= CALM else FULL


class ExactCodec:
    """The exact codec over one release of weights; see `codecs.base.Codec` for the interface."""

    name = "exact"
    most = 24.0

    def __init__(self, model: ColourModel) -> None:
        self.model = model

    def capacity(self, rgb: UInt8, colors: Colors, progress: Progress) -> Room:
        """Measured by drawing full containers from random bits, the same every time."""
        return Room(self._room(rgb, self._fit(rgb), colors, progress))

    def _room(self, rgb: UInt8, fitted: Fit, colors: Colors, progress: Progress) -> int:
        key = keys.derive(None, bytes(keys.KEY_SIZE))
        random = keys.Keystream(key, "rehearsal")
        settled = []
        for report in portions(progress, REHEARSALS[colors]):
            base = self._base(rgb, colors, random)
            settled.append(self._paint(base, b"", fitted.full(colors), fitted.calibration, key, random, report))
        margin = math.ceil(MARGIN * math.sqrt(sum(_pixels(rgb[..., 0]))) / 8)
        return max(0, min(settled) - SURE - margin)

    def embed(self, rgb: UInt8, stream: bytes, key: Keys, colors: Colors, progress: Progress) -> Embedding:
        """The load is chosen by the host's code length; should it not do, a larger one is tried, the largest often."""
        fitted = self._fit(rgb)
        for load in self._loads(rgb, len(stream), fitted, colors):
            painted = self._base(rgb, colors, os.urandom)
            settled = self._paint(painted, stream, load, fitted.calibration, key, os.urandom, progress)
            if settled >= len(stream) + SURE:
                return Embedding(painted)
            if load == fitted.full(colors) and settled * HOPE[colors] < len(stream):
                break
        raise CapacityError(len(stream), min(len(stream) - 1, self._room(rgb, fitted, colors, progress)))

    def extract(self, rgb: UInt8, key: Keys, *, strict: bool = False) -> Extraction:
        """Stops as soon as the envelope is complete. There is nothing to be strict about: bits are right or absent."""
        luma = luma_of(rgb)
        header = _Header(list(self.model.parts(rgb, luma, *LAST)), key)
        salt, load, fitted = _unmask(header.absorb(self._tables(0)), key)
        encoder, size = Encoder(), envelope.HEAD_SIZE
        for part, tables in self._body(rgb, luma, load, fitted, key, salt, lambda: header):
            encoder.absorb(tables, part.tile, part.rgb)
            if size == envelope.HEAD_SIZE and encoder.settled >= size + CARRY:
                size += envelope.body_size(key.masked(encoder.peek()[:size], _stream(salt)), key)
            if encoder.settled >= size + CARRY:
                break
        return Extraction(key.masked(encoder.peek(), _stream(salt)), 1.0)

    def require_known_answer(self) -> None:
        """MachineError unless this machine draws a known container; asked once per machine."""
        release = self.model.release
        knownanswer.require(self.name, release.config["known_answer"], self.known_answer)

    def known_answer(self) -> str:
        """SHA-256 of a container drawn for a synthetic gray-scale from a fixed keystream: every network has a part."""
        rows, columns = np.ogrid[:ANSWER_SIDE, :ANSWER_SIDE]
        gray = ((rows * 5 + columns * 3 + (rows // 8 * columns // 8) % 2 * 60) % 256).astype(np.uint8)
        key = keys.derive(None, bytes(keys.KEY_SIZE))
        random = keys.Keystream(key, "known answer")
        painted = self._base(np.repeat(gray[..., None], 3, axis=-1), "generate", random)
        self._paint(painted, b"", FULL, Calibration.none(), key, random, silent)
        return hashlib.sha256(painted.tobytes()).hexdigest()

    # -- the pixels that are used, in their order

    def _paint(
        self, rgb: UInt8, stream: bytes, load: Load, fitted: Calibration, key: Keys, random: RandomBytes,
        progress: Progress,
    ) -> int:  # fmt: skip
        """Draw the pixels of `load` from the stream and random filling; how many bytes of the two they settle.

        -1 if the photo cannot even take the header.
        """
        luma = luma_of(rgb)
        salt = random(SALT_SIZE)
        pixels = _pixels(luma)
        total = sum(pixels[load.first :])
        # the salt makes every attempt another draw; an envelope is uniform with or without it
        decoder, done = Decoder(key.masked(stream, _stream(salt)) + random(FILLING * total)), 0

        def finish() -> _Header:
            header = _Header(list(self.model.parts(rgb, luma, *LAST)), key)
            header.draw(self._tables(0), _mask(salt, load, fitted, key), random)
            return header

        try:
            for part, tables in self._body(rgb, luma, load, fitted, key, salt, finish):
                decoder.draw(tables, part.tile, part.rgb)
                done += part.tile.luma.size
                progress(done / total)
        except _NoRoomError:
            return -1
        return decoder.consumed

    def _body(
        self, rgb: UInt8, luma: UInt8, load: Load, fitted: Calibration, key: Keys, salt: bytes,
        finish: Callable[[], _Header],
    ) -> Iterator[tuple[Part, Tables]]:  # fmt: skip
        """The parts that carry the stream, coarse to fine; `finish` gives the last phase, header in place."""
        for index in range(load.first, len(STEPS)):
            step = STEPS[index]
            shape = plane(luma, *step).shape
            chosen = np.ones(shape, np.bool_)
            if index == load.first and load.share < SHARES - 1:
                numbers = np.frombuffer(key.stream(f"exact pixels {salt.hex()}", 2 * chosen.size), "<u2")
                chosen = (numbers <= load.share).reshape(shape)
            parts: Iterable[Part]
            if step == LAST:
                header = finish()
                parts = header.parts
                chosen &= ~header.used(shape)
            else:
                parts = self.model.parts(rgb, luma, *step, chosen)
            tables = self._tables(step[0], fitted.lookup(step[0]))
            for part in parts:
                yield part._replace(tile=part.tile._replace(chosen=chosen[part.rows, part.columns])), tables

    def _base(self, rgb: UInt8, colors: Colors, random: RandomBytes) -> UInt8:
        """What is painted over: the host, or for `generate` its gray-scale with coarse colours drawn from the model."""
        if colors == "keep":
            return rgb.copy()
        luma = luma_of(rgb)
        painted = np.repeat(luma[..., None], 3, axis=-1)
        top = (max(luma.shape) - 1).bit_length()  # the lattice of this level is one pixel
        cooler = (np.arange(256) + COOLING).clip(0, 255).astype(np.uint8)
        cooled = np.stack([cooler] * mixture.SYMBOLS)
        corner = luma[:1, :1]
        Decoder(random(FILLING + rangecoder.HEAD)).draw(
            self._tables(top, cooled), self.model.root(corner), painted[:1, :1]
        )
        for level, phase in ((level, phase) for level in reversed(range(top)) for phase in range(len(PHASES))):
            if (level, phase) == STEPS[FULL.first]:
                break
            for part in self.model.parts(painted, luma, level, phase):
                filling = random(FILLING * part.tile.luma.size + rangecoder.HEAD)
                Decoder(filling).draw(self._tables(level, cooled), part.tile, part.rgb)
        return painted

    def _tables(self, level: int, lookup: UInt8 | None = None) -> Tables:
        tables = self.model.tables(level, reach=REACH)
        return tables if lookup is None else tables.calibrated(lookup)

    # -- fitting the model to a host

    def _fit(self, rgb: UInt8) -> Fit:
        """From a sample of the host; a gray host has no colours to fit to."""
        if is_gray(rgb):
            return Fit(Calibration.none(), (0.0,) * len(STEPS))
        luma = luma_of(rgb)
        samples = [self._sample(rgb, luma, *step) for step in STEPS]
        levels = {level for level, _ in STEPS}
        joined = {
            at: _joined([s for s, (level, _) in zip(samples, STEPS, strict=True) if level == at]) for at in levels
        }

        def bits(level: int, sample: tuple[Tile, UInt8], lookup: UInt8) -> Float64:
            return rangecoder.information(self.model.tables(level).calibrated(lookup), *sample)[0]

        fitted = calibration.fit(lambda level, lookup: bits(level, joined[level], lookup))
        totals = (
            float(bits(level, sample, fitted.lookup(level)).sum())
            for sample, (level, _) in zip(samples, STEPS, strict=True)
        )
        return Fit(fitted, tuple(t / max(1, sample[1][..., 0].size) for t, sample in zip(totals, samples, strict=True)))

    def _sample(self, rgb: UInt8, luma: UInt8, level: int, phase: int) -> tuple[Tile, UInt8]:
        """Pixels of a phase all over the photo, side by side in one row: the same ones every time."""
        height, width = plane(luma, level, phase).shape
        tiles = -(-height // SAMPLE_TILE) * -(-width // SAMPLE_TILE)
        share = max(1 / SAMPLE_EVERY, SAMPLE_LEAST / tiles)
        looked_at = (np.arange(tiles) * GOLDEN_RATIO) % 1 < share
        generator = np.random.default_rng(0)
        thinned = min(1.0, SAMPLE_PIXELS / (height * width * min(1.0, share)))
        chosen = []
        for part in self.model.parts(rgb, luma, level, phase, tile=SAMPLE_TILE, keep=looked_at):
            here = generator.random(part.tile.luma.shape) < thinned
            parameters = np.moveaxis(part.tile.parameters, 0, -1)[here].T[:, None]
            tile = Tile(parameters, *(array[here][None] for array in part.tile[1:]))
            chosen.append((tile, part.rgb[here][None]))
        return _joined(chosen)

    def _loads(self, rgb: UInt8, size: int, fitted: Fit, colors: Colors) -> Iterator[Load]:
        """Loads to try for a stream of `size` bytes, the least first; drawn colours leave nothing of the host's."""
        room = [bits * pixels for bits, pixels in zip(fitted.bits, _pixels(rgb[..., 0]), strict=True)]
        room[-1] = max(0.0, room[-1] - 8 * (HEADER_SIZE + CARRY + HEADER_PIECE))
        needed = 8 * (size + SURE)
        needed = RESERVE * needed + RESERVE_SPREAD * needed**0.5
        for more in (1.0, 1.15) if colors == "keep" else ():
            left = more * needed
            for first in reversed(range(fitted.full(colors).first, len(STEPS))):
                if left <= room[first]:
                    yield Load(first, min(SHARES - 1, int(SHARES * left / room[first])))
                    break
                left -= room[first]
        if 8 * size <= MAX_BITS * rgb[..., 0].size:
            yield from (fitted.full(colors),) * ATTEMPTS[colors]


def _joined(samples: list[tuple[Tile, UInt8]]) -> tuple[Tile, UInt8]:
    """Samples of one row each as a single one."""
    tiles, colours = zip(*samples, strict=True)
    parameters, *arrays = (np.concatenate(same, axis=-1) for same in zip(*tiles, strict=True))
    compact = np.moveaxis(np.ascontiguousarray(np.moveaxis(parameters, 0, -1)), -1, 0)
    return Tile(compact, *arrays), np.concatenate(colours, axis=1)


class _NoRoomError(Exception):
    """The photo cannot even take the header."""


class _Header:
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
        """Write the header into the image; _NoRoomError if it does not fit."""
        decoder = Decoder(header + random(FILLING * len(self.places) + rangecoder.HEAD))
        for piece in self._pieces():
            decoder.draw(tables, piece, self.colours[:, self.count : self.count + piece.luma.size])
            self.count += piece.luma.size
            if decoder.consumed >= HEADER_SIZE + CARRY:
                break
        else:
            raise _NoRoomError
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


def _mask(salt: bytes, load: Load, fitted: Calibration, key: Keys) -> bytes:
    """Salt, then load and calibration under a keystream of key and salt: uniform bytes, other ones every time."""
    plain = _LOAD.pack(load.first, load.share) + fitted.to_bytes()
    return salt + key.masked(plain, f"exact header {salt.hex()}")


def _unmask(header: bytes, key: Keys) -> tuple[bytes, Load, Calibration]:
    """The inverse of `_mask`; RevealError if no load reads like that."""
    salt = header[:SALT_SIZE]
    plain = key.masked(header[SALT_SIZE:], f"exact header {salt.hex()}")
    load = Load(*_LOAD.unpack(plain[: _LOAD.size]))
    if load.first >= len(STEPS):
        raise RevealError
    return salt, load, Calibration.from_bytes(plain[_LOAD.size :])


def _stream(salt: bytes) -> str:
    """The purpose of the keystream that masks the stream."""
    return f"exact stream {salt.hex()}"


def _pixels(luma: UInt8) -> list[int]:
    """How many pixels each of STEPS settles."""
    return [plane(luma, *step).size for step in STEPS]
