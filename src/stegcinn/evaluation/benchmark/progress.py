"""How far a benchmark is: its stages, how much of each is done, and how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

TRUST = 120.0  # seconds of work after which the clock counts as much as what was expected
FINE = 60.0  # seconds: what is left is told to a minute, or below that to 10 seconds


@dataclass
class Stage:
    """Some jobs of one kind: how many there are, how many are done, and the seconds of one core for those left."""

    name: str
    total: int
    done: int
    seconds: float


class Progress:
    """Tells lines with where the work stands, from what was expected at first and the clock later."""

    def __init__(
        self, stages: Sequence[Stage], jobs: int, report: Callable[[str], None], working: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`report` is for lines that stay, `working` for the one that says what is being done."""
        self._stages, self._jobs, self._clock = stages, max(1, jobs), clock
        self._report, self._working = report, working
        self._begun, self._expected, self._at = clock(), 0.0, 0

    def begin(self, index: int) -> None:
        """Go on to a stage."""
        self._at = index
        self._expected += sum(stage.seconds for stage in self._stages[:index])
        for stage in self._stages[:index]:
            stage.seconds = 0.0
        self._report(self.where)
        self._working(self.where)

    def step(self, line: str, seconds: float | None = None) -> None:
        """A job of the stage is done, which was to take `seconds` of one core, or its share of what is left."""
        stage = self._stages[self._at]
        share = stage.seconds / max(1, stage.total - stage.done)
        stage.done += 1
        self.advance(share if seconds is None else seconds)
        self._report(f"{line} ({self.where})")

    def advance(self, seconds: float) -> None:
        """What was expected to take `seconds` of one core is done, before any job of the stage."""
        stage = self._stages[self._at]
        counted = min(seconds, stage.seconds)
        stage.seconds -= counted
        self._expected += counted
        self._working(self.where)

    def tell(self, line: str) -> None:
        """Something is known in the middle of a job."""
        self._report(line)
        self._working(self.where)

    @property
    def where(self) -> str:
        """As in "stage 4 of 5, trainings and attacks: 14 of 230, about 0:48:00 left"."""
        stage = self._stages[self._at]
        place = f"stage {self._at + 1} of {len(self._stages)}, {stage.name}: {stage.done} of {stage.total}"
        return f"{place}, about {timedelta(seconds=self.left)} left"

    @property
    def left(self) -> int:
        """Seconds: those expected, as much longer or shorter as the work has taken so far."""
        expected = self._expected / self._jobs
        slower = (self._clock() - self._begun + TRUST) / (expected + TRUST)
        left = slower * sum(stage.seconds for stage in self._stages) / self._jobs
        grain = FINE if left >= 10 * FINE else 10
        return int(-(-left // grain) * grain)
