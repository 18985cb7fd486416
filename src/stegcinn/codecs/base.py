"""What a codec is: a way to write a byte stream into the colours of a photo and to read it back.

Whatever is above a codec (envelope, files, command line) does not know which one it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.keys import Keys

Colors = Literal["keep", "generate"]
Progress = Callable[[float], None]  # called with the share of the work done, 0..1
SAFE = 3.0  # disturbance at which the best attacker measured is right in 55 cases of 100 (docs/security.md)


def silent(share: float) -> None:
    """The progress of work that nobody follows."""


@dataclass(frozen=True)
class Room:
    """How long a stream may be, in bytes."""

    most: int  # what `embed` will surely take
    safe: int = 0  # as much of it as disturbs the photo by SAFE at most, as far as the codec can tell


@dataclass(frozen=True)
class Embedding:
    """A container before it is saved."""

    rgb: UInt8
    # Deflection of an ideal detector that knows how noisy each pixel is; None where the codec cannot tell
    disturbance: float | None = None


@dataclass(frozen=True)
class Extraction:
    """A stream read from a container, and how well its bits read before error correction."""

    stream: bytes  # the embedded stream, followed by filling
    raw_accuracy: float  # share of code bits whose hard decision is right


class Codec(Protocol):
    """Writes streams of uniform bytes into colours; all images are (H, W, 3) uint8."""

    name: str
    most: float  # bits per pixel: more is never taken, whatever the photo

    def capacity(self, rgb: UInt8, colors: Colors, progress: Progress) -> Room:
        """How long a stream `embed` will surely take."""

    def embed(self, rgb: UInt8, stream: bytes, keys: Keys, colors: Colors, progress: Progress) -> Embedding:
        """Write `stream` into the colours of a host and return the container; CapacityError if it does not fit.

        What is left of the room in use is filled from the system's generator. What is written need not read back:
        check it.
        """

    def extract(self, rgb: UInt8, keys: Keys, *, strict: bool = False) -> Extraction:
        """Read the stream of a container; RevealError if there is none.

        `strict` asks for the margin that hiding demands of its own work: less effort than a receiver may spend.
        """


def portions(progress: Progress, count: int) -> Iterator[Progress]:
    """`progress` for each of `count` equal parts of the work, in turn."""
    for done in range(count):

        def report(share: float, done: int = done) -> None:
            progress((done + share) / count)

        yield report
