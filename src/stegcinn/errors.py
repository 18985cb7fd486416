"""The exception tree: every error the library raises on purpose, each with its exit code for the shell."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 12  # numbers of shares in a message
QUARTER = 4  # times the room of its half that a photo has, about


class StegcinnError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns for it."""

    exit_code = 1


class UsageError(StegcinnError):
    """A request that contradicts itself or the state of the file system (an output that exists, a lossy suffix)."""

    exit_code = 2


class CapacityError(StegcinnError):
    """The payload does not fit.

    `needed` and `available` are in bytes: of the payload as it is stored (compressed, if that makes it smaller) where
    `hide` raises it, of the whole stream where a codec does. `size`: of the payload as it is, where that is known;
    `halved`: whether the photo was halved, which leaves a quarter of the room.
    """

    exit_code = 3

    def __init__(
        self, needed: int, available: int, *, size: int | None = None, halved: bool = False, photos: int | None = None
    ) -> None:
        """`photos`: how many it was to be shared among, if so."""
        self.needed = needed
        self.available = available
        self.photos = photos
        compressed = f" ({size:,} before compression)" if size is not None and size > needed else ""
        remedy = "do not halve it (--halve), " if halved and needed <= QUARTER * available else ""
        taken = f"this {'halved ' * halved}photo takes {available:,}; {remedy}use a larger or more colourful photo"
        if photos is not None:
            taken = f"these {photos:,} photos take {available:,}; use more of them, a smaller spare"
        super().__init__(
            f"the payload does not fit: it needs {needed:,} bytes{compressed} and {taken}, or a smaller file"
        )


class NoHostError(StegcinnError):
    """None of many photos takes the payload."""

    exit_code = 3


class RevealError(StegcinnError):
    """Nothing could be revealed. A clean photo, a wrong password and an altered container are one and the same case."""

    exit_code = 4

    def __init__(self, left_out: Sequence[str] = ()) -> None:
        """`left_out`: codecs that were not looked for, as that takes long in an image of this size."""
        hint = f" (codec {', '.join(left_out)} takes long to look for: ask for a thorough search)" if left_out else ""
        super().__init__("no payload found: there is none, the password is wrong, or the image was altered" + hint)


class SharesError(StegcinnError):
    """Of a payload that is shared among several photos, too few shares are there."""

    exit_code = 4

    def __init__(self, found: int, count: int, missing: int, absent: Sequence[int]) -> None:
        """`missing`: bytes; `absent`: numbers of the shares that are not there, from 0 on, of `count` in all."""
        self.found, self.count, self.missing, self.absent = found, count, missing, tuple(absent)
        shares = "this is one" if found == 1 else f"these are {found:,}"
        numbers = ", ".join(str(index + 1) for index in absent[:_SHOWN]) + ", ..." * (len(absent) > _SHOWN)
        super().__init__(
            f"{shares} of {count:,} shares of an album, and {missing:,} bytes are missing (shares {numbers}); "
            "give all its photos at once, or their folder"
        )


class ImageError(StegcinnError):
    """The image cannot be read, or is not suitable as a host or container."""

    exit_code = 5


class SelfCheckError(StegcinnError):
    """The container did not reveal its payload with the required margin, so it was not returned."""


class WeightsError(StegcinnError):
    """Released weights are missing or damaged."""


class MachineError(StegcinnError):
    """This machine does not compute the numbers that a codec's format prescribes."""


class StegcinnWarning(UserWarning):
    """Something was changed on the way in that the user should know (16-bit samples reduced, extra frames dropped)."""


def describe(error: BaseException) -> str:
    """What went wrong, in one line for people: the same words in the shell and on the page."""
    match error:
        case StegcinnError():
            return str(error)
        case MemoryError():
            return "not enough memory; use a smaller photo or file"
        case OSError():
            return f"input/output error: {error}"
    return f"unexpected {type(error).__name__}: {error} (STEGCINN_DEBUG=1 shows the traceback)"
