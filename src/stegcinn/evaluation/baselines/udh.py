"""UDH: Zhang, Benz, Karjauv, Sun, Kweon: *UDH: Universal Deep Hiding* (NeurIPS 2020): a perturbation for any host."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from stegcinn.evaluation.baselines.deep import ImageHider
from stegcinn.evaluation.baselines.training import HiderConfig

WIDTH = 64
REACH = 10 / 255  # the perturbation's largest size
GROWTH = (1, 2, 4, 8, 8)  # widths of the U-Net's five halvings
SECRET_WEIGHT = 0.75  # beta
SLOPE = 0.2
# Adam (0.5, 0.999) at 1e-3 and batches of 32, 65 epochs of 2,000 steps (the authors' program)
CONFIG = HiderConfig(steps=130_000, batch=32, learning_rate=1e-3, first_moment=0.5)


def _norm(width: int) -> nn.Module:
    return nn.InstanceNorm2d(width)


class UNetLevel(nn.Module):
    """One halving of the U-Net and everything inside it, beside its own input."""

    def __init__(self, outer: int, inner: int, inside: nn.Module | None) -> None:
        super().__init__()
        down: list[nn.Module] = [nn.LeakyReLU(SLOPE), nn.Conv2d(outer, inner, 4, 2, 1)]
        if inside is not None:
            down += [_norm(inner), inside]
        up = nn.ConvTranspose2d(inner if inside is None else 2 * inner, outer, 4, 2, 1)
        self.way = nn.Sequential(*down, nn.ReLU(), up, _norm(outer))

    def forward(self, x: Tensor) -> Tensor:
        """(N, outer, H, W) -> (N, 2 * outer, H, W)."""
        return torch.cat([x, self.way(x)], 1)


class UDH(ImageHider):
    """A U-Net turns the secret into a perturbation that is added to any host; six convolutions read it back."""

    secret_weight = SECRET_WEIGHT

    def __init__(self, patch: int, width: int = WIDTH) -> None:
        super().__init__(patch)
        widths = [width * growth for growth in GROWTH]
        inside: nn.Module | None = None
        for outer, inner in reversed(list(pairwise(widths))):
            inside = UNetLevel(outer, inner, inside)
        assert inside is not None
        self.hiding = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1), inside, nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh()
        )
        layers: list[nn.Module] = []
        inner = 3
        for outer in (width, 2 * width, 4 * width, 2 * width, width):
            layers += [nn.Conv2d(inner, outer, 3, 1, 1), _norm(outer), nn.ReLU()]
            inner = outer
        self.revealing = nn.Sequential(*layers, nn.Conv2d(inner, 3, 3, 1, 1), nn.Sigmoid())
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def hide_image(self, hosts: Tensor, secrets: Tensor) -> Tensor:
        """Containers (N, 3, H, W); both sides must be multiples of 32 and at least 64 pixels."""
        perturbation: Tensor = self.hiding(secrets)
        return hosts + REACH * perturbation

    def reveal_image(self, containers: Tensor) -> Tensor:
        """Secrets (N, 3, H, W) of containers."""
        secrets: Tensor = self.revealing(containers)
        return secrets
