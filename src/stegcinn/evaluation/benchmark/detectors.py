"""The steganalysers by name, each with its published recipe and one that two processor cores can afford."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from stegcinn.errors import UsageError
from stegcinn.evaluation.steganalysis import efficientnet, kenet, srnet, xunet, yedroudjnet
from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe

Preset = Literal["small", "paper"]
DETECTORS: dict[str, tuple[Callable[[int], Detector], Recipe]] = {
    "xunet": (xunet.XuNet, xunet.RECIPE),
    "yedroudjnet": (yedroudjnet.YedroudjNet, yedroudjnet.RECIPE),
    "kenet": (kenet.KeNet, kenet.RECIPE),
    "srnet": (srnet.SRNet, srnet.RECIPE),
    "efficientnet": (efficientnet.EfficientNet, efficientnet.RECIPE),
}
# Published recipes take hundreds of epochs. In a few, these learnt fastest here (docs/benchmark.md), and SRNet, which
# has no filters to begin with, learnt nothing.
SMALL: dict[str, Recipe] = {
    "xunet": Recipe(epochs=8, batch=8, optimizer="adamax", learning_rate=2e-3, drop=0.2, drops=(0.5, 0.75),
                    augment=True),
    "yedroudjnet": Recipe(epochs=12, again=6, batch=16, optimizer="adamax", learning_rate=5e-4, drop=0.2,
                          drops=(0.7, 0.9), augment=True, crop=64),
    "kenet": Recipe(epochs=24, again=8, batch=16, optimizer="adamax", learning_rate=2e-3, weight_decay=1e-4, drop=0.2,
                    drops=(0.8, 0.92), augment=True, crop=64),
    "efficientnet": Recipe(epochs=6, batch=16, optimizer="adamax", learning_rate=2e-3, weight_decay=1e-5, drop=0.2,
                           drops=(0.5, 0.75), augment=True, crop=64),
}  # fmt: skip


def detectors_of(preset: Preset) -> tuple[str, ...]:
    """The detectors that have a recipe under a preset."""
    return tuple(name for name in DETECTORS if preset == "paper" or name in SMALL)


def recipe_of(detector: str, preset: Preset, epochs: int | None = None) -> Recipe:
    """The recipe of a detector under a preset, with another number of epochs if one is given."""
    if detector not in DETECTORS:
        raise UsageError(f"no detector {detector!r}; choose from {', '.join(DETECTORS)}")
    if detector not in detectors_of(preset):
        raise UsageError(f"{detector} learns nothing in the few epochs of the preset {preset}; choose another preset")
    recipe = DETECTORS[detector][1] if preset == "paper" else SMALL[detector]
    return recipe if epochs is None else replace(recipe, epochs=epochs, again=None)
