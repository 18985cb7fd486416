"""The codec `robust`: a payload that survives what messengers do to a photo.

It lies in the lowest coefficients of chroma, as 4:2:0 JPEG files have them, each on one of two lattices. How coarse
those are is chosen by what simulated channels leave, and what is handed out was read back behind each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from PIL import Image

from stegcinn.carriers import formats
from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile import making
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Embedding, Extraction, Progress, Room, StreamSize, Wish, rising, silent
from stegcinn.codecs.robust import choosing, grid, lumaprint, reading, search, writing
from stegcinn.codecs.robust.channels import USUAL, Channel, parse
from stegcinn.codecs.robust.choosing import Choice, Trial
from stegcinn.codecs.robust.code import MOST_BYTES, Header, new_nonce
from stegcinn.codecs.robust.grid import View
from stegcinn.codecs.robust.places import LEAST_BLOCKS, SLOTS, Places
from stegcinn.codecs.robust.writing import Host, JpegHost, PixelHost
from stegcinn.errors import CapacityError, ImageError, RevealError, SelfCheckError
from stegcinn.runtime.arrays import Float32
from stegcinn.sealing import compact
from stegcinn.sealing.envelope import Envelope
from stegcinn.sealing.keys import VERSION, Keys, RandomBytes

SALT = b"stegcinn robust: no salt is left"  # 32 bytes, the same for all pictures: none of their own survives
TRIED = 2  # strengths of which the better one is tried first
AGAIN = 2  # times that all is tried once more, at other places, should nothing come through


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as a host or a container: `file` if it is a JPEG of halved chroma, else `photo`.

    `host` and `channel` are there where something is to be hidden.
    """

    source: Source
    file: JpegFile | None = None
    host: Host | None = None
    channel: Channel | None = None

    @cached_property
    def photo(self) -> Photo:
        """Its pixels."""
        return self.source.photo()

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        if self.file is not None:
            return self.file.width, self.file.height
        height, width, _ = self.photo.rgb.shape
        return width, height

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.size[0] * self.size[1]

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of chroma blocks."""
        width, height = self.size
        return -(-height // grid.CELL), -(-width // grid.CELL)

    def view(self) -> View:
        """As a receiver has it."""
        return View.of_file(self.file, self.photo.rgb)

    def planes(self) -> Float32:
        """Its halved planes, see `grid.View`."""
        return grid.halved(self.file, self.photo.rgb)


class RobustCodec:
    """See `codecs.base.Codec` for the interface."""

    name = "robust"
    label = "robust: survives messengers"
    auto = False
    first_version = 2
    formats = (".jpg", ".png")
    envelope: Envelope = compact
    shared_salt = True

    def ready(self) -> None:
        """Nothing to wait for."""

    def refusal(self, wish: Wish) -> str | None:
        """Colours stay near their values."""
        return "it keeps the colours of the host" if wish.colors == "generate" else None

    def open(self, source: Source) -> Picture:
        """The coefficients of a JPEG file, or the pixels of any."""
        source.photo()  # which is looked at in any case
        with suppress(ImageError):  # some JPEG files are of a kind that is only decoded
            return Picture(source, source.coefficients())
        return Picture(source)

    def host(self, source: Source, wish: Wish) -> Picture:
        """A JPEG file that is made of the photo at the channel's size; or its pixels, for another kind of file."""
        channel = parse(wish.channel or USUAL)
        photo = _scaled(source.photo(), channel.long_edge)
        scaled = Source(photo)
        if wish.suffix == ".png":
            return Picture(scaled, None, PixelHost(photo), channel)
        quality = wish.quality or (channel.quality if channel.known else making.QUALITY)
        made = making.make(photo, quality)
        return Picture(scaled, made.file, JpegHost(made, quality), channel)

    def salt(self, picture: Picture, version: int = VERSION) -> bytes:
        """One for all, as nothing of a picture survives."""
        return SALT

    def is_slow(self, picture: Picture) -> bool:
        """Pilots tell."""
        return False

    def limit(self, picture: Picture) -> int:
        """By the places that there are."""
        rows, columns = picture.blocks
        return min(MOST_BYTES, rows * columns * grid.PLANES * SLOTS // 8)

    def evidence(self, picture: Picture) -> str | None:
        """That of the photo where its pixels are kept; a JPEG file is made anew in any case."""
        return picture.photo.evidence if isinstance(picture.host, PixelHost) else None

    def capacity(self, picture: Picture, wish: Wish, progress: Progress) -> Room:
        """What the best strength takes, by trials."""
        most = 0
        if self.refusal(wish) is None and _has_room(picture) and _keeps_print(picture):
            for trial in self._trials(picture, progress):
                found = trial.most()
                if found < most:  # it is past the best, and gets worse
                    break
                most = found
        progress(1.0)
        return Room(most, colors="keep")

    def disturbance(self, picture: Picture, size: int, progress: Progress = silent) -> float | None:
        """It cannot tell."""
        return None

    def embed(
        self, picture: Picture, stream: bytes, keys: Keys, wish: Wish, progress: Progress = silent
    ) -> Embedding[Picture]:
        """With the least change that came through the channel when it was tried, and again when it was written.

        SelfCheckError if nothing comes through.
        """
        progress, host, size = rising(progress), picture.host, len(stream)
        if self.refusal(wish) or host is None or picture.channel is None or not _has_room(picture):
            raise CapacityError(size, 0)
        if size > self.limit(picture):
            raise CapacityError(size, self.capacity(picture, wish, progress).most)
        seen = print_of(host, picture.channel)
        places, fits = Places(keys, *picture.blocks, seen=seen), False
        for choice in self._choices(picture, size, lambda share: progress(0.9 * share)):
            fits = True
            written = self._written(picture, host, places, choice, stream, keys, wish.random)
            if comes_through(written, picture.channel, places, seen, stream, keys):
                progress(1.0)
                survival = picture.channel.survival(*host.size)
                changed = writing.changed(host, written)
                return Embedding(_container(written), changed, colors="keep", survival=survival)
        if not fits:
            raise CapacityError(size, self.capacity(picture, wish, silent).most)
        raise SelfCheckError(
            f"the payload does not surely survive {wish.channel or USUAL} in this photo; hide less, or in another one"
        )

    def losses(self, picture: Picture, suffix: str) -> list[str]:
        """Of the colour profile, at most."""
        return [] if suffix == ".jpg" else formats.losses(picture.photo, suffix)

    def encode(self, picture: Picture, suffix: str) -> bytes:
        """The JPEG file, or pixels without loss; one made of the other where that is asked for."""
        if suffix == ".jpg":
            return (picture.file or making.make(picture.photo).file).write()
        if picture.file is not None:
            return formats.encode_photo(Source(picture.file.write()).photo(), suffix)
        return formats.encode_photo(picture.photo, suffix)

    def check(self, host: Picture, saved: Picture) -> None:
        """Luma coefficients may not change in a JPEG file, nor luma and transparency of pixels."""
        same = host.size == saved.size
        if host.file is not None and saved.file is not None:
            same = same and np.array_equal(host.file.luma.coefficients, saved.file.luma.coefficients)
        elif host.file is None and saved.file is None:
            same = same and np.array_equal(host.photo.luma, saved.photo.luma)
            same = same and np.array_equal(host.photo.visible, saved.photo.visible)
        if not same:
            raise SelfCheckError("the luma of the container is not the host's; please report this")

    def extract(
        self, picture: Picture, keys: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        """The header tells the whole length. Who is not `strict` looks for pictures that lie another way, too."""
        seen = lumaprint.thumbnail(picture.photo.rgb)
        prints = lumaprint.likely(seen, lumaprint.SURE if strict else lumaprint.TRIED)
        try:
            found = reading.read_any(picture.view(), (None, *prints), keys, strict=strict)
        except RevealError:
            if strict:
                raise
            found = search.read(picture.planes(), seen, *picture.size, keys, progress)
        return Extraction(found.stream, found.raw_accuracy)

    def _choices(self, picture: Picture, size: int, progress: Progress) -> Iterator[Choice]:
        """For a stream: what gentle strengths offer, then stronger ones; and all once more at other places."""
        offered, trials = list[Choice](), self._trials(picture, progress)
        while batch := list(islice(trials, 1 if offered else TRIED)):
            choices = choosing.usable(batch, size)
            offered += choices
            yield from choices
        yield from AGAIN * offered

    def _trials(self, picture: Picture, progress: Progress) -> Iterator[Trial]:
        if picture.host is None or picture.channel is None:
            raise ValueError("this is no host")
        count = len(choosing.strengths(picture.channel))
        for done, trial in enumerate(choosing.trials(picture.host, picture.channel, *picture.blocks)):
            progress((done + 1) / count)
            yield trial

    def _written(
        self, picture: Picture, host: Host, places: Places, choice: Choice, stream: bytes, keys: Keys,
        random: RandomBytes,
    ) -> Host:  # fmt: skip
        width, height = host.size
        header = Header(len(stream), choice.rate, choice.strength, width, height, new_nonce(random))
        dithered = host.table != choice.strength
        return host.written(places, writing.text(places, header, stream, keys, random, dithered=dithered))


def _has_room(picture: Picture) -> bool:
    rows, columns = picture.blocks
    return rows * columns * grid.PLANES >= LEAST_BLOCKS


def print_of(host: Host, channel: Channel) -> int | None:
    """What the places of a host depend on besides the key, if anything.

    SelfCheckError if that is lost on the way.
    """
    if not channel.whole:
        return None
    image = host.image()
    seen = lumaprint.of(lumaprint.thumbnail(np.asarray(image)))
    for trip in channel.trips:
        _, rgb = choosing.resaved(image, channel.kind, *trip)
        if seen not in lumaprint.likely(lumaprint.thumbnail(rgb), lumaprint.SURE // 2):  # hiding moves it a little, too
            raise SelfCheckError(
                f"a payload does not surely survive {channel.name} in this photo, as its gray-scale is too plain; "
                "hide in another one"
            )
    return seen


def _keeps_print(picture: Picture) -> bool:
    if picture.host is None or picture.channel is None:
        raise ValueError("this is no host")
    try:
        print_of(picture.host, picture.channel)
    except SelfCheckError:
        return False
    return True


def _scaled(photo: Photo, long_edge: int | None) -> Photo:
    """At the size that a channel would give it."""
    height, width, _ = photo.rgb.shape
    if long_edge is None or max(width, height) <= long_edge:
        return photo
    scale = long_edge / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = np.asarray(photo.to_pil().resize(size, Image.Resampling.LANCZOS))
    alpha = None if photo.alpha is None else np.ascontiguousarray(image[..., 3])
    return Photo(np.ascontiguousarray(image[..., :3]), alpha, photo.icc_profile)


def comes_through(written: Host, channel: Channel, places: Places, seen: int | None, stream: bytes, keys: Keys) -> bool:
    """Whether a receiver reads the stream behind the channel, after each of its trips; `seen`: the print of places."""
    image = written.image()
    try:
        for trip in channel.trips:
            view, rgb = choosing.sent(image, channel.kind, *trip)
            if seen is not None and seen not in lumaprint.likely(lumaprint.thumbnail(rgb), lumaprint.SURE):
                return False
            if reading.read(view, places, keys, strict=True).stream != stream:
                return False
    except RevealError:
        return False
    return True


def _container(written: Host) -> Picture:
    if isinstance(written, JpegHost):
        file = written.made.file
        return Picture(Source(file.write()), file, written)
    if isinstance(written, PixelHost):
        return Picture(Source(written.photo), None, written)
    raise ValueError(f"no container is made of {type(written).__name__}")
