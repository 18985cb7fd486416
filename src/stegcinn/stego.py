"""The straight line from a payload to a container and back. Read this first.

hide:    payload -> envelope (compress, encrypt, frame) -> codec (bits into colours) -> encoded file -> reveal, compare
reveal:  image -> codec (colours into bits) -> envelope (authenticate, decrypt, decompress) -> payload

Both sides derive their keys from the password and the photo's gray-scale, which hiding leaves bit-identical.
"""

from __future__ import annotations

import hashlib
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from stegcinn.carriers.decoded import is_decoded
from stegcinn.carriers.formats import check_format, encode_photo
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import ImageSource, Photo, read_photo
from stegcinn.codecs import AUTO, CODECS, load_codec
from stegcinn.codecs.base import SAFE, Codec, Colors, Progress, portions, silent
from stegcinn.errors import CapacityError, MachineError, RevealError, SelfCheckError, StegcinnWarning, UsageError
from stegcinn.sealing import envelope, keys
from stegcinn.sealing.envelope import Packed, Payload
from stegcinn.sealing.keys import Keys

ATTEMPTS = 6  # draws of new colours, should a container fail its own check
DECODED = "this photo is as a JPEG decoder left it, and experts can prove any change; halve it first to be safer"
NOTICED = "a trained attacker may notice this payload"
COLORS: tuple[Colors, ...] = ("keep", "generate")


@dataclass(frozen=True)
class Capacity:
    """What `hide` will surely take: payload bytes, and the same as net bits per pixel of the saved image.

    Of these, codec "stealth" takes `stealth_bytes` if that one may be chosen, and `safe_bytes` are as good as unseen by
    the attackers measured (docs/security.md): none in a host that is `decoded`, as any change to it can be proved.
    """

    bytes: int
    bpp: float
    codec: str
    colors: Colors
    stealth_bytes: int
    safe_bytes: int
    decoded: bool  # whether the host is as a JPEG decoder left it


@dataclass(frozen=True)
class Container:
    """A verified container: the encoded file, and facts about it."""

    file: bytes
    photo: Photo
    name: str | None  # of the payload; None if it had to go for the payload to fit
    codec: str
    colors: Colors
    raw_accuracy: float  # share of embedded bits that read back right before error correction
    changed_pixels: float  # share of pixels with any other colour than the host's
    decoded: bool  # whether the host was as a JPEG decoder left it, so that the changes can be proved
    disturbance: float | None  # see `codecs.base.Embedding`


def hide(
    host: ImageSource, payload: bytes, *, password: str | None = None, codec: str | None = None,
    colors: Colors | None = None,
) -> Image.Image:  # fmt: skip
    """Hide `payload` in the colours of `host` and return the container; save it lossless (PNG, TIFF, lossless WebP).

    `host`: a path, encoded bytes, a PIL image or an (H, W, 3) uint8 array, 64x64 to 50 megapixels. `codec`: "stealth",
    "exact" or "cinn"; by default the first of "stealth" and "exact" that takes the payload. `colors`: "keep" the host's
    coarse colours, or "generate" new ones for its gray-scale; default keep, but generate for a gray host. Without a
    password anyone with stegcinn can read the payload.

    Raises CapacityError, ImageError, UsageError, SelfCheckError if the container could not be verified, or MachineError
    where codec "exact" cannot run.
    """
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise UsageError(f"the payload must be bytes, not {type(payload).__name__}")
    container = conceal(read_photo(host), Payload(bytes(payload)), password=password, codec=codec, colors=colors)
    image = Image.open(BytesIO(container.file))
    image.load()
    return image


def reveal(container: ImageSource, *, password: str | None = None) -> bytes:
    """Return the payload of a container, exactly as it was hidden.

    Raises RevealError if there is none, the password is wrong, or the image was altered: these cannot be told apart.
    Also ImageError, UsageError, and MachineError if nothing was found where codec "exact" cannot run.
    """
    return uncover(read_photo(container), password=password).data


def capacity(host: ImageSource, *, codec: str | None = None, colors: Colors | None = None) -> Capacity:
    """Measure how large a payload `hide` will surely take in this host; `bytes` is 0 if it can take none."""
    return measure(read_photo(host), codec=codec, colors=colors)


def measure(
    photo: Photo, *, codec: str | None = None, colors: Colors | None = None, progress: Progress = silent
) -> Capacity:
    """`capacity` of a photo that is already read."""
    names, colors = _choose(photo, codec, colors)
    sizes, safe, decoded = {}, 0, is_decoded(photo.rgb)
    for name, report in zip(names, portions(progress, len(names)), strict=True):
        room = load_codec(name).capacity(photo.rgb, colors, report)
        sizes[name] = max(0, room.most - envelope.OVERHEAD)
        safe = max(safe, 0 if decoded else room.safe - envelope.OVERHEAD)
    best = max(names, key=lambda name: sizes[name])
    bpp = 8 * sizes[best] / photo.rgb[..., 0].size
    return Capacity(sizes[best], bpp, best, colors, sizes.get("stealth", 0), safe, decoded)


def conceal(
    photo: Photo, payload: Payload, *, password: str | None = None, codec: str | None = None,
    colors: Colors | None = None, suffix: str = ".png", progress: Progress = silent,
) -> Container:  # fmt: skip
    """Hide a payload with its name and return the encoded file, verified: what cannot be verified is not returned."""
    (*first, last), colors = _choose(photo, codec, colors)
    check_format(photo, suffix)  # before the work
    key = photo_keys(photo, password)
    packed = envelope.pack(payload)
    for name in first:
        if 8 * packed.sealed_size <= load_codec(name).most * photo.rgb[..., 0].size:
            with suppress(CapacityError, SelfCheckError):
                return _conceal(photo, packed, key, name, colors, suffix, progress)
    try:
        return _conceal(photo, packed, key, last, colors, suffix, progress)
    except CapacityError as error:
        name_size = len(packed.name)
        if name_size == 0 or error.needed - name_size > error.available:  # leaving the name out would not help
            raise _of_payload(error, name_size) from None
    try:
        return _conceal(photo, packed.without_name(), key, last, colors, suffix, progress)
    except CapacityError as error:
        raise _of_payload(error, 0) from None


def _conceal(
    photo: Photo, packed: Packed, key: Keys, codec: str, colors: Colors, suffix: str, progress: Progress
) -> Container:
    writer, payload = load_codec(codec), packed.payload
    for _ in range(ATTEMPTS):  # each with a new salt, new filling and new colours
        embedding = writer.embed(photo.rgb, envelope.seal(packed, key), key, colors, lambda s: progress(0.8 * s))
        container = photo.with_rgb(embedding.rgb)
        file = encode_photo(container, suffix)
        try:
            raw_accuracy = _verify(file, photo, payload, key, writer)
        except RevealError:
            continue
        progress(1.0)
        changed = float(np.mean((container.rgb != photo.rgb).any(axis=-1)))
        return Container(
            file, container, payload.name, codec, colors, raw_accuracy, changed, is_decoded(photo.rgb),
            embedding.disturbance,
        )  # fmt: skip
    raise SelfCheckError(
        "the container could not be read back with the margin we ask for; try a smaller payload or another photo"
    )


def notes(container: Container, payload: Payload, password: str | None) -> list[str]:
    """What whoever hid `payload` in a container should know, a line each."""
    found = []
    if payload.name and not container.name:
        found.append(f"the name {payload.name} was left out to make the payload fit")
    if container.decoded:
        found.append(DECODED)
    elif container.disturbance is None:
        found.append(f"{NOTICED}; what fits into small changes (codec stealth) is harder to notice")
    elif container.disturbance > SAFE:
        found.append(f"{NOTICED} (disturbance {container.disturbance:.1f}); hide less, or in a larger or noisier photo")
    if password is None:
        found.append("without a password, anyone with stegcinn can read the payload")
    return found


def uncover(photo: Photo, *, password: str | None = None) -> Payload:
    """`reveal` with the payload's suggested name."""
    key = photo_keys(photo, password)
    failure: RevealError | MachineError = RevealError()
    for codec in CODECS:  # nothing in the image tells which one it was
        try:
            return envelope.unseal(load_codec(codec).extract(photo.rgb, key).stream, key)
        except MachineError as error:
            failure = error  # worth telling, should no other codec find anything
        except RevealError:
            continue
    raise failure


def photo_keys(photo: Photo, password: str | None) -> Keys:
    """The keys of a photo: the same for a host and its containers, as they depend on its gray-scale and size."""
    gray = luma_of(photo.rgb)
    digest = hashlib.sha256(f"stegcinn luma {gray.shape[1]}x{gray.shape[0]}\n".encode() + gray.tobytes()).digest()
    return keys.derive(password, digest)


def _choose(photo: Photo, codec: str | None, colors: Colors | None) -> tuple[tuple[str, ...], Colors]:
    """Codecs to try in turn, and what to do with the colours."""
    if codec not in (None, *CODECS):
        raise UsageError(f"unknown codec {codec!r}; choose one of {', '.join(CODECS)}")
    if colors not in (None, *COLORS):
        raise UsageError(f"unknown colors {colors!r}; choose one of {', '.join(COLORS)}")
    if codec == "stealth" and colors == "generate":
        raise UsageError("codec stealth keeps the colours of the host; leave one of the two choices out")
    chosen = colors or ("generate" if photo.is_gray else "keep")
    if codec is not None:
        return (codec,), chosen
    return AUTO if chosen == "keep" else AUTO[-1:], chosen


def _of_payload(error: CapacityError, name_size: int) -> CapacityError:
    """The same in bytes of payload, as users count: without what the envelope and a name of `name_size` bytes add."""
    return CapacityError(error.needed - name_size - envelope.OVERHEAD, max(0, error.available - envelope.OVERHEAD))


def _verify(file: bytes, host: Photo, payload: Payload, key: Keys, reader: Codec) -> float:
    """Reveal from the encoded file as a receiver would, with less effort; raw accuracy, or RevealError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StegcinnWarning)
        saved = read_photo(file)
    if not np.array_equal(luma_of(saved.rgb), luma_of(host.rgb)):
        raise SelfCheckError("the gray-scale of the container is not the host's; please report this")
    extraction = reader.extract(saved.rgb, key, strict=True)
    if envelope.unseal(extraction.stream, key).data != payload.data:
        raise RevealError
    return extraction.raw_accuracy
