"""A channel: what happens to an encoded picture on its way, file in, file out; and the one grammar of its name.

    as-sent                                   the file itself
    jpeg-q75   jpeg-q75-444-optimized         one step
    resize-0.75-lanczos+jpeg-q75              steps in a row, with +

Between steps there are pixels alone: turned upright, without metadata and transparency. What ends in pixels arrives as
a PNG.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from stegcinn.errors import UsageError
from stegcinn.evaluation.channels.browser import Canvas
from stegcinn.evaluation.channels.encoders import Avif, Jpeg, Png, WebP
from stegcinn.evaluation.channels.programs import Ffmpeg, Magick, Mozjpeg
from stegcinn.evaluation.channels.steps import KERNELS, Crop, Fit, Mirror, Noise, Resize, Rotate, Step
from stegcinn.runtime.arrays import UInt8

AS_SENT = "as-sent"
_QUALITY, _SAMPLING = r"-q(?P<quality>\d+)", r"(?:-(?P<sampling>420|422|444))?"
_NUMBER, _KERNEL = r"\d+(?:\.\d+)?", rf"(?:-(?P<kernel>{'|'.join(KERNELS)}))?"
_STEPS: dict[Callable[..., Step], str] = {  # and the names that each has; groups are its fields
    Jpeg: f"jpeg{_QUALITY}{_SAMPLING}(?P<optimized>-optimized)?(?P<progressive>-progressive)?",
    WebP: f"webp{_QUALITY}",
    Avif: f"avif{_QUALITY}",
    Png: "png",
    Mozjpeg: f"mozjpeg{_QUALITY}(?:-(?P<sampling>420|444))?",
    Magick: f"magick{_QUALITY}{_SAMPLING}",
    Ffmpeg: r"ffmpeg-v(?P<scale>\d+)",
    Canvas: f"canvas{_QUALITY}",
    Resize: f"resize-(?P<factor>{_NUMBER}){_KERNEL}",
    Fit: rf"fit-(?P<pixels>\d+){_KERNEL}",
    Noise: f"noise-(?P<levels>{_NUMBER})",
    Crop: r"crop-(?P<pixels>\d+)",
    Rotate: r"rotate-(?P<degrees>\d+)",
    Mirror: "mirror",
}
_READ: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("quality", "scale", "pixels", "degrees"), int), **dict.fromkeys(("factor", "levels"), float),
    **dict.fromkeys(("optimized", "progressive"), bool),
}  # fmt: skip
EXAMPLES = (
    "jpeg-q75, jpeg-q75-444-optimized-progressive, webp-q80, avif-q60, mozjpeg-q75, magick-q75, ffmpeg-v3, canvas-q75, "
    "resize-0.75-lanczos, fit-1600, noise-1, crop-1, rotate-90, mirror, png"
)


@dataclass(frozen=True)
class Channel:
    """Steps in a row; none, and the file arrives as it was sent."""

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, name: str) -> Channel:
        """Of a name such as "resize-0.75-lanczos+jpeg-q75"; UsageError in one line for what is none."""
        return cls(() if name == AS_SENT else tuple(map(_step, name.split("+"))))

    def __str__(self) -> str:
        """The name with everything told that may be left out."""
        return "+".join(map(str, self.steps)) or AS_SENT

    @property
    def missing(self) -> str | None:
        """What this machine lacks for the first step that cannot be done, if there is one."""
        return next(filter(None, (step.missing for step in self.steps)), None)

    def send(self, file: bytes) -> bytes:
        """The file that arrives; UsageError where a program is missing, StegcinnError if one fails."""
        if missing := self.missing:
            raise UsageError(f"{self} cannot be run here: {missing}")
        at: bytes | UInt8 = file
        for step in self.steps:
            at = step(decoded(at) if isinstance(at, bytes) else at)
        return at if isinstance(at, bytes) else Png()(at)


def decoded(file: bytes) -> UInt8:
    """The picture in a file as a program would show it, (height, width, 3) uint8."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _step(name: str) -> Step:
    for kind, pattern in _STEPS.items():
        if match := re.fullmatch(pattern, name):
            return kind(**{field: _READ.get(field, str)(told) for field, told in match.groupdict().items() if told})
    raise UsageError(f"no channel {name!r}; write {AS_SENT}, or steps as {EXAMPLES}, joined by +")
