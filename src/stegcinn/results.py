"""What measuring and hiding give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from stegcinn.carriers.formats import FRAGILE, LOSSLESS, check_suffix
from stegcinn.codecs.base import Colors, Judgement, judge
from stegcinn.files import write_atomic


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
        return judge(self.evidence, safe=size <= self.safe_bytes, colors=self.colors)


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
    stored: int  # bytes of the payload as it is stored: compressed, if that makes it smaller
    notes: tuple[str, ...]  # what whoever hid the payload should know, a line each

    @cached_property
    def image(self) -> Image.Image:
        """The picture, to look at."""
        image = Image.open(BytesIO(self.file))
        image.load()
        return image

    @property
    def advice(self) -> tuple[str, ...]:
        """What is true of all containers in such a format, a line each."""
        return (FRAGILE,) if self.suffix in LOSSLESS else ()

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
