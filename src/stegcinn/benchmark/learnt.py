"""The learnt baselines in a benchmark: trained once on photos apart from the hosts, then used like any embedder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from stegcinn import ecc
from stegcinn.baselines import ddh, hidden, udh
from stegcinn.baselines.ddh import DDH
from stegcinn.baselines.hidden import HiDDeN
from stegcinn.baselines.training import Hidden, HiderConfig, hide_in, train
from stegcinn.baselines.udh import UDH
from stegcinn.benchmark.hosts import ImageSet, UInt8

LEARNT = ("ddh@1.0", "ddh@0.25", "udh@1.0", "udh@0.25", "hidden@0.0018")
PATCHES = {"1.0": 1, "0.25": 2}  # pixels a side of what carries one bit
WIDTHS = {"ddh": ddh.FILTERS, "udh": udh.WIDTH, "hidden": hidden.WIDTH}
CONFIGS = {"ddh": ddh.CONFIG, "udh": udh.CONFIG, "hidden": hidden.CONFIG}


@dataclass(frozen=True)
class LearntPlan:
    """How much is spent on learnt baselines; None stands for the published value."""

    steps: int | None = None
    batch: int | None = None
    narrow: int = 1  # the published widths are divided by this


def build(name: str, narrow: int) -> DDH | UDH | HiDDeN:
    """The networks called `name`, one of LEARNT, with widths divided by `narrow`."""
    method, _, load = name.partition("@")
    width = max(2, WIDTHS[method] // narrow)
    if method == "hidden":
        return HiDDeN(width)
    return DDH(PATCHES[load], width) if method == "ddh" else UDH(PATCHES[load], width)


def trained(
    name: str, photos: UInt8, plan: LearntPlan, folder: Path, seed: int, report: Callable[[str], None]
) -> DDH | UDH | HiDDeN:
    """The networks called `name`, trained on photos (N, H, W, 3); goes on where `folder` stopped."""
    config: HiderConfig = replace(CONFIGS[name.partition("@")[0]], seed=seed, crop=photos.shape[1])
    if plan.steps is not None:
        config = replace(config, steps=plan.steps)
    if plan.batch is not None:
        config = replace(config, batch=plan.batch)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(name, plan.narrow)
    train(model, model, photos, config, folder, lambda line: report(f"{name}: {line}"))
    return model


def hidden_in(model: DDH | UDH | HiDDeN, hosts: ImageSet, seed: int) -> Hidden:
    """Containers of all hosts with random bits, and how many of them come back."""
    return hide_in(model, model, hosts.images, np.random.default_rng(seed))


def net_share(accuracy: float, positions: int) -> float:
    """Share of the bits of one image that is left for payload when this project's codes repair its errors.

    Hard decisions: information 1 - h(accuracy) per position. Too few positions for any code count if all are right.
    """
    if accuracy >= 1:
        return 1.0
    wrong = max(1 - accuracy, 1e-12)
    entropy = -(wrong * np.log2(wrong) + accuracy * np.log2(accuracy)) if 0 < accuracy < 1 else 0.0
    rate = ecc.best_rate(1 - float(entropy), positions) if accuracy > 0.5 else None
    return 0.0 if rate is None else float(ecc.plan(positions, rate).info_bits / positions)
