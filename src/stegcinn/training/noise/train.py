"""Training of the noise network: the code length of the colours of scaled photos, given the luma and all around."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stegcinn.codecs.stealth.noise import RADIUS
from stegcinn.colourmodel import mixture
from stegcinn.errors import UsageError
from stegcinn.training import checkpoint
from stegcinn.training.colourmodel.train import luma
from stegcinn.training.noise.network import WIDTHS, NoiseNet, bits, planes_of
from stegcinn.training.noise.photos import Pile

CHECKPOINT = "noise.safetensors"  # in the folder of a run
LOG = "log.csv"
EVERY = 250  # steps between lines of the log and checkpoints


@dataclass(frozen=True)
class NoiseConfig:
    """Everything a run depends on besides the photos."""

    steps: int = 7000
    batch: int = 48  # crops
    crop: int = 48  # pixels, of which all but RADIUS at each side are predicted
    versions: int = 3  # of each photo
    learning_rate: float = 3e-3
    warmup: int = 200
    clip_norm: float = 2.0
    seed: int = 0
    widths: tuple[int, int, int, int] = WIDTHS


class Trained(nn.Module):
    """The network, and the shapes of the distributions it is trained with: (SYMBOLS, len(SLOPES)) logits."""

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        self.net = NoiseNet(widths)
        self.shape = nn.Parameter(torch.zeros(mixture.SYMBOLS, len(mixture.SLOPES)))
        with torch.no_grad():
            self.shape[:, mixture.SLOPES.index(1.0)] = 3.0

    def forward(self, rgb: Tensor) -> Tensor:
        """Bits per pixel of red, blue and green, (3,), of (N, 3, H, W) 0..255."""
        y = luma(rgb)
        inner = (..., slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
        found = self.net(planes_of(rgb, y))
        return bits(found, rgb[inner], y[inner], torch.softmax(self.shape, -1)).mean((1, 2, 3))


def learning_rate(config: NoiseConfig, step: int) -> float:
    """Warm-up, then a cosine to 1 %."""
    return (
        config.learning_rate
        * min(1.0, (step + 1) / config.warmup)
        * (0.505 + 0.495 * math.cos(math.pi * step / config.steps))
    )


@torch.no_grad()
def validate(model: Trained, pile: Pile, config: NoiseConfig) -> list[float]:
    """Bits per pixel of red, blue and green, on crops that are the same every time."""
    rng = np.random.default_rng(1)
    rows = torch.stack([model(pile.crops(config.batch, rng)) for _ in range(8)])
    return [float(row) for row in rows.mean(0)]


def load(path: Path) -> tuple[Trained, dict[str, Any]]:
    """The model of a checkpoint, and its facts."""
    tensors, metadata = checkpoint.read(path)
    facts = json.loads(metadata["facts"])
    model = Trained(tuple(facts["config"]["widths"]))
    checkpoint.restore(tensors, model)
    return model, facts


def train(
    folders: list[Path], run: Path, config: NoiseConfig, *, report: Callable[[str], None],
    working: Callable[[str], None] = lambda text: None,
) -> Path:  # fmt: skip
    """Train for `config.steps` and return the checkpoint; goes on where `run` stopped.

    `report` gets lines that are worth keeping, `working` after every step what is being done. ValueError without
    photos; UsageError if `run` holds a run of another configuration or on other photos.
    """
    run.mkdir(parents=True, exist_ok=True)
    saved = run / CHECKPOINT
    torch.manual_seed(config.seed)
    model = Trained(config.widths)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)
    pile = Pile(folders, config.crop, config.versions, validation=False, seed=config.seed)
    held_out = Pile(folders, config.crop, config.versions, validation=True, seed=config.seed)
    facts: dict[str, Any] = {
        "config": json.loads(json.dumps(asdict(config))),
        "photos": hashlib.sha256("\n".join(pile.names).encode()).hexdigest(), "count": len(pile.names),
        "torch": torch.__version__, "stegcinn": version("stegcinn"),
    }  # fmt: skip
    step, before = 0, 0.0
    if saved.is_file():
        tensors, metadata = checkpoint.read(saved)
        there = json.loads(metadata["facts"])
        if any(there[key] != facts[key] for key in ("config", "photos")):
            raise UsageError(f"{run} holds another run; name a new folder")
        checkpoint.restore(tensors, model, optimizer)
        step, before = there["step"], there["seconds"]
    begun = time.monotonic()
    while step < config.steps:
        rng = np.random.default_rng((config.seed, step))  # a resumed run draws the same crops
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        optimizer.zero_grad()
        rates = model(pile.crops(config.batch, rng))
        rates.sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        step += 1
        working(f"step {step:,} of {config.steps:,}, {float(rates.detach().sum()):.3f} bits per pixel")
        if step % EVERY == 0 or step == config.steps:
            facts |= {"step": step, "seconds": before + time.monotonic() - begun}
            checkpoint.write(saved, model, optimizer, {"facts": json.dumps(facts)})
            row = [step, float(rates.detach().sum()), *validate(model, held_out, config)]
            with (run / LOG).open("a", newline="") as file:
                csv.writer(file).writerow([step, *(f"{value:.4f}" for value in row[1:])])
            report(f"step {step:,} of {config.steps:,}: {row[1]:.3f} bits, held out {sum(row[2:]):.3f}")
    return saved
