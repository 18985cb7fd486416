"""Encoders that the machine may have: ImageMagick, ffmpeg, and mozjpeg in libvips."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stegcinn.errors import StegcinnError
from stegcinn.evaluation.channels.encoders import SAMPLINGS, check_quality
from stegcinn.evaluation.channels.steps import within
from stegcinn.runtime.arrays import UInt8

# Names of a program, and how it begins to tell its version: what bears a name may be another program
MAGICK = ("magick", "convert"), "Version: ImageMagick"  # of version 7; of 6
FFMPEG = ("ffmpeg",), "ffmpeg version"
MOST_SECONDS = 120.0
MOZJPEG_TABLE = 3  # mozjpeg's own default: ImageMagick's table, by N. Robidoux
FFMPEG_BEST, FFMPEG_WORST = 2, 31


@dataclass(frozen=True)
class Magick:
    """ImageMagick's JPEG; without a sampling it halves chroma below quality 90 only."""

    quality: int
    sampling: str | None = None

    def __post_init__(self) -> None:
        check_quality(self.quality)

    @property
    def missing(self) -> str | None:
        """The program."""
        return None if _program(*MAGICK) else "ImageMagick is not installed: apt-get install imagemagick"

    def __call__(self, rgb: UInt8) -> bytes:
        sampling = ["-sampling-factor", SAMPLINGS[self.sampling]] if self.sampling else []
        line = [_program(*MAGICK), "ppm:-", "-quality", str(self.quality), *sampling, "jpg:-"]
        return _output(line, rgb)

    def __str__(self) -> str:
        return f"magick-q{self.quality}" + (f"-{self.sampling}" if self.sampling else "")


@dataclass(frozen=True)
class Ffmpeg:
    """ffmpeg's own JPEG encoder (mjpeg), 4:2:0, by its scale of quality from 2, the best, to 31."""

    scale: int

    def __post_init__(self) -> None:
        within(self.scale, FFMPEG_BEST, FFMPEG_WORST, "ffmpeg's scale of quality")

    @property
    def missing(self) -> str | None:
        """The program."""
        return None if _program(*FFMPEG) else "ffmpeg is not installed: apt-get install ffmpeg"

    def __call__(self, rgb: UInt8) -> bytes:
        made = ["-frames:v", "1", "-c:v", "mjpeg", "-q:v", str(self.scale), "-pix_fmt", "yuvj420p", "-f", "mjpeg", "-"]
        line = [_program(*FFMPEG), "-v", "error", "-f", "image2pipe", "-c:v", "ppm", "-i", "-"]
        return _output([*line, *made], rgb)

    def __str__(self) -> str:
        return f"ffmpeg-v{self.scale}"


@dataclass(frozen=True)
class Mozjpeg:
    """mozjpeg as many servers run it, by libvips: its own tables, trellis quantisation, progressive scans."""

    quality: int
    sampling: str = "420"

    def __post_init__(self) -> None:
        check_quality(self.quality)

    @property
    def missing(self) -> str | None:
        """The library."""
        return None if _has_mozjpeg() else "no libvips with mozjpeg: pip install pyvips pyvips-binary"

    def __call__(self, rgb: UInt8) -> bytes:
        return _by_vips(
            rgb, Q=self.quality, optimize_coding=True, interlace=True, trellis_quant=True, overshoot_deringing=True,
            optimize_scans=True, quant_table=MOZJPEG_TABLE, subsample_mode="on" if self.sampling == "420" else "off",
        )  # fmt: skip

    def __str__(self) -> str:
        return f"mozjpeg-q{self.quality}-{self.sampling}"


@cache
def _program(names: tuple[str, ...], says: str) -> str:
    """The first program of those names on the PATH that begins to tell its version so; "" if there is none."""
    for name in names:
        for folder in os.get_exec_path():
            found = shutil.which(name, path=folder)
            if found is None:
                continue
            line = [found, "-version"]
            told = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False)
            if told.stdout.startswith(says):
                return found
    return ""


def _output(line: list[str], rgb: UInt8) -> bytes:
    """What a program makes of a picture; StegcinnError with the last that it said if it fails."""
    height, width = rgb.shape[:2]
    picture = b"P6 %d %d 255\n" % (width, height) + rgb.tobytes()
    done = subprocess.run(line, input=picture, capture_output=True, check=False, timeout=MOST_SECONDS)
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing was said"]
        raise StegcinnError(f"{Path(line[0]).name} failed: {said[-1][-200:]}")
    return done.stdout


@cache
def _has_mozjpeg() -> bool:
    try:
        flat: UInt8 = np.zeros((16, 16, 3), np.uint8)
        return _by_vips(flat, Q=75) != _by_vips(flat, Q=75, quant_table=MOZJPEG_TABLE)  # others have one table
    except (ImportError, OSError):  # no bindings, or no library behind them
        return False


def _by_vips(rgb: UInt8, **options: Any) -> bytes:
    import pyvips

    file: bytes = pyvips.Image.new_from_array(np.ascontiguousarray(rgb)).jpegsave_buffer(**options)
    return file
