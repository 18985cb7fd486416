"""The condition of the paper's network: features of the gray-scale from VGG-16 (Simonyan and Zisserman 2015).

The layers are named as in torchvision's state dict, so that its weights load as they are; only the first three of
VGG-16's five blocks are built, down to a quarter of the resolution, as the flow has no coarser scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stegcinn.errors import WeightsError

CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14))  # indices in torchvision's `features`, by block
WIDTHS = (1, 2, 4)  # channels of each block, in units of the first's
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # what torchvision's weights were trained with
IMAGENET_STD = (0.229, 0.224, 0.225)


class VGGFeatures(nn.Module):
    """Lightness (N, 1, H, W), 0..100 -> relu1_2, relu2_2 and relu3_3 at full, half and quarter resolution."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        """`width`: channels of the first block; 64 is VGG-16."""
        super().__init__()
        self.width = width
        self.features = nn.ModuleDict()
        before = 3
        for block, times in zip(CONVOLUTIONS, WIDTHS, strict=True):
            for index in block:
                self.features[str(index)] = nn.Conv2d(before, width * times, 3, padding=1)
                before = width * times
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    def forward(self, lightness: Tensor) -> list[Tensor]:
        # Lab's lightness and sRGB's gray run alike; both are made for the eye
        x = ((lightness / 100).expand(-1, 3, -1, -1) - self.mean) / self.std
        out = []
        for number, block in enumerate(CONVOLUTIONS):
            if number:
                x = nn.functional.max_pool2d(x, 2)
            for index in block:
                x = torch.relu(self.features[str(index)](x))
            out.append(x)
        return out

    def load_torchvision(self, state: dict[str, Tensor]) -> None:
        """Take the weights of a state dict in torchvision's layout; WeightsError if they are not of this shape."""
        own = self.state_dict()
        for name, tensor in own.items():
            if name not in state:
                raise WeightsError(f"the VGG weights lack {name}; a state dict in torchvision's layout is needed")
            if state[name].shape != tensor.shape:
                raise WeightsError(
                    f"the VGG weights have {name} of shape {tuple(state[name].shape)}, and this network "
                    f"{tuple(tensor.shape)}; vgg_width is the number of channels of the first block"
                )
        self.load_state_dict({name: state[name] for name in own})
