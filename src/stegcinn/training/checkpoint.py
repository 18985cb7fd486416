"""The state of a training run in one safetensors file: weights, the optimiser's moments, and facts in its metadata."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def write(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, metadata: dict[str, str]) -> None:
    """Write a checkpoint, replacing the file atomically."""
    tensors = {f"model.{k}": v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"adam.{key}.{name}"] = value.detach().cpu().contiguous()
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata=metadata)
    temporary.replace(path)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a checkpoint, and its metadata."""
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


def restore(tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Put weights, and the moments of parameters that have any, back in place, on the parameters' own device."""
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    if optimizer is None:
        return
    parameters = dict(model.named_parameters())
    for full, value in tensors.items():
        kind, key, *rest = full.split(".", 2)
        if kind == "adam":
            parameter = parameters[rest[0]]
            optimizer.state[parameter][key] = value.to(parameter.device)
