"""Which photo of a folder is expected to hide a payload best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from stegcinn.carriers.decoded import is_decoded
from stegcinn.carriers.photo import halved, read_photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.stealth.codec import StealthCodec
from stegcinn.errors import ImageError
from stegcinn.sealing import envelope


@dataclass(frozen=True)
class Ranked:
    """A photo, and how much a payload would disturb it."""

    path: Path
    disturbance: float  # deflection of the ideal detector that knows the predicted noise; smaller is safer
    bpp: float  # the payload's bits per pixel of this photo
    decoded: bool  # whether it is as a JPEG decoder left it, so that any change can be proved


def rank(
    paths: Iterable[Path], size: int, skipped: Callable[[Path, str], None], *, halve: bool = False
) -> list[Ranked]:
    """Photos that take `size` bytes of payload with codec "stealth", the least disturbed first; each halved if wished.

    `skipped(path, reason)` is called for files that are no photos or do not take as much.
    """
    codec = load_codec("stealth")
    assert isinstance(codec, StealthCodec)
    found = []
    for path in paths:
        try:
            photo = read_photo(path)
            photo = halved(photo) if halve else photo
        except ImageError as error:
            skipped(path, str(error))
            continue
        disturbance = codec.disturbance(photo.rgb, size + envelope.OVERHEAD)
        if disturbance is None:
            skipped(path, f"{path} does not take {size} bytes with codec stealth")
            continue
        found.append(Ranked(path, disturbance, 8 * size / photo.rgb[..., 0].size, is_decoded(photo.rgb)))
    return sorted(found, key=lambda ranked: ranked.disturbance)
