"""From a training run of the discrete colour model to a release: exported networks, known answer, model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from stegcinn.codecs.exact.codec import ExactCodec
from stegcinn.colourmodel.networks import ColourModel as Runtime
from stegcinn.files import new_folder
from stegcinn.runtime.weights import Release
from stegcinn.training.colourmodel.export import export_exact
from stegcinn.training.colourmodel.network import ColourModel
from stegcinn.training.colourmodel.train import CHECKPOINT, load_checkpoint, luma, model_of
from stegcinn.training.data import list_photos

CARD = """# {name}

Weights of the `exact` codec: a discrete model of a pixel's colours given its luma and the pixels settled before it.
Part of the container format: this folder never changes after its release.

| | |
|---|---|
| networks | {groups} groups (level 0, level 1, coarser) of 3 phases, {parameters:,} parameters, 8-bit integers |
| trained with | stegcinn {version}, torch {torch}, {seconds:.0f} s |
| steps | {steps:,} of {crops} crops of {crop}x{crop} and {wide} of {wide_crop}x{wide_crop} |
| photos | {photos} |

Code length of natural photos in bits per settled pixel, before any calibration: how natural the model's own draws are.

| test set | photos | level 0 | level 1 | level 2 | bits per pixel, levels 0 and 1 |
|---|---|---|---|---|---|
{lengths}

The code lengths of containers beside those of their hosts, both calibrated, are in docs/results/exact.json
(`python scripts/measure/exact_numbers.py`).

The photos are research sets (downsized whole photos, and crops at camera resolution, as they are and shrunk by random
factors); none is part of this package. The model knows nothing of people, places or rare objects: what it paints is
plausible, not true.

`level<n>-phase<p>.onnx`: quantised convolutions, features to parameters. `logistic.npy`: distribution functions.
`root.npy`: parameters of the coarsest pixel by luma. `exact.safetensors`: the weights for PyTorch. `config.json` names
every file with its SHA-256 and holds the known answer that a machine must compute before the codec is used on it.
"""


@torch.no_grad()
def code_lengths(model: ColourModel, folder: Path) -> list[float]:
    """Number of photos, bits per settled pixel of levels 0, 1, 2, bits per pixel of levels 0 and 1 together."""
    rows = []
    for path in list_photos(folder, validation=True) + list_photos(folder, validation=False):
        with Image.open(path) as image:
            rgb = np.asarray(image.convert("RGB"))
        height, width = (side // 8 * 8 for side in rgb.shape[:2])
        x = torch.from_numpy(rgb[:height, :width].copy()).permute(2, 0, 1)[None].float()
        levels = model.code_lengths(x, luma(x), 0, 2)
        both = sum(float(level.sum()) for level in levels[:2]) / (height * width)
        rows.append([*(float(level.sum(0).mean()) for level in levels), both])
    return [len(rows), *np.mean(rows, axis=0)]


def release(run: Path, out: Path, tests: list[Path]) -> dict[str, Any]:
    """Export the checkpoint of `run` to the new folder `out`, and return its facts; the card has figures of `tests`.

    UsageError if `out` exists. On failure nothing is left.
    """
    _, facts = load_checkpoint(run / CHECKPOINT)
    model = model_of(run / CHECKPOINT).eval()
    with new_folder(out) as folder:
        export_exact(model, folder, {"training": facts})
        exported = Release(folder)  # its known answer can only be asked for now
        config = {**exported.config, "known_answer": ExactCodec(Runtime(exported)).known_answer()}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        (folder / "README.md").write_text(_card(out.name, model, facts, tests))
    return facts


def _card(name: str, model: ColourModel, facts: dict[str, Any], tests: list[Path]) -> str:
    config, lines = facts["config"], []
    for folder in tests:
        count, *bits = code_lengths(model, folder)
        lines.append(f"| {folder.name} | {count} | " + " | ".join(f"{b:.2f}" for b in bits) + " |")
    return CARD.format(
        name=name, groups=len(model.nets), parameters=sum(p.numel() for p in model.parameters()),
        version=facts["stegcinn"], steps=facts["step"], crops=config["batch"] * config["groups"], crop=config["crop"],
        wide=config["batch"] * len(facts["photos"]), wide_crop=config["wide_crop"],
        seconds=facts["seconds"], torch=facts["torch"],
        photos=f"{len(facts['photos'])} folders, by manifest in config.json",
        lengths="\n".join(lines),
    )  # fmt: skip
