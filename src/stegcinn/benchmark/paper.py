"""Steg-cINN as the paper has it (preset `paper`) in a benchmark: trained on its photos, then used like any embedder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stegcinn.baselines.training import Hidden
from stegcinn.benchmark.hosts import ImageSet, UInt8
from stegcinn.training.build import build_flow, load_weights
from stegcinn.training.config import ConditionConfig, RunConfig, override, preset
from stegcinn.training.evaluation import AT_ONCE, magnitudes
from stegcinn.training.loop import Progress, train
from stegcinn.training.networks import Network
from stegcinn.training.release import export

Report = Callable[[str], None]


@dataclass(frozen=True)
class PaperPlan:
    """What of the presets `condition` and `paper` is set to something else, as `stegcinn train --set` takes it."""

    condition: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained:
    """The network after the last round, and the alpha it hides with."""

    network: Network
    alpha: float


def trained(photos: UInt8, plan: PaperPlan, folder: Path, vgg: Path | None, seed: int, report: Report) -> Trained:
    """Train on photos (N, H, W, 3), going on where `folder` stopped: both stages, and first the condition.

    `vgg`: a state dict of VGG-16 in torchvision's layout; without it, features of its shape learn to colour `photos`.
    """
    source = folder / "photos"
    _lay_out(photos, source)
    seeded = f"seed={seed}"

    def tell(progress: Progress) -> None:
        if progress.saved:
            report(f"step {progress.step} of {progress.steps}, loss {progress.loss:.3f}")

    settings = (*plan.paper, seeded)
    if vgg is None:
        config = override(preset("condition"), [*plan.condition, seeded])
        release = folder / "vgg"
        if not release.exists():
            train(config, [(source, 1.0)], folder / "condition", report=tell)
            export(folder / "condition", release)
        vgg = release / "vgg.safetensors"
        assert isinstance(config.network, ConditionConfig)
        settings = (*settings, f"network.vgg_width={config.network.vgg_width}")
    config = override(preset("paper"), [*settings, f"network.vgg={vgg}"])
    train(config, [(source, 1.0)], folder / "run", report=tell)
    return _last_round(config, folder / "run")


def _lay_out(photos: UInt8, folder: Path) -> None:
    """Photos as files, which is what `train` reads; their names decide which of them are held out."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, rgb in enumerate(photos):
        path = folder / f"{index:05d}.png"
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            Image.fromarray(rgb).save(temporary, format="PNG")
            temporary.replace(path)


def _last_round(config: RunConfig, run: Path) -> Trained:
    network = build_flow(config)
    load_weights(run / f"round-{config.rounds.rounds}.safetensors", network)
    return Trained(network.eval(), config.alpha)


@torch.no_grad()
def hidden_in(model: Trained, hosts: ImageSet, seed: int) -> Hidden:
    """Containers of all hosts with random bits, two per pixel, and how many of them come back."""
    network, rng = model.network, np.random.default_rng(seed)
    images: list[UInt8] = []
    unrounded: list[float] = []
    rounded: list[float] = []
    size = network.dimensions(hosts.images.shape[1])
    for start in range(0, len(hosts.images), AT_ONCE):
        rgb = hosts.images[start : start + AT_ONCE]
        signs = rng.choice(np.array([-1, 1], np.float32), (len(rgb), size))
        z = torch.from_numpy(magnitudes(signs.shape, model.alpha, rng) * signs)
        painting = network.paint(rgb, z, network.draw_roots(len(rgb), rng))
        images.append(painting.rgb)
        for inputs, kept in ((painting.unrounded, unrounded), (network.inputs(painting.rgb), rounded)):
            read = network.read(inputs)[0].cpu().numpy()
            kept += ((read >= 0) == (signs > 0)).mean(1).tolist()
    bpp = size / hosts.images[0, ..., 0].size
    return Hidden(np.concatenate(images), bpp, tuple(unrounded), tuple(rounded))
