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

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import amplification, amplified, gray
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Colors, Progress, Wish
from stegcinn.errors import MachineError, UsageError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.passwords import check_new

MAX_REVEALED = 256 << 20  # bytes; what the page can hold, though a small container may unpack to more
THUMBNAIL_SIDE = 640
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
    """Read a photo: its size, and a thumbnail."""
    source = Source(photo)
    image = source.photo()
    small = image.to_pil()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return Outcome(
        {**_size(image), "gray": image.is_gray, "jpeg": source.is_jpeg, "notes": source.notes},
        {"thumbnail": _png(small)},
    )


def _opened(photo: bytes, halve: bool) -> Source:
    return Source(photo).halved() if halve else Source(photo)


def measure(
    progress: Progress, *, photo: bytes, codec: str | None, colors: str | None, halve: bool, format: str
) -> Outcome:
    """Measure how much a photo takes, and what an attacker makes of payloads up to which size."""
    wish = Wish(cast(Colors | None, colors))
    room = stego.measure(_opened(photo, halve), codec=codec, wish=wish, suffix=f".{format}", progress=progress)
    sizes = sorted({room.safe_bytes, room.bytes} - {0})
    return Outcome({**room.to_json(), "judgements": [{"up_to": size, **asdict(room.judge(size))} for size in sizes]})


def weigh(progress: Progress, *, payload: bytes) -> Outcome:
    """Find how many bytes of capacity a payload takes once it is compressed."""
    packed = envelope.pack(Payload(payload))
    return Outcome({"bytes": len(payload), "needed": packed.contents_size})


def hide(
    progress: Progress, *, host: bytes, payload: bytes, name: str | None, password: str | None, codec: str | None,
    colors: str | None, halve: bool, format: str,
) -> Outcome:  # fmt: skip
    """Hide a payload; files: the `container`, and pictures of host and container side by side."""
    check_new(password)
    source = _opened(host, halve)
    container = stego.conceal(
        source, Payload(payload, name), password=password, codec=codec,
        wish=Wish(cast(Colors | None, colors)), suffix=f".{format}",
        progress=lambda share: progress(HIDING_SHARE * share),
    )  # fmt: skip
    photo, saved = source.photo(), Source(container.file).photo()  # compared is what the receiver gets
    times = amplification(photo.rgb, saved.rgb)
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
        "same_gray": float(np.mean(gray(photo.rgb) == gray(saved.rgb))),
        "amplified": times,
        "notes": container.notes,
    }
    return Outcome(facts, {"container": container.file, **_pictures(photo, saved, times)})


def reveal(progress: Progress, *, image: bytes, password: str | None, thorough: bool) -> Outcome:
    """Reveal a payload; files: the `payload`. Its name is safe, and only a suggestion."""
    source = Source(image)
    payload = stego.uncover(source, password=password, thorough=thorough, progress=progress)
    if len(payload.data) > MAX_REVEALED:
        raise UsageError(
            f"the payload has {len(payload.data):,} bytes, too many for the page: use stegcinn reveal in a shell"
        )
    facts = {
        "name": payload.name, "bytes": len(payload.data), "preview": preview(payload.data), "notes": source.notes,
    }  # fmt: skip
    return Outcome(facts, {"payload": payload.data})


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


def _pictures(host: Photo, container: Photo, times: int) -> dict[str, bytes]:
    """Host, container, gray-scales and amplified difference as PNG: `NAME-whole`, and `NAME-detail` of large photos."""
    difference = amplified(host.rgb, container.rgb, times)
    planes = {
        "host": host.to_pil(),
        "container": container.to_pil(),
        "host-gray": Image.fromarray(gray(host.rgb)),
        "container-gray": Image.fromarray(gray(container.rgb)),
        "difference": Image.fromarray(difference),
    }
    files = {}
    for name, plane in planes.items():
        # Averaging would calm the difference down to less than it is.
        filter = Image.Resampling.NEAREST if name == "difference" else Image.Resampling.BOX
        factor = min(1, VIEW_SIDE / max(plane.size))
        size = (max(1, round(plane.width * factor)), max(1, round(plane.height * factor)))
        files[f"{name}-whole"] = _png(plane.resize(size, filter) if factor < 1 else plane)
    if max(host.rgb.shape) > DETAIL_SIDE:
        left, top = most_changed(host.rgb, container.rgb)
        height, width = host.rgb.shape[:2]
        box = (left, top, min(left + DETAIL_SIDE, width), min(top + DETAIL_SIDE, height))
        files |= {f"{name}-detail": _png(plane.crop(box)) for name, plane in planes.items()}
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


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    profile = image.info.get("icc_profile")
    image.save(buffer, "PNG", compress_level=1, icc_profile=profile)  # quick: it travels no further than this machine
    return buffer.getvalue()
