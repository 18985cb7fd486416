"""The paper's network as training sees it, and the pre-training of its condition on colourisation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.training.cinn.cielab import lab_to_rgb, rgb_to_lab
from stegcinn.training.cinn.config import ConditionConfig, LabConfig
from stegcinn.training.cinn.labflow import LabFlow
from stegcinn.training.cinn.lumalocked import straight_through_round
from stegcinn.training.cinn.trainables import Inputs, Network, Painting, RoundTrip, Trainable, negative_log_likelihood
from stegcinn.training.cinn.vgg import WIDTHS, VGGFeatures

REACH = 110.0  # Lab units; a and b of all sRGB colours lie within
MAX_CHROMA = 400.0  # Lab units; where an extreme draw overflows, this stands in for it
FAR = 24.0  # levels, as far as the luma-locked network can go at all
HALF = 0.5  # level; what lies nearer to the cube is within it once rounded


def _planes(rgb: UInt8) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(rgb, -1, 1))).float()


class LabNetwork(Network):
    """`LabFlow` between photos and latents, as the paper has it: L is read anew from the rounded container."""

    def __init__(self, config: LabConfig) -> None:
        super().__init__()
        self.flow = LabFlow(
            config.couplings, hidden=config.hidden, features=config.features, vgg_width=config.vgg_width
        )

    def dimensions(self, size: int) -> int:
        return 2 * size * size

    def prepare(self, rgb: UInt8, rng: np.random.Generator) -> Inputs:
        planes = _planes(rgb)
        noise = torch.from_numpy(rng.random(planes.shape, np.float32) - np.float32(0.5))
        return rgb_to_lab(planes)[:, :1], rgb_to_lab(planes + noise)[:, 1:]

    def losses(self, inputs: Inputs) -> tuple[Tensor, list[Tensor]]:
        nll = self.read(inputs)[1]
        return nll, [nll]

    def inputs(self, rgb: UInt8, offset: Float32 | None = None) -> Inputs:
        planes = _planes(rgb)
        chroma = planes if offset is None else planes + torch.from_numpy(np.moveaxis(offset, -1, 1).copy())
        return rgb_to_lab(planes)[:, :1], rgb_to_lab(chroma)[:, 1:]

    def read(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        lightness, chroma = (tensor.to(self.device) for tensor in inputs)
        z, logdet = self.flow(chroma, lightness)
        return z.flatten(1), negative_log_likelihood(z, logdet)

    def draw_roots(self, count: int, rng: np.random.Generator) -> Float32:
        return np.zeros((count, 0), np.float32)

    def read_roots(self, rgb: UInt8) -> Float32:
        return np.zeros((len(rgb), 0), np.float32)

    def round_trip(self, rgb: UInt8, z: Tensor, roots: Float32) -> RoundTrip:
        lightness = rgb_to_lab(_planes(rgb).to(self.device))[:, :1]
        colours = lab_to_rgb(torch.cat([lightness, self._chroma(z, lightness)], 1))
        overshoot = (-HALF - colours).clamp(min=0) + (colours - 255 - HALF).clamp(min=0)
        rounded = straight_through_round(colours.clamp(0, 255))
        lab = rgb_to_lab(rounded)
        read, _ = self.flow(lab[:, 1:], lab[:, :1])
        # beyond FAR linear: a few colours far outside, which a long tail of the flow makes, would outweigh all others
        luma = torch.einsum("nchw,c->nhw", rounded, rounded.new_tensor(LUMA_WEIGHTS) / sum(LUMA_WEIGHTS))
        energy = (rounded[:, ::2] - luma[:, None]).square().mean()
        return RoundTrip(read.flatten(1), (overshoot * overshoot.clamp(max=FAR)).mean(), energy)

    @torch.no_grad()
    def paint(self, rgb: UInt8, z: Tensor, roots: Float32) -> Painting:
        lightness = rgb_to_lab(_planes(rgb).to(self.device))[:, :1]
        chroma = self._chroma(z, lightness)
        colours = lab_to_rgb(torch.cat([lightness, chroma], 1))
        outside = ((colours < -HALF) | (colours > 255 + HALF)).any(1).float().mean((1, 2))
        pixels = colours.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        return Painting(np.moveaxis(pixels, 1, -1).copy(), (lightness, chroma), outside.cpu().numpy())

    def _chroma(self, z: Tensor, lightness: Tensor) -> Tensor:
        height, width = lightness.shape[-2:]
        latents = z.to(self.device).reshape(len(z), -1, height // 4, width // 4)
        return torch.nan_to_num(self.flow.inverse(latents, lightness)[0]).clamp(-MAX_CHROMA, MAX_CHROMA)


class ConditionNetwork(Trainable):
    """VGG-shaped features that predict the distribution of quantised chroma (Zhang, Isola and Efros 2016)."""

    def __init__(self, config: ConditionConfig) -> None:
        super().__init__()
        self.bins = int(2 * REACH / config.bin_width)
        self.bin_width = config.bin_width
        self.vgg = VGGFeatures(config.vgg_width)
        self.head = nn.Conv2d(config.vgg_width * WIDTHS[-1], self.bins**2, 1)

    def prepare(self, rgb: UInt8, rng: np.random.Generator) -> Inputs:
        lab = rgb_to_lab(_planes(rgb))
        coarse = nn.functional.avg_pool2d(lab[:, 1:], 4)  # the resolution of relu3_3
        index = ((coarse + REACH) / self.bin_width).long().clamp(0, self.bins - 1)
        return lab[:, :1], index[:, 0] * self.bins + index[:, 1]

    def losses(self, inputs: Inputs) -> tuple[Tensor, list[Tensor]]:
        lightness, target = (tensor.to(self.device) for tensor in inputs)
        loss = nn.functional.cross_entropy(self.head(self.vgg(lightness)[-1]), target)
        return loss, [loss]
