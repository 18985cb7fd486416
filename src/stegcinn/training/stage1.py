"""Stage 1 (paper, section III-C): maximum likelihood, L1 = -log N(z; 0, I) |det dz/dc|, one term per scale."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stegcinn.model.cinn import CINN, CINNConfig
from stegcinn.training import checkpoint
from stegcinn.training.data import Batch, PhotoSet


@dataclass(frozen=True)
class Stage1Config:
    """Everything a stage-1 run depends on besides the photos."""

    steps: int = 3000
    batch: int = 16
    crop: int = 128
    levels: int = 6
    fine_crop: int = 64  # pixels: level 1 sees a random part of the crop, as it has four times level 2's samples
    noise: tuple[float, float] = (0.5, 3.0)  # levels: range of the dequantisation noise's standard deviation
    shared_weight: float = 0.3  # weight of each level beyond the last flow, which has few samples
    learning_rate: float = 1e-3
    warmup: int = 100
    clip_norm: float = 1.0
    seed: int = 0
    model: CINNConfig = field(default_factory=CINNConfig)


def negative_log_likelihood(z: Tensor, logdet: Tensor) -> Tensor:
    """L1 in nats per dimension, averaged over the batch."""
    dims = z[0].numel()
    return ((0.5 * z.square().sum((1, 2, 3)) - logdet) / dims + 0.5 * math.log(2 * math.pi)).mean()


def _cut_finest(batch: Batch, cells: int, rng: np.random.Generator) -> Batch:
    h, w = batch.details[0].shape[-2:]
    y, x = rng.integers(h - cells + 1), rng.integers(w - cells + 1)
    window = (..., slice(y, y + cells), slice(x, x + cells))
    return Batch([batch.details[0][window], *batch.details[1:]], [batch.conditions[0][window], *batch.conditions[1:]])


def level_losses(model: CINN, batch: Batch) -> list[Tensor]:
    """The negative log-likelihood of each level, nats per dimension."""
    return [negative_log_likelihood(z, logdet) for z, logdet in model(batch.details, batch.conditions)]


def learning_rate(config: Stage1Config, step: int) -> float:
    """Linear warm-up, then a cosine down to 2 % of the base rate."""
    progress = min(1.0, step / config.steps)
    return config.learning_rate * min(1.0, (step + 1) / config.warmup) * (0.51 + 0.49 * math.cos(math.pi * progress))


def save_checkpoint(path: Path, model: CINN, optimizer: torch.optim.Adam, config: Stage1Config, step: int) -> None:
    """Weights, optimiser moments, step and configuration in one safetensors file, replaced atomically."""
    checkpoint.write(path, model, optimizer, {"config": json.dumps(asdict(config)), "step": str(step)})


def load_checkpoint(path: Path, model: CINN, optimizer: torch.optim.Adam | None = None) -> int:
    """Restore what `save_checkpoint` wrote; returns the number of finished steps."""
    tensors, metadata = checkpoint.read(path)
    checkpoint.restore(tensors, model, optimizer)
    return int(metadata["step"])


def train(
    folders: list[tuple[Path, float]],
    out: Path,
    config: Stage1Config,
    *,
    start: Path | None = None,
    save_every: int = 100,
    report: Callable[[int, list[float], float], None] = lambda step, losses, seconds: None,
) -> CINN:
    """Train, logging to `out/log.csv`, and return the trained model.

    A run goes on from `out/checkpoint.safetensors`; a new one begins with the weights of the checkpoint `start`, or
    from scratch.

    Each step draws from its own generator, seeded by (seed, step), so that a resumed run sees the same photos.
    `report(step, mean bits per dimension of each level, seconds)` is called whenever a checkpoint was saved.
    FloatingPointError if the loss stops being finite; the last checkpoint then stays.
    """
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    model = CINN(config.model)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)
    saved, log = out / "checkpoint.safetensors", out / "log.csv"
    first = load_checkpoint(saved, model, optimizer) if saved.exists() else 0
    if start is not None and not first:
        load_checkpoint(start, model)
    photos = PhotoSet(folders, crop=config.crop, levels=config.levels)
    history: list[list[float]] = []
    started = time.monotonic()
    for step in range(first, config.steps):
        rng = np.random.default_rng([config.seed, step])
        batch = _cut_finest(photos.batch(config.batch, config.noise, rng), config.fine_crop // 2, rng)
        losses = level_losses(model, batch)
        own = len(config.model.couplings)
        loss = sum(losses[:own], torch.zeros(())) + config.shared_weight * sum(losses[own:], torch.zeros(()))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise FloatingPointError(
                f"loss {loss.item()}, gradient {norm.item()} at step {step}; the last good checkpoint is {saved}"
            )
        optimizer.step()
        history.append([value.item() / math.log(2) for value in losses])
        if (step + 1) % save_every == 0 or step + 1 == config.steps:
            save_checkpoint(saved, model, optimizer, config, step + 1)
            means = [float(m) for m in np.mean(history, axis=0)]
            seconds = time.monotonic() - started
            with log.open("a", newline="") as file:
                csv.writer(file).writerow([step + 1, f"{seconds:.0f}", *(f"{m:.4f}" for m in means)])
            report(step + 1, means, seconds)
            history.clear()
    model.eval()
    return model
