"""From a finished training run to a release: validation figures, colour statistics, exported weights, model card."""

from __future__ import annotations

import json
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from stegcinn import colour
from stegcinn.model.cinn import CINN, CINNConfig
from stegcinn.model.export import export_release
from stegcinn.training.data import PhotoSet, to_batch
from stegcinn.training.stage1 import level_losses, load_checkpoint

VALIDATION_CROPS = 256
RUN_NOISE = 2.0  # levels: dequantisation noise the codec runs at (docs/decisions.md)

CARD = """# {name}

Weights of the `cinn` codec: conditional flows over luma-locked chroma, trained by `stegcinn train` (stage 1, maximum
likelihood). Part of the container format: this folder never changes after its release.

| | |
|---|---|
| architecture | {couplings} affine couplings over {levels} scales, {parameters:,} parameters |
| trained with | stegcinn {version}, {steps} steps of {batch} crops of {crop}x{crop} |
| photos | {photos} |
| dequantisation noise | trained at {low} to {high} levels, run at {noise} |
| validation code length | {code_length} bits per chroma detail, scales 1 (finest) to {scales}, at that noise |

The photos are research sets (downsized whole photos, and crops at camera resolution); none is part of this package.
Colours are drawn as the training photos have them: the network knows nothing of people, places or rare objects, and
`generate` paints plausible, not true, colours.

`level<n>-forward.onnx` turns details into latents, `level<n>-inverse.onnx` latents into details; level {levels} also
serves every coarser scale. `cinn.safetensors` holds the same weights for PyTorch. `config.json` names every file with
its SHA-256.
"""


def root_statistics(photos: PhotoSet, rng: np.random.Generator) -> dict[str, list[float]]:
    """Mean and standard deviation of the mean chroma (u, v) of whole crops, in levels."""
    rgb = photos.crops(VALIDATION_CROPS, rng)
    red, blue = rgb[..., 0].astype(np.float64), rgb[..., 2].astype(np.float64)
    chroma = colour.to_chroma(colour.luma(rgb).astype(np.float64), red, blue)
    means = chroma.mean(axis=(-2, -1))
    return {"mean": means.mean(axis=1).round(3).tolist(), "std": means.std(axis=1).round(3).tolist()}


def code_length(model: CINN, photos: PhotoSet, levels: int, noise: float, rng: np.random.Generator) -> list[float]:
    """Bits per detail of each level on held-out crops dequantised with `noise` (levels)."""
    rgb = photos.crops(VALIDATION_CROPS, rng)
    sums = np.zeros(levels)
    with torch.no_grad():
        for part in np.array_split(rgb, VALIDATION_CROPS // 16):
            sigma = np.full((len(part), 1, 1, 1), noise, np.float32)
            losses = level_losses(model, to_batch(part, sigma, levels, rng))
            sums += [len(part) * loss.item() / math.log(2) for loss in losses]
    return [float(value) for value in sums / len(rgb)]


def release(run: Path, out: Path, folders: list[tuple[Path, float]]) -> dict[str, Any]:
    """Export the checkpoint of `run` to the release folder `out`; returns the facts written to `config.json`.

    `folders` are the training folders, whose held-out photos give the validation figures.
    """
    checkpoint = run / "checkpoint.safetensors"
    with safe_open(checkpoint, framework="pt") as file:
        training = json.loads(file.metadata()["config"])
    model = CINN(CINNConfig(**{key: tuple(value) for key, value in training["model"].items()}))
    steps = load_checkpoint(checkpoint, model)
    photos = PhotoSet(folders, crop=training["crop"], levels=training["levels"], validation=True)
    rng = np.random.default_rng(training["seed"])
    lengths = code_length(model.eval(), photos, training["levels"], RUN_NOISE, rng)
    facts = {
        "noise": RUN_NOISE,
        "root": root_statistics(photos, rng),
        "validation": {"bits_per_detail": [round(value, 4) for value in lengths]},
        "training": {**training, "finished_steps": steps, "stegcinn": version("stegcinn")},
    }
    export_release(model, out, facts)
    card = CARD.format(
        name=out.name,
        couplings=sum(model.config.couplings),
        levels=len(model.flows),
        parameters=sum(p.numel() for p in model.parameters()),
        version=version("stegcinn"),
        steps=steps,
        batch=training["batch"],
        crop=training["crop"],
        photos=", ".join(folder.name for folder, _ in folders),
        low=training["noise"][0],
        high=training["noise"][1],
        noise=RUN_NOISE,
        code_length=", ".join(f"{value:.2f}" for value in lengths),
        scales=training["levels"],
    )
    (out / "README.md").write_text(card)
    return facts
