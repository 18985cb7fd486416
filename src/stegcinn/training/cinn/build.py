"""From a configuration to a network, with the pre-trained condition that the paper's one needs."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from stegcinn.errors import UsageError, WeightsError
from stegcinn.files import replacing
from stegcinn.runtime.weights import Release
from stegcinn.training import checkpoint
from stegcinn.training.cinn.config import ConditionConfig, LabConfig, PyramidConfig, RunConfig, from_dict
from stegcinn.training.cinn.paper import ConditionNetwork, LabNetwork
from stegcinn.training.cinn.trainables import Network, PyramidNetwork, Trainable

CACHE = Path.home() / ".cache" / "stegcinn"
TIMEOUT = 60  # seconds without a byte


def build(config: RunConfig) -> Trainable:
    """An untrained network as configured; WeightsError if its condition cannot be had."""
    match config.network:
        case PyramidConfig():
            return PyramidNetwork(config.network)
        case ConditionConfig():
            return ConditionNetwork(config.network)
        case LabConfig():
            network = LabNetwork(config.network)
            network.flow.vgg.load_torchvision(vgg_weights(config.network))
            return network


def build_flow(config: RunConfig) -> Network:
    """`build` for configurations whose network paints; UsageError for others."""
    network = build(config)
    if not isinstance(network, Network):
        raise UsageError(f"the network of {config.preset!r} paints no colours")
    return network


def load_weights(path: Path, network: Trainable) -> None:
    """Give `network` the weights of a checkpoint, of `round-<n>.safetensors`, of a release's safetensors file, or of
    a folder: a run's, whose checkpoint is taken, or a release's."""
    if path.is_dir():
        inside = path / checkpoint.FILE
        path = inside if inside.exists() else next(path.glob("*.safetensors"), inside)
    tensors, _ = checkpoint.read(path)
    if any(name.startswith("model.") for name in tensors):
        checkpoint.restore(tensors, network)
        return
    part: nn.Module = network
    if isinstance(network, PyramidNetwork) and all(name.startswith("flows.") for name in tensors):
        part = network.cinn
    elif isinstance(network, LabNetwork) and not all(name.startswith("flow.") for name in tensors):
        part = network.flow
    _restore(tensors, part)


def released_lab(release: Release) -> tuple[LabNetwork, RunConfig]:
    """The paper's network as it was released, its condition included, and how it was trained.

    WeightsError if the release is damaged, or of another network.
    """
    config = from_dict(release.config["training"]["config"])
    if not isinstance(config.network, LabConfig):
        raise WeightsError(f"weights {release.folder.name!r} are not of the paper's network")
    with torch.random.fork_rng():  # untrained weights are drawn, and must not disturb what is drawn elsewhere
        network = LabNetwork(config.network)
    _restore(load_safetensors(release.read("lab.safetensors")), network.flow)
    network.eval().requires_grad_(False)
    return network, config


def _restore(tensors: dict[str, Tensor], part: nn.Module) -> None:
    """Weights by their names within this part of a network."""
    checkpoint.restore({f"model.{name}": tensor for name, tensor in tensors.items()}, part)


def vgg_weights(config: LabConfig) -> dict[str, Tensor]:
    """The state dict that `config.vgg` names (a path or a URL): VGG-16's, or what a released network has of it."""
    if not config.vgg:
        raise UsageError(
            "this network needs VGG features: --set network.vgg=FILE, a state dict in torchvision's layout, "
            "or one trained with --preset condition"
        )
    state = read_state(_vgg_file(config))
    released = {name.removeprefix("vgg."): value for name, value in state.items() if name.startswith("vgg.")}
    return released or state


def _vgg_file(config: LabConfig) -> Path:
    if "://" in config.vgg:
        return fetch(config.vgg, config.vgg_sha256, CACHE)
    path = Path(config.vgg).expanduser()
    if not path.is_file():
        raise UsageError(f"there are no VGG weights at {path}")
    if config.vgg_sha256 and _digest(path) != config.vgg_sha256.lower():
        raise WeightsError(f"{path} is not the file whose SHA-256 is configured")
    return path


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file, or from PyTorch's own format read without running any code in it."""
    try:
        if path.suffix == ".safetensors":
            return load_safetensors(path.read_bytes())
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} holds no weights that can be read ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds no state dict")
    return state


def fetch(url: str, sha256: str, folder: Path) -> Path:
    """Download a file once, check it, and return its place in `folder`; UsageError or WeightsError if it fails."""
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise UsageError(f"{url} is not an https address")
    if not sha256:
        raise UsageError("a URL of weights needs vgg_sha256, the SHA-256 of the file")
    name = url.rsplit("/", 1)[-1] or "weights"
    path = folder / f"{sha256.lower()[:16]}-{name}"
    if path.exists() and _digest(path) == sha256.lower():
        return path
    digest = hashlib.sha256()
    try:
        with replacing(path) as temporary:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, temporary.open("wb") as file:
                while block := answer.read(1 << 20):
                    digest.update(block)
                    file.write(block)
            if digest.hexdigest() != sha256.lower():
                raise WeightsError(f"{url} is not the file whose SHA-256 is configured")
    except (OSError, urllib.error.URLError) as error:
        raise WeightsError(f"{url} could not be downloaded ({getattr(error, 'reason', error)})") from None
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
