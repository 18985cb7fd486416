"""A demonstration on data everyone can get: the project's README hidden in scikit-image's astronaut."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import metadata
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import amplification, amplified, gray, psnr
from stegcinn.codecs.base import Progress, portions
from stegcinn.errors import StegcinnError, UsageError
from stegcinn.files import write_atomic
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.envelope import Payload


@dataclass(frozen=True)
class DemoResult:
    """What was measured on the saved container, and where the images are."""

    container: Path
    comparison: Path
    payload_bytes: int
    bpp: float  # net: payload bits per pixel
    raw_accuracy: float  # share of embedded bits read back right before error correction
    same_gray: float  # share of pixels whose gray value Pillow computes the same for host and container
    psnr: float  # dB, over all three channels
    amplified: int  # how many times as strong the comparison shows the difference
    hide_seconds: float
    reveal_seconds: float
    identical: bool  # whether the revealed payload is the hidden one

    def table(self) -> str:
        """All of it for people, one fact per line."""
        return "\n".join(
            f"{name:<16} {value}"
            for name, value in (
                ("payload", f"README.md, {self.payload_bytes:,} bytes"),
                ("net rate", f"{self.bpp:.3g} bits per pixel"),
                ("raw accuracy", f"{self.raw_accuracy:.3%} of bits, before error correction"),
                ("same gray-scale", f"{self.same_gray:.3%} of pixels"),
                ("PSNR", f"{self.psnr:.2f} dB"),
                ("time", f"{self.hide_seconds:.1f} s to hide, {self.reveal_seconds:.1f} s to reveal"),
                ("container", self.container),
                ("comparison", f"{self.comparison} (host, container, {self.amplified} x their difference)"),
                ("revealed", "identical" if self.identical else "NOT IDENTICAL"),
            )
        )


def run(out: Path, progress: Progress, *, announce: Callable[[str], None] = lambda line: None) -> DemoResult:
    """Hide, save, reveal and measure, leaving container and comparison as PNG in the folder `out`.

    `announce` is told before what is going to be done.

    ModuleNotFoundError without scikit-image; UsageError if `out` cannot be written.
    """
    from skimage import data

    host: UInt8 = data.astronaut()  # type: ignore[no-untyped-call]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made a folder ({error.strerror})") from error
    height, width = host.shape[:2]
    announce(f"hiding this project's README in a photo of {width}x{height} pixels, some seconds; pictures go to {out}")
    container, comparison = out / "stegcinn-container.png", out / "stegcinn-comparison.png"
    payload = Payload(readme().encode(), "README.md")

    started = time.monotonic()
    shares = portions(progress, 2)
    hidden = stego.conceal(Source(host), payload, progress=next(shares))
    write_atomic(container, hidden.file, overwrite=True)
    hide_seconds = time.monotonic() - started

    started = time.monotonic()
    source = Source(container)
    revealed = stego.uncover(source, progress=next(shares))
    reveal_seconds = time.monotonic() - started

    saved = source.photo()
    times = amplification(host, saved.rgb)
    write_atomic(comparison, _png(np.hstack([host, saved.rgb, amplified(host, saved.rgb, times)])), overwrite=True)
    return DemoResult(
        container,
        comparison,
        payload_bytes=len(payload.data),
        bpp=8 * len(payload.data) / host[..., 0].size,
        raw_accuracy=hidden.raw_accuracy,
        same_gray=float(np.mean(gray(host) == gray(saved.rgb))),
        psnr=psnr(host, saved.rgb),
        amplified=times,
        hide_seconds=hide_seconds,
        reveal_seconds=reveal_seconds,
        identical=revealed.data == payload.data,
    )


def readme() -> str:
    """The README of this project: the file of a source tree, or what the installed package carries of it."""
    root = Path(__file__).parents[3]
    if (root / "pyproject.toml").is_file() and (root / "README.md").is_file():
        return (root / "README.md").read_text(encoding="utf-8")
    text = metadata("stegcinn").json.get("description")
    if not text:
        raise StegcinnError("the installed package has lost its README; reinstall stegcinn")
    return str(text)


def _png(rgb: UInt8) -> bytes:
    buffer = BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()
