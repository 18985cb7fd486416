"""What learnt baselines have in common: bits in, a container out, bits back; and how bits become a secret image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.runtime.arrays import UInt8


class Hider(Protocol):
    """A pair of networks that hide bits in images; all images are (N, 3, H, W) float32, 0..1."""

    @property
    def adversary(self) -> nn.Module | None:
        """What is trained against the pair, if there is anything."""

    def bit_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of the bits of one image of this size."""

    def hide(self, hosts: Tensor, bits: Tensor) -> Tensor:
        """Containers of hosts and bits (N, *bit_shape), 0 or 1 as float32; they may leave 0..1 a little."""

    def reveal(self, containers: Tensor) -> Tensor:
        """What the receiver reads, (N, *bit_shape); a bit is 1 where it exceeds one half."""

    def loss(self, hosts: Tensor, bits: Tensor, image: float = 1.0) -> tuple[Tensor, Tensor]:
        """Training loss of the pair, and the containers.

        The container's error weighs `image` times its published weight; an adversary waits until that is 1.
        """

    def adversary_loss(self, hosts: Tensor, containers: Tensor) -> Tensor:
        """Training loss of the adversary; never asked for where there is none."""

    def fit(self, draws: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Make the layer that reads last the best one for drawn hosts and bits, by least squares, if it can be."""


class ImageHider(nn.Module):
    """Base of networks that hide an image in an image, used for bits: black and white patches of `patch` pixels a side.

    One bit per pixel (patch 1) or per 2x2 pixels (patch 2), decided by the mean of the revealed RGB over its patch, as
    the Steg-cINN paper does (section IV-A).
    """

    adversary: nn.Module | None = None
    secret_weight: float  # of the secret's error beside the container's

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def bit_shape(self, height: int, width: int) -> tuple[int, ...]:
        """One bit per patch; both sides must be multiples of the patch."""
        return height // self.patch, width // self.patch

    def secret_of(self, bits: Tensor) -> Tensor:
        """Black and white RGB images (N, 3, H, W) of bits (N, H / patch, W / patch)."""
        grown = bits.repeat_interleave(self.patch, 1).repeat_interleave(self.patch, 2)
        return grown[:, None].expand(-1, 3, -1, -1)

    def hide(self, hosts: Tensor, bits: Tensor) -> Tensor:
        """Containers (N, 3, H, W) of hosts and bits."""
        return self.hide_image(hosts, self.secret_of(bits))

    def reveal(self, containers: Tensor) -> Tensor:
        """Mean of the revealed RGB over each patch."""
        return F.avg_pool2d(self.reveal_image(containers).mean(1, keepdim=True), self.patch)[:, 0]

    def hide_image(self, hosts: Tensor, secrets: Tensor) -> Tensor:
        """Containers of hosts and secret images of one size."""
        raise NotImplementedError

    def reveal_image(self, containers: Tensor) -> Tensor:
        """Secret images out of containers."""
        raise NotImplementedError

    def disturb(self, containers: Tensor) -> Tensor:
        """What happens to containers between the two networks in training."""
        return containers

    def loss(self, hosts: Tensor, bits: Tensor, image: float = 1.0) -> tuple[Tensor, Tensor]:
        """Squared error of the container times `image`, plus `secret_weight` times that of the secret."""
        secrets = self.secret_of(bits)
        containers = self.hide_image(hosts, secrets)
        revealed = self.reveal_image(self.disturb(containers))
        error, misread = F.mse_loss(containers, hosts), F.mse_loss(revealed, secrets)
        return image * error + self.secret_weight * misread, containers

    def adversary_loss(self, hosts: Tensor, containers: Tensor) -> Tensor:
        """There is no adversary."""
        raise NotImplementedError

    def fit(self, draws: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Nothing: what reads last is not linear in all that is before it."""


def to_float(images: UInt8) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32, 0..1."""
    return torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2) / 255


def to_image(containers: Tensor) -> UInt8:
    """(N, 3, H, W) real-valued -> (N, H, W, 3) uint8: clipped and rounded, as they are saved."""
    rounded = (containers * 255).round().clamp(0, 255).permute(0, 2, 3, 1)
    array: UInt8 = rounded.to(torch.uint8).cpu().numpy()
    return array
