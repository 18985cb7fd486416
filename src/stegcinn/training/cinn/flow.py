"""The conditional flow of one scale: affine couplings over Haar details, given the luma and the coarser colours.

`forward(x, condition)` and `inverse(z, condition)` both return `(tensor, logdet)` with `logdet` summed per image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CLAMP = 1.5  # bound of a coupling's log-scale, as in the parent architecture (colorization_cINN)
INPUT_UNIT = 4.0  # details are large before the first normalisation; levels per unit


def orthogonal(channels: int, seed: int) -> Tensor:
    """A fixed random rotation of `channels` axes: (channels, channels, 1, 1), a 1x1 convolution kernel."""
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(channels, channels, generator=generator, dtype=torch.float64))
    kernel: Tensor = q.float()[:, :, None, None]
    return kernel


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate the channels, in float32 even under autocast: a flow must undo what it did to all digits."""
    with torch.autocast(x.device.type, enabled=False):
        return nn.functional.conv2d(x, rotation)


class ConditionNet(nn.Module):
    """Features of a level's condition: (N, channels, h, w) -> (N, features, h, w), 9x9 lattice points wide."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, features, 3, padding=1), nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1), nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1), nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1), nn.ReLU(),
        )  # fmt: skip

    def forward(self, condition: Tensor) -> Tensor:
        features: Tensor = self.layers(condition)
        return features


class ConditionalNorm(nn.Module):
    """Shift and scale every channel by what the condition predicts; after it the details are of unit size."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.predict = nn.Conv2d(features, 2 * channels, 3, padding=1)
        nn.init.zeros_(self.predict.weight)
        assert self.predict.bias is not None
        nn.init.zeros_(self.predict.bias)

    def forward(self, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self.predict(features).to(x.dtype).chunk(2, 1)
        return x * torch.exp(log_scale) + shift, log_scale.sum((1, 2, 3))

    def inverse(self, z: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self.predict(features).to(z.dtype).chunk(2, 1)
        return (z - shift) * torch.exp(-log_scale), -log_scale.sum((1, 2, 3))


class Coupling(nn.Module):
    """Affine coupling layer (paper, section III-B): rotate, then scale and shift one half given the other."""

    rotation: Tensor

    def __init__(self, channels: int, features: int, hidden: int, seed: int) -> None:
        super().__init__()
        self.kept = channels // 2
        self.register_buffer("rotation", orthogonal(channels, seed))
        self.from_x = nn.Conv2d(self.kept, hidden, 3, padding=1)
        self.from_features = nn.Conv2d(features, hidden, 1, bias=False)
        self.mix = nn.Conv2d(hidden, hidden, 1)
        self.out = nn.Conv2d(hidden, 2 * (channels - self.kept), 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def scale_and_shift(self, half: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.relu(self.from_x(half) + self.from_features(features))
        log_scale, shift = self.out(torch.relu(self.mix(h))).to(half.dtype).chunk(2, 1)  # autocast shortens
        return CLAMP * torch.tanh(log_scale / CLAMP), shift

    def forward(self, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        x = rotate(x, self.rotation)
        a, b = x[:, : self.kept], x[:, self.kept :]
        log_scale, shift = self.scale_and_shift(a, features)
        return torch.cat([a, b * torch.exp(log_scale) + shift], 1), log_scale.sum((1, 2, 3))

    def inverse(self, z: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        a, b = z[:, : self.kept], z[:, self.kept :]
        log_scale, shift = self.scale_and_shift(a, features)
        z = torch.cat([a, (b - shift) * torch.exp(-log_scale)], 1)
        return rotate(z, self.rotation.transpose(0, 1)), -log_scale.sum((1, 2, 3))


class LevelFlow(nn.Module):
    """All steps of one scale: details (N, channels, h, w) in levels <-> latents z of the same shape, N(0, 1)."""

    def __init__(self, channels: int, condition: int, *, couplings: int, features: int, hidden: int, seed: int) -> None:
        super().__init__()
        self.condition = ConditionNet(condition, features)
        self.norm = ConditionalNorm(channels, features)
        self.couplings = nn.ModuleList(Coupling(channels, features, hidden, seed + i) for i in range(couplings))

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        features = self.condition(condition)
        x, logdet = self.norm(x / INPUT_UNIT, features)
        for coupling in self.couplings:
            x, step = coupling(x, features)
            logdet = logdet + step
        return x, logdet - x[0].numel() * math.log(INPUT_UNIT)

    def inverse(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        features = self.condition(condition)
        logdet = z.new_zeros(z.shape[0])
        for coupling in reversed(self.couplings):
            z, step = coupling.inverse(z, features)  # type: ignore[operator]
            logdet = logdet + step
        z, step = self.norm.inverse(z, features)
        return z * INPUT_UNIT, logdet + step + z[0].numel() * math.log(INPUT_UNIT)
