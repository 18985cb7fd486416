"""One training loop for all learnt baselines, and what they then do to photos."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from stegcinn.errors import StegcinnError
from stegcinn.evaluation.baselines.deep import Hider, to_float, to_image
from stegcinn.runtime.arrays import UInt8
from stegcinn.training import checkpoint
from stegcinn.training.schedule import warmup

REPORT_EVERY = 50  # steps
SETTLING, FITTING = 16, 80  # batches
SECOND_MOMENT = 0.999


@dataclass(frozen=True)
class HiderConfig:
    """Everything a training depends on besides photos and networks. Adam."""

    steps: int
    batch: int
    learning_rate: float
    first_moment: float = 0.9
    crop: int = 128  # pixels; photos that are larger are cut at random
    clip_norm: float = math.inf
    seed: int = 0
    warmup: int = 0  # steps over which the learning rate comes up from nearly nothing
    end: float = 1.0  # and then, in a line from the first step to the last, the share of itself that it goes to
    # The published weight of the container's error times this, from the first step to the last, in a line
    image: tuple[float, float] = (1.0, 1.0)
    # Normalisation by averages over some crops, not by each batch; they are taken, and the last layer is fitted, first
    settled: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"  # of convolutions; weights stay float32

    def now(self, step: int) -> tuple[float, float]:
        """Learning rate, and share of the weight of the container's error, at a step (from 0)."""
        passed = step / max(1, self.steps - 1)
        first, last = self.image
        rate = self.learning_rate * (1 + (self.end - 1) * passed) * warmup(step, self.warmup)
        return rate, first + (last - first) * passed


def device() -> torch.device:
    """Where networks are trained: a GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(model: nn.Module) -> torch.device:
    """Where a network lives."""
    return next(model.parameters()).device


def train(
    model: nn.Module, hider: Hider, photos: UInt8, config: HiderConfig, folder: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> None:  # fmt: skip
    """Train `model`, which is also `hider`, on photos (N, H, W, 3) uint8; it goes on where `folder` stopped.

    Every step draws photos, crops, mirrors and bits from a generator of its own, so a break changes nothing.
    FloatingPointError if a loss is not finite; then nothing of it is saved.
    """
    place = device()
    model.to(place, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    spies = [] if hider.adversary is None else list(hider.adversary.parameters())
    pair = [parameter for parameter in model.parameters() if all(parameter is not spy for spy in spies)]
    optimizer = torch.optim.Adam(
        [*pair, *spies], config.learning_rate, betas=(config.first_moment, SECOND_MOMENT),
        capturable=pair[0].is_cuda,  # a checkpoint puts the step counts on the parameters' device
    )  # fmt: skip
    low = torch.autocast(place.type, torch.bfloat16, enabled=config.precision == "bfloat16")
    step, seconds = _resume(model, optimizer, config, folder)
    if config.settled:
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        if step == 0:
            with low:
                _settle(hider, norms, photos, config)
        for norm in norms:
            norm.eval()
    started, losses, errors = time.monotonic(), [], []
    while step < config.steps:
        rate, image = config.now(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        hosts, bits = draw(hider, photos, config, step)
        hosts, bits = hosts.to(place, memory_format=torch.channels_last), bits.to(place)
        with torch.random.fork_rng(), low:
            torch.manual_seed(config.seed * config.steps + step)  # for noise between the networks
            loss, containers = hider.loss(hosts, bits, image)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if spies and image == 1:
            for parameter in spies:
                parameter.grad = None  # the pair's loss is not the adversary's
            with low:
                verdict = hider.adversary_loss(hosts, containers.detach())
            verdict.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(pair, config.clip_norm)
        optimizer.step()
        losses.append(loss.detach())
        errors.append((containers.detach().float() - hosts).square().mean())
        step += 1
        if step % REPORT_EVERY == 0 or step == config.steps:
            mean = float(torch.stack(losses).mean())
            if not math.isfinite(mean):
                raise FloatingPointError(f"the loss is not finite at step {step}")
            likeness = -10 * math.log10(float(torch.stack(errors).mean()) or math.inf)
            losses, errors = [], []
            spent = seconds + time.monotonic() - started
            report(f"step {step} of {config.steps}: loss {mean:.4f}, {likeness:.1f} dB, {spent:.0f} s")
            row = (step, round(spent, 1), round(mean, 5), round(likeness, 2))
            _save(model, optimizer, config, folder, row)
    model.eval()


@torch.no_grad()
def _settle(hider: Hider, norms: list[nn.BatchNorm2d], photos: UInt8, config: HiderConfig) -> None:
    """Set the statistics of normalisation to averages over SETTLING batches, and fit the last layer to FITTING."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's sign for a cumulative average
    draws = (draw(hider, photos, config, config.steps + step) for step in count())
    on_device = ((hosts.to(device()), bits.to(device())) for hosts, bits in draws)
    for hosts, bits in islice(on_device, SETTLING):
        hider.reveal(hider.hide(hosts, bits))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    hider.fit(islice(on_device, FITTING))


def draw(hider: Hider, photos: UInt8, config: HiderConfig, step: int) -> tuple[Tensor, Tensor]:
    """Hosts (batch, 3, crop, crop) and bits of one training step."""
    rng = np.random.default_rng((config.seed, step))
    side = config.crop
    crops = np.empty((config.batch, side, side, 3), np.uint8)
    for place, index in enumerate(rng.integers(len(photos), size=config.batch)):
        y, x = (rng.integers(size - side + 1) for size in photos.shape[1:3])
        crop = photos[index, y : y + side, x : x + side]
        crops[place] = crop[:, ::-1] if rng.random() < 0.5 else crop
    return to_float(crops), random_bits(hider, config.batch, (side, side), rng)


def random_bits(hider: Hider, count: int, size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Random bits for `count` images of a size (height, width)."""
    shape = (count, *hider.bit_shape(*size))
    return torch.from_numpy(rng.integers(0, 2, shape).astype(np.float32))


@dataclass(frozen=True)
class Hidden:
    """Containers with random bits, and the share of bits that come back."""

    images: UInt8  # (N, H, W, 3), as they are saved
    bpp: float  # bits per pixel before any error correction
    unrounded: tuple[float, ...]  # of each image: accuracy from the network's own real-valued output
    rounded: tuple[float, ...]  # accuracy from the saved image


@torch.no_grad()
def hide_in(model: nn.Module, hider: Hider, photos: UInt8, rng: np.random.Generator, batch: int = 8) -> Hidden:
    """Hide random bits in photos (N, H, W, 3) uint8 and read them back, as computed and as saved."""
    model.eval()
    images: list[UInt8] = []
    unrounded: list[float] = []
    rounded: list[float] = []
    size = photos.shape[1], photos.shape[2]
    for start in range(0, len(photos), batch):
        hosts = to_float(photos[start : start + batch]).to(device_of(model))
        bits = random_bits(hider, len(hosts), size, rng).to(device_of(model))
        containers = hider.hide(hosts, bits)
        saved = to_image(containers)
        images.append(saved)
        for source, kept in ((containers, unrounded), (to_float(saved).to(device_of(model)), rounded)):
            right = (hider.reveal(source) > 0.5) == (bits > 0.5)
            kept += right.flatten(1).float().mean(1).tolist()
    bpp = math.prod(hider.bit_shape(*size)) / math.prod(size)
    return Hidden(np.concatenate(images), bpp, tuple(unrounded), tuple(rounded))


def _facts(model: nn.Module, config: HiderConfig) -> dict[str, Any]:
    return {"network": type(model).__name__, "config": json.loads(json.dumps(asdict(config)))}


def _save(
    model: nn.Module, optimizer: torch.optim.Optimizer, config: HiderConfig, folder: Path | None,
    row: tuple[int, float, float, float],
) -> None:  # fmt: skip
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.csv").open("a", newline="") as file:
        csv.writer(file).writerow(row)
    state = {"facts": _facts(model, config), "step": row[0], "seconds": row[1]}
    checkpoint.write(folder / "last.safetensors", model, optimizer, {"state": json.dumps(state)})


def _resume(
    model: nn.Module, optimizer: torch.optim.Optimizer, config: HiderConfig, folder: Path | None
) -> tuple[int, float]:
    """Step and seconds of the last checkpoint in `folder`, put back in place; zeros without one."""
    if folder is None or not (folder / "last.safetensors").exists():
        return 0, 0.0
    tensors, metadata = checkpoint.read(folder / "last.safetensors")
    state = json.loads(metadata["state"])
    if state["facts"] != _facts(model, config):
        raise StegcinnError(f"{folder} holds another training; choose another folder")
    checkpoint.restore(tensors, model, optimizer)
    return state["step"], state["seconds"]
