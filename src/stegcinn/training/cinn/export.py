"""From a trained network to a release folder: ONNX for running, safetensors for training on, and their digests."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stegcinn.codecs.cinn.pyramid import CONDITION, DETAILS
from stegcinn.errors import WeightsError
from stegcinn.runtime.weights import Release
from stegcinn.training.cinn.flow import LevelFlow
from stegcinn.training.cinn.labflow import CHANNELS, LabFlow
from stegcinn.training.cinn.pyramidflow import CINN
from stegcinn.training.releasefiles import write_config, write_weights

OPSET = 17
TOLERANCE = 1e-3  # of what ONNX Runtime computes from what PyTorch does, over the largest value
CHECKED_SIDES = ((8, 8), (33, 16))  # lattice points, of the inputs that both are asked for
AB_RANGE = 30.0  # Lab units: standard deviation of the chroma that an exported `LabFlow` is checked on


class _Direction(nn.Module):
    """One direction of a flow without its log-determinant, which running does not need."""

    def __init__(self, flow: nn.Module, direction: str) -> None:
        super().__init__()
        self.flow = flow
        self.step = getattr(flow, direction)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        tensor: Tensor = self.step(x, condition)[0]
        return tensor


def _export(module: nn.Module, example: tuple[Tensor, Tensor], path: Path, axes: list[dict[int, str]] | None) -> None:
    names = ["x", "condition", "y"]
    with warnings.catch_warnings():
        # The successor of this exporter needs onnxscript and half a minute for the same graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module.eval(), example, path, dynamo=False, opset_version=OPSET,
            input_names=names[:2], output_names=names[2:],
            dynamic_axes=dict(zip(names, axes, strict=True)) if axes else None,
        )  # fmt: skip


def export_flow(flow: LevelFlow, direction: str, path: Path) -> None:
    """Write `forward` or `inverse` of a flow as ONNX: x (1, 6, h, w) and condition (1, 10, h, w), any h and w."""
    axes = {2: "h", 3: "w"}
    example = torch.zeros(1, DETAILS, 8, 8), torch.zeros(1, CONDITION, 8, 8)
    _export(_Direction(flow, direction), example, path, [axes, axes, axes])


def export_release(model: CINN, folder: Path, facts: dict[str, Any]) -> float:
    """Write a release folder: ONNX files of every flow, `cinn.safetensors`, and `config.json` with their SHA-256.

    `facts` are further entries of `config.json` (dequantisation noise, colour statistics, training). Returns how far
    ONNX Runtime is from PyTorch, as `difference` tells; WeightsError beyond TOLERANCE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    write_weights(model, folder / "cinn.safetensors")
    names = ["cinn.safetensors"]
    pairs: list[tuple[str, nn.Module]] = []
    for level, flow in enumerate(model.flows, start=1):
        assert isinstance(flow, LevelFlow)
        for direction in ("forward", "inverse"):
            names.append(f"level{level}-{direction}.onnx")
            export_flow(flow, direction, folder / names[-1])
            pairs.append((names[-1], _Direction(flow, direction)))
    write_config(folder, names, {"levels": len(model.flows), "model": asdict(model.config), **facts})
    rng, worst = np.random.default_rng(0), 0.0
    for name, module in pairs:
        for height, width in CHECKED_SIDES:
            x = 4 * rng.standard_normal((1, DETAILS, height, width), np.float32)
            condition = rng.standard_normal((1, CONDITION, height, width), np.float32)
            worst = max(worst, difference(Release(folder), name, module, x, condition))
    return worst


def export_lab(flow: LabFlow, folder: Path, size: int, facts: dict[str, Any]) -> float:
    """Write a release folder of the paper's network for `size` by `size` pixels; returns as `export_release` does.

    `forward.onnx` takes chroma (1, 2, size, size) in Lab units as x, `inverse.onnx` latents (1, 32, size/4, size/4);
    the condition of both is lightness (1, 1, size, size), 0..100.
    """
    folder.mkdir(parents=True, exist_ok=True)
    flow.eval()
    write_weights(flow, folder / "lab.safetensors")
    shapes = {"forward": (1, 2, size, size), "inverse": (1, CHANNELS[-1], size // 4, size // 4)}
    for direction, shape in shapes.items():
        example = torch.zeros(shape), torch.zeros(1, 1, size, size)
        _export(_Direction(flow, direction), example, folder / f"{direction}.onnx", None)
    write_config(folder, ["lab.safetensors", *(f"{d}.onnx" for d in shapes)], facts)
    rng, worst = np.random.default_rng(0), 0.0
    for direction, shape in shapes.items():
        x = rng.standard_normal(shape, np.float32) * np.float32(AB_RANGE if direction == "forward" else 1)
        lightness = 100 * rng.random((1, 1, size, size), np.float32)
        module = _Direction(flow, direction)
        worst = max(worst, difference(Release(folder), f"{direction}.onnx", module, x, lightness))
    return worst


@torch.no_grad()
def difference(release: Release, name: str, module: nn.Module, x: np.ndarray, condition: np.ndarray) -> float:
    """Largest difference between ONNX Runtime and PyTorch over the largest value; WeightsError beyond TOLERANCE."""
    expected = module(torch.from_numpy(x), torch.from_numpy(condition)).numpy()
    found = release.run(name, x=x, condition=condition)
    gap = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not gap <= TOLERANCE:
        raise WeightsError(f"{name} computes {gap:.2g} away from what was trained, and {TOLERANCE:g} is allowed")
    return gap
