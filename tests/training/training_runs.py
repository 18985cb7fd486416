"""Photos and configurations small enough for training in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stegcinn.training.cinn.config import RunConfig, from_dict

HELD_OUT = "photo024.png"  # one of the names that the split holds out

PYRAMID = {
    "kind": "pyramid", "couplings": [1, 1], "features": [4, 4], "hidden": [4, 4], "levels": 3, "fine_crop": 8,
}  # fmt: skip
LAB = {"kind": "lab", "couplings": [1, 1], "hidden": 4, "features": 4, "vgg_width": 4}


def tiny(network: dict[str, Any] | None = None, **changes: Any) -> RunConfig:
    """A run of four steps of stage 1 and two rounds of two; `changes` name keys as section__key."""
    table: dict[str, Any] = {
        "preset": "tiny",
        "network": network or PYRAMID,
        "data": {"size": 16, "workers": 2},
        "stage1": {"steps": 4, "batch": 2, "warmup": 2, "learning_rate": 1e-2},
        "rounds": {"form": "straight-through", "rounds": 2, "iterations": 2, "batch": 2, "overshoot_weight": 0.01},
        "log": {"save_every": 3, "sheet_every": 4, "test_photos": 2},
    }
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        (table[section] if section else table)[key] = value
    return from_dict(table)


def stripes(seed: int, height: int = 24, width: int = 32, *, swing: float = 60, blue: float = 230) -> np.ndarray:
    """Soft stripes whose colour follows their brightness, which goes `swing` levels up and down."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 16
    gray = 128 + swing * np.sin(x * rng.uniform(1, 3) + y * rng.uniform(1, 3) + rng.uniform(0, 6))
    rgb = np.stack([gray + 30, gray, blue - gray], axis=-1) + rng.normal(0, 3, (height, width, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8)


def write_photos(folder: Path) -> list[tuple[Path, float]]:
    """Four photos to train on and a held-out one, as `train` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(("photo0.png", "photo1.png", "photo2.png", "photo3.png", HELD_OUT)):
        Image.fromarray(stripes(i)).save(folder / name)
    return [(folder, 1.0)]
