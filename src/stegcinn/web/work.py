"""The jobs of the page, each a call of the library. They run in a process of their own, see jobs.py."""

from __future__ import annotations

import codecs
import contextlib
import io
import unicodedata
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
from PIL import Image

from stegcinn import candidates, stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import amplification, amplified, amplified_chroma, gray, stored_colours
from stegcinn.carriers.heatmap import heated
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Colors, Progress, Wish
from stegcinn.errors import ImageError, MachineError, SharesError, StegcinnError, UsageError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.passwords import check_new

MAX_REVEALED = 256 << 20  # bytes; what the page can hold, though a small container may unpack to more
THUMBNAIL_SIDE = 640  # of the map, too, which is shown over it
VIEW_SIDE = 1600  # of the pictures to compare; larger photos are shown reduced
DETAIL_SIDE = 640  # of the part that is shown pixel by pixel
DETAIL_STEP = 64  # it may begin at multiples of this
PREVIEW_BYTES = 64 << 10
HIDING_SHARE = 0.95  # of the progress of `hide`; the pictures to compare take the rest

# By their first bytes, not by a name: the raster formats that every browser decodes, and no SVG, which is a program.
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True)
class Outcome:
    """What a job found, as JSON takes it, and the files it made."""

    facts: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict, repr=False)


def warm_up(progress: Progress) -> Outcome:
    """Load what jobs need, so that the first one need not wait for it."""
    for codec in map(load_codec, CODECS):
        with contextlib.suppress(MachineError):  # told where that codec is wanted
            if codec.auto:
                codec.ready()
    return Outcome({})


def look(progress: Progress, *, photo: bytes) -> Outcome:
    """Read a photo: its size, in which format it is best hidden in, and a thumbnail.

    One that is too large as it is, but not halved, is seen so.
    """
    source = Source(photo)
    is_jpeg, too_large = source.is_jpeg, False
    try:
        image = source.photo()
    except ImageError as error:
        source, too_large = _halved(source, error), True
        image = source.photo()
    small = image.to_pil()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    format = "jpg" if too_large and is_jpeg else candidates.usual_suffix(source)[1:]
    told = {"gray": image.is_gray, "jpeg": is_jpeg, "too_large": too_large, "format": format}
    return Outcome({**_size(image), **told, "notes": source.notes}, {"thumbnail": as_png(small)})


def _halved(source: Source, error: ImageError) -> Source:
    """The half of a photo that is refused with `error`; that, if it was not for its size."""
    try:
        return source.halved(exact=True)
    except ImageError:
        raise error from None


def _opened(photo: bytes, halve: bool) -> Source:
    return Source(photo).halved() if halve else Source(photo)


def measure(
    progress: Progress, *, photo: bytes, codec: str | None, colors: str | None, halve: bool, channel: str | None,
    format: str,
) -> Outcome:  # fmt: skip
    """Measure how much a photo takes, what an attacker makes of payloads up to which size, and what comes out.

    With a channel: how much of it comes through that, and in a picture of which size.
    """
    source, suffix = _opened(photo, halve), f".{format}"
    wish = Wish(cast(Colors | None, colors), channel=channel)
    room = stego.measure(source, codec=codec, wish=wish, suffix=suffix, progress=progress)
    sizes = sorted({room.safe_bytes, room.bytes} - {0})
    sent = source if channel is None else stego.blank(source, suffix, codec=codec, wish=wish)
    facts = {
        **room.to_json(),
        **_size(sent.photo()),
        "judgements": [{"up_to": size, **asdict(room.judge(size))} for size in sizes],
        "file_bytes": stego.expected_size(source, suffix, codec=codec, wish=wish),
        "notes": source.notes,
    }
    return Outcome(facts)


def chart(progress: Progress, *, photo: bytes) -> Outcome:
    """Draw where a photo can hide; file: the `map`, as large as the thumbnail."""
    source = Source(photo)
    levels = stego.noisiness(source, progress)
    image = Image.fromarray(heated(source.photo().luma, levels))
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return Outcome({}, {"map": as_png(image)})


def weigh(progress: Progress, *, payload: bytes) -> Outcome:
    """Find how many bytes of capacity a payload takes once it is compressed."""
    packed = envelope.pack(Payload(payload))
    return Outcome({"bytes": len(payload), "needed": packed.contents_size})


def hide(
    progress: Progress, *, host: bytes, payload: bytes, name: str | None, password: str | None, codec: str | None,
    colors: str | None, halve: bool, channel: str | None, format: str, strip_metadata: bool,
) -> Outcome:  # fmt: skip
    """Hide a payload; files: the `container`, and pictures of host and container side by side.

    With a channel, both are as large as that leaves them. Its `notes` are those of the container but for what
    `judgement`, `encrypted` and `survival` tell.
    """
    check_new(password)
    source, suffix = _opened(host, halve), f".{format}"
    wish = Wish(cast(Colors | None, colors), strip_metadata=strip_metadata, channel=channel)
    container = stego.conceal(
        source, Payload(payload, name), password=password, codec=codec, wish=wish, suffix=suffix,
        progress=lambda share: progress(HIDING_SHARE * share),
    )  # fmt: skip
    saved = Source(container.file)  # compared is what the receiver gets
    before = View(stego.blank(source, suffix, codec=container.codec, wish=wish), as_stored=saved.is_jpeg)
    after = View(saved, as_stored=saved.is_jpeg)
    photo = before.photo
    times = amplification(before.channels, after.channels)
    told = (container.judgement.reason, stego.PUBLIC, container.survival)
    facts = {
        **_size(photo),
        "bytes": len(payload),
        "bpp": 8 * len(payload) / photo.rgb[..., 0].size,
        "codec": container.codec,
        "colors": container.colors,
        "changed_pixels": container.changed,
        "raw_accuracy": container.raw_accuracy,
        "disturbance": container.disturbance,
        "judgement": asdict(container.judgement),
        "encrypted": password is not None,
        "same_gray": float(np.mean(before.gray == after.gray)),
        "amplified": times,
        "survival": container.survival,
        "notes": [note for note in container.notes if note not in told],
    }
    return Outcome(facts, {"container": container.file, **pictures(before, after, times)})


def reveal(progress: Progress, *, image: bytes, password: str | None, thorough: bool) -> Outcome:
    """Reveal a payload; files: the `payload`. Its name is safe, and only a suggestion."""
    source = Source(image)
    try:
        payload = stego.uncover(source, password=password, thorough=thorough, progress=progress)
    except SharesError as error:
        raise TooFewError(error) from None
    return revealed(payload, source.notes)


def revealed(payload: Payload, notes: list[str]) -> Outcome:
    """A payload as the page gets it."""
    if len(payload.data) > MAX_REVEALED:
        raise UsageError(
            f"the payload has {len(payload.data):,} bytes, too many for the page: use stegcinn reveal in a shell"
        )
    facts = {"name": payload.name, "bytes": len(payload.data), "preview": preview(payload.data), "notes": notes}
    return Outcome(facts, {"payload": payload.data})


class TooFewError(StegcinnError):
    """SharesError in the words of the page."""

    exit_code = SharesError.exit_code

    def __init__(self, error: SharesError) -> None:
        found = f"these are {error.found:,} of the {error.count:,} photos of an album"
        if error.found == 1:
            found = f"this is one of the {error.count:,} photos of an album"
        missing = f"{error.missing:,} bytes are still missing"
        super().__init__(f"{found}, too few: {missing}; drop more of its photos here, all at once")


def preview(data: bytes) -> dict[str, Any]:
    """What may be shown of a payload: its beginning as plain text, or its type if it is a raster image."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return {"kind": "image", "type": media_type}
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return {"kind": "image", "type": "image/webp"}
    whole = len(data) <= PREVIEW_BYTES
    try:  # incrementally: the cut may fall into a character
        text = codecs.getincrementaldecoder("utf-8")().decode(data[:PREVIEW_BYTES], final=whole)
    except UnicodeDecodeError:
        return {"kind": "none"}
    if any(unicodedata.category(c) == "Cc" and c not in "\n\r\t" for c in text):
        return {"kind": "none"}
    return {"kind": "text", "text": text, "whole": whole}


def _size(photo: Photo) -> dict[str, int]:
    height, width = photo.rgb.shape[:2]
    return {"width": width, "height": height}


class View:
    """A host or container as it is compared: its picture, its gray-scale (H, W), and what may change (H, W, C).

    That is red, green and blue; or Cb and Cr of a JPEG file, if it is to be compared `as_stored`.
    """

    def __init__(self, source: Source, *, as_stored: bool = False) -> None:
        self.photo = source.photo()
        if as_stored and source.file is not None:
            self.gray, self.channels = stored_colours(source.file)
        else:
            self.gray, self.channels = gray(self.photo.rgb), self.photo.rgb


def pictures(host: View, container: View, times: int) -> dict[str, bytes]:
    """Host, container, gray-scales and amplified difference as PNG: `NAME-whole`, and `NAME-detail` of large photos."""
    draw = amplified if host.channels.shape[2] == 3 else amplified_chroma
    difference = draw(host.channels, container.channels, times)
    planes = {
        "host": host.photo.to_pil(),
        "container": container.photo.to_pil(),
        "host-gray": Image.fromarray(host.gray),
        "container-gray": Image.fromarray(container.gray),
        "difference": Image.fromarray(difference),
    }
    files = {}
    for name, plane in planes.items():
        # Averaging would calm the difference down to less than it is.
        filter = Image.Resampling.NEAREST if name == "difference" else Image.Resampling.BOX
        factor = min(1, VIEW_SIDE / max(plane.size))
        size = (max(1, round(plane.width * factor)), max(1, round(plane.height * factor)))
        files[f"{name}-whole"] = as_png(plane.resize(size, filter) if factor < 1 else plane)
    height, width = host.gray.shape
    if max(height, width) > DETAIL_SIDE:
        left, top = most_changed(host.channels, container.channels)
        box = (left, top, min(left + DETAIL_SIDE, width), min(top + DETAIL_SIDE, height))
        files |= {f"{name}-detail": as_png(plane.crop(box)) for name, plane in planes.items()}
    return files


def most_changed(host: UInt8, container: UInt8) -> tuple[int, int]:
    """Left and top of the square of DETAIL_SIDE that changed most; 0 where the photo is narrower."""
    change = np.abs(container.astype(np.int16) - host).max(axis=2)
    for axis in (0, 1):
        change = np.add.reduceat(change, np.arange(0, change.shape[axis], DETAIL_STEP), axis, dtype=np.int64)
    window = [min(DETAIL_SIDE // DETAIL_STEP, side) for side in change.shape]
    sums = np.lib.stride_tricks.sliding_window_view(change, window).sum(axis=(2, 3))
    places = np.unravel_index(int(np.argmax(sums)), sums.shape)
    top, left = (
        max(0, min(int(place) * DETAIL_STEP, side - DETAIL_SIDE))
        for place, side in zip(places, host.shape[:2], strict=True)
    )
    return left, top


def as_png(image: Image.Image) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    profile = image.info.get("icc_profile")
    image.save(buffer, "PNG", compress_level=1, icc_profile=profile)  # quick: it travels no further than this machine
    return buffer.getvalue()
