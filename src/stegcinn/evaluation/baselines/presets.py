"""How the shipped baselines were trained, `stegcinn train --preset hidden|ddh|udh`: stages, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stegcinn.evaluation.baselines.training import HiderConfig


@dataclass(frozen=True)
class Stage:
    """One training; it begins with the weights that the stage before ended with."""

    load: str  # bits per pixel, as in the name METHOD@LOAD of the networks that it trains
    config: HiderConfig


@dataclass(frozen=True)
class HiderPreset:
    """The networks of a method at a width, and their stages; the last stage of each load is what ships."""

    method: str
    width: int
    stages: tuple[Stage, ...]

    @property
    def loads(self) -> dict[str, int]:
        """The number, from 1, of the last stage of each load."""
        return {stage.load: number for number, stage in enumerate(self.stages, 1)}


def _config(steps: int, batch: int, crop: int, rate: float = 1e-3, end: float = 1.0, **others: Any) -> HiderConfig:
    return HiderConfig(steps, batch, rate, crop=crop, end=end, precision="bfloat16", **others)


PRESETS = {
    # Message first: as long as the image counts, the shortest way to a small loss is to send nothing. Just below the
    # full weight of the image there is no adversary, whose thousandth of the loss would take a third of the time.
    "hidden": HiderPreset("hidden", 32, (
        Stage("0.0018", _config(1500, 16, 32, image=(0.0, 0.0))),
        Stage("0.0018", _config(700, 16, 32, image=(0.0, 0.99))),
        Stage("0.0018", _config(1500, 16, 32, 1e-3, 0.1, warmup=50, image=(0.99, 0.99), settled=True)),
        Stage("0.0018", _config(750, 8, 64, 1e-3, 0.7, warmup=50, image=(0.99, 0.99), settled=True)),
        Stage("0.0018", _config(1200, 4, 128, 7e-4, 0.1, warmup=50, image=(0.99, 0.99), settled=True)),
        Stage("0.0018", _config(1300, 4, 128, 6e-4, 0.05, warmup=50, image=(0.99, 0.99), settled=True)),
        Stage("0.0018", _config(1600, 4, 128, 6e-4, 0.1, warmup=50, image=(0.99, 4.0), settled=True)),
        Stage("0.0018", _config(2000, 4, 128, 5e-4, 0.05, warmup=50, image=(4.0, 9.0), settled=True)),
    )),
    "udh": HiderPreset("udh", 12, (
        Stage("1.0", _config(450, 3, 128, 1e-3, 0.1, first_moment=0.5)),
        Stage("1.0", _config(700, 3, 128, 1e-3, 0.1, warmup=20, first_moment=0.5)),
        Stage("0.25", _config(350, 3, 128, 1e-3, 0.1, warmup=20, first_moment=0.5)),
    )),
    "ddh": HiderPreset("ddh", 8, (
        Stage("1.0", _config(550, 8, 32, 1e-3, 0.587)),
        Stage("1.0", _config(1000, 8, 32, 1e-3, 0.1, warmup=30, image=(2.0, 6.0))),
        Stage("0.25", _config(400, 8, 32, 5e-4, 0.1, warmup=30, image=(6.0, 6.0))),
    )),
}  # fmt: skip
