"""Steg-cINN as the paper has it (preset `paper`) in a benchmark: as it ships, or trained on the benchmark's photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stegcinn.evaluation.baselines.training import Hidden, device
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.files import replacing
from stegcinn.runtime.arrays import UInt8
from stegcinn.runtime.weights import Release
from stegcinn.training.cinn.build import released_lab
from stegcinn.training.cinn.config import ConditionConfig, override, preset
from stegcinn.training.cinn.evaluation import AT_ONCE, hidden
from stegcinn.training.cinn.loop import RunProgress, train
from stegcinn.training.cinn.release import export
from stegcinn.training.cinn.trainables import Network

RELEASE = "cinn-paper-1"  # folder of evaluation/weights

Report = Callable[[str], None]
Hide = Callable[[ImageSet, int], Hidden]  # hides random bits, drawn from a seed, in all hosts


@dataclass(frozen=True)
class PaperNetwork:
    """A trained network that hides with latents beyond `alpha`."""

    network: Network
    alpha: float

    def __call__(self, hosts: ImageSet, seed: int) -> Hidden:
        """Containers for the gray-scales of all hosts, with random bits in every latent."""
        return self._painted(hosts, self.alpha, np.random.default_rng(seed))

    def drawn(self, hosts: ImageSet, seed: int) -> ImageSet:
        """Covers for the gray-scales of all hosts, from latents that are all N(0, 1): what nothing is hidden in."""
        return ImageSet(hosts.names, self._painted(hosts, 0.0, np.random.default_rng((seed, 1))).images)

    @torch.no_grad()
    def _painted(self, hosts: ImageSet, alpha: float, rng: np.random.Generator) -> Hidden:
        images: list[UInt8] = []
        unrounded: list[float] = []
        rounded: list[float] = []
        size = self.network.dimensions(hosts.images.shape[1])
        for start in range(0, len(hosts.images), AT_ONCE):
            rgb = hosts.images[start : start + AT_ONCE]
            signs = rng.choice(np.array([-1, 1], np.float32), (len(rgb), size))
            _, painting = hidden(self.network, rgb, signs, alpha, rng)
            images.append(painting.rgb)
            for inputs, kept in ((painting.unrounded, unrounded), (self.network.inputs(painting.rgb), rounded)):
                read = self.network.read(inputs)[0].cpu().numpy()
                kept += ((read >= 0) == (signs > 0)).mean(1).tolist()
        bpp = size / hosts.images[0, ..., 0].size
        return Hidden(np.concatenate(images), bpp, tuple(unrounded), tuple(rounded))


@dataclass(frozen=True)
class PaperPlan:
    """What of the presets `condition` and `paper` is set to something else, as `stegcinn train --set` takes it."""

    condition: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()


def shipped() -> PaperNetwork:
    """The network that ships; WeightsError if it is not what was released."""
    network, config = released_lab(Release(files("stegcinn.evaluation") / "weights" / RELEASE))
    return PaperNetwork(network.to(device()), config.alpha)


def trained(photos: UInt8, plan: PaperPlan, folder: Path, vgg: Path | None, seed: int, report: Report) -> PaperNetwork:
    """Train on photos (N, H, W, 3), going on where `folder` stopped: both stages, and first the condition.

    `vgg`: a state dict of VGG-16 in torchvision's layout; without it, features of its shape learn to colour `photos`.
    """
    source = folder / "photos"
    _lay_out(photos, source)
    seeded = f"seed={seed}"

    def tell(progress: RunProgress) -> None:
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
    network = train(config, [(source, 1.0)], folder / "run", report=tell)
    assert isinstance(network, Network)
    return PaperNetwork(network, config.alpha)


def _lay_out(photos: UInt8, folder: Path) -> None:
    """Photos as files, which is what `train` reads; their names decide which of them are held out."""
    for index, rgb in enumerate(photos):
        path = folder / f"{index:05d}.png"
        if not path.exists():
            with replacing(path) as temporary:
                Image.fromarray(rgb).save(temporary, "PNG")
