"""HyperIQA: Su et al.: *Blindly Assess Image Quality in the Wild Guided by a Self-Adaptive Hyper Network* (CVPR 2020).

The architecture alone: the weights (trained by the authors on KonIQ-10k) are read from a file that the user names.
Names of modules are those of the published checkpoint.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from stegcinn.errors import WeightsError
from stegcinn.runtime.arrays import UInt8

BLOCKS = (3, 4, 6, 3)  # ResNet-50
EXPANSION = 4
SIDE = 224  # pixels of a crop; the hyper network then sees 7x7 positions
POSITIONS = 7
LOCAL = (16, 32, 64)  # maps of the local distortion aware modules
LOCAL_OUT = 16
HYPER = 112  # channels that enter the hyper network
TARGET = (224, 112, 56, 28, 14)  # widths of the target network
RESIZED = (384, 512)  # columns, rows: what the authors' program cuts its crops from
CROPS = 10
MEAN = (0.485, 0.456, 0.406)  # of ImageNet
DEVIATION = (0.229, 0.224, 0.225)


class Bottleneck(nn.Module):
    """A residual block of 1x1, 3x3 and 1x1 convolutions (He et al. 2016)."""

    def __init__(self, inner: int, width: int, stride: int) -> None:
        super().__init__()
        outer = EXPANSION * width
        self.conv1 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.downsample: nn.Module | None = None
        if stride > 1 or inner != outer:
            self.downsample = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inner, H, W) -> (N, 4 * width, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + (x if self.downsample is None else self.downsample(x)))


class Backbone(nn.Module):
    """ResNet-50 without its classifier, and the local distortion aware modules at its four stages (section 3.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inner = 64
        for stage, blocks in enumerate(BLOCKS):
            width = 64 * 2**stage
            chain = []
            for block in range(blocks):
                chain.append(Bottleneck(inner, width, 2 if stage and not block else 1))
                inner = EXPANSION * width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*chain))
        side = SIDE // 4
        for stage, maps in enumerate(LOCAL):
            pool = nn.Sequential(nn.Conv2d(256 * 2**stage, maps, 1, bias=False), nn.AvgPool2d(7, 7))
            self.add_module(f"lda{stage + 1}_pool", pool)
            self.add_module(f"lda{stage + 1}_fc", nn.Linear(maps * (side // 2**stage // 7) ** 2, LOCAL_OUT))
        self.lda4_pool = nn.AvgPool2d(7, 7)
        self.lda4_fc = nn.Linear(2048, TARGET[0] - LOCAL_OUT * len(LOCAL))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Crops (N, 3, 224, 224) -> semantic features (N, 2048, 7, 7) and content vectors (N, 224)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        content = []
        for stage in range(1, len(BLOCKS) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
            pooled = self.get_submodule(f"lda{stage}_pool")(x)
            content.append(self.get_submodule(f"lda{stage}_fc")(pooled.flatten(1)))
        return x, torch.cat(content, 1)


class HyperIQA(nn.Module):
    """Predicts the weights of a small quality network from what the image shows, and runs it on its content vector."""

    def __init__(self) -> None:
        super().__init__()
        self.res = Backbone()
        self.conv1 = nn.Sequential(
            nn.Conv2d(2048, 1024, 1), nn.ReLU(), nn.Conv2d(1024, 512, 1), nn.ReLU(), nn.Conv2d(512, HYPER, 1), nn.ReLU()
        )
        for layer, (inner, outer) in enumerate(pairwise(TARGET), 1):
            self.add_module(f"fc{layer}w_conv", nn.Conv2d(HYPER, inner * outer // POSITIONS**2, 3, padding=1))
            self.add_module(f"fc{layer}b_fc", nn.Linear(HYPER, outer))
        self.fc5w_fc = nn.Linear(HYPER, TARGET[-1])
        self.fc5b_fc = nn.Linear(HYPER, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised crops (N, 3, 224, 224) -> quality (N,), 0 to 100, higher is better."""
        features, content = self.res(x)
        hyper = self.conv1(features)
        pooled = hyper.mean((2, 3))
        for layer, (inner, outer) in enumerate(pairwise(TARGET), 1):
            weight = self.get_submodule(f"fc{layer}w_conv")(hyper).reshape(-1, outer, inner)
            bias = self.get_submodule(f"fc{layer}b_fc")(pooled)
            content = torch.sigmoid((weight @ content[..., None])[..., 0] + bias)
        quality: Tensor = (self.fc5w_fc(pooled) * content).sum(1) + self.fc5b_fc(pooled)[:, 0]
        return quality


def load_hyperiqa(path: Path) -> HyperIQA:
    """The network with the weights of a checkpoint: the published file (read as plain tensors only) or safetensors.

    WeightsError if the file cannot be read or holds another network.
    """
    model = HyperIQA()
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)  # runs no code from the file
        model.load_state_dict(state)
    except Exception as error:
        raise WeightsError(f"{path} holds no HyperIQA weights: {str(error).splitlines()[0]}") from error
    return model.eval()


@torch.no_grad()
def hyperiqa(model: HyperIQA, rgb: UInt8, rng: np.random.Generator) -> float:
    """Quality of an (H, W, 3) uint8 image, 0 to 100: the mean of ten random crops of it at 512x384, as the authors do.

    Resizing to 512 rows and 384 columns does not keep the aspect ratio; the published weights were used so.
    """
    resized = Image.fromarray(rgb).resize(RESIZED, Image.Resampling.BILINEAR)
    x = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255
    x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    corners = zip(rng.integers(0, x.shape[1] - SIDE + 1, CROPS), rng.integers(0, x.shape[2] - SIDE + 1, CROPS),
                  strict=True)  # fmt: skip
    return float(model(torch.stack([x[:, y : y + SIDE, z : z + SIDE] for y, z in corners])).mean())
