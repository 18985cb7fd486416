"""What a codec is: a way to write a byte stream into a carrier and to read it back.

Whatever is above a codec (envelope, files, command line) does not know which one it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args, runtime_checkable

import numpy as np

from stegcinn.carriers.base import Carrier, Source
from stegcinn.carriers.jpegfile.making import QUALITIES
from stegcinn.errors import UsageError
from stegcinn.runtime.arrays import Float32
from stegcinn.sealing.envelope import Envelope
from stegcinn.sealing.keys import VERSION, Keys, RandomBytes

C = TypeVar("C", bound=Carrier)
Colors = Literal["keep", "generate"]
Verdict = Literal["safe", "noticeable", "provable"]
Progress = Callable[[float], None]  # called with the share of the work done, 0..1
StreamSize = Callable[[bytes], int]  # how many bytes a stream has as far as its beginning tells; never less than before

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)  # the best first
COLORS: tuple[Colors, ...] = get_args(Colors)
SAFE = 3.0  # disturbance at which the best attacker measured is right in 55 cases of 100 (docs/security.md)


def silent(share: float) -> None:
    """The progress of work that nobody follows."""


@dataclass(frozen=True)
class Wish:
    """What whoever hides may choose beside codec and format; None leaves it to the codec."""

    colors: Colors | None = None  # "keep" the host's coarse colours, or "generate" new ones for its gray-scale
    quality: int | None = None  # of a JPEG file that is made of the host
    strip_metadata: bool = False  # whether to leave out what a file tells besides its picture
    convert: bool = False  # whether a file of another kind may be made of the host
    suffix: str | None = None  # of the file that is wanted, as in ".jpg"
    channel: str | None = None  # that the container has to come through: its name, or what it does
    # What codecs draw salts and filling from; another than the system's is for what must be made the same again
    random: RandomBytes = field(default=os.urandom, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.colors not in (None, *COLORS):
            raise UsageError(f"unknown colors {self.colors!r}; choose one of {', '.join(COLORS)}")
        if self.quality is not None and self.quality not in QUALITIES:
            raise UsageError(f"the quality is {QUALITIES.start} to {QUALITIES[-1]}, not {self.quality}")


@dataclass(frozen=True)
class Judgement:
    """What an attacker makes of a payload."""

    verdict: Verdict
    reason: str  # one line for people


def judge(
    evidence: str | None, *, safe: bool, disturbance: float | None = None, colors: Colors | None = None,
    survives: bool = False,
) -> Judgement:  # fmt: skip
    """The one judgement, before hiding and after.

    `evidence`: why any change can be proved, if so. `safe`: whether the payload disturbs the host by SAFE at most.
    `colors`: what is done with those of the host, as some advice is of no use where they are drawn anew. `survives`:
    whether it comes through being saved anew, as it is loud at any size then (docs/security.md).
    """
    if evidence is not None:
        return Judgement("provable", evidence)
    if safe:
        return Judgement("safe", "this payload is quiet against the attackers measured")
    if colors == "generate":
        return Judgement(
            "noticeable",
            "a trained attacker may notice colours that are drawn anew; hide in a colour photo's own instead",
        )
    if survives:
        return Judgement(
            "noticeable", "a trained attacker notices nearly always that something is hidden that survives, at any size"
        )
    much = "" if disturbance is None else f" (disturbance {disturbance:.1f})"
    return Judgement(
        "noticeable", f"a trained attacker may notice this payload{much}; hide less, or in a larger or noisier photo"
    )


def judge_disturbance(
    evidence: str | None, disturbance: float | None, colors: Colors | None = None, *, survives: bool = False
) -> Judgement:
    """`judge` of a payload that disturbs as much, as far as the codec can tell."""
    safe = disturbance is not None and disturbance <= SAFE
    return judge(evidence, safe=safe, disturbance=disturbance, colors=colors, survives=survives)


@dataclass(frozen=True)
class Room:
    """How long a stream may be, in bytes."""

    most: int  # what `embed` will surely take
    safe: int = 0  # as much of it as disturbs the carrier by SAFE at most, as far as the codec can tell
    colors: Colors | None = None  # what would be done with the colours, for a codec that has the choice


@dataclass(frozen=True)
class Embedding(Generic[C]):
    """A container before it is saved."""

    carrier: C
    changed: float  # share of pixels, or of coefficients, that are not the host's any more
    # Deflection of an ideal detector that knows how noisy each pixel is; None where the codec cannot tell
    disturbance: float | None = None
    colors: Colors | None = None
    survival: str | None = None  # one line for people: what it comes through on the way, if anything


@dataclass(frozen=True)
class Extraction:
    """A stream read from a container, and how well its bits read before error correction."""

    stream: bytes  # the embedded stream, followed by filling
    raw_accuracy: float  # share of code bits whose hard decision is right


class Codec(Protocol[C]):
    """Writes streams of uniform bytes into carriers, and says what there is to know of it."""

    name: str
    label: str  # what it is, in a few words for people
    auto: bool  # whether it may be taken where no codec is asked for
    first_version: int  # of the container format, in which there are containers of it
    formats: tuple[str, ...]  # suffixes of files that its containers can be saved in, the usual one first
    envelope: Envelope  # that its streams begin with
    shared_salt: bool  # whether all carriers have the same salt, so that passwords are stretched at a higher price

    def ready(self) -> None:
        """Do now what the first use would wait for; MachineError where this machine cannot run it."""

    def refusal(self, wish: Wish) -> str | None:
        """Why it cannot do what is wished, if so."""

    def open(self, source: Source) -> C:
        """The carrier in a source that may be a container; ImageError if there is none."""

    def host(self, source: Source, wish: Wish) -> C:
        """The carrier to hide in; ImageError if there is none, or if it will not do."""

    def salt(self, carrier: C, version: int = VERSION) -> bytes:
        """The 32 bytes that a carrier's keys depend on besides the password: a container's are its host's.

        `version`: of the container format.
        """

    def is_slow(self, carrier: C) -> bool:
        """Whether it takes long to find that nothing is hidden, so that a receiver has to ask for it."""

    def limit(self, carrier: C) -> int:
        """Bytes that no stream in this carrier surpasses, told at once."""

    def evidence(self, carrier: C) -> str | None:
        """Why any change to this host can be proved, if so."""

    def capacity(self, carrier: C, wish: Wish, progress: Progress) -> Room:
        """How long a stream `embed` will surely take."""

    def disturbance(self, carrier: C, size: int, progress: Progress = silent) -> float | None:
        """Expected of a stream of `size` bytes; None if it does not take as much, or if the codec cannot tell."""

    def embed(self, carrier: C, stream: bytes, keys: Keys, wish: Wish, progress: Progress) -> Embedding[C]:
        """Write `stream` into a host and return the container; CapacityError if it does not fit.

        What is left of the room in use is filled from `wish.random`, as is drawn whatever else is. What is written need
        not read back: check it.
        """

    def losses(self, carrier: C, suffix: str) -> list[str]:
        """What a file of this suffix, one of `formats`, cannot hold, a note each; UsageError if nothing would do."""

    def encode(self, carrier: C, suffix: str) -> bytes:
        """The file to save a container as; `suffix` is one of `formats`."""

    def check(self, host: C, saved: C) -> None:
        """SelfCheckError if anything is changed in a saved container that this codec never changes."""

    def extract(
        self, carrier: C, keys: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        """Read the stream of a container, as much of it as `size` asks for at least; RevealError if there is none.

        `size` may raise RevealError for what is no stream. `strict` asks for the margin that hiding demands of its own
        work: less effort than a receiver may spend.
        """


@dataclass(frozen=True)
class Grades:
    """How much streams of some sizes disturb a carrier, both rising; the last is the longest that fits."""

    sizes: tuple[int, ...]  # bytes
    disturbances: tuple[float, ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, float]]) -> Grades:
        """Of sizes and disturbances in any order; where samples make those fall that should rise, they stay."""
        sizes, disturbances = zip(*sorted(dict(pairs).items()), strict=True)
        return cls(sizes, tuple(np.maximum.accumulate(disturbances).tolist()))

    def less(self, overhead: int) -> Grades:
        """As the contents of an envelope tell it that has so many bytes more."""
        return Grades(tuple(size - overhead for size in self.sizes), self.disturbances)

    def at(self, size: int) -> float:
        """The disturbance of a stream of so many bytes, between those that are known."""
        return float(np.interp(size, self.sizes, self.disturbances))

    def size_at(self, disturbance: float) -> float:
        """The size of the longest stream that disturbs as much at most; 0 where every one disturbs more."""
        last = np.append(np.diff(self.disturbances) > 0, True)  # of equal ones the longest
        known, sizes = np.array(self.disturbances)[last], np.array(self.sizes, np.float64)[last]
        return float(np.interp(disturbance, known, sizes, left=0.0))


@runtime_checkable
class Graded(Protocol):
    """A codec that tells of many sizes at once what `Codec.disturbance` tells of one."""

    def grades(self, carrier: Any, progress: Progress) -> Grades | None:
        """From the shortest stream to the longest; None for a carrier that takes none."""


@runtime_checkable
class Mapped(Protocol):
    """A codec that knows where in a carrier changes are hard to see."""

    def noisiness(self, carrier: Any, progress: Progress) -> Float32 | None:
        """How many levels of noise are expected at each pixel (H, W); None for a carrier that takes none."""


def portions(progress: Progress, count: int) -> Iterator[Progress]:
    """`progress` for each of `count` equal parts of the work, in turn."""
    for done in range(count):

        def report(share: float, done: int = done) -> None:
            progress((done + share) / count)

        yield report


def rising(progress: Progress) -> Progress:
    """`progress` that is never told less than before, however often the work is begun again."""
    reached = 0.0

    def report(share: float) -> None:
        nonlocal reached
        if share > reached:
            reached = share
            progress(share)

    return report
