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
from collections.abc import Callable, Iterator

import numpy as np

from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Colors, Embedding, Extraction, Progress, Room, StreamSize, Wish, portions, silent
from stegcinn.codecs.exact.header import (
    CARRY,
    CODED_PHASES,
    FILLING,
    LAST_PHASE,
    SHARES,
    Header,
    Load,
    NoRoomError,
    mask,
    salt_size,
    unmask,
)
from stegcinn.codecs.exact.loads import FULL, SURE, Fit, fit, loads, pixels_of
from stegcinn.codecs.lumalocked import LumaLocked, chosen_colors, embedding, seen, usable
from stegcinn.colourmodel import mixture, rangecoder
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.colourmodel.cells import PHASES
from stegcinn.colourmodel.networks import ColourModel, Part, plane
from stegcinn.colourmodel.rangecoder import Decoder, Encoder, Tables
from stegcinn.errors import CapacityError
from stegcinn.runtime import knownanswer
from stegcinn.runtime.arrays import Bool, UInt8
from stegcinn.sealing import keys
from stegcinn.sealing.keys import Keys, RandomBytes

REACH = 6.0  # standardised distance at which draws are cut off: an outlier in a wrong place is seen at once
# Bits by which a rehearsal may promise too much, over the square root of the pixels. The standard deviation of two
# draws' difference is 3 to 8 of these in `keep`: with ATTEMPTS, failure is rarer than 1 in 10**12
# (docs/decisions/exact.md).
MARGIN = 26.0
REHEARSALS = {"keep": 1, "generate": 3}  # what drawn coarse colours leave room for varies more
RETRY_GAIN = {"keep": 1.15, "generate": 1.4}  # how much more than one attempt another may carry
ANSWER_SIDE = 75  # pixels of the known answer
COOLING = -36  # shift of scale indices at the coarse levels that `generate` draws; they carry no bits


class ExactCodec(LumaLocked):
    """The exact codec over one release of weights."""

    name = "exact"
    label = "exact: takes the most"
    auto = True
    max_bpp = 24.0

    def __init__(self, model: ColourModel) -> None:
        self.model = model

    def ready(self) -> None:
        """MachineError unless this machine draws a known container; asked once per machine."""
        knownanswer.require(self.name, self.model.release.config["known_answer"], self.known_answer)

    def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room:
        """Measured by drawing full containers from random bits, the same every time."""
        self.ready()
        colors, photo = chosen_colors(photo, wish), photo.bared
        try:
            return Room(self._room(photo, fit(self.model, photo), colors, progress), colors=colors)
        except NoRoomError:
            return Room(0, colors=colors)

    def _room(self, photo: Photo, fitted: Fit, colors: Colors, progress: Progress) -> int:
        """Of what is seen of the photo."""
        key = keys.derive(None, bytes(keys.KEY_SIZE))
        random = keys.Keystream(key, "rehearsal")
        settled = []
        for report in portions(progress, REHEARSALS[colors]):
            load, where = fitted.full(colors), photo.visible
            base = self._base(photo.rgb, photo.luma, where, colors, random)
            settled.append(self._paint(base, photo.luma, where, b"", load, fitted.calibration, key, random, report))
        margin = math.ceil(MARGIN * math.sqrt(sum(pixels_of(photo.visible))) / 8)
        return max(0, min(settled) - SURE - margin)

    def embed(self, photo: Photo, stream: bytes, key: Keys, wish: Wish, progress: Progress) -> Embedding[Photo]:
        """The load is chosen by the host's code length; should it not do, a larger one is tried, the largest often."""
        self.ready()
        host, where, colors = seen(photo, key.version), usable(photo, key.version), chosen_colors(photo, wish)
        try:
            fitted = fit(self.model, host)
        except NoRoomError:
            raise CapacityError(len(stream), 0) from None
        for load in loads(where, len(stream), fitted, colors):
            painted = self._base(host.rgb, host.luma, where, colors, wish.random)
            settled = self._paint(
                painted, host.luma, where, stream, load, fitted.calibration, key, wish.random, progress
            )
            if settled >= len(stream) + SURE:
                return embedding(photo, painted, colors)
            if load == fitted.full(colors) and settled * RETRY_GAIN[colors] < len(stream):
                break
        raise CapacityError(len(stream), min(len(stream) - 1, self._room(host, fitted, colors, progress)))

    def extract(
        self, photo: Photo, key: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        """Stops as soon as the stream is complete. There is nothing to be strict about: bits are right or absent."""
        self.ready()
        host, where = seen(photo, key.version), usable(photo, key.version)
        header = Header(self.model, host.rgb, host.luma, where, key)
        salt, load, fitted = unmask(header.absorb(self._tables(0)), key)
        encoder, needed = Encoder(), size(b"")
        done, total = 0, sum(plane(host.luma, *step).size for step in CODED_PHASES[load.first :])
        for part, tables in self._body(host.rgb, host.luma, where, load, fitted, key, salt, lambda: header):
            encoder.absorb(tables, part.tile, part.rgb)
            done += part.tile.luma.size
            progress(done / total)
            known = 0
            while known < needed and encoder.settled >= needed + CARRY:
                known, needed = needed, size(key.masked(encoder.peek()[:needed], _stream(salt)))
            if known == needed:
                break
        return Extraction(key.masked(encoder.peek(), _stream(salt)), 1.0)

    def known_answer(self) -> str:
        """SHA-256 of a container drawn for a synthetic gray-scale from a fixed keystream: every network has a part."""
        rows, columns = np.ogrid[:ANSWER_SIDE, :ANSWER_SIDE]
        gray = ((rows * 5 + columns * 3 + (rows // 8 * columns // 8) % 2 * 60) % 256).astype(np.uint8)
        key = keys.derive(None, bytes(keys.KEY_SIZE), version=1)  # of the format when the weights were released
        random = keys.Keystream(key, "known answer")
        every = np.ones(gray.shape, np.bool_)
        painted = self._base(np.repeat(gray[..., None], 3, axis=-1), gray, every, "generate", random)
        self._paint(painted, gray, every, b"", FULL, Calibration.none(), key, random, silent)
        return hashlib.sha256(painted.tobytes()).hexdigest()

    # -- the pixels that are used, in their order

    def _paint(
        self, rgb: UInt8, luma: UInt8, where: Bool, stream: bytes, load: Load, fitted: Calibration, key: Keys,
        random: RandomBytes, progress: Progress,
    ) -> int:  # fmt: skip
        """Draw the pixels of `load`, where they are usable, from the stream and random filling.

        How many bytes of the two they settle; -1 if the photo cannot even take the header.
        """
        salt = random(salt_size(key))
        total = sum(pixels_of(where)[load.first :])
        whole = sum(plane(luma, *step).size for step in CODED_PHASES[load.first :])
        # the salt makes every attempt another draw; an envelope is uniform with or without it
        decoder, done = Decoder(key.masked(stream, _stream(salt)) + random(FILLING * total)), 0

        def finish() -> Header:
            header = Header(self.model, rgb, luma, where, key)
            header.draw(self._tables(0), mask(salt, load, fitted, key), random)
            return header

        try:
            for part, tables in self._body(rgb, luma, where, load, fitted, key, salt, finish):
                decoder.draw(tables, part.tile, part.rgb)
                done += part.tile.luma.size
                progress(done / whole)
        except NoRoomError:
            return -1
        return decoder.consumed

    def _body(
        self, rgb: UInt8, luma: UInt8, where: Bool, load: Load, fitted: Calibration, key: Keys, salt: bytes,
        finish: Callable[[], Header],
    ) -> Iterator[tuple[Part, Tables]]:  # fmt: skip
        """The parts that carry the stream, coarse to fine; `finish` gives the header, in place before the last."""
        for index in range(load.first, len(CODED_PHASES)):
            step = CODED_PHASES[index]
            chosen = plane(where, *step).copy()
            if index == load.first and load.share < SHARES - 1:
                numbers = np.frombuffer(key.stream(f"exact pixels {salt.hex()}", 2 * chosen.size), "<u2")
                chosen &= (numbers <= load.share).reshape(chosen.shape)
            if step == LAST_PHASE:
                chosen &= ~finish().used()
            tables = self._tables(step[0], fitted.lookup(step[0]))
            for part in self.model.parts(rgb, luma, *step, chosen):
                yield part, tables

    def _base(self, rgb: UInt8, luma: UInt8, where: Bool, colors: Colors, random: RandomBytes) -> UInt8:
        """What is painted over: the host, or for `generate` its gray-scale with coarse colours drawn from the model.

        None are drawn where pixels are not usable: a reader sees none there.
        """
        if colors == "keep":
            return rgb.copy()
        painted = np.repeat(luma[..., None], 3, axis=-1)
        top = (max(luma.shape) - 1).bit_length()  # the lattice of this level is one pixel
        cooler = (np.arange(256) + COOLING).clip(0, 255).astype(np.uint8)
        cooled = np.stack([cooler] * mixture.SYMBOLS)
        root = self.model.root(luma[:1, :1])._replace(chosen=where[:1, :1])
        Decoder(random(FILLING + rangecoder.HEAD)).draw(self._tables(top, cooled), root, painted[:1, :1])
        for level, phase in ((level, phase) for level in reversed(range(top)) for phase in range(len(PHASES))):
            if (level, phase) == CODED_PHASES[FULL.first]:
                break
            for part in self.model.parts(painted, luma, level, phase, plane(where, level, phase)):
                filling = random(FILLING * part.tile.luma.size + rangecoder.HEAD)
                Decoder(filling).draw(self._tables(level, cooled), part.tile, part.rgb)
        return painted

    def _tables(self, level: int, lookup: UInt8 | None = None) -> Tables:
        tables = self.model.tables(level, reach=REACH)
        return tables if lookup is None else tables.calibrated(lookup)


def _stream(salt: bytes) -> str:
    """The purpose of the keystream that masks the stream."""
    return f"exact stream {salt.hex()}"
