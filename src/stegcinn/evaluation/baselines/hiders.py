"""The learnt baselines by name: METHOD@LOAD, how they are built, and the weights of them that ship."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from torch import Tensor

from stegcinn.errors import WeightsError
from stegcinn.evaluation.baselines import ddh, hidden, udh
from stegcinn.evaluation.baselines.ddh import DDH
from stegcinn.evaluation.baselines.hidden import HiDDeN
from stegcinn.evaluation.baselines.udh import UDH
from stegcinn.runtime.weights import Release

HIDERS = ("ddh@1.0", "ddh@0.25", "udh@1.0", "udh@0.25", "hidden@0.0018")
PATCHES = {"1.0": 1, "0.25": 2}  # pixels a side of what carries one bit
WIDTHS = {"ddh": ddh.FILTERS, "udh": udh.WIDTH, "hidden": hidden.WIDTH}  # as published
CONFIGS = {"ddh": ddh.CONFIG, "udh": udh.CONFIG, "hidden": hidden.CONFIG}
RELEASES = {"ddh": "ddh-1", "udh": "udh-1", "hidden": "hidden-1"}  # folders of evaluation/weights
ADVERSARY = "adversary."  # what trains against a pair of networks is of no use to them afterwards, and does not ship

AnyHider = DDH | UDH | HiDDeN


def build(name: str, width: int) -> AnyHider:
    """The networks called `name`, one of HIDERS, untrained."""
    method, _, load = name.partition("@")
    if method == "hidden":
        return HiDDeN(width)
    return DDH(PATCHES[load], width) if method == "ddh" else UDH(PATCHES[load], width)


def to_ship(model: AnyHider) -> dict[str, Tensor]:
    """What is kept of trained networks: weights as 16-bit floats, statistics as they are."""
    learnt = {name for name, _ in model.named_parameters()}
    return {
        name: (value.half() if name in learnt else value).cpu().contiguous()
        for name, value in model.state_dict().items()
        if not name.startswith(ADVERSARY)
    }


def shipped(name: str, folder: Traversable | None = None) -> AnyHider:
    """The trained networks called `name`, one of HIDERS, ready to hide; `folder`: another release of its method.

    WeightsError if they are not those that were released.
    """
    method, _, load = name.partition("@")
    release = Release(folder or files("stegcinn.evaluation") / "weights" / RELEASES[method])
    with torch.random.fork_rng():  # untrained weights are drawn, and must not disturb what is drawn elsewhere
        model = build(name, int(release.config["width"]))
    try:
        tensors = tensors_of(release.read(f"{load}.safetensors"))
        missing, unknown = model.load_state_dict(tensors, strict=False)
    except (SafetensorError, RuntimeError) as error:
        detail = " ".join(str(error).split())[:200]
        raise WeightsError(f"the weights of {name} are not those of its networks ({detail})") from None
    if unknown or not all(key.startswith(ADVERSARY) for key in missing):
        raise WeightsError(f"the weights of {name} are not those of its networks; reinstall stegcinn")
    model.eval()
    return model
