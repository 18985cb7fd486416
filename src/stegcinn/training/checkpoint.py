"""The state of a training run in one safetensors file: weights, the optimiser's moments, and facts in its metadata."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stegcinn.errors import WeightsError
from stegcinn.files import replacing

FILE = "checkpoint.safetensors"  # in the folder of a run of `stegcinn train`


def write(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, metadata: dict[str, str],
    others: dict[str, nn.Module] | None = None,
) -> None:  # fmt: skip
    """Write a checkpoint, replacing the file atomically; `others` are further modules by the name of their prefix."""
    tensors = {
        f"{prefix}.{k}": v.detach().cpu().clone(memory_format=torch.contiguous_format)
        for prefix, module in {"model": model, **(others or {})}.items()
        for k, v in module.state_dict().items()
    }
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"adam.{key}.{name}"] = value.detach().cpu().contiguous()
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a checkpoint, and its metadata; WeightsError if there is none, or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise WeightsError(f"checkpoint {path} cannot be read ({error.strerror or error})") from None
    except SafetensorError as error:
        raise WeightsError(f"checkpoint {path} is damaged ({error})") from None


def restore(
    tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer | None = None, prefix: str = "model"
) -> None:
    """Put weights, and the moments of parameters that have any, back in place, on the parameters' own device."""
    own = {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
    try:
        model.load_state_dict(own)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:200]
        raise WeightsError(f"the weights are not those of this network ({detail})") from None
    if optimizer is None:
        return
    parameters = dict(model.named_parameters())
    for full, value in tensors.items():
        kind, key, *rest = full.split(".", 2)
        if kind == "adam":
            parameter = parameters[rest[0]]
            optimizer.state[parameter][key] = value.to(parameter.device)
