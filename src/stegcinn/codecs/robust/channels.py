"""What a container has to come through: channels by name, from a file, or by what they do."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from stegcinn.carriers.jpegfile.making import QUALITIES
from stegcinn.errors import UsageError

USUAL = "quality>=62"  # what a container comes through where nobody says what it has to
LEAST_EDGE, MOST_EDGE = 320, 65500  # pixels
SMALLEST, LARGEST = 0.3, 1.3  # scales that a container can come through; the latter is tried with all others
LOWER, HIGHER = 3, (5, 10, 15)  # how far a known quality may be off, as nobody promises it
STEADY = (6, 13, 21, 28)  # qualities above the least one that are tried, where none is known

_FORM = re.compile(r"(long-edge|quality|webp|resize)(>?=)(\d{1,5}|0?\.\d{1,3})")


@dataclass(frozen=True)
class Channel:
    """Scales a picture to `long_edge` pixels where it is longer, and saves it anew, as `kind` of a `quality`.

    `known`: whether the quality is (nearly) this one, and not just no lower. `whole`: whether what arrives is the whole
    picture, nothing cut off. `resize`: the least of the scales that it may have, where those are not known.
    """

    name: str
    quality: int
    long_edge: int | None = None
    kind: Literal["jpeg", "webp"] = "jpeg"
    known: bool = True
    whole: bool = True
    resize: float | None = None
    label: str = ""
    source: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        if self.quality not in QUALITIES:
            raise UsageError(f"the quality of a channel is {QUALITIES.start} to {QUALITIES[-1]}, not {self.quality}")
        if self.long_edge is not None and not LEAST_EDGE <= self.long_edge <= MOST_EDGE:
            raise UsageError(f"the long edge of a channel is {LEAST_EDGE} to {MOST_EDGE} pixels, not {self.long_edge}")
        if self.resize is not None and not SMALLEST <= self.resize <= 1:
            raise UsageError(f"what a channel scales to is {SMALLEST} to 1 of the size, not {self.resize}")

    @property
    def qualities(self) -> tuple[int, ...]:
        """Those that a container is tried at."""
        steps: tuple[int, ...] = (-LOWER, 0, *HIGHER) if self.known else (0, *STEADY)
        if self.kind == "webp":  # whose quality 98 takes as much from chroma as 90 does, nearly
            steps = (0, HIGHER[1])
        return tuple(sorted({min(max(self.quality + step, 1), QUALITIES[-1]) for step in steps}))

    @property
    def trips(self) -> tuple[tuple[int, float], ...]:
        """Quality and scale of what a container is tried with."""
        if self.resize is None:
            return tuple((quality, 1.0) for quality in self.qualities)
        between = (self.resize * LARGEST) ** 0.5
        return tuple((self.qualities[0], scale) for scale in (self.resize, between, 1.0, LARGEST))

    def survival(self, width: int, height: int) -> str:
        """What a container of this size comes through that was tried, in a line."""
        kind = "JPEG" if self.kind == "jpeg" else "WebP"
        tried = f"{kind} of quality {self.trips[0][0]} to {self.trips[-1][0]}"
        if self.resize is not None:
            tried = f"{kind} of quality {self.qualities[0]} at scales of {self.resize:g} to {LARGEST:g}"
        return f"the payload survives {self.label or self.name}: tried through {tried} at {width}x{height} pixels"


def channels() -> tuple[Channel, ...]:
    """The channels that are known by name: what `hide` takes as `channel`, with source and date of what is known."""
    return tuple(_shipped().values())


def parse(text: str) -> Channel:
    """The channel that a text means; UsageError if it means none.

    A name of `channels`, `FILE.toml#NAME`, or what it does: "long-edge=1600,quality=70", "quality>=62", "webp>=80",
    "resize=0.6,quality>=75".
    """
    if text in _shipped():
        return _shipped()[text]
    path, mark, name = text.rpartition("#")
    if mark:
        return _own(path, name)
    parts = [_FORM.fullmatch(part.strip()) for part in text.split(",")]
    if not all(parts):
        names = ", ".join(_shipped())
        raise UsageError(f"unknown channel {text!r}; name one of {names}, or say quality=70, quality>=62 or webp>=80")
    told = {part[1]: (part[2], float(part[3])) for part in parts if part}
    kinds = [key for key in ("quality", "webp") if key in told]
    if len(kinds) != 1 or len(told) != len(parts):
        raise UsageError(f"channel {text!r} needs one quality, as in long-edge=1600,quality=70 or webp>=80")
    sign, quality = told[kinds[0]]
    edge = int(told["long-edge"][1]) if "long-edge" in told else None
    resize = told["resize"][1] if "resize" in told else None
    whole = sign == "=" and resize is None
    known = whole and kinds[0] == "quality"
    return Channel(text, int(quality), edge, "jpeg" if kinds[0] == "quality" else "webp", known, whole, resize)


@cache
def _shipped() -> dict[str, Channel]:
    text = (files("stegcinn.codecs.robust") / "channels.toml").read_text(encoding="utf-8")
    return {name: _channel(name, entry) for name, entry in tomllib.loads(text).items()}


def _own(path: str, name: str) -> Channel:
    try:
        entries = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no file of channels that can be read ({error}); see docs/cli.md") from None
    if not isinstance(entries.get(name), dict):
        raise UsageError(f"{path} has no channel {name!r}; it has {', '.join(entries) or 'none'}")
    return _channel(name, entries[name])


def _channel(name: str, entry: dict[str, Any]) -> Channel:
    kinds: dict[str, type] = {
        "long_edge": int, "quality": int, "kind": str, "known": bool, "whole": bool, "resize": float, "label": str,
        "source": str, "date": str,
    }  # fmt: skip
    wrong = [key for key, value in entry.items() if type(value) is not kinds.get(key)]
    if wrong or "quality" not in entry or entry.get("kind", "jpeg") not in ("jpeg", "webp"):
        problem = f"{', '.join(wrong)} is not understood" if wrong else "it needs a quality, and kind is jpeg or webp"
        raise UsageError(f"channel {name}: {problem}; it may have {', '.join(kinds)}")
    return Channel(name, **{"whole": "resize" not in entry, **entry})
