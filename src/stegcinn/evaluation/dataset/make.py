"""A batch of covers and their stegos, made in one process: files, rows of the manifest, and what could not be made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from stegcinn.carriers.base import Source
from stegcinn.carriers.formats import encode_photo
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.making import make
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Codec, Wish, silent
from stegcinn.errors import CapacityError, ImageError, SelfCheckError, describe
from stegcinn.evaluation.benchmark import jpegs
from stegcinn.evaluation.benchmark.containers import FULL, SAFE, SIMULATED, Embedder
from stegcinn.evaluation.dataset.draws import Draws
from stegcinn.evaluation.dataset.plan import DatasetPlan, Method, Place, grid, parsed, suffix_of
from stegcinn.evaluation.dataset.store import Store
from stegcinn.sealing.keys import KEY_SIZE, Keys
from stegcinn.stego import ATTEMPTS

TEST, VALIDATION = 0.25, 0.10  # shares of photos, as the benchmark splits them
COVER = "cover"
Result = TypeVar("Result")
Row = dict[str, str | int | float | None]


@dataclass(frozen=True)
class Batch:
    """Covers that are made one after the other."""

    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        """Of the file that tells what was made, written last."""
        first, last = self.places[0], self.places[-1]
        return f"rows/{first.name}-{last.index:07d}.json"


@dataclass(frozen=True)
class Tally:
    """How much a batch made."""

    covers: int
    stegos: int
    errors: int


@dataclass(frozen=True)
class Stego:
    """A stego's file, and what real methods hid in it, with which key."""

    file: bytes
    payload: bytes | None = None
    key: bytes | None = None
    disturbance: float | None = None


def make_batch(plan: DatasetPlan, photos: Store, out: Store, batch: Batch) -> Tally:
    """Make all files of a batch; what cannot be made is written down, and is no error of the whole."""
    maker = _Maker(plan, photos, out)
    for place in batch.places:
        maker.make(place)
    out.write(batch.name, json.dumps({"rows": maker.rows, "errors": maker.errors}).encode())
    covers = sum(row["method"] == COVER for row in maker.rows)
    return Tally(covers, len(maker.rows) - covers, len(maker.errors))


@dataclass(frozen=True)
class _Piece:
    """A piece of a photo, and where it lies in it."""

    photo: Photo
    x: int
    y: int
    jpeg: bytes | None = None  # the photo's own file, where that is a JPEG and the piece is all of it


class _Maker:
    """Makes covers and stegos one after the other, and takes note of them."""

    def __init__(self, plan: DatasetPlan, photos: Store, out: Store) -> None:
        self._plan, self._photos, self._out = plan, photos, out
        self._draws = Draws(plan.seed)
        self._methods = list(map(parsed, plan.methods))
        self.rows: list[Row] = []
        self.errors: list[dict[str, str]] = []

    def make(self, place: Place) -> None:
        """The covers of a place, one for each kind of file, and their stegos."""
        piece = self._tried(place, COVER, self._piece, place)
        if piece is None:
            return
        for suffix in dict.fromkeys(map(suffix_of, self._methods)):
            cover = self._tried(place, COVER, self._cover, piece, suffix)
            if cover is None:
                continue
            file = self._written(COVER, place, suffix, cover)
            facts: Row = {
                "cover": file, "cover_sha256": _digest(cover), "photo": place.photo, "x": piece.x, "y": piece.y,
                "split": _split(self._draws, place.photo),
            }  # fmt: skip
            self.rows.append({**facts, "file": file, "method": COVER, "sha256": _digest(cover)})
            for method in self._methods:
                if suffix_of(method) != suffix:
                    continue
                stego = self._tried(place, str(method), _stego, method, cover, self._draws, place)
                if stego is not None:
                    file = self._written(str(method), place, suffix, stego.file)
                    name, _, load = str(method).partition("@")
                    self.rows.append({**facts, "file": file, "method": name, "load": load, **_told(stego)})

    def _tried(self, place: Place, what: str, work: Callable[..., Result], *arguments: Any) -> Result | None:
        try:
            return work(*arguments)
        except Exception as error:  # whatever is wrong with one photo, others are to be made
            told = {"photo": place.photo, "index": str(place.index), "what": what, "reason": describe(error)}
            self.errors.append(told)
            return None

    def _written(self, folder: str, place: Place, suffix: str, data: bytes) -> str:
        name = f"{folder}/{place.name}{suffix}"
        self._out.write(name, data)
        return name

    def _piece(self, place: Place) -> _Piece:
        source, size = Source(self._photos.read(place.photo)), self._plan.size
        whole = source.halved(exact=True) if self._plan.halve else source
        photo = whole.photo()
        if photo.is_gray:
            raise ImageError("the photo is gray, and methods for colours have nothing to do; leave it out")
        if size is None:
            return _Piece(Photo(photo.rgb), 0, 0, whole.file if whole.is_jpeg else None)
        height, width = photo.rgb.shape[:2]
        rows, columns = grid((height, width), size)
        if not rows * columns:
            raise ImageError(f"the photo has {width}x{height} pixels, less than the covers; choose larger photos")
        order = self._draws.permutation(rows * columns, "pieces", place.photo)
        row, column = divmod(int(order[place.piece]), columns)
        y, x = (height - rows * size) // 2 + row * size, (width - columns * size) // 2 + column * size
        return _Piece(Photo(photo.rgb[y : y + size, x : x + size].copy()), x, y)

    def _cover(self, piece: _Piece, suffix: str) -> bytes:
        """The photo's own file, where that is a JPEG and one is wanted; else one that is made of its pixels."""
        if suffix == ".png":
            return encode_photo(piece.photo, suffix)
        return piece.jpeg or make(piece.photo, self._plan.quality).file.data


def _stego(method: Method, cover: bytes, draws: Draws, place: Place) -> Stego:
    """A stego of a cover's file, which depends on the seed, the place and the method alone."""
    purpose = place.photo, place.piece, str(method)
    if isinstance(method, Embedder):
        photo = Source(cover).photo()
        if method.method in SIMULATED:
            rgb = method.function()(photo.rgb, draws.generator("changes", *purpose))
            return Stego(encode_photo(Photo(rgb), ".png"))
        load = method.load if isinstance(method.load, str) else method.load * photo.pixels
        return _hidden(method.method, load, cover, draws, purpose)
    jpeg = JpegFile.read(cover, "the cover")
    if method.method == jpegs.CODEC:
        return _hidden(jpegs.CODEC, SAFE if method.load == SAFE else method.bits(jpeg), cover, draws, purpose)
    return Stego(method.stego(jpeg, draws.generator("changes", *purpose)).write())


def _hidden(name: str, load: float | str, cover: bytes, draws: Draws, purpose: tuple[object, ...]) -> Stego:
    """What a codec makes with a payload of random bytes, under a random key, without an envelope; read back.

    `load`: bits, or SAFE or FULL.
    """
    codec: Codec[Any] = load_codec(name)
    wish = Wish("keep", random=draws.stream("draws", *purpose))
    host = codec.host(Source(cover), wish)
    size = _size(codec, host, wish, load)
    payload, key = draws.stream("payload", *purpose)(size), draws.stream("key", *purpose)(KEY_SIZE)
    for _ in range(ATTEMPTS):
        made = codec.embed(host, payload, Keys(key), wish, silent)
        file = codec.encode(made.carrier, codec.formats[0])
        saved = codec.open(Source(file))
        codec.check(host, saved)
        if codec.extract(saved, Keys(key), lambda start: size).stream[:size] == payload:
            return Stego(file, payload, key, made.disturbance)
    raise SelfCheckError("the payload could not be read back; leave the photo out")


def _told(stego: Stego) -> Row:
    payload, key = stego.payload, stego.key
    return {
        "sha256": _digest(stego.file), "payload_bytes": None if payload is None else len(payload),
        "payload_sha256": None if payload is None else _digest(payload), "key": None if key is None else key.hex(),
        "disturbance": stego.disturbance,
    }  # fmt: skip


def _size(codec: Codec[Any], host: Any, wish: Wish, load: float | str) -> int:
    """Bytes; CapacityError if there are none."""
    if isinstance(load, str):
        room = codec.capacity(host, wish, silent)
        size = room.most if load == FULL else room.safe
    else:
        size = round(load / 8)
    if not size:
        raise CapacityError(1, 0)
    return size


def _split(draws: Draws, photo: str) -> str:
    """All pieces of a photo are for the same."""
    share = draws.share("split", photo)
    return "test" if share < TEST else "validation" if share < TEST + VALIDATION else "train"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
