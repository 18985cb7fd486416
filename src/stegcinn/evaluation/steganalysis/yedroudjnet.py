"""Yedroudj-Net: Yedroudj, Comby, Chaumont: *Yedroudj-Net: An Efficient CNN for Spatial Steganalysis* (ICASSP 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.evaluation.steganalysis.filters import SIDE, srm_kernels
from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe

WIDTHS = (30, 30, 32, 64, 128)  # figure 1
SIDES = (5, 5, 3, 3, 3)
TRUNCATIONS = (3.0, 2.0)  # of blocks 1 and 2
HIDDEN = (256, 1024)  # fully connected
# Section 3.2: the rate falls to a tenth after every tenth of the epochs, 900 at most
RECIPE = Recipe(
    epochs=900, batch=8, optimizer="sgd", learning_rate=1e-2, momentum=0.95, weight_decay=1e-4,
    drop=0.1, drops=tuple(k / 10 for k in range(1, 10)), augment=True,
)  # fmt: skip


class FilteredConvolution(nn.Module):
    """The fixed SRM filters on every plane and the first convolution over all their residuals, as one 9x9 convolution.

    There is nothing between the two layers, so their kernels are convolved once instead of the images: a third of the
    work in gray, a ninth in colour. The result differs from the two layers in the four rows and columns next to the
    border, where the paper sets residuals outside the image to zero and we filter an image continued by zeros.
    """

    kernels: Tensor

    def __init__(self, planes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("kernels", torch.from_numpy(srm_kernels())[:, None])  # (30, 1, 5, 5)
        self.weight = nn.Parameter(torch.empty(width, planes * len(self.kernels), SIDE, SIDE))
        self.planes = planes
        nn.init.xavier_uniform_(self.weight)

    def fused(self) -> Tensor:
        """The kernels of both layers in one, (width, P, 9, 9)."""
        width = len(self.weight)
        weight = self.weight.reshape(width * self.planes, -1, SIDE, SIDE)
        # transposed, as convolutions here correlate: the taps of two correlations in a row add up without mirroring
        full = F.conv_transpose2d(weight, self.kernels)
        return full.reshape(width, self.planes, *full.shape[2:])

    def forward(self, x: Tensor) -> Tensor:
        """(N, P, H, W) -> (N, width, H, W)."""
        return F.conv2d(x, self.fused(), padding=SIDE - 1)


class YedroudjNet(Detector):
    """30 SRM filters, five blocks (absolute value in the first, truncation in two, ReLU in three), three linear layers.

    The colour form filters each channel with all 30 kernels; its first convolution sees 90 residuals.
    """

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([FilteredConvolution(planes, WIDTHS[0])])
        for inner, width, side in zip(WIDTHS, WIDTHS[1:], SIDES[1:], strict=False):
            self.convolutions.append(nn.Conv2d(inner, width, side, padding=side // 2, bias=False))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in WIDTHS)
        self.head = nn.Sequential(
            nn.Linear(WIDTHS[-1], HIDDEN[0]), nn.ReLU(), nn.Linear(*HIDDEN), nn.ReLU(), nn.Linear(HIDDEN[1], 2)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 2) of images (N, P, H, W)."""
        last = len(WIDTHS) - 1
        for block, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = convolution(x)
            x = norm(x.abs() if block == 0 else x)
            x = x.clamp(-TRUNCATIONS[block], TRUNCATIONS[block]) if block < len(TRUNCATIONS) else F.relu(x)
            if block == last:
                x = x.mean((2, 3))
            elif block > 0:
                x = F.avg_pool2d(x, 5, 2, 1)
        logits: Tensor = self.head(x)
        return logits
