"""What a data set is made of: covers and where they are cut, methods and their loads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from stegcinn.carriers.jpegfile.making import QUALITIES, QUALITY
from stegcinn.carriers.photo import MIN_SIDE
from stegcinn.codecs import CODECS, load_codec
from stegcinn.errors import UsageError
from stegcinn.evaluation.benchmark import jpegs
from stegcinn.evaluation.benchmark.containers import Embedder
from stegcinn.evaluation.benchmark.hosts import SUFFIXES
from stegcinn.evaluation.benchmark.jpegs import JpegEmbedder
from stegcinn.evaluation.dataset.draws import Draws
from stegcinn.evaluation.dataset.store import Store

Method = Embedder | JpegEmbedder  # for pixels; for JPEG files
BATCH = 25  # covers that are made one after the other, and are there whole or not at all for whoever goes on
SHARD = 1000  # covers in a folder


@dataclass(frozen=True)
class DatasetPlan:
    """All that decides which bytes a data set has, besides its photos and how many covers there are."""

    methods: tuple[str, ...]
    seed: int = 0
    size: int | None = None  # of covers, which are squares cut out of photos; None: whole photos
    halve: bool = False  # whether photos are scaled down to half first
    quality: int = QUALITY  # of JPEG covers, where they are not the photos' own files

    def __post_init__(self) -> None:
        if self.size is not None and self.size < MIN_SIDE:
            raise UsageError(f"covers have at least {MIN_SIDE} pixels a side, not {self.size}")
        if self.quality not in QUALITIES:
            raise UsageError(f"the quality is {QUALITIES.start} to {QUALITIES[-1]}, not {self.quality}")


@dataclass(frozen=True)
class Place:
    """Where a cover comes from."""

    index: int
    photo: str
    piece: int  # which of the photo's pieces, in an order drawn from the seed

    @property
    def name(self) -> str:
        """As files are called, without a suffix."""
        return f"{self.index // SHARD:04d}/{self.index:07d}"


def parsed(text: str) -> Method:
    """A method and its load; UsageError for what there is not, and for programs that draw by themselves."""
    name = text.partition("@")[0]
    if name in jpegs.PROGRAMS:
        raise UsageError(f"{name} draws by itself, so that nothing could be made again; choose another method")
    if name in jpegs.METHODS:
        return JpegEmbedder.parse(text)
    method = Embedder.parse(text)
    if name in CODECS and load_codec(name).formats[0] != ".png":
        raise UsageError(f"{name} makes a host of its own of a photo, so that there is no cover; choose another method")
    return method


def suffix_of(method: Method) -> str:
    """Of covers and stegos."""
    return ".jpg" if isinstance(method, JpegEmbedder) else ".png"


def places(photos: Store, names: list[str], plan: DatasetPlan, count: int | None) -> list[Place]:
    """The covers: a piece of each photo, then another of each that has more, until there are `count` or no more.

    By default one of each. Photos come in an order drawn from the seed.
    """
    order = [names[index] for index in Draws(plan.seed).permutation(len(names), "photos")]
    found: list[Place] = []
    for piece, photo in _pieces(photos, order, plan, len(order) if count is None else count):
        found.append(Place(len(found), photo, piece))
        if len(found) == count:
            break
    return found


def _pieces(photos: Store, order: list[str], plan: DatasetPlan, count: int) -> Iterator[tuple[int, str]]:
    yield from ((0, photo) for photo in order)
    if count <= len(order) or plan.size is None:
        return
    there = {photo: grid(_pixels(photos.read(photo), plan.halve), plan.size) for photo in order}
    for piece in range(1, max(rows * columns for rows, columns in there.values())):
        yield from ((piece, photo) for photo in order if piece < there[photo][0] * there[photo][1])


def grid(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """How many pieces fit below and beside each other in a picture of (height, width)."""
    return shape[0] // size, shape[1] // size


def _pixels(file: bytes, halve: bool) -> tuple[int, int]:
    """Height and width as the file's head tells; nothing for what is no picture."""
    try:
        with Image.open(io.BytesIO(file)) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5  # orientations that swap the sides
    except (OSError, ValueError):
        return 0, 0
    sides = (width, height) if turned else (height, width)
    return (sides[0] // 2, sides[1] // 2) if halve else sides


def photos_in(photos: Store) -> dict[str, int]:
    """Names and sizes of image files, in order."""
    return {name: size for name, size in photos.sizes().items() if f".{name.lower().rpartition('.')[2]}" in SUFFIXES}
