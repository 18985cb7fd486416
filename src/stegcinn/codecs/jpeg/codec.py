"""The codec `jpeg`: the payload in changes by one of the chroma coefficients of a JPEG file, all else of which stays.

embed:   stream bits -> (syndrome-trellis codes, two layers) values modulo 4 -> the cheapest changes by one
extract: values modulo 4 -> syndromes -> the stream

The luma coefficients, the quantisation tables and the size give the keys. All visible chroma coefficients take part, in
an order that the key chooses; most stay. The first ones hold a header that tells how many bits each layer carries.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.entropy import MINUS, PLUS
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.making import QUALITIES, QUALITY, make
from stegcinn.carriers.jpegfile.metadata import stripped, tells_position
from stegcinn.codecs.base import SAFE, Embedding, Extraction, Grades, Progress, Room, StreamSize, Wish, rising, silent
from stegcinn.codecs.jpeg import coefficients, pricing
from stegcinn.codecs.jpeg.coefficients import LAYERS, MODES, Coefficients
from stegcinn.coding import layered, layerheader
from stegcinn.errors import CapacityError, ImageError, SelfCheckError
from stegcinn.runtime.arrays import Int8, Int16, UInt8, UInt32
from stegcinn.sealing import compact
from stegcinn.sealing.envelope import Envelope
from stegcinn.sealing.keys import KEY_SIZE, VERSION, Keys, Keystream

PRICING_SHARE = 0.3  # of the work of `embed`
GPS = "the file still tells where the photo was taken (GPS): leave out its metadata (--strip-metadata) to remove that"
RECODINGS = 64  # embeddings at most, should changes together need codes that the tables lack; few files take over 8


@dataclass(frozen=True, eq=False)
class Chroma:
    """A JPEG file as a host or a container; `errors` are those of `MadeJpeg`, where the sender made the file."""

    file: JpegFile
    errors: tuple[Int8, Int8] | None = None

    @property
    def pixels(self) -> int:
        """How many the picture has."""
        return self.file.pixels


class JpegCodec:
    """See `codecs.base.Codec` for the interface."""

    name = "jpeg"
    label = "jpeg: stays a JPEG"
    auto = True
    first_version = 2
    formats = (".jpg",)
    envelope: Envelope = compact
    shared_salt = False

    def ready(self) -> None:
        """Nothing to wait for."""

    def refusal(self, wish: Wish) -> str | None:
        """Every coefficient stays near its value."""
        if wish.channel is not None:
            return "what it hides does not survive a channel"
        return "it keeps the colours of the host" if wish.colors == "generate" else None

    def open(self, source: Source) -> Chroma:
        """The coefficients of a JPEG file."""
        return Chroma(source.coefficients())

    def host(self, source: Source, wish: Wish) -> Chroma:
        """Those of a JPEG file, or, where it is wished, of one that is made of the photo."""
        if not source.is_jpeg and wish.convert:
            made = make(source.photo(), wish.quality or source.quality or QUALITY)
            return Chroma(made.file, made.errors)
        if wish.quality is not None:
            raise ImageError(
                f"{source.name} is a JPEG already, whose quality stays; leave the quality out, or halve it"
            )
        file = source.coefficients()
        quality, _ = file.quality
        if quality not in QUALITIES:
            proved = quality > QUALITIES[-1]
            why = "where any change can be proved" if proved else "which leaves no colours to hide in"
            raise ImageError(f"{source.name} has JPEG quality {quality}, {why}; halve it, or choose another photo")
        return Chroma(JpegFile.read(stripped(file.data), file.name) if wish.strip_metadata else file)

    def salt(self, chroma: Chroma, version: int = VERSION) -> bytes:
        """SHA-256 of size, quantisation tables and visible luma coefficients."""
        file = chroma.file
        digest = hashlib.sha256(f"stegcinn jpeg {file.width}x{file.height}\n".encode())
        for plane in file.components:
            digest.update(plane.quantisation.astype("<u2").tobytes())
        for row in file.luma.visible:
            digest.update(row.astype("<i2").tobytes())
        return digest.digest()

    def is_slow(self, chroma: Chroma) -> bool:
        """That is told by a header."""
        return False

    def limit(self, chroma: Chroma) -> int:
        """By what is not zero."""
        return int(pricing.LOAD * pricing.busy(chroma.file)) // 8

    def evidence(self, chroma: Chroma) -> str | None:
        """Nothing in a JPEG file tells how its chroma was rounded."""
        return None

    def capacity(self, chroma: Chroma, wish: Wish, progress: Progress) -> Room:
        """The least of two bounds: a load that is hard to see, and a share of what there is room for."""
        if self.refusal(wish):
            return Room(0, colors="keep")
        every = self._coefficients(chroma)
        progress(0.5)
        most = pricing.capacity(every, pricing.busy(chroma.file))
        safe = min(most, pricing.load(every).longest(SAFE)) if most else 0
        progress(1.0)
        return Room(most, safe, "keep")

    def disturbance(self, chroma: Chroma, size: int, progress: Progress = silent) -> float | None:
        """From the expected distributions."""
        every = self._coefficients(chroma)
        most = pricing.capacity(every, pricing.busy(chroma.file))
        return pricing.load(every).disturbance(size) if size <= most > 0 else None

    def grades(self, chroma: Chroma, progress: Progress = silent) -> Grades | None:
        """As `disturbance`."""
        every = self._coefficients(chroma)
        most = pricing.capacity(every, pricing.busy(chroma.file))
        return Grades.of(pricing.load(every).grades(most)) if most > 0 else None

    def embed(
        self, chroma: Chroma, stream: bytes, key: Keys, wish: Wish, progress: Progress = silent
    ) -> Embedding[Chroma]:
        """Takes no more than `capacity`, even where more would fit."""
        if self.refusal(wish):
            raise CapacityError(len(stream), 0)
        every = self._coefficients(chroma)
        available = pricing.capacity(every, pricing.busy(chroma.file))
        if not available or len(stream) > available:
            raise CapacityError(len(stream), available)
        progress = rising(progress)  # as some embed again
        progress(PRICING_SHARE)
        order, seed = self._order(chroma, key), Keys(wish.random(KEY_SIZE))
        for _ in range(RECODINGS):
            values = self._embedded(every, order, stream, key, seed, progress)
            written = self._with_values(chroma.file, values)
            lacking = written.missing_symbols()
            if not lacking.symbols:
                progress(1.0)
                changed = float(np.mean(values != every.values))
                return Embedding(Chroma(written), changed, pricing.load(every).disturbance(len(stream)), "keep")
            for place in lacking.places.tolist():
                block = self._block(chroma.file, *place)
                changes = block.start + np.flatnonzero(values[block] != every.values[block])
                every.ways[changes[3 * len(changes) // 4 :]] = 0  # all of them would cost more room than it takes
        raise CapacityError(len(stream), len(stream) - 1)

    def losses(self, chroma: Chroma, suffix: str) -> list[str]:
        """None, but what is kept may tell more than one likes."""
        told = tells_position(chroma.file.data)
        return [GPS] if told else []

    def encode(self, chroma: Chroma, suffix: str) -> bytes:
        """The file itself, with the bits of changed blocks written anew."""
        return chroma.file.write()

    def check(self, host: Chroma, saved: Chroma) -> None:
        """Neither luma coefficients nor tables nor size may change, and no chroma coefficient by more than one."""
        before, after = host.file, saved.file
        pairs = list(zip(before.components, after.components, strict=True))
        same = (before.width, before.height) == (after.width, after.height)
        same &= all(a.coefficients.shape == b.coefficients.shape for a, b in pairs)
        same &= all(np.array_equal(a.quantisation, b.quantisation) for a, b in pairs)
        if not same or not np.array_equal(before.luma.coefficients, after.luma.coefficients):
            raise SelfCheckError("the luma of the container is not the host's; please report this")
        if any(np.abs(a.coefficients - b.coefficients).max(initial=0) > 1 for a, b in pairs):
            raise SelfCheckError("the colours of the container are too far from the host's; please report this")

    def extract(
        self, chroma: Chroma, key: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        """The header tells the whole length. There is nothing to be strict about: bits are right, or altered."""
        values, blocks = _values(chroma.file), _blocks(chroma.file)
        pieces, found = coefficients.order(blocks, key), list[UInt8]()
        while sum(map(len, found)) < min(layerheader.MOST, values.size // 2):
            found.append(coefficients.labels(values[next(pieces)]))
        head = np.concatenate(found)
        split, length, shares = layerheader.read(head, values.size, LAYERS, self.name, key)
        rest = np.concatenate([head[split:], *(coefficients.labels(values[piece]) for piece in pieces)])
        return Extraction(layered.read(rest, layered.sizes(8 * length, shares)), 1.0)

    # -- coefficients

    def _coefficients(self, chroma: Chroma) -> Coefficients:
        """All of the visible chroma blocks, Cb before Cr, blocks in raster order."""
        file, of_planes, ways, errors = chroma.file, [], [], None
        for index in (1, 2):
            plane = file.components[index]
            of_planes.append(pricing.classes(plane, pricing.dry_blocks(file, index)))
            ways.append(file.codable(index)[: plane.visible_rows, : plane.visible_columns].reshape(-1))
        classes = np.concatenate(of_planes)
        if chroma.errors is not None:  # what is forbidden stays so, even where it was rounded halfway
            errors = np.concatenate([each.reshape(-1) for each in chroma.errors])
            errors[classes == pricing.FORBIDDEN] = 0
        either = np.concatenate(ways)
        either &= np.uint8(PLUS | MINUS)
        return Coefficients(_values(file), classes, pricing.prices(), errors, either)

    def _order(self, chroma: Chroma, key: Keys) -> UInt32:
        return np.concatenate(list(coefficients.order(_blocks(chroma.file), key)))

    def _embedded(
        self, every: Coefficients, order: UInt32, stream: bytes, key: Keys, seed: Keys, progress: Progress
    ) -> Int16:
        """All values with the stream in them; CapacityError if it does not fit.

        With the same seed, most changes are the same again: what lacked no codes will not.
        """
        written = layerheader.write(
            every, order, stream, LAYERS, self.name, key,
            lambda s: progress(PRICING_SHARE + (1 - PRICING_SHARE) * s), Keystream(seed, "ties"),
        )  # fmt: skip
        if written is None:
            raise CapacityError(len(stream), len(stream) - 1)
        values = every.values.copy()
        for places, found in zip(np.split(order, [len(written[0].labels)]), written, strict=True):
            values[places] = coefficients.relabelled(values[places], found.labels)
        return values

    def _with_values(self, file: JpegFile, values: Int16) -> JpegFile:
        """The file with other visible chroma coefficients."""
        changed, at = {}, 0
        for index in (1, 2):
            plane = file.components[index]
            blocks = plane.coefficients.copy()
            size = plane.visible.size
            blocks[: plane.visible_rows, : plane.visible_columns] = values[at : at + size].reshape(plane.visible.shape)
            changed[index], at = blocks, at + size
        return file.with_coefficients(changed)

    def _block(self, file: JpegFile, index: int, row: int, column: int) -> slice:
        """Where a visible block of a chroma plane lies among all coefficients."""
        plane = file.components[index]
        before = file.components[1].visible[..., 0].size if index == 2 else 0
        start = MODES * (before + row * plane.visible_columns + column)
        return slice(start, start + MODES)


def _values(file: JpegFile) -> Int16:
    return np.concatenate([plane.visible.reshape(-1) for plane in file.chroma])


def _blocks(file: JpegFile) -> int:
    return sum(plane.visible[..., 0].size for plane in file.chroma)
