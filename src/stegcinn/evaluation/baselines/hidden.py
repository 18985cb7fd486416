"""HiDDeN: Zhu, Kaplan, Johnson, Fei-Fei: *HiDDeN: Hiding Data With Deep Networks* (ECCV 2018): 30 bits in an image."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.evaluation.baselines.training import HiderConfig

BITS = 30
WIDTH = 64
ENCODER, DECODER, ADVERSARY = 4, 7, 3  # blocks (section 4)
READ_GAIN = 2.0
HALF_NORMAL = 0.4  # mean of the positive part of a unit normal, which a normalised map has
RIDGE = 1e-6  # variance of the means that counts as noise
IMAGE_WEIGHT, ADVERSARY_WEIGHT = 0.7, 0.001  # lambda_I, lambda_G
# Adam at 1e-3, batches of 12, 200 epochs of 10,000 images (section 4)
CONFIG = HiderConfig(steps=166_600, batch=12, learning_rate=1e-3)


def _block(inner: int, outer: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU())


def _blocks(inner: int, count: int, width: int) -> nn.Sequential:
    return nn.Sequential(*(_block(inner if n == 0 else width, width) for n in range(count)))


class Adversary(nn.Module):
    """Tells containers (positive) from hosts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = _blocks(3, ADVERSARY, width)
        self.last = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N,) of images (N, 3, H, W), -1..1."""
        logits: Tensor = self.last(self.blocks(x).mean((2, 3)))[:, 0]
        return logits


class HiDDeN(nn.Module):
    """Encoder, decoder and adversary without noise layers: for steganography, not watermarking. Images run at -1..1."""

    adversary: nn.Module

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.before = _blocks(3, ENCODER, width)
        self.after = _block(width + BITS + 3, width)
        self.last = nn.Conv2d(width, 3, 1)
        self.decoder = nn.Sequential(_blocks(3, DECODER, width), _block(width, BITS))
        self.read = nn.Linear(BITS, BITS)
        # A map's mean over the image hardly varies at first. PyTorch's own weights make the message next to constant,
        # and to grow takes them thousands of steps in which nothing is learnt (the paper states no initialisation).
        with torch.no_grad():
            self.read.weight.copy_(READ_GAIN * torch.eye(BITS))
            self.read.bias.fill_(0.5 - READ_GAIN * HALF_NORMAL)
        self.adversary = Adversary(width)

    def bit_shape(self, height: int, width: int) -> tuple[int, ...]:
        """30 bits, whatever the size."""
        return (BITS,)

    def hide(self, hosts: Tensor, bits: Tensor) -> Tensor:
        """Containers: the message, the same at every place, joins the host's features and the host."""
        x = 2 * hosts - 1
        everywhere = bits[..., None, None].expand(-1, -1, *x.shape[2:])
        out: Tensor = self.last(self.after(torch.cat([everywhere, self.before(x), x], 1)))
        return (out + 1) / 2

    def reveal(self, containers: Tensor) -> Tensor:
        """The message, real-valued (N, 30)."""
        message: Tensor = self.read(self._pooled(containers))
        return message

    def _pooled(self, containers: Tensor) -> Tensor:
        """Means of the decoder's maps over each image, (N, 30)."""
        return self.decoder(2 * containers - 1).mean((2, 3))  # type: ignore[no-any-return]

    @torch.no_grad()
    def fit(self, draws: Iterable[tuple[Tensor, Tensor]]) -> None:
        """The last layer by ridge regression. On larger images means differ less, and its weights take long to grow."""
        pooled, messages = zip(*((self._pooled(self.hide(hosts, bits)), bits) for hosts, bits in draws), strict=True)
        maps, wanted = torch.cat(pooled).double(), torch.cat(messages).double()
        centred, mean = maps - maps.mean(0), wanted.mean(0)
        ridge = RIDGE * len(maps) * torch.eye(BITS, dtype=maps.dtype, device=maps.device)
        weight = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ (wanted - mean)).T
        self.read.weight.copy_(weight)
        self.read.bias.copy_(mean - weight @ maps.mean(0))

    def loss(self, hosts: Tensor, bits: Tensor, image: float = 1.0) -> tuple[Tensor, Tensor]:
        """Squared error of the message, weighted squared error of the image, weighted verdict of the adversary."""
        containers = self.hide(hosts, bits)
        message = F.mse_loss(self.reveal(containers), bits)
        loss = message + image * IMAGE_WEIGHT * F.mse_loss(2 * containers, 2 * hosts)
        if image == 1:
            loss = loss + ADVERSARY_WEIGHT * F.softplus(self.adversary(2 * containers - 1)).mean()
        return loss, containers

    def adversary_loss(self, hosts: Tensor, containers: Tensor) -> Tensor:
        """Cross-entropy of hosts and containers."""
        found, spared = self.adversary(2 * containers - 1), self.adversary(2 * hosts - 1)
        return F.softplus(-found).mean() + F.softplus(spared).mean()
