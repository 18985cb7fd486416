"""Ways to spread a payload over many photos, to be compared at the same payload."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stegcinn.album.spreading import NO_SPARE, spread
from stegcinn.codecs.base import SAFE, Grades
from stegcinn.errors import CapacityError
from stegcinn.runtime.arrays import Float64
from stegcinn.sealing.compact import OVERHEAD

STEPS = 40  # of the search for what all photos have in common
CORRECTIONS = 4


def sizes(strategy: str, photos: Sequence[Grades | None], total: int) -> list[int]:
    """Bytes of the stream in each photo, about `total` in all; CapacityError if they do not take as much.

    `photos`: what their codec tells, None for those that take nothing. Strategies: `equal-bytes`; `one-full`, as few
    photos as can be, those that take most; `equal-disturbance`; `hardest-half`, the same in the half of the photos
    that carry most unseen; `album`, what `hide_album` does: the same in as many photos as disturbs least in all.
    """
    return STRATEGIES[strategy](photos, total)


def _equal_bytes(photos: Sequence[Grades | None], total: int) -> list[int]:
    return _common(lambda share: np.minimum(_most(photos), share), photos, total, float(_most(photos).max(initial=0)))


def _one_full(photos: Sequence[Grades | None], total: int) -> list[int]:
    most = _most(photos)
    if most.sum() < total:
        raise CapacityError(total, int(most.sum()), photos=len(photos))
    found = np.zeros(len(photos))
    for number in np.argsort(-most, kind="stable"):
        found[number] = min(most[number], total - found.sum())
    return [int(each) for each in found]


def _equal_disturbance(photos: Sequence[Grades | None], total: int) -> list[int]:
    top = max((each.disturbances[-1] for each in photos if each), default=0.0)
    return _common(lambda level: np.array([_at(each, level) for each in photos]), photos, total, top)


def _hardest_half(photos: Sequence[Grades | None], total: int) -> list[int]:
    unseen = np.array([_at(each, SAFE) for each in photos])
    hard = set(np.argsort(-unseen, kind="stable")[: (len(photos) + 1) // 2].tolist())
    return _equal_disturbance([each if number in hard else None for number, each in enumerate(photos)], total)


def _album(photos: Sequence[Grades | None], total: int) -> list[int]:
    size, found = total, [0]
    sealed = [each and each.less(OVERHEAD) for each in photos]
    for _ in range(CORRECTIONS):  # of the payload: what shares and envelopes add depends on how it is spread
        each = spread(sealed, size, NO_SPARE)
        added = OVERHEAD + each.header
        found = [each.bytes_of(n) + added if each.symbols[n] else 0 for n in range(len(photos))]
        size += total - sum(found)
    return found


STRATEGIES: dict[str, Callable[[Sequence[Grades | None], int], list[int]]] = {
    "equal-bytes": _equal_bytes,
    "one-full": _one_full,
    "equal-disturbance": _equal_disturbance,
    "hardest-half": _hardest_half,
    "album": _album,
}


def _common(of: Callable[[float], Float64], photos: Sequence[Grades | None], total: int, top: float) -> list[int]:
    """Sizes at the least number up to `top` at which they are `total` in all."""
    if of(top).sum() < total:
        raise CapacityError(total, int(of(top).sum()), photos=len(photos))
    low, high = 0.0, top
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if of(middle).sum() >= total else (middle, high)
    return [int(each) for each in of(high)]


def _most(photos: Sequence[Grades | None]) -> Float64:
    return np.array([each.sizes[-1] if each else 0 for each in photos], np.float64)


def _at(each: Grades | None, level: float) -> float:
    """Bytes at a disturbance; none below that of the header alone."""
    return each.size_at(level) if each else 0.0
