"""What hides a payload in a photo's file and reads it from the file that arrives: codecs, a watermark, plain LSB.

robust@256B                     256 bytes per million pixels
robust@400bytes:channel=signal  400 bytes in each photo, and what `stegcinn.hide` takes besides
dwtdct@4bytes                   a watermark of 32 bits
lsb@256B                        the floor
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.codecs import CODECS, load_codec
from stegcinn.errors import ImageError, RevealError, StegcinnWarning, UsageError
from stegcinn.evaluation.baselines import dwtdct, lsb
from stegcinn.evaluation.channels.encoders import Png
from stegcinn.runtime.arrays import UInt8

MEGA = 1_000_000
OURS = {"host", "payload", "password", "codec", "progress"}  # parameters of `hide` that are no options of a method


class Baseline(NamedTuple):
    """A method that is no codec: into the pixels of a lossless file, without a check whether anything is there."""

    embed: Callable[[UInt8, bytes], UInt8]
    extract: Callable[[UInt8, int], bytes]
    missing: Callable[[], str | None]


BASELINES = {
    "lsb": Baseline(lsb.replace_bits, lsb.read_bits, lambda: None),
    "dwtdct": Baseline(dwtdct.embed, dwtdct.extract, dwtdct.missing),
}


@dataclass(frozen=True)
class Method:
    """A codec or a baseline, how much it hides, and the options it is used with."""

    kind: str
    load: float
    per_pixel: bool  # whether the load is bytes per million pixels, or else bytes in each photo
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Method:
        """From NAME@256B or NAME@400bytes, and :option=value as `stegcinn.hide` has them; UsageError for others."""
        head, *told = text.split(":")
        match = re.fullmatch(r"([a-z]+)@(\d+(?:\.\d+)?)(B|bytes)", head)
        kinds = (*CODECS, *BASELINES)
        if match is None or match[1] not in kinds or not float(match[2]):
            raise UsageError(f"no method {text!r}; write NAME@256B (per megapixel) or NAME@400bytes, of {_list(kinds)}")
        options = tuple((name, value) for name, _, value in (each.partition("=") for each in told))
        there = [] if match[1] in BASELINES else [n for n in inspect.signature(stego.hide).parameters if n not in OURS]
        if wrong := [name for name, value in options if name not in there or not value]:
            raise UsageError(f"{match[1]} has no option {wrong[0]!r}; write :NAME=VALUE, of {_list(there)}")
        return cls(match[1], float(match[2]), match[3] == "B", options)

    def __str__(self) -> str:
        load = f"{self.load:g}{'B' if self.per_pixel else 'bytes'}"
        return ":".join([f"{self.kind}@{load}", *(f"{name}={value}" for name, value in self.options)])

    @property
    def missing(self) -> str | None:
        """What this machine lacks for it."""
        return BASELINES[self.kind].missing() if self.kind in BASELINES else None

    @property
    def authentic(self) -> bool:
        """Whether what it reveals is known to be what was hidden."""
        return self.kind not in BASELINES

    def size(self, pixels: int) -> int:
        """Bytes that it hides in a photo of so many pixels."""
        return max(1, round(self.load * pixels / MEGA if self.per_pixel else self.load))

    def hide(self, host: bytes, payload: bytes) -> bytes:
        """The container's file of a host's; CapacityError if it takes less, other StegcinnErrors if it will not do."""
        if self.kind in BASELINES:
            return Png()(BASELINES[self.kind].embed(Source(host).photo().rgb, payload))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StegcinnWarning)
            return stego.hide(host, payload, codec=self.kind, **dict(self.options)).file  # type: ignore[arg-type]

    def reveal(self, file: bytes, size: int) -> bytes | None:
        """The payload in a file that arrived; None where nothing is found."""
        try:
            if self.kind in BASELINES:
                return BASELINES[self.kind].extract(Source(file).photo().rgb, size)
            return stego.uncover(Source(file), among=[load_codec(self.kind)], thorough=True).data
        except (RevealError, ImageError):  # ImageError: too small now, or of a kind that the codec has no carrier in
            return None


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "none"
