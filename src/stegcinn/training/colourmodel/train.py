"""Training of the discrete colour model: maximum likelihood, bits per pixel of true colours given luma and context.

stegcinn train colours photos crops -o run --minutes 120

Photos are cut as they are and shrunk by random factors, as the colours of neighbouring pixels hang together very
differently in a camera's pixels, in a shrunk photo and in a decoded JPEG. A CUDA device is used if there is one; the
step is then recorded once as a CUDA graph, since these networks are too small to keep such a device busy otherwise.
"""

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
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor

from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.errors import UsageError
from stegcinn.training import checkpoint
from stegcinn.training.colourmodel.network import WIDTHS, ColourModel
from stegcinn.training.data import list_photos, read_colour

CHECKPOINT = "last.safetensors"  # in the folder of a run
FILTERS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class ColoursConfig:
    """Everything a run depends on besides the photos."""

    minutes: float = 120.0
    batch: int = 12  # crops per group
    groups: int = 8  # per step; the second half of them is shrunk, each by its own factor
    crop: int = 96  # pixels; a multiple of 32
    levels: int = 5  # settled in crops
    wide_crop: int = 128  # a few crops that train the coarse levels only
    wide_levels: int = 7
    shrink: float = 0.4  # smallest factor
    learning_rate: float = 2e-3
    warmup: int = 300
    clip_norm: float = 2.0
    seed: int = 0
    widths: tuple[tuple[int, ...], ...] = WIDTHS


def luma(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) integer-valued float32 -> (N, 1, H, W); exact, as all sums stay below 2**24."""
    r, g, b = torch.split(rgb, 1, dim=1)
    wr, wg, wb = LUMA_WEIGHTS
    return torch.floor((wr * r + wg * g + wb * b + 32768) / 65536)


class PhotoPile:
    """All photos of some folders in one flat tensor on the training device, cut at random."""

    def __init__(self, folders: list[Path], crop: int, device: torch.device, *, validation: bool) -> None:
        pixels, self.offsets, self.sizes, names = [], [], [], []
        offset = 0
        for path in (path for folder in folders for path in list_photos(folder, validation=validation)):
            rgb = read_colour(path)
            if rgb is None or min(rgb.shape[:2]) < crop:
                continue
            pixels.append(torch.from_numpy(rgb.reshape(-1, 3).copy()))
            self.offsets.append(offset)
            self.sizes.append(rgb.shape[:2])
            names.append(path.name)
            offset += len(pixels[-1])
        if not pixels:
            raise ValueError(f"no colour photo of at least {crop}x{crop} pixels in {', '.join(map(str, folders))}")
        self.pixels = torch.cat(pixels).to(device)
        self.sides = np.array([min(size) for size in self.sizes])
        self.manifest = hashlib.sha256("\n".join(names).encode()).hexdigest()

    def crops(self, count: int, side: int, rng: np.random.Generator) -> Tensor:
        """`count` square crops (count, 3, side, side) float32 0..255, mirrored and turned at random."""
        base, width = [], []
        for i in rng.choice(np.flatnonzero(self.sides >= side), count):
            h, w = self.sizes[i]
            y, x = rng.integers(h - side + 1), rng.integers(w - side + 1)
            base.append(self.offsets[i] + y * w + x)
            width.append(w)
        device = self.pixels.device
        pinned = device.type == "cuda"  # lest the host waits for the device
        places = torch.tensor([base, width], pin_memory=pinned).to(device, non_blocking=True)
        start, stride = places[:, :, None, None]
        along = torch.arange(side, device=device)
        index = start + along[:, None] * stride + along
        cut = self.pixels[index].permute(0, 3, 1, 2).float()
        if rng.random() < 0.5:
            cut = cut.flip(3)
        if rng.random() < 0.5:
            cut = cut.transpose(2, 3)
        return cut

    def shrunk(self, count: int, side: int, smallest: float, rng: np.random.Generator) -> Tensor:
        """Crops that were larger by a random factor and are shrunk to `side` pixels by a random filter."""
        source = int(rng.uniform(side, min(side / smallest, float(rng.choice(self.sides)))))
        cut = self.crops(count, source, rng)
        mode = FILTERS[rng.integers(len(FILTERS))]
        return F.interpolate(cut, (side, side), mode=mode, antialias=True, align_corners=False).round().clamp(0, 255)


class Sampler:
    """Batches of fixed shape: crops for all levels, and wide crops for the coarse ones."""

    def __init__(self, piles: list[PhotoPile], config: ColoursConfig) -> None:
        self.piles, self.config = piles, config

    def __call__(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        c = self.config
        groups = []
        for group in range(c.groups):
            pile = self.piles[group % len(self.piles)]
            if group * 2 < c.groups:
                groups.append(pile.crops(c.batch, c.crop, rng))
            else:
                groups.append(pile.shrunk(c.batch, c.crop, c.shrink, rng))
        wide = [pile.crops(c.batch, c.wide_crop, rng) for pile in self.piles]
        return torch.cat(groups), torch.cat(wide)


def losses(model: ColourModel, crops: Tensor, wide: Tensor, config: ColoursConfig) -> Tensor:
    """Mean bits per settled pixel of every level, (wide_levels + 1,): fine levels, coarse levels, the root."""
    coarse = len(config.widths) - 1
    fine = model.code_lengths(crops, luma(crops), 0, config.levels - 1)
    high = model.code_lengths(wide, luma(wide), coarse, config.wide_levels - 1)
    top = wide[:, :, 0, 0]
    rows = [level.sum(0).mean() for level in fine]
    rows += [level.sum(0).mean() for level in high[config.levels - coarse :]]
    rows.append(model.root_bits(top, luma(wide)[:, 0, 0, 0]).sum(0).mean())
    return torch.stack(rows)


def learning_rate(config: ColoursConfig, step: int, share: float) -> float:
    """Warm-up by steps, then a cosine to 1 % over the share of the time that has passed."""
    return config.learning_rate * min(1.0, (step + 1) / config.warmup) * (0.505 + 0.495 * math.cos(math.pi * share))


class Stepper:
    """One optimisation step on fixed buffers; recorded as a CUDA graph where that exists."""

    def __init__(self, model: ColourModel, optimizer: torch.optim.Adam, config: ColoursConfig) -> None:
        self.model, self.optimizer, self.config = model, optimizer, config
        self.device = next(model.parameters()).device
        self.graph: torch.cuda.CUDAGraph | None = None
        self.buffers: tuple[Tensor, Tensor] | None = None
        self.result: Tensor | None = None

    def _step(self, crops: Tensor, wide: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=self.device.type == "cpu")
        result = losses(self.model, crops, wide, self.config)
        result.sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm, foreach=True)
        self.optimizer.step()
        return result.detach()

    def __call__(self, crops: Tensor, wide: Tensor, rate: float) -> Tensor:
        """Mean bits per pixel of each level before the step."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        if self.device.type == "cpu":
            return self._step(crops, wide)
        if self.buffers is None:
            self.buffers = crops.clone(), wide.clone()
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self._step(*self.buffers)
            torch.cuda.current_stream().wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = self._step(*self.buffers)
        for buffer, new in zip(self.buffers, (crops, wide), strict=True):
            buffer.copy_(new)
        assert self.graph is not None
        assert self.result is not None
        self.graph.replay()
        return self.result.clone()


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors and facts of a checkpoint."""
    tensors, metadata = checkpoint.read(path)
    return tensors, json.loads(metadata["facts"])


def model_of(path: Path) -> ColourModel:
    """The model of a checkpoint."""
    tensors, facts = load_checkpoint(path)
    model = ColourModel(tuple(tuple(w) for w in facts["config"]["widths"]))
    checkpoint.restore(tensors, model)
    return model


@torch.no_grad()
def validate(model: ColourModel, piles: list[PhotoPile], config: ColoursConfig) -> list[list[float]]:
    """Bits per pixel of levels 0, 1, 2 for each pile as it is and shrunk, on crops that are the same every time."""
    rows = []
    for pile in piles:
        for shrink in (False, True):
            rng = np.random.default_rng(1)
            batches = [
                pile.shrunk(24, config.crop, config.shrink, rng) if shrink else pile.crops(24, config.crop, rng)
                for _ in range(4)
            ]
            x = torch.cat(batches)
            rows.append([float(level.sum(0).mean()) for level in model.code_lengths(x, luma(x), 0, 2)])
    return rows


def _lasting(facts: dict[str, Any]) -> dict[str, Any]:
    """What a run keeps when it is taken up again: all but for how long it lasts."""
    return {"config": {**facts["config"], "minutes": None}, "photos": facts["photos"]}


def train(
    folders: list[Path],
    run: Path,
    config: ColoursConfig,
    *,
    report: Callable[[str], None],
    working: Callable[[str], None] = lambda text: None,
    stop_after: float | None = None,
) -> Path:
    """Train for `config.minutes` of stepping in all and return the checkpoint; goes on where `run` stopped.

    `report` gets lines that are worth keeping, `working` after every step what is being done. `stop_after`: minutes
    after which this call stops even so, to be resumed by another. UsageError if `run` holds a run of another
    configuration, but for its minutes, or on other photos.
    """
    run.mkdir(parents=True, exist_ok=True)
    saved_run = run / CHECKPOINT
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True  # sums of integers stay exact
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(config.seed)
    model = ColourModel(config.widths)
    model.to(device)
    rate = torch.tensor(config.learning_rate, device=device) if device.type == "cuda" else config.learning_rate
    optimizer = torch.optim.Adam(model.parameters(), rate, capturable=device.type == "cuda", foreach=True)
    piles = [PhotoPile([f], config.crop, device, validation=False) for f in folders]
    held_out = [PhotoPile([f], config.crop, device, validation=True) for f in folders]
    step, before = 0, 0.0
    facts = {
        "config": json.loads(json.dumps(asdict(config))), "photos": [pile.manifest for pile in piles],
        "torch": torch.__version__, "stegcinn": version("stegcinn"),
    }  # fmt: skip
    if saved_run.exists():
        tensors, known = load_checkpoint(saved_run)
        if _lasting(known) != _lasting(facts):
            raise UsageError(f"{run} holds a run of another configuration or on other photos; name a new folder")
        checkpoint.restore(tensors, model, optimizer)
        step, before = known["step"], known["seconds"]
    count = sum(len(pile.sizes) for pile in piles)
    report(f"{count:,} photos, {config.minutes:g} minutes on {device.type}, of which {before / 60:.1f} are over")
    sample, stepper = Sampler(piles, config), Stepper(model, optimizer, config)
    started = saved = time.monotonic()
    total, count = torch.zeros(config.wide_levels + 1, device=device), 0

    def mean() -> list[float]:
        """Bits of each level since the last save; RuntimeError, before anything is overwritten, if one is NaN."""
        bits: list[float] = (total / max(count, 1)).tolist()
        if not all(map(math.isfinite, bits)):
            raise RuntimeError(f"the loss is not finite at step {step}; the last good checkpoint is {saved_run}")
        return bits

    def save() -> None:
        facts.update(step=step, seconds=before + time.monotonic() - started)
        checkpoint.write(saved_run, model, optimizer, {"facts": json.dumps(facts)})

    while True:
        seconds = before + time.monotonic() - started
        share = seconds / (60 * config.minutes)
        stop = stop_after is not None and time.monotonic() - started > 60 * stop_after
        if share >= 1 or stop:
            break
        bits = stepper(*sample(np.random.default_rng((config.seed, step))), learning_rate(config, step, share))
        total, count, step = total + bits, count + 1, step + 1
        working(f"{share:4.0%}, step {step:,}")
        if time.monotonic() - saved > 60:
            row = [step, round(seconds), *(round(v, 4) for v in mean())]
            with (run / "log.csv").open("a", newline="") as log:
                csv.writer(log).writerow(row)
            finest, *coarser = (f"{bits:.2f}" for bits in row[2:])
            report(f"{share:4.0%}, step {step:,}: {finest} bits per pixel at the finest level; {', '.join(coarser)}")
            save()
            total, count, saved = torch.zeros_like(total), 0, time.monotonic()
    mean()
    if count or not saved_run.exists():  # else all of it is saved, with the versions that trained it
        save()
    report(f"{step:,} steps in {seconds:,.0f} s")
    for row in validate(model, held_out, config):
        report("held out: " + " ".join(f"{v:.3f}" for v in row))
    return saved_run
