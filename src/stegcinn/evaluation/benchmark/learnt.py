"""What is trained in a benchmark, once, on photos apart from the hosts, and then used like any embedder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from stegcinn.coding import ldpc
from stegcinn.evaluation.baselines.hiders import CONFIGS, HIDERS, WIDTHS, AnyHider, build, shipped
from stegcinn.evaluation.baselines.training import Hidden, HiderConfig, device, hide_in, train
from stegcinn.evaluation.benchmark import paper
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.evaluation.benchmark.paper import Hide, PaperNetwork, PaperPlan
from stegcinn.runtime.arrays import UInt8

STEG_CINN = "cinn-paper@2.0"  # the paper's own method; the others are its baselines
LEARNT = (*HIDERS, STEG_CINN)
BCH_BLOCK, BCH_MENDS = 255, 14  # of BCH(255, 147)


@dataclass(frozen=True)
class LearntPlan:
    """How much is spent on what is trained; None stands for the published value.

    Networks are the trained ones that ship; only those that are trained anew depend on these numbers.
    """

    steps: int | None = None
    batch: int | None = None
    narrow: int = 1  # the published widths are divided by this
    retrain: bool = False
    paper: PaperPlan = field(default_factory=PaperPlan)


def is_trained(name: str, plan: LearntPlan, vgg: Path | None) -> bool:
    """Whether the networks called `name` are trained anew, instead of those that ship; see `trained`."""
    return plan.retrain or (name == STEG_CINN and vgg is not None)


def trained(
    name: str, photos: UInt8, plan: LearntPlan, folder: Path, vgg: Path | None, seed: int,
    report: Callable[[str], None],
) -> Hide:  # fmt: skip
    """The networks called `name`, one of LEARNT: those that ship, or such as are trained anew, see `is_trained`.

    What is trained is trained on photos (N, H, W, 3) uint8, and goes on where `folder` stopped.
    `vgg`: VGG-16's weights for the paper's own network, if there are any; it is trained with them.
    """

    def tell(line: str) -> None:
        report(f"{name}: {line}")

    if name == STEG_CINN:
        return steg_cinn(photos, plan, folder, vgg, seed, tell)
    if not is_trained(name, plan, vgg):
        return partial(_hidden_in, shipped(name).to(device()))
    method = name.partition("@")[0]
    config: HiderConfig = replace(CONFIGS[method], seed=seed, crop=photos.shape[1])
    if plan.steps is not None:
        config = replace(config, steps=plan.steps)
    if plan.batch is not None:
        config = replace(config, batch=plan.batch)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(name, max(2, WIDTHS[method] // plan.narrow))
    train(model, model, photos, config, folder, tell)
    return partial(_hidden_in, model)


def steg_cinn(
    photos: UInt8, plan: LearntPlan, folder: Path, vgg: Path | None, seed: int, report: Callable[[str], None]
) -> PaperNetwork:
    """The paper's own network, as `trained` has it."""
    if is_trained(STEG_CINN, plan, vgg):
        return paper.trained(photos, plan.paper, folder, vgg, seed, report)
    return paper.shipped()


def _hidden_in(model: AnyHider, hosts: ImageSet, seed: int) -> Hidden:
    return hide_in(model, model, hosts.images, np.random.default_rng(seed))


def net_share(accuracy: float, positions: int) -> float:
    """Share of the bits of one image that is left for payload when this project's codes repair its errors.

    Hard decisions: information 1 - h(accuracy) per position. Too few positions for any code count if all are right.
    """
    if accuracy >= 1:
        return 1.0
    wrong = max(1 - accuracy, 1e-12)
    entropy = -(wrong * np.log2(wrong) + accuracy * np.log2(accuracy)) if 0 < accuracy < 1 else 0.0
    rate = ldpc.best_rate(1 - float(entropy), positions) if accuracy > 0.5 else None
    return 0.0 if rate is None else float(ldpc.plan(positions, rate).info_bits / positions)


def bch_accuracy(accuracy: float, positions: int) -> float | None:
    """Expected share of right bits after BCH(255, 147), which mends up to 14 errors, if `accuracy` of them come right.

    The paper says that it uses BCH, not which; this is the code of 255 bits nearest to the 5/12 of redundancy that the
    first author's draft gives. Bits are spread over blocks at random; a block with more errors stays as it was read.
    None if there is no room for a block.
    """
    if positions < BCH_BLOCK:
        return None
    wrong = 1 - accuracy
    remaining = sum(
        errors * math.comb(BCH_BLOCK, errors) * wrong**errors * accuracy ** (BCH_BLOCK - errors)
        for errors in range(BCH_MENDS + 1, BCH_BLOCK + 1)
    )
    return 1 - remaining / BCH_BLOCK
