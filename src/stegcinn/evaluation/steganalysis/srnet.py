"""SRNet: Boroumand, Chen, Fridrich: *Deep Residual Network for Steganalysis of Digital Images* (TIFS 2019)."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe

FIRST = 64  # maps of the first layer
WIDTH = 16  # of layers 2 to 7, which keep every pixel
POOLED = (16, 64, 128, 256)  # of layers 8 to 11, each of half of the rows and columns of the one before
LAST = 512
KEPT = 5  # layers 3 to 7
# Section III-C: 500,000 steps of 16 pairs out of 14,000, a tenth of the rate for the last 100,000
RECIPE = Recipe(
    epochs=571, batch=16, optimizer="adamax", learning_rate=1e-3, weight_decay=2e-4, drop=0.1, drops=(0.8,),
    augment=True,
)  # fmt: skip


def _normalised(inner: int, outer: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without the published bias, which the normalisation behind it takes away again."""
    convolution = nn.Conv2d(inner, outer, side, stride, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outer))


class Layer(nn.Module):
    """Layers of type 2, and of type 3 where `pooled`: two convolutions beside a shortcut."""

    def __init__(self, inner: int, outer: int, *, pooled: bool = False) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_normalised(inner, outer), nn.ReLU(), _normalised(outer, outer))
        self.shortcut: nn.Module = nn.Identity()
        if pooled:
            self.convolutions.append(nn.AvgPool2d(3, 2, padding=1, count_include_pad=False))
            self.shortcut = _normalised(inner, outer, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inner, H, W) -> (N, outer, H, W), of half of the rows and columns where pooled."""
        out: Tensor = self.shortcut(x) + self.convolutions(x)
        return out


class SRNet(Detector):
    """Twelve layers, all learnt, none with filters from elsewhere; the first seven keep every pixel."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        widths = (WIDTH, *POOLED)
        self.body = nn.Sequential(
            _normalised(planes, FIRST), nn.ReLU(), _normalised(FIRST, WIDTH), nn.ReLU(),
            *(Layer(WIDTH, WIDTH) for _ in range(KEPT)),
            *(Layer(inner, outer, pooled=True) for inner, outer in pairwise(widths)),
            _normalised(POOLED[-1], LAST), nn.ReLU(), _normalised(LAST, LAST),
        )  # fmt: skip
        self.head = nn.Linear(LAST, 2)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 2) of images (N, P, H, W), 0..255."""
        logits: Tensor = self.head(F.adaptive_avg_pool2d(self.body(x), 1).flatten(1))
        return logits
