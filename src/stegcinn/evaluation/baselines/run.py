"""`stegcinn train --preset hidden|ddh|udh`: photos, the stages of a preset, and the folder of a run.

hider.json   the preset with all its stages, the folders of photos and their digest
stage-1/ ... checkpoint and log of each stage
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stegcinn.errors import StegcinnError, UsageError
from stegcinn.evaluation.baselines.hiders import AnyHider, build
from stegcinn.evaluation.baselines.presets import HiderPreset, Stage
from stegcinn.evaluation.baselines.training import HiderConfig, train
from stegcinn.files import replacing
from stegcinn.runtime.arrays import UInt8
from stegcinn.training import checkpoint
from stegcinn.training.data import list_photos, read_colour

RECORD = "hider.json"
SIDE = 128  # pixels of the square that is taken of each photo: the size that the Steg-cINN paper tests at
PHOTOS = 10_000  # at most: as many as HiDDeN was trained on


def begin(preset: HiderPreset, folders: list[Path], out: Path, report: Callable[[str], None]) -> None:
    """Train a preset in the new folder `out` on the photos of `folders` that the fixed split does not hold out.

    UsageError if `out` holds a run, or the folders no photo that is large enough.
    """
    if (out / RECORD).exists() or (out / checkpoint.FILE).exists():
        raise UsageError(f"{out} holds a run already; go on with --resume, or name a new folder")
    photos = squares(folders)
    facts = {
        "preset": asdict(preset), "folders": [str(folder.resolve()) for folder in folders], "photos": len(photos),
        "digest": _digest(photos), "stegcinn": version("stegcinn"), "torch": torch.__version__,
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / RECORD) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n")
    _stages(preset, photos, out, report)


def resume(out: Path, report: Callable[[str], None]) -> None:
    """Go on with the run in `out`; StegcinnError if its photos have changed."""
    preset, facts = record_of(out)
    photos = squares([Path(folder) for folder in facts["folders"]])
    if _digest(photos) != facts["digest"]:
        raise StegcinnError(f"the photos of {out} are not those that it began with; put them back, or begin a new run")
    _stages(preset, photos, out, report)


def record_of(out: Path) -> tuple[HiderPreset, dict[str, Any]]:
    """The preset of the run in `out`, and everything that its record says; UsageError if there is none."""
    try:
        facts: dict[str, Any] = json.loads((out / RECORD).read_text())
        told = facts["preset"]
        stages = tuple(
            Stage(stage["load"], HiderConfig(**{**stage["config"], "image": tuple(stage["config"]["image"])}))
            for stage in told["stages"]
        )
        return HiderPreset(told["method"], told["width"], stages), facts
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{out} holds no run of a baseline that can be read ({error})") from None


def networks_of(out: Path) -> dict[str, AnyHider]:
    """The trained networks of the finished run in `out`, by load; UsageError if a stage is not finished."""
    preset, _ = record_of(out)
    found = {}
    for load, number in preset.loads.items():
        path = out / f"stage-{number}" / "last.safetensors"
        tensors, metadata = checkpoint.read(path)
        steps = preset.stages[number - 1].config.steps
        if json.loads(metadata["state"])["step"] < steps:
            raise UsageError(f"stage {number} of {out} is not finished; go on with --resume")
        found[load] = build(f"{preset.method}@{load}", preset.width)
        checkpoint.restore(tensors, found[load])
    return found


def squares(folders: list[Path], *, every: bool = False) -> UInt8:
    """The middle of each colour photo in `folders`, (N, SIDE, SIDE, 3); of `every` one, or of those to train on.

    UsageError if there is none.
    """
    found: list[UInt8] = []
    for folder in folders:
        paths = list_photos(folder, validation=False, limit=PHOTOS)
        for path in sorted(paths + list_photos(folder, validation=True)) if every else paths:
            photo = read_colour(path)
            if photo is not None and min(photo.shape[:2]) >= SIDE:
                y, x = ((side - SIDE) // 2 for side in photo.shape[:2])
                found.append(photo[y : y + SIDE, x : x + SIDE])
    if not found:
        raise UsageError(f"no colour photo of at least {SIDE}x{SIDE} pixels; name folders that hold some")
    return np.stack(found)


def _stages(preset: HiderPreset, photos: UInt8, out: Path, report: Callable[[str], None]) -> None:
    model: AnyHider | None = None
    for number, stage in enumerate(preset.stages, 1):

        def tell(line: str, number: int = number) -> None:
            report(f"stage {number} of {len(preset.stages)}, {line}")

        with torch.random.fork_rng():
            torch.manual_seed(stage.config.seed)
            following = build(f"{preset.method}@{stage.load}", preset.width)
        if model is not None:
            following.load_state_dict(model.state_dict())
        train(following, following, photos, stage.config, out / f"stage-{number}", tell)
        model = following


def _digest(photos: UInt8) -> str:
    return hashlib.sha256(photos.tobytes()).hexdigest()[:12]
