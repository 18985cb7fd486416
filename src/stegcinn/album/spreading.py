"""How much of a payload each photo of an album carries: as much as disturbs all of them alike.

To make every photo as hard to detect as the others is the best way of spreading known (Cogranne, Sedighi, Fridrich
2017, *Practical strategies for content-adaptive batch steganography and pooled steganalysis*). What every photo costs
beyond its share of the payload, headers and envelopes, makes it better to leave some out: so many that the disturbance
of the whole album is the least, as long as each photo by itself is as good as unseen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.codecs.base import SAFE, Grades
from stegcinn.errors import CapacityError, UsageError
from stegcinn.sealing import sharing

LEAST, MOST, STEP = 0.05, 1000.0, 1.05  # disturbances between which a common one is found, and how far apart
REFINEMENTS = 16  # of the one that is found
NOTHING = -1e9  # bytes; between it and any others, all but the last are none
FEWER = 0.93  # of the photos, that are tried instead of all, and again of those

Counts = npt.NDArray[np.int64]
Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spare:
    """How many of the photos that carry something may be lost: so many, or so large a part of them (rounded up)."""

    photos: int = 0
    part: float = 0.0

    @classmethod
    def read(cls, text: str | int) -> Spare:
        """From "3" or "20%"; UsageError for anything else."""
        word = str(text).strip()
        try:
            spare = cls(part=float(word[:-1]) / 100) if word.endswith("%") else cls(photos=int(word))
        except ValueError:
            spare = cls(photos=-1)
        if spare.photos < 0 or not 0 <= spare.part < 1:
            raise UsageError(f"the spare is a number of photos or a part of them such as 20%, not {word!r}")
        return spare

    def of(self, used: int) -> int:
        """How many of so many photos."""
        return self.photos + math.ceil(round(self.part * used, 9))


NO_SPARE = Spare()


@dataclass(frozen=True)
class Spread:
    """What each photo carries."""

    symbols: tuple[int, ...]  # of each photo; 0 where it carries nothing
    words: int  # of a symbol
    header: int  # bytes of a share before its symbols, at most
    level: float  # disturbance of a photo, at most

    @property
    def used(self) -> list[int]:
        """Numbers of the photos that carry something."""
        return [number for number, count in enumerate(self.symbols) if count]

    def bytes_of(self, number: int) -> int:
        """Of the payload and of what makes up for losses, in one photo."""
        return self.symbols[number] * self.words * sharing.WORD

    def kept(self, lost: int) -> int:
        """Bytes that are left for certain when so many photos are lost."""
        rest = sorted(self.symbols)[: max(0, len(self.symbols) - lost)]
        return sum(rest) * self.words * sharing.WORD


def spread(
    photos: Sequence[Grades | None], size: int, spare: Spare, *, safe: bool = False, full: bool = False
) -> Spread:
    """The least disturbance at which `size` bytes find room in the photos, `spare` ones being lost.

    `photos`: what their codecs tell of what is sealed, None for those that take nothing. `safe`: with a disturbance of
    SAFE at most. `full`: with one of SAFE at least, so that what the payload leaves is for losses. CapacityError if it
    does not fit.
    """
    table = _Table(photos)
    top = table.index(SAFE) if safe else table.last
    everyone = table.most_first(top)
    whole = table.spread(everyone, top, size, spare)
    if whole is None and spare.part == 0:  # else fewer photos may do, as fewer of them may be lost then
        raise CapacityError(size, table.available(everyone, top, size, spare), photos=len(photos))
    order = table.most_first(table.index(whole.level)) if whole else everyone
    choices = [order[:count] for count in _fewer_and_fewer(len(whole.used) if whole else table.taking(top))]
    if full:
        for which in (everyone, *choices):
            if filled := table.spread(which, table.index(SAFE), size, spare, least=False):
                return filled
    found = [each for each in (whole, *(table.spread(which, top, size, spare) for which in choices)) if each]
    if not found:
        most = max(table.available(which, top, size, spare) for which in (everyone, *choices))
        raise CapacityError(size, most, photos=len(photos))
    return min(found, key=lambda each: (each.level > SAFE, table.pooled(each)))


def _fewer_and_fewer(count: int) -> Iterator[int]:
    """Numbers of photos that are tried, from one less than `count` to one."""
    while count > 1:
        count = max(1, min(count - 1, int(FEWER * count)))
        yield count


def pooled(disturbances: Sequence[float]) -> float:
    """Of all photos together: the deflection of who looks at all, the root of the sum of squares."""
    return math.sqrt(sum(each * each for each in disturbances))


class _Table:
    """Bytes of a share in each photo (rows) at each of many disturbances (columns); negative for none."""

    def __init__(self, photos: Sequence[Grades | None]) -> None:
        count = math.ceil(math.log(MOST / LEAST, STEP))
        levels = LEAST * STEP ** np.arange(count + 1)
        self.levels = np.concatenate([[0.0], np.unique(np.append(levels, SAFE))])
        nothing = np.full(len(self.levels), NOTHING)
        rows = [np.interp(self.levels, *_rising(each), left=NOTHING) if each else nothing for each in photos]
        self.bytes = np.array(rows, np.float32).reshape(-1, len(self.levels))
        self.bytes[:, 0] = NOTHING
        self.tops = np.array([each.disturbances[-1] if each else 0.0 for each in photos])
        self.last = len(self.levels) - 1

    def index(self, level: float) -> int:
        """Column of a disturbance, or of the next that has one."""
        return int(np.searchsorted(self.levels, level))

    def most_first(self, column: int) -> Counts:
        """Photos in the order of what they carry at the disturbance of a column."""
        order: Counts = np.argsort(-self.bytes[:, min(column, self.last)], kind="stable")
        return order

    def taking(self, column: int) -> int:
        """How many photos carry something there."""
        return int(np.count_nonzero(self.bytes[:, column] > 0))

    def spread(self, which: Counts, top: int, size: int, spare: Spare, *, least: bool = True) -> Spread | None:
        """Over some photos, at a disturbance of the column `top` at most (the least, if so); None if there is none."""
        rows = self.bytes[which]
        if _fitting(rows[:, top], size, spare) is None:
            return None
        low, high, part = 0, top, 1.0
        if least:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if _fitting(rows[:, middle], size, spare) else (middle, high)
            below = 0.0
            for _ in range(REFINEMENTS):
                tried = (below + part) / 2
                fits = _fitting(_between(rows, low, high, tried), size, spare)
                below, part = (below, tried) if fits else (tried, part)
        level = self.levels[low] + part * (self.levels[high] - self.levels[low])
        found = _fitting(_between(rows, low, high, part) if least else rows[:, top], size, spare)
        if found is None:
            return None
        counts, words, header = found
        symbols = np.zeros(len(self.bytes), np.int64)
        symbols[which] = counts
        return Spread(tuple(symbols.tolist()), words, header, float(level))

    def available(self, which: Counts, top: int, size: int, spare: Spare) -> int:
        """How many bytes fit in some photos, in symbols as so many have them."""
        counts, words, _ = _symbols(self.bytes[which, top], size)
        left = np.sort(counts)[: max(0, len(counts) - spare.of(int(np.count_nonzero(counts))))]
        return int(left.sum()) * words * sharing.WORD

    def pooled(self, found: Spread) -> float:
        """Disturbance of all photos together, as far as it is known before hiding."""
        return pooled([min(found.level, self.tops[number]) for number in found.used])


def _rising(each: Grades) -> tuple[Table, Table]:
    """Disturbances and sizes, of equal disturbances the largest size."""
    disturbances, sizes = np.array(each.disturbances), np.array(each.sizes, np.float64)
    last = np.append(disturbances[1:] > disturbances[:-1], True)
    return disturbances[last], sizes[last]


def _between(rows: npt.NDArray[np.float32], low: int, high: int, part: float) -> Table:
    below, above = rows[:, low].astype(np.float64), rows[:, high].astype(np.float64)
    return below + part * (above - below)


def _symbols(room: npt.NDArray[np.floating], size: int) -> tuple[Counts, int, int]:
    """Symbols for each photo of what has room for shares of a block of `size` bytes; their words; a share's header."""
    room = np.maximum(room, 0).astype(np.float64)
    total, used = float(room.sum()), int(np.count_nonzero(room))
    words = max(1, math.ceil(total / (sharing.WORD * sharing.MAX_SYMBOLS)))
    header = sharing.header_size(size, words, min(int(total) // (sharing.WORD * words), sharing.MAX_SYMBOLS - 1), used)
    counts = (np.maximum(room - header, 0) / (sharing.WORD * words)).astype(np.int64)
    return counts, words, header


def _fitting(room: npt.NDArray[np.floating], size: int, spare: Spare) -> tuple[Counts, int, int] | None:
    """`_symbols`, if they suffice."""
    counts, words, header = _symbols(room, size)
    used = int(np.count_nonzero(counts))
    lost = spare.of(used)
    if words > sharing.MAX_WORDS or not lost < used <= sharing.MAX_SHARES:
        return None
    left = int(counts.sum() - np.sort(counts)[::-1][:lost].sum())
    return (counts, words, header) if left >= sharing.source_symbols(size, words) else None
