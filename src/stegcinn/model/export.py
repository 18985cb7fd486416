"""From a trained network to a release folder: ONNX for running, safetensors for training on, and their digests."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stegcinn.model.cinn import CINN
from stegcinn.model.flow import LevelFlow
from stegcinn.pyramid import CONDITION, DETAILS

OPSET = 17


class _Direction(nn.Module):
    """One direction of a flow without its log-determinant, which running does not need."""

    def __init__(self, flow: LevelFlow, direction: str) -> None:
        super().__init__()
        self.flow = flow
        self.step = getattr(flow, direction)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        tensor: Tensor = self.step(x, condition)[0]
        return tensor


def export_flow(flow: LevelFlow, direction: str, path: Path) -> None:
    """Write `forward` or `inverse` of a flow as ONNX: x (1, 6, h, w) and condition (1, 10, h, w), any h and w."""
    axes = {2: "h", 3: "w"}
    example = torch.zeros(1, DETAILS, 8, 8), torch.zeros(1, CONDITION, 8, 8)
    with warnings.catch_warnings():
        # The successor of this exporter needs onnxscript and half a minute for the same graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            _Direction(flow, direction).eval(), example, path, dynamo=False, opset_version=OPSET,
            input_names=["x", "condition"], output_names=["y"],
            dynamic_axes={"x": axes, "condition": axes, "y": axes},
        )  # fmt: skip


def write_weights(model: nn.Module, path: Path) -> None:
    """Write the weights for PyTorch."""
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    path.chmod(0o644)  # safetensors makes it private


def write_config(folder: Path, names: list[str], facts: dict[str, Any]) -> None:
    """Write `config.json`: facts, and the SHA-256 of the release's files called `names`."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "config.json").write_text(json.dumps({**facts, "sha256": digests}, indent=2) + "\n")


def export_release(model: CINN, folder: Path, facts: dict[str, Any]) -> None:
    """Write a release folder: ONNX files of every flow, `cinn.safetensors`, and `config.json` with their SHA-256.

    `facts` are further entries of `config.json` (dequantisation noise, colour statistics, training).
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    write_weights(model, folder / "cinn.safetensors")
    names = ["cinn.safetensors"]
    for level, flow in enumerate(model.flows, start=1):
        assert isinstance(flow, LevelFlow)
        for direction in ("forward", "inverse"):
            names.append(f"level{level}-{direction}.onnx")
            export_flow(flow, direction, folder / names[-1])
    write_config(folder, names, {"levels": len(model.flows), "model": asdict(model.config), **facts})
