"""The paper's network: affine couplings over all Lab chroma at full resolution, given VGG features of the lightness.

Two squeezes (Haar, orthonormal) take (a, b) to 8 channels at half and 32 at a quarter of the resolution; the couplings
are those of `flow`. No latents are split off along the way: z is as large as the chroma, two per pixel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stegcinn.training.cinn.flow import ConditionalNorm, Coupling
from stegcinn.training.cinn.vgg import WIDTHS, VGGFeatures

CHROMA_UNIT = 16.0  # Lab units per unit of the network's input
SCALES = 2
CHANNELS = (8, 32)  # at half and at quarter resolution


def squeeze(x: Tensor) -> Tensor:
    """(N, C, 2h, 2w) -> (N, 4C, h, w): the mean of each 2x2 cell, doubled, and its three Haar details."""
    p, q = x[..., 0::2, 0::2], x[..., 0::2, 1::2]
    r, s = x[..., 1::2, 0::2], x[..., 1::2, 1::2]
    return torch.cat([p + q + r + s, p - q + r - s, p + q - r - s, p - q - r + s], 1) / 2


def unsqueeze(x: Tensor) -> Tensor:
    """The inverse of `squeeze`."""
    a, b, c, d = (x / 2).chunk(4, 1)
    top = torch.stack([a + b + c + d, a - b + c - d], -1).flatten(-2)
    bottom = torch.stack([a + b - c - d, a - b - c + d], -1).flatten(-2)
    return torch.stack([top, bottom], -2).flatten(-3, -2)


class _Head(nn.Module):
    """Features of one scale from those of VGG at it and at the next finer one."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, features, 3, padding=1)

    def forward(self, finer: Tensor, own: Tensor) -> Tensor:
        return torch.relu(self.layer(torch.cat([nn.functional.avg_pool2d(finer, 2), own], 1)))


class LabFlow(nn.Module):
    """Chroma (N, 2, H, W) in Lab units <-> latents z (N, 32, H/4, W/4), given lightness (N, 1, H, W), 0..100."""

    def __init__(self, couplings: tuple[int, int], *, hidden: int, features: int, vgg_width: int) -> None:
        super().__init__()
        self.vgg = VGGFeatures(vgg_width).requires_grad_(False)
        self.heads = nn.ModuleList(_Head(vgg_width * (WIDTHS[i] + WIDTHS[i + 1]), features) for i in range(SCALES))
        self.norms = nn.ModuleList(ConditionalNorm(channels, features) for channels in CHANNELS)
        self.steps = nn.ModuleList(
            nn.ModuleList(Coupling(channels, features, hidden, 1000 * scale + i) for i in range(count))
            for scale, (count, channels) in enumerate(zip(couplings, CHANNELS, strict=True))
        )

    def condition(self, lightness: Tensor) -> list[Tensor]:
        """Features at half and at quarter resolution."""
        levels = self.vgg(lightness)
        return [head(levels[i], levels[i + 1]) for i, head in enumerate(self.heads)]

    def forward(self, chroma: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        x = chroma / CHROMA_UNIT
        logdet = x.new_zeros(x.shape[0])
        for features, norm, couplings in zip(self.condition(lightness), self.norms, self.steps, strict=True):
            x, step = norm(squeeze(x), features)
            logdet = logdet + step
            for coupling in couplings:  # type: ignore[attr-defined]
                x, step = coupling(x, features)
                logdet = logdet + step
        return x, logdet - x[0].numel() * math.log(CHROMA_UNIT)

    def inverse(self, z: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        logdet = z.new_zeros(z.shape[0])
        scales = list(zip(self.condition(lightness), self.norms, self.steps, strict=True))
        for features, norm, couplings in reversed(scales):
            for coupling in reversed(couplings):  # type: ignore[call-overload]
                z, step = coupling.inverse(z, features)
                logdet = logdet + step
            z, step = norm.inverse(z, features)  # type: ignore[operator]
            logdet = logdet + step
            z = unsqueeze(z)
        return z * CHROMA_UNIT, logdet + z[0].numel() * math.log(CHROMA_UNIT)
