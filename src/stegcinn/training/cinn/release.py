"""From a training run to a release: validation figures, exported weights, a check that they agree, a model card."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stegcinn.carriers.luma import luma_of
from stegcinn.errors import UsageError
from stegcinn.files import new_folder
from stegcinn.runtime.arrays import UInt8
from stegcinn.training import checkpoint
from stegcinn.training.cinn.build import build
from stegcinn.training.cinn.config import PyramidConfig, RunConfig, from_dict
from stegcinn.training.cinn.export import export_lab, export_release
from stegcinn.training.cinn.loop import Folders, resume_config
from stegcinn.training.cinn.paper import ConditionNetwork, LabNetwork
from stegcinn.training.cinn.trainables import PyramidNetwork, Trainable
from stegcinn.training.data import PhotoSet, chroma_planes, to_batch
from stegcinn.training.releasefiles import write_config, write_weights

VALIDATION_CROPS = 256
AT_ONCE = 16

CARD = """# {name}

{what} Trained by `stegcinn train`; part of the format of what is made with it: this folder never changes after its
release.

| | |
|---|---|
| network | {network} |
| preset | {preset}, seed {seed} |
| trained with | stegcinn {version}; {steps:,} steps, {rounds} rounds of stage 2 ({form}) |
| photos | {photos} ({count} files; one in 32 by its name, or COCO's own validation folder, held out) |
| held-out photos | {figures} |
| largest difference between ONNX Runtime and PyTorch | {difference} |

The photos are not part of this package. Colours are drawn as the training photos have them: the network knows nothing
of people, places or rare objects, and paints plausible, not true, colours.

{files}`config.json` holds the configuration, and names every file with its SHA-256.
"""


def code_length(network: Trainable, photos: PhotoSet, rng: np.random.Generator) -> list[float]:
    """Bits per dimension of held-out crops: of each level of a pyramid at its run noise, of others in all."""
    rgb, sums = photos.crops(VALIDATION_CROPS, rng), np.zeros(1)
    with torch.no_grad():
        for part in np.array_split(rgb, VALIDATION_CROPS // AT_ONCE):
            if isinstance(network, PyramidNetwork):
                sigma = np.full((len(part), 1, 1, 1), network.config.run_noise, np.float32)
                batch = to_batch(part, sigma, network.config.levels, rng)
                losses = network.losses((*batch.details, *batch.conditions))[1]
            else:
                losses = network.losses(network.prepare(part, rng))[1]
            sums = sums + len(part) / len(rgb) * np.array([loss.item() / math.log(2) for loss in losses])
    return [round(float(value), 4) for value in sums]


def root_statistics(rgb: UInt8) -> dict[str, list[float]]:
    """Mean and standard deviation of the mean chroma (u, v) of photos (N, H, W, 3), in levels."""
    chroma = chroma_planes(luma_of(rgb), rgb[..., 0].astype(np.float64), rgb[..., 2].astype(np.float64))
    means = chroma.mean(axis=(2, 3))
    return {"mean": means.mean(axis=0).round(3).tolist(), "std": means.std(axis=0).round(3).tolist()}


def export(run: Path, out: Path, *, folders: Folders | None = None, noise: float | None = None) -> dict[str, Any]:
    """Write the network of the run in `run` to the new folder `out`; returns the facts of its `config.json`.

    `folders` stand in for the run's photo folders, whose held-out photos give the validation figures. `noise`, in
    levels, is what a pyramid is run at, if not at the `run_noise` of its training. UsageError if `run` holds no run,
    `out` exists, or the noise is not one that the network knows; WeightsError if what was exported does not compute
    what PyTorch does. Either way nothing is left.
    """
    if not (run / checkpoint.FILE).exists():
        raise UsageError(f"{run} holds no run with a checkpoint to export")
    tensors, metadata = checkpoint.read(run / checkpoint.FILE)
    config = from_dict(json.loads(metadata["config"]))
    if noise is not None:
        config = _at_noise(config, noise)
    network = build(config)
    checkpoint.restore(tensors, network)
    network.eval().requires_grad_(False)
    folders = folders or resume_config(run)[1]
    with new_folder(out) as folder:
        return _write(network, config, metadata, folders, folder, out.name)


def _at_noise(config: RunConfig, noise: float) -> RunConfig:
    if not isinstance(config.network, PyramidConfig):
        raise UsageError(f"the network of {config.preset!r} is not run at a noise")
    low, high = config.network.noise
    if not low <= noise <= high:
        raise UsageError(f"the network was trained at a noise of {low} to {high} levels, not {noise}")
    return replace(config, network=replace(config.network, run_noise=noise))


def _write(
    network: Trainable, config: RunConfig, metadata: dict[str, str], folders: Folders, folder: Path, name: str
) -> dict[str, Any]:
    data = config.data
    photos = PhotoSet(folders, crop=data.size, protocol=data.protocol, validation=True)
    rng = np.random.default_rng(config.seed)
    lengths = code_length(network, photos, rng)
    facts: dict[str, Any] = {
        "validation": {"bits_per_dimension": lengths},
        "training": {
            key: json.loads(metadata[key]) if key in ("config", "probes", "step", "photos") else metadata[key]
            for key in ("config", "step", "probes", "manifest", "photos", "stegcinn")
        },
    }
    difference: float | None = None
    figures = f"{', '.join(map(str, lengths))} bits per dimension"
    match network:
        case PyramidNetwork():
            assert isinstance(config.network, PyramidConfig)
            roots = root_statistics(photos.crops(VALIDATION_CROPS, rng))
            facts = {"noise": network.config.run_noise, "root": roots, **facts}
            difference = export_release(network.cinn, folder, facts)
            what = f"Conditional flows over luma-locked chroma, {sum(config.network.couplings)} affine couplings."
            figures += f", scales 1 (finest) to {len(lengths)}, at a dequantisation noise of {facts['noise']} levels"
            files = (
                "`level<n>-forward.onnx` turns details into latents, `level<n>-inverse.onnx` latents into details;\n"
            )
            files += "`cinn.safetensors` holds the same weights for PyTorch. "
        case LabNetwork():
            difference = export_lab(network.flow, folder, data.size, facts)
            what = "Steg-cINN in Lab with VGG features as its condition, as the paper describes it."
            files = (
                "`forward.onnx` turns Lab chroma into latents given lightness, `inverse.onnx` latents into chroma;\n"
            )
            files += "`lab.safetensors` holds the same weights for PyTorch. "
        case ConditionNetwork():
            write_weights(network.vgg, folder / "vgg.safetensors")
            write_config(folder, ["vgg.safetensors"], {"vgg_width": network.vgg.width, **facts})
            what = "VGG-shaped features of the gray-scale, trained to predict the distribution of quantised Lab chroma."
            figures += " (cross-entropy of the chroma bin)"
            files = "`vgg.safetensors` is named as torchvision names VGG-16's layers. "
        case _:
            raise AssertionError(network)
    probes = facts["training"]["probes"]
    for probe in probes[-1:]:
        figures += f"; raw accuracy {probe['probe']['accuracy_rounded']:.4f} at alpha {config.alpha}"
    card = CARD.format(
        name=name,
        what=what,
        network=f"{sum(p.numel() for p in network.parameters()):,} parameters",
        preset=config.preset,
        seed=config.seed,
        version=facts["training"]["stegcinn"],
        steps=facts["training"]["step"],
        rounds=sum(p["taken"] for p in probes if p["round"]),
        form=config.rounds.form,
        photos=", ".join(path.name for path, _ in folders),
        count=facts["training"]["photos"],
        figures=figures,
        difference="(none exported)" if difference is None else f"{difference:.2g}",
        files=files,
    )
    (folder / "README.md").write_text(card)
    return facts
