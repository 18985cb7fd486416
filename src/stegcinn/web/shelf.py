"""Where uploads and jobs are kept: in memory, under names that nobody guesses, and not for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """Things by name. What nobody asked for longest makes room for what is new."""

    def __init__(self, size_of: Callable[[T], int], *, limit: int, count: int, discard: Callable[[T], None]) -> None:
        """At most `count` things, of `limit` bytes by `size_of` in all; `discard` is told of each that goes."""
        self._size_of = size_of
        self._limit = limit
        self._count = count
        self._discard = discard
        self._things: dict[str, tuple[T, float]] = {}  # in the order in which they were last asked for

    def __len__(self) -> int:
        return len(self._things)

    def put(self, name: str, thing: T) -> None:
        """Keep a thing, which is never what has to go for it."""
        self._things[name] = (thing, time.monotonic())
        self.trim()

    def get(self, name: str) -> T | None:
        """Find a thing, and keep it longer for that."""
        kept = self._things.pop(name, None)
        if kept is None:
            return None
        self._things[name] = (kept[0], time.monotonic())
        return kept[0]

    def drop(self, name: str) -> bool:
        """Let go of a thing; False if it was not here."""
        kept = self._things.pop(name, None)
        if kept is None:
            return False
        self._discard(kept[0])
        return True

    def trim(self, idle_seconds: float = float("inf")) -> None:
        """Let go of what nobody has asked for in `idle_seconds`, and of the oldest things above the limits."""
        now = time.monotonic()
        for name, (_, asked) in list(self._things.items()):
            size = sum(self._size_of(thing) for thing, _ in self._things.values())
            too_much = len(self._things) > 1 and (size > self._limit or len(self._things) > self._count)
            if now - asked > idle_seconds or too_much:
                self.drop(name)
