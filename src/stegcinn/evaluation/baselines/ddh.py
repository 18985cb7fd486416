"""DDH: Baluja: *Hiding Images in Plain Sight: Deep Steganography* (NIPS 2017): an image in an image."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.evaluation.baselines.deep import ImageHider
from stegcinn.evaluation.baselines.training import HiderConfig

FILTERS = 50  # of each side (section 2)
SIDES = (3, 4, 5)
PREPARE, HIDE, REVEAL = 2, 5, 5  # layers
NOISE = 0.01  # of full scale: keeps the secret out of the lowest bits alone (section 2)
SECRET_WEIGHT = 1.0  # beta of equation 1
CONFIG = HiderConfig(steps=100_000, batch=32, learning_rate=1e-3)  # Adam; the paper states the rate


class MixedLayer(nn.Module):
    """Convolutions of three sides next to each other, `filters` of each: (N, C, H, W) -> (N, 3 * filters, H, W)."""

    def __init__(self, inner: int, filters: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(inner, filters, side) for side in SIDES)
        for branch in self.branches:  # not stated in the paper; with PyTorch's own, twelve layers fade to nothing
            assert isinstance(branch, nn.Conv2d)
            nn.init.kaiming_normal_(branch.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Each is padded to keep the size; a side of 4 has one more column on the right and row below."""
        padded = [F.pad(x, ((side - 1) // 2, side // 2) * 2) for side in SIDES]
        return torch.cat([F.relu(b(p)) for b, p in zip(self.branches, padded, strict=True)], 1)


def _chain(inner: int, layers: int, filters: int) -> nn.Sequential:
    wide = len(SIDES) * filters
    return nn.Sequential(*(MixedLayer(inner if n == 0 else wide, filters) for n in range(layers)))


class DDH(ImageHider):
    """A preparation, a hiding and a revealing network, trained as one."""

    secret_weight = SECRET_WEIGHT

    def __init__(self, patch: int, filters: int = FILTERS) -> None:
        super().__init__(patch)
        wide = len(SIDES) * filters
        self.preparation = _chain(3, PREPARE, filters)
        self.hiding = nn.Sequential(_chain(3 + wide, HIDE, filters), nn.Conv2d(wide, 3, 1))
        self.revealing = nn.Sequential(_chain(3, REVEAL, filters), nn.Conv2d(wide, 3, 1))

    def hide_image(self, hosts: Tensor, secrets: Tensor) -> Tensor:
        """Containers (N, 3, H, W) of hosts and secrets."""
        containers: Tensor = self.hiding(torch.cat([hosts, self.preparation(secrets)], 1))
        return containers

    def reveal_image(self, containers: Tensor) -> Tensor:
        """Secrets (N, 3, H, W) of containers."""
        secrets: Tensor = self.revealing(containers)
        return secrets

    def disturb(self, containers: Tensor) -> Tensor:
        """A little Gaussian noise."""
        return containers + NOISE * torch.randn_like(containers)
