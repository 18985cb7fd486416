"""KeNet, the network of SiaStegNet: You, Zhang, Zhao: *A Siamese CNN for Image Steganalysis* (TIFS 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.evaluation.steganalysis.filters import srm_kernels
from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe

WIDTH = 30
FEATURES = 128
DROPOUT = 0.5
CONTRAST = 0.1  # weight of the contrastive loss beside cross-entropy
MARGIN = 1.0  # distance beyond which the halves of a stego are different enough
# Section IV-A and the authors' program: Adamax, 500 epochs, a tenth of the rate after 300 and after 400
RECIPE = Recipe(
    epochs=500, batch=16, optimizer="adamax", learning_rate=1e-3, weight_decay=1e-4, drop=0.1, drops=(0.6, 0.8),
    augment=True,
)  # fmt: skip


def _convolution(inner: int, outer: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    convolution = nn.Conv2d(inner, outer, side, stride, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


class Block(nn.Module):
    """A residual block of two 3x3 convolutions; with a stride of 2 it has a convolution in its shortcut too."""

    def __init__(self, inner: int, outer: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(_convolution(inner, outer, 3, stride), nn.BatchNorm2d(outer), nn.ReLU())
        last = nn.BatchNorm2d(outer)
        nn.init.zeros_(last.weight)  # the block starts as its shortcut
        self.second = nn.Sequential(_convolution(outer, outer), last)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(_convolution(inner, outer, 1, stride), nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inner, H, W) -> (N, outer, H / stride, W / stride)."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class KeNet(Detector):
    """Two halves of the image through one trunk; their features, fused by statistics, and their distance decide.

    The first layer starts from the 30 SRM kernels and learns on. The colour form has them for each channel and mixes
    the 90 normalised residuals back to the trunk's 30 maps with a 1x1 convolution.
    """

    def __init__(self, planes: int) -> None:
        super().__init__()
        kernels = torch.from_numpy(srm_kernels())[:, None].repeat(planes, 1, 1, 1)
        self.preprocessing = nn.Conv2d(planes, len(kernels), kernels.shape[-1], groups=planes)
        with torch.no_grad():
            self.preprocessing.weight.copy_(kernels)
            assert self.preprocessing.bias is not None
            self.preprocessing.bias.zero_()
        mix: list[nn.Module] = [nn.BatchNorm2d(len(kernels)), nn.ReLU()]
        if planes > 1:
            mix += [_convolution(len(kernels), WIDTH, 1), nn.BatchNorm2d(WIDTH), nn.ReLU()]
        self.trunk = nn.Sequential(
            *mix,
            Block(WIDTH, WIDTH), Block(WIDTH, WIDTH), Block(WIDTH, WIDTH),
            Block(WIDTH, 64, stride=2), Block(64, 64),
            Block(64, FEATURES, stride=2), Block(FEATURES, FEATURES),
        )  # fmt: skip
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(4 * FEATURES + 1, 2)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def _halves(self, x: Tensor) -> Tensor:
        """Features (2, N, 128) of the left and the right half."""
        half = x.shape[-1] // 2
        both = torch.cat([x[..., :half], x[..., half : 2 * half]])
        features: Tensor = self.trunk(self.preprocessing(both)).mean((2, 3))
        return torch.stack(features.chunk(2))

    def _decide(self, halves: Tensor) -> Tensor:
        statistics = [halves.mean(0), halves.var(0), halves.amin(0), halves.amax(0)]
        distance = F.pairwise_distance(halves[0], halves[1], keepdim=True)
        logits: Tensor = self.head(self.dropout(torch.cat([distance, *statistics], 1)))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 2) of images (N, P, H, W); of an odd width the last column is left out."""
        return self._decide(self._halves(x))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy plus CONTRAST times the contrastive loss: alike halves of covers, unlike halves of stegos."""
        halves = self._halves(x)
        distance = F.pairwise_distance(halves[0], halves[1])
        stego = y.to(distance.dtype)
        contrast = (1 - stego) * distance**2 + stego * F.relu(MARGIN - distance) ** 2
        return F.cross_entropy(self._decide(halves), y) + CONTRAST * contrast.mean()
