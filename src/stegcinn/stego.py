"""The straight line from a payload to a container and back. Read this first.

hide:    payload -> envelope (compress, encrypt, frame) -> codec (bits into a carrier) -> file -> reveal, compare
reveal:  image -> codec (carrier into bits) -> envelope (authenticate, decrypt, decompress) -> payload

Both sides derive their keys from the password and from a salt that the codec finds in the carrier, the same in a host
and in its containers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from stegcinn import candidates
from stegcinn.candidates import AS_USUAL
from stegcinn.carriers import formats
from stegcinn.carriers.base import ImageSource, Source
from stegcinn.carriers.formats import LOSSLESS, check_suffix
from stegcinn.codecs.base import (
    C,
    Codec,
    Colors,
    Mapped,
    Progress,
    Room,
    Wish,
    judge_disturbance,
    portions,
    rising,
    silent,
)
from stegcinn.errors import (
    CapacityError,
    ImageError,
    MachineError,
    RevealError,
    SelfCheckError,
    StegcinnWarning,
    UsageError,
)
from stegcinn.results import Capacity, Container, Route
from stegcinn.runtime.arrays import Float32
from stegcinn.sealing import envelope, sharing
from stegcinn.sealing.envelope import Packed, Payload
from stegcinn.sealing.keys import VERSIONS, Keyring

ATTEMPTS = 6  # embeddings, should a container fail its own check
GRAY = "this photo is gray, and hiding gives it colours, which may be noticed: a colour photo hides better"
COLOURED = "the photo was gray and has colours now"
PUBLIC = "without a password, anyone with stegcinn can read the payload"


def hide(
    host: ImageSource, payload: bytes | bytearray | memoryview, *, password: str | None = None,
    codec: str | None = None, colors: Colors | None = None, halve: bool = False, channel: str | None = None,
    format: str | None = None, progress: Progress | None = None,
) -> Container:  # fmt: skip
    """Hide `payload` in `host` and return the container, verified; `save` it as it is.

    `host`: a path, encoded bytes, a binary file object, a PIL image or an (H, W, 3) uint8 array, 64x64 to 50
    megapixels; scaled down to half first if `halve`. `codec`: one of CODECS; by default the first that takes the
    payload of those that may be chosen. `colors`: "keep" the host's coarse colours, or "generate" new ones for its
    gray-scale; default keep, but generate for a gray host. `channel`: what the container has to come through, by its
    name in `channels()` or as "long-edge=1600,quality=70", "quality>=62" or "webp>=80": then codec robust hides.
    `format`: of the file, as in "png", "webp" or "tif".
    `progress` is called with the share of the work done. Without a password anyone with stegcinn can read the payload.

    Warns with StegcinnWarning of all that is in the container's `notes`, and that it is to be sent as it is. Raises
    CapacityError, ImageError, UsageError, SelfCheckError if the container could not be verified, or MachineError where
    a codec cannot run.
    """
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise UsageError(f"the payload must be bytes, not {type(payload).__name__}")
    suffix = None if format is None else check_suffix(f"image.{format.removeprefix('.')}", candidates.suffixes(codec))
    container = conceal(
        _source(host, halve), Payload(bytes(payload)), password=password, codec=codec,
        wish=Wish(colors, channel=channel), suffix=suffix, progress=progress or silent,
    )  # fmt: skip
    _warn((*container.notes, *container.advice))
    return container


def reveal(
    container: ImageSource | Container, *, password: str | None = None, thorough: bool = False,
    progress: Progress | None = None,
) -> bytes:  # fmt: skip
    """Return the payload of a container, exactly as it was hidden.

    `thorough`: look for codecs, too, that take long to look for in so large an image. Raises RevealError if there is
    none, the password is wrong, or the image was altered: these cannot be told apart. Also ImageError, UsageError, and
    MachineError if nothing was found where some codec cannot run.
    """
    source = _source(container)
    payload = uncover(source, password=password, thorough=thorough, progress=progress or silent)
    _warn(source.notes)
    return payload.data


def open_payload(
    container: ImageSource | Container, *, password: str | None = None, thorough: bool = False,
    progress: Progress | None = None,
) -> Payload:  # fmt: skip
    """`reveal` with the payload's name, which is a suggestion of whoever hid it."""
    source = _source(container)
    payload = uncover(source, password=password, thorough=thorough, progress=progress or silent)
    _warn(source.notes)
    return payload


def capacity(
    host: ImageSource, *, codec: str | None = None, colors: Colors | None = None, halve: bool = False,
    channel: str | None = None, progress: Progress | None = None,
) -> Capacity:  # fmt: skip
    """Measure how large a payload `hide` will surely take in this host; `bytes` is 0 if it can take none."""
    source = _source(host, halve)
    found = measure(source, codec=codec, wish=Wish(colors, channel=channel), progress=progress or silent)
    _warn(source.notes)
    return found


def conceal(
    source: Source, payload: Payload, *, password: str | Keyring | None = None, codec: str | None = None,
    wish: Wish = AS_USUAL, suffix: str | None = None, among: Sequence[Codec[Any]] | None = None,
    progress: Progress = silent,
) -> Container:  # fmt: skip
    """Hide a payload with its name and return the encoded file, verified: what cannot be verified is not returned.

    `password`: or the keys under one. `among`: the codecs that there are, instead of those that ship.
    """
    wish = candidates.asked(wish, codec, suffix)
    *first, last = candidates.hosts(source, wish, candidates.chosen(codec, wish, suffix, among))
    packed = envelope.pack(payload)
    notes = [*source.notes, *name_notes(packed.payload)]
    keyring = password if isinstance(password, Keyring) else Keyring(password)
    task = _Task(notes, keyring, wish, suffix, rising(progress))
    for each, host in first:
        with suppress(CapacityError, SelfCheckError):
            if each.envelope.OVERHEAD + packed.contents_size <= each.limit(host):
                return _conceal(task, packed, each, host)
    try:
        return _conceal(task, packed, *last)
    except CapacityError as error:
        name_size = packed.name_field
        if name_size == 0 or error.needed - name_size > error.available:  # leaving the name out would not help
            raise _of_payload(error, name_size, last[0], payload, source) from None
    try:
        return _conceal(task, packed.without_name(), *last)
    except CapacityError as error:
        raise _of_payload(error, 0, last[0], payload, source) from None


@dataclass(frozen=True)
class _Task:
    """What is the same whichever codec hides."""

    notes: list[str]
    keyring: Keyring
    wish: Wish
    suffix: str | None
    progress: Progress


def _conceal(task: _Task, packed: Packed, codec: Codec[C], host: C) -> Container:
    suffix = task.suffix or codec.formats[0]
    notes = list(dict.fromkeys([*task.notes, *codec.losses(host, suffix)]))  # before the work, as it may refuse
    keys = task.keyring(codec.salt(host), shared=codec.shared_salt)
    for _ in range(ATTEMPTS):  # each with a new salt and new filling
        stream = codec.envelope.seal(packed, keys)
        embedding = codec.embed(host, stream, keys, task.wish, lambda share: task.progress(0.8 * share))
        file = codec.encode(embedding.carrier, suffix)
        try:
            raw_accuracy = _verify(
                file, host, packed.payload, task.keyring, codec, lambda share: task.progress(0.8 + 0.2 * share)
            )
        except RevealError:
            continue
        task.progress(1.0)
        if packed.dropped_name:
            notes.append(f"the name {packed.dropped_name} was left out to make the payload fit")
        judgement = judge_disturbance(
            codec.evidence(host), embedding.disturbance, embedding.colors, survives=embedding.survival is not None
        )
        if embedding.colors == "generate" and task.wish.colors is None:
            notes.append(COLOURED)
        if judgement.verdict != "safe":
            notes.append(judgement.reason)
        if embedding.survival:
            notes.append(embedding.survival)
        if task.keyring.public:
            notes.append(PUBLIC)
        return Container(
            file, suffix, packed.payload.name, codec.name, embedding.colors, judgement, embedding.disturbance,
            host.pixels, embedding.changed, raw_accuracy, len(packed.stored), tuple(notes),
            embedding.survival,
        )  # fmt: skip
    raise SelfCheckError(
        "the container could not be read back with the margin we ask for; try a smaller payload or another photo"
    )


def _verify(file: bytes, host: C, payload: Payload, keyring: Keyring, codec: Codec[C], progress: Progress) -> float:
    """Reveal from the encoded file as a receiver would, with less effort; raw accuracy, or RevealError."""
    saved = codec.open(Source(file))
    codec.check(host, saved)
    keys = keyring(codec.salt(saved), shared=codec.shared_salt)
    size = partial(codec.envelope.stream_size, keys=keys)
    extraction = codec.extract(saved, keys, size, strict=True, progress=progress)
    if codec.envelope.unseal(extraction.stream, keys).data != payload.data:
        raise RevealError
    return extraction.raw_accuracy


def uncover(
    source: Source, *, password: str | None = None, thorough: bool = False, among: Sequence[Codec[Any]] | None = None,
    progress: Progress = silent,
) -> Payload:  # fmt: skip
    """`open_payload` of a source; `among`: the codecs to look for, instead of those that ship.

    SharesError for one of several that a payload is shared among, if it is not enough by itself.
    """
    payload = find(source, Keyring(password), thorough=thorough, among=among, progress=progress)
    if payload.share:
        payload = sharing.joined([sharing.read(payload.data)])
    source.notes += name_notes(payload)
    return payload


def find(
    source: Source, keyring: Keyring, *, thorough: bool = False, among: Sequence[Codec[Any]] | None = None,
    versions: Sequence[int] = VERSIONS, progress: Progress = silent,
) -> Payload:  # fmt: skip
    """What is hidden in a source, which may be a share; `versions` of the container format to look for."""
    failure: RevealError | MachineError = RevealError()
    codecs = among or candidates.shipped()  # nothing in the image tells which one it was
    opened = candidates.opened(source, codecs)
    if stored := source.as_stored():  # some program may have turned it, by a flag or with one
        opened = candidates.opened(stored, codecs) + opened
    if not opened:
        source.photo()  # ImageError, if that is why
    if not thorough and (slow := [codec.name for codec, carrier in opened if codec.is_slow(carrier)]):
        failure = RevealError(tuple(dict.fromkeys(slow)))
        opened = [(codec, carrier) for codec, carrier in opened if codec.name not in slow]
    tries = [(*each, version) for version in versions for each in opened if each[0].first_version <= version]
    for (codec, carrier, version), report in zip(tries, portions(progress, len(tries)), strict=True):
        keys = keyring(codec.salt(carrier, version), version, shared=codec.shared_salt)
        try:
            size = partial(codec.envelope.stream_size, keys=keys)
            stream = codec.extract(carrier, keys, size, progress=report).stream
            payload = codec.envelope.unseal(stream, keys)
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
    source: Source, *, codec: str | None = None, wish: Wish = AS_USUAL, suffix: str | None = None,
    progress: Progress = silent,
) -> Capacity:  # fmt: skip
    """`capacity` of a source, in files of a suffix if that is given."""
    progress = rising(progress)  # some begin anew when a sample was not enough
    wish = candidates.asked(wish, codec, suffix)
    opened = candidates.hosts(source, wish, candidates.chosen(codec, wish, suffix))
    found: list[tuple[Codec[Any], Any, Room]] = []
    failure: MachineError | None = None
    for (each, host), report in zip(opened, portions(progress, len(opened)), strict=True):
        try:
            found.append((each, host, each.capacity(host, wish, report)))
        except MachineError as error:
            failure = error  # worth telling, should no other codec run
    if failure and not found:
        raise failure
    best, host, room = max(reversed(found), key=lambda each: each[2].most)
    if room.colors == "generate" and wish.colors is None and room.most:
        source.notes.append(GRAY)
    routes = tuple(
        Route(each.name, each.formats[0], _payload(each, room.most), _payload(each, room.safe), each.evidence(host))
        for each, host, room in found
    )
    (most,) = (route for route in routes if route.codec == best.name)
    return Capacity(most.bytes, 8 * most.bytes / host.pixels, most.codec, room.colors, routes, wish.channel)


def _payload(codec: Codec[Any], stream: int) -> int:
    """Bytes of payload that a codec's envelope of so many bytes holds."""
    return max(0, stream - codec.envelope.OVERHEAD)


def noisiness(source: Source, progress: Progress = silent) -> Float32:
    """How many levels of noise are expected at each pixel (H, W): where there are more, changes are harder to see.

    ImageError for a photo in which no codec hides small changes.
    """
    mapped = [codec for codec in candidates.shipped() if isinstance(codec, Mapped)]
    for codec, carrier in candidates.hosts(source, AS_USUAL, mapped):
        levels = codec.noisiness(carrier, progress) if isinstance(codec, Mapped) else None
        if levels is not None:
            return levels
    raise ImageError(f"{source.name} has no colours in which small changes could be hidden; choose a colour photo")


def colours(
    source: Source, *, codec: str | None = None, wish: Wish = AS_USUAL, suffix: str | None = None,
    among: Sequence[Codec[Any]] | None = None,
) -> str | None:  # fmt: skip
    """What to know before hiding in a photo without colours, if it is one and would get some."""
    if wish.colors is not None:
        return None
    last = candidates.chosen(codec, wish, suffix, among)[-1]  # others leave it to this one
    return GRAY if last.refusal(Wish("generate")) is None and source.photo().is_gray else None


def blank(source: Source, suffix: str, *, codec: str | None = None, wish: Wish = AS_USUAL) -> Source:
    """The host as a container in a file of this suffix would show it with nothing hidden in it.

    That is the host itself where such a file keeps every pixel. ImageError or UsageError if nothing can be hidden so.
    """
    if suffix in LOSSLESS:
        return source
    wish = candidates.asked(wish, codec, suffix)
    (each, host), *_ = candidates.hosts(source, wish, candidates.chosen(codec, wish, suffix))
    return Source(each.encode(host, suffix))


def expected_size(source: Source, suffix: str, *, codec: str | None = None, wish: Wish = AS_USUAL) -> int:
    """About how many bytes a container in a file of this suffix will have; errors as those of `blank`."""
    if suffix in LOSSLESS:
        return formats.expected_size(source.photo(), suffix)
    return len(blank(source, suffix, codec=codec, wish=wish).file or b"")


def _source(image: ImageSource | Container, halve: bool = False) -> Source:
    source = Source(image.file if isinstance(image, Container) else image)
    return source.halved() if halve else source


def _of_payload(
    error: CapacityError, name_size: int, codec: Codec[Any], payload: Payload, source: Source
) -> CapacityError:
    """The same in bytes of payload, as users count: without what the envelope and `name_size` bytes of a name add."""
    needed = error.needed - name_size - codec.envelope.OVERHEAD
    available = _payload(codec, error.available)
    return CapacityError(needed, available, size=len(payload.data), halved=source.is_halved)


def name_notes(payload: Payload) -> list[str]:
    """What there is to tell of a name that was changed."""
    if payload.unsafe_name is None:
        return []
    instead = f"{payload.name} is suggested instead" if payload.name else "none is suggested"
    return [f"the name {payload.unsafe_name!a} is not safe everywhere: {instead}"]


def _warn(notes: Iterable[str]) -> None:
    """In the caller's name who called the function that calls this."""
    for note in notes:
        warnings.warn(note, StegcinnWarning, stacklevel=3)
