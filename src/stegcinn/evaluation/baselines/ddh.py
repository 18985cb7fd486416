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
SLIGHT = 0.1  # of the last layer's first weights: how much of anything but the host is in a container at first
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


@torch.no_grad()
def _begin_with_hosts(hiding: nn.Sequential) -> None:
    """Let the hiding network give back its first three planes, the host, nearly as they are, before it has learnt.

    The paper states no initialisation. From random weights most of the training goes into copying the host.
    """
    chain, last = hiding
    assert isinstance(chain, nn.Sequential)
    assert isinstance(last, nn.Conv2d)
    last.weight.mul_(SLIGHT)
    for layer in chain:
        assert isinstance(layer, MixedLayer)
        branch = layer.branches[SIDES.index(3)]
        assert isinstance(branch, nn.Conv2d)
        for colour in range(min(3, branch.out_channels)):
            branch.weight[colour] = 0
            branch.weight[colour, colour, 1, 1] = 1  # colours are never negative, so ReLU lets them pass
            assert branch.bias is not None
            branch.bias[colour] = 0
            last.weight[colour, :3, 0, 0] = 0
            last.weight[colour, colour, 0, 0] = 1
    assert last.bias is not None
    last.bias.zero_()


class DDH(ImageHider):
    """A preparation, a hiding and a revealing network, trained as one."""

    secret_weight = SECRET_WEIGHT

    def __init__(self, patch: int, filters: int = FILTERS) -> None:
        super().__init__(patch)
        wide = len(SIDES) * filters
        self.preparation = _chain(3, PREPARE, filters)
        self.hiding = nn.Sequential(_chain(3 + wide, HIDE, filters), nn.Conv2d(wide, 3, 1))
        _begin_with_hosts(self.hiding)
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
