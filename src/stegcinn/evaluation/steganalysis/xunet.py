"""XuNet: Xu, Wu, Shi: *Structural Design of Convolutional Neural Networks for Steganalysis* (SPL 2016)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.evaluation.steganalysis.filters import Residuals, kv_kernel
from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe

WIDTHS = (8, 16, 32, 64, 128)  # figure 1
SIDES = (5, 5, 1, 1, 1)
TANH_GROUPS = 2
# Section II-C: 120,000 steps of 32 pairs, which is 960 epochs of 4,000 pairs; the rate falls by a tenth every 5,000
# steps. The paper states no weight decay for the last layer; this is the usual one of its framework.
RECIPE = Recipe(
    epochs=960, batch=32, optimizer="sgd", learning_rate=1e-3, momentum=0.9, weight_decay=5e-4, decay_head_only=True,
    drop=0.9, drops=tuple(k / 24 for k in range(1, 24)),
)  # fmt: skip


class XuNet(Detector):
    """KV filter, five groups of convolution, normalisation, TanH or ReLU and average pooling, one linear layer.

    The absolute value after the first convolution exploits that residuals are symmetric about zero. The colour form
    filters each channel with the KV kernel; its first convolution sees all three residuals.
    """

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.residuals = Residuals(kv_kernel()[None], planes)
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        inner = planes
        for width, side in zip(WIDTHS, SIDES, strict=True):
            convolution = nn.Conv2d(inner, width, side, padding=side // 2, bias=False)
            nn.init.normal_(convolution.weight, std=0.01)
            self.convolutions.append(convolution)
            self.norms.append(nn.BatchNorm2d(width))
            inner = width
        self.head = nn.Linear(inner, 2)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 2) of images (N, P, H, W)."""
        x = self.residuals(x)
        last = len(WIDTHS) - 1
        for group, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = convolution(x)
            x = norm(x.abs() if group == 0 else x)
            x = torch.tanh(x) if group < TANH_GROUPS else F.relu(x)
            x = x.mean((2, 3)) if group == last else F.avg_pool2d(x, 5, 2, 2)
        logits: Tensor = self.head(x)
        return logits
