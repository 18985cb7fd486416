"""What measuring and hiding give back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from stegcinn.carriers.formats import FRAGILE, FRAGILE_JPEG, LOSSLESS, check_suffix
from stegcinn.codecs.base import Colors, Judgement, judge
from stegcinn.files import write_atomic


@dataclass(frozen=True)
class Route:
    """What one codec takes of a host: payload bytes, and how many of them are quiet against the attackers measured.

    None are, where any change can be proved: `evidence` says why.
    """

    codec: str
    suffix: str  # of the file that it makes, as in ".png"
    bytes: int
    safe_bytes: int
    evidence: str | None


@dataclass(frozen=True)
class Capacity:
    """What `hide` will surely take: payload bytes, and the same as net bits per pixel of the saved image.

    `codec` is the one that takes the most, with `bytes` and `colors`; `routes` has all that may be chosen, in the
    order in which `hide` tries them.
    """

    bytes: int
    bpp: float
    codec: str
    colors: Colors | None
    routes: tuple[Route, ...]
    channel: str | None = None  # that it comes through, if that was asked for

    @property
    def per_codec(self) -> dict[str, int]:
        """The payload bytes that each codec takes which may be chosen."""
        return {route.codec: route.bytes for route in self.routes}

    @property
    def safe_bytes(self) -> int:
        """How many are quiet against the attackers measured (docs/security.md), by the best route."""
        return max(route.safe_bytes for route in self.routes)

    @property
    def evidence(self) -> str | None:
        """Why any change can be proved, if that holds for every route that takes anything."""
        reasons = [route.evidence for route in self.routes if route.bytes]
        return reasons[-1] if reasons and all(reasons) else None

    @property
    def decoded(self) -> bool:
        """Whether the colours are as a decoder left them, so that any change of pixels can be proved."""
        return any(route.evidence for route in self.routes)

    def judge(self, size: int) -> Judgement:
        """What an attacker would make of a payload of `size` bytes, as it is stored."""
        taking = [route for route in self.routes if size <= route.bytes] or [self.routes[-1]]
        return judge(
            taking[0].evidence, safe=size <= taking[0].safe_bytes, colors=self.colors, survives=self.channel is not None
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        told = {name: getattr(self, name) for name in ("per_codec", "safe_bytes", "decoded", "evidence")}
        return {**dataclasses.asdict(self), **told}


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
    changed: float  # share of pixels, or of chroma coefficients in a JPEG, that are not the host's any more
    raw_accuracy: float  # share of embedded bits that read back right before error correction
    stored: int  # bytes of the payload as it is stored: compressed, if that makes it smaller
    notes: tuple[str, ...]  # what whoever hid the payload should know, a line each
    survival: str | None = None  # what it comes through on the way, in a line; None if it is to be sent as it is

    @cached_property
    def image(self) -> Image.Image:
        """The picture, to look at."""
        image = Image.open(BytesIO(self.file))
        image.load()
        return image

    @property
    def advice(self) -> tuple[str, ...]:
        """What is true of all containers in such a format, a line each."""
        if self.survival:
            return ()
        return (FRAGILE if self.suffix in LOSSLESS else FRAGILE_JPEG,)

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
