"""The straight line from a payload to a container and back. Read this first.

hide:    payload -> envelope (compress, encrypt, frame) -> codec (bits into a carrier) -> file -> reveal, compare
reveal:  image -> codec (carrier into bits) -> envelope (authenticate, decrypt, decompress) -> payload

Both sides derive their keys from the password and from a salt that the codec finds in the carrier, the same in a host
and in its containers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from stegcinn.carriers.base import ImageSource, Source
from stegcinn.carriers.formats import check_suffix
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import (
    Codec,
    Colors,
    Judgement,
    Progress,
    Room,
    Wish,
    judge,
    judge_disturbance,
    portions,
    silent,
)
from stegcinn.errors import (
    CapacityError,
    MachineError,
    RevealError,
    SelfCheckError,
    StegcinnWarning,
    UsageError,
)
from stegcinn.files import write_atomic
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Packed, Payload
from stegcinn.sealing.keys import Keyring

ATTEMPTS = 6  # embeddings, should a container fail its own check
AS_USUAL = Wish()
PUBLIC = "without a password, anyone with stegcinn can read the payload"


@dataclass(frozen=True)
class Capacity:
    """What `hide` will surely take: payload bytes, and the same as net bits per pixel of the saved image.

    Of these, `safe_bytes` are as good as unseen by the attackers measured (docs/security.md): none in a host that is
    `decoded`, as any change to it can be proved; `evidence` says how. `per_codec` has the bytes that each codec takes
    which may be chosen, and `codec` is the one that takes the most.
    """

    bytes: int
    bpp: float
    codec: str
    colors: Colors | None
    per_codec: dict[str, int]
    safe_bytes: int
    decoded: bool
    evidence: str | None

    def judge(self, size: int) -> Judgement:
        """What an attacker would make of a payload of `size` bytes, as it is stored."""
        return judge(self.evidence, safe=size <= self.safe_bytes)


@dataclass(frozen=True)
class Container:
    """A verified container: the encoded file, and facts about it. It is a file: saving its pixels anew may lose it."""

    file: bytes = field(repr=False)
    suffix: str  # of its format, as in ".png"
    name: str | None  # of the payload; None if it had to go for the payload to fit
    codec: str
    colors: Colors | None
    judgement: Judgement
    disturbance: float | None  # see `codecs.base.Embedding`
    pixels: int
    changed: float  # share of pixels that are not the host's any more
    raw_accuracy: float  # share of embedded bits that read back right before error correction
    notes: tuple[str, ...]  # what whoever hid the payload should know, a line each

    @cached_property
    def image(self) -> Image.Image:
        """The picture, to look at."""
        image = Image.open(BytesIO(self.file))
        image.load()
        return image

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the file, in full or not at all; UsageError for a name of another format, or one that is taken."""
        check_suffix(path, (self.suffix,))
        write_atomic(Path(path), self.file, overwrite=overwrite)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.image, dtype)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        buffer = BytesIO()
        self.image.save(buffer, "PNG")
        return buffer.getvalue()


def hide(
    host: ImageSource, payload: bytes | bytearray | memoryview, *, password: str | None = None,
    codec: str | None = None, colors: Colors | None = None, halve: bool = False, format: str | None = None,
    progress: Progress | None = None,
) -> Container:  # fmt: skip
    """Hide `payload` in `host` and return the container, verified; `save` it as it is.

    `host`: a path, encoded bytes, a binary file object, a PIL image or an (H, W, 3) uint8 array, 64x64 to 50
    megapixels; scaled down to half first if `halve`. `codec`: one of CODECS; by default the first that takes the
    payload of those that may be chosen. `colors`: "keep" the host's coarse colours, or "generate" new ones for its
    gray-scale; default keep, but generate for a gray host. `format`: of the file, as in "png", "webp" or "tif".
    `progress` is called with the share of the work done. Without a password anyone with stegcinn can read the payload.

    Warns with StegcinnWarning of all that is in the container's `notes`. Raises CapacityError, ImageError, UsageError,
    SelfCheckError if the container could not be verified, or MachineError where a codec cannot run.
    """
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise UsageError(f"the payload must be bytes, not {type(payload).__name__}")
    suffix = None if format is None else check_suffix(f"image.{format.removeprefix('.')}", suffixes(codec))
    container = conceal(
        _opened(host, halve), Payload(bytes(payload)), password=password, codec=codec, wish=Wish(colors), suffix=suffix,
        progress=progress or silent,
    )  # fmt: skip
    _warn(container.notes)
    return container


def reveal(
    container: ImageSource | Container, *, password: str | None = None, progress: Progress | None = None
) -> bytes:
    """Return the payload of a container, exactly as it was hidden.

    Raises RevealError if there is none, the password is wrong, or the image was altered: these cannot be told apart.
    Also ImageError, UsageError, and MachineError if nothing was found where some codec cannot run.
    """
    return open_payload(container, password=password, progress=progress).data


def open_payload(
    container: ImageSource | Container, *, password: str | None = None, progress: Progress | None = None
) -> Payload:
    """`reveal` with the payload's name, which is a suggestion of whoever hid it."""
    source = Source(container.file if isinstance(container, Container) else container)
    payload = uncover(source, password=password, progress=progress or silent)
    _warn(source.notes)
    return payload


def capacity(
    host: ImageSource, *, codec: str | None = None, colors: Colors | None = None, halve: bool = False,
    progress: Progress | None = None,
) -> Capacity:  # fmt: skip
    """Measure how large a payload `hide` will surely take in this host; `bytes` is 0 if it can take none."""
    source = _opened(host, halve)
    found = measure(source, codec=codec, wish=Wish(colors), progress=progress or silent)
    _warn(source.notes)
    return found


def conceal(
    source: Source, payload: Payload, *, password: str | None = None, codec: str | None = None, wish: Wish = AS_USUAL,
    suffix: str | None = None, progress: Progress = silent,
) -> Container:  # fmt: skip
    """Hide a payload with its name and return the encoded file, verified: what cannot be verified is not returned."""
    *first, last = _candidates(codec, wish, suffix)
    task, packed = _Task(source, Keyring(password), wish, suffix, progress), envelope.pack(payload)
    for each in first:
        with suppress(CapacityError, SelfCheckError):
            if packed.sealed_size <= each.limit(each.open(source)):
                return _conceal(task, packed, each)
    try:
        return _conceal(task, packed, last)
    except CapacityError as error:
        name_size = len(packed.name)
        if name_size == 0 or error.needed - name_size > error.available:  # leaving the name out would not help
            raise _of_payload(error, name_size) from None
    try:
        return _conceal(task, packed.without_name(), last)
    except CapacityError as error:
        raise _of_payload(error, 0) from None


@dataclass(frozen=True)
class _Task:
    source: Source
    keyring: Keyring
    wish: Wish
    suffix: str | None
    progress: Progress


def _conceal(task: _Task, packed: Packed, codec: Codec[Any]) -> Container:
    suffix, host = task.suffix or codec.formats[0], codec.open(task.source)
    notes = [*task.source.notes, *codec.losses(host, suffix)]  # before the work, as it may refuse
    keys = task.keyring(codec.salt(host))
    for _ in range(ATTEMPTS):  # each with a new salt and new filling
        stream = envelope.seal(packed, keys)
        embedding = codec.embed(host, stream, keys, task.wish, lambda share: task.progress(0.8 * share))
        file = codec.encode(embedding.carrier, suffix)
        try:
            raw_accuracy = _verify(file, host, packed.payload, task.keyring, codec)
        except RevealError:
            continue
        task.progress(1.0)
        if packed.dropped_name:
            notes.append(f"the name {packed.dropped_name} was left out to make the payload fit")
        judgement = judge_disturbance(codec.evidence(host), embedding.disturbance)
        if judgement.verdict != "safe":
            notes.append(judgement.reason)
        if task.keyring.public:
            notes.append(PUBLIC)
        return Container(
            file, suffix, packed.payload.name, codec.name, embedding.colors, judgement, embedding.disturbance,
            host.pixels, embedding.changed, raw_accuracy, tuple(notes),
        )  # fmt: skip
    raise SelfCheckError(
        "the container could not be read back with the margin we ask for; try a smaller payload or another photo"
    )


def _verify(file: bytes, host: Any, payload: Payload, keyring: Keyring, codec: Codec[Any]) -> float:
    """Reveal from the encoded file as a receiver would, with less effort; raw accuracy, or RevealError."""
    saved = codec.open(Source(file))
    codec.check(host, saved)
    keys = keyring(codec.salt(saved))
    extraction = codec.extract(saved, keys, partial(envelope.stream_size, keys=keys), strict=True)
    if envelope.unseal(extraction.stream, keys).data != payload.data:
        raise RevealError
    return extraction.raw_accuracy


def uncover(source: Source, *, password: str | None = None, progress: Progress = silent) -> Payload:
    """`open_payload` of a source."""
    keyring = Keyring(password)
    failure: RevealError | MachineError = RevealError()
    for name, report in zip(CODECS, portions(progress, len(CODECS)), strict=True):
        codec = load_codec(name)  # nothing in the image tells which one it was
        carrier = codec.open(source)
        keys = keyring(codec.salt(carrier))
        try:
            stream = codec.extract(carrier, keys, partial(envelope.stream_size, keys=keys)).stream
            payload = envelope.unseal(stream, keys)
        except MachineError as error:
            failure = error  # worth telling, should no other codec find anything
        except RevealError:
            pass
        else:
            progress(1.0)
            return payload
        report(1.0)
    raise failure


def measure(
    source: Source, *, codec: str | None = None, wish: Wish = AS_USUAL, progress: Progress = silent
) -> Capacity:
    """`capacity` of a source."""
    candidates = _candidates(codec, wish, None)
    rooms: dict[str, Room] = {}
    failure: MachineError | None = None
    for each, report in zip(candidates, portions(progress, len(candidates)), strict=True):
        try:
            rooms[each.name] = each.capacity(each.open(source), wish, report)
        except MachineError as error:
            failure = error  # worth telling, should no other codec run
    if failure and not rooms:
        raise failure
    sizes = {name: max(0, room.most - envelope.OVERHEAD) for name, room in rooms.items()}
    best = max(sizes, key=lambda name: sizes[name])
    host = load_codec(best).open(source)
    evidence = load_codec(best).evidence(host)
    safe = max(0, max(room.safe for room in rooms.values()) - envelope.OVERHEAD)
    bpp = 8 * sizes[best] / host.pixels
    return Capacity(sizes[best], bpp, best, rooms[best].colors, sizes, safe, evidence is not None, evidence)


def _candidates(name: str | None, wish: Wish, suffix: str | None) -> list[Codec[Any]]:
    """Codecs to try in turn: the one that is asked for, or all that may be chosen and do what is wished."""
    if name is None:
        usual = [codec for codec in map(load_codec, CODECS) if codec.auto and codec.refusal(wish) is None]
        fitting = [codec for codec in usual if suffix is None or suffix in codec.formats]
        if not fitting:
            raise UsageError(f"no codec does all of this in a {suffix} file; choose another format, or fewer options")
        return fitting
    if name not in CODECS:
        raise UsageError(f"unknown codec {name!r}; choose one of {', '.join(CODECS)}")
    codec = load_codec(name)
    if refusal := codec.refusal(wish):
        raise UsageError(f"codec {name} cannot do that: {refusal}; leave one of the two choices out")
    return [codec]


def suffixes(codec: str | None = None) -> tuple[str, ...]:
    """Of the files that `hide` can write, with any codec or that one; the usual one first."""
    names = CODECS if codec is None else (codec,)
    return tuple(dict.fromkeys(suffix for name in names for suffix in load_codec(name).formats))


def _opened(host: ImageSource, halve: bool) -> Source:
    return Source(host).halved() if halve else Source(host)


def _of_payload(error: CapacityError, name_size: int) -> CapacityError:
    """The same in bytes of payload, as users count: without what the envelope and a name of `name_size` bytes add."""
    return CapacityError(error.needed - name_size - envelope.OVERHEAD, max(0, error.available - envelope.OVERHEAD))


def _warn(notes: Iterable[str]) -> None:
    """In the caller's name who called the function that calls this."""
    for note in notes:
        warnings.warn(note, StegcinnWarning, stacklevel=3)
