"""What training asks of a network, whichever its colour space: a likelihood, colours for latents, and latents again."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.cinn.chroma import HIGH, LOW, from_chroma, quantise
from stegcinn.codecs.cinn.painter import MAX_DETAIL, ROOT_TEMPERATURE
from stegcinn.codecs.cinn.pyramid import DETAILS, LumaPyramid, merge
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.training.cinn import lumalocked
from stegcinn.training.cinn.config import PyramidConfig
from stegcinn.training.cinn.lumalocked import LumaConditions
from stegcinn.training.cinn.pyramidflow import CINN, CINNConfig
from stegcinn.training.data import Batch, chroma_planes, draw_noise, pyramid_batch, to_batch

Inputs = tuple[Tensor, ...]  # what a network reads, prepared from pixels

ROOT_MEAN = (1.983, -11.532)  # levels: mean and standard deviation of the mean chroma of photos (weights cinn-1)
ROOT_STD = (20.166, 24.969)


def negative_log_likelihood(z: Tensor, logdet: Tensor) -> Tensor:
    """L1 in nats per dimension, averaged over the batch."""
    dims = z[0].numel()
    return ((0.5 * z.square().flatten(1).sum(1) - logdet) / dims + 0.5 * math.log(2 * math.pi)).mean()


@dataclass(frozen=True)
class Painting:
    """Containers, and the colours they were before rounding."""

    rgb: UInt8  # (N, H, W, 3)
    unrounded: Inputs  # what `read` takes, of the colours before rounding and clipping
    clipped: Float32  # (N,), share of pixels that had to be moved into the RGB cube


class RoundTrip(NamedTuple):
    """What became of latents, with gradients."""

    read: Tensor  # the latents (N, D) of the rounded containers
    overshoot: Tensor  # mean square, in levels, by which colours left the cube
    energy: Tensor  # of the containers, as `chroma_energy` has it


class Trainable(nn.Module, ABC):
    """What stage 1 asks of a network."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @abstractmethod
    def prepare(self, rgb: UInt8, rng: np.random.Generator) -> Inputs:
        """Dequantised photos (N, H, W, 3) as inputs for `losses`; runs in a thread that loads data."""

    @abstractmethod
    def losses(self, inputs: Inputs) -> tuple[Tensor, list[Tensor]]:
        """The loss of stage 1, and its parts in nats per dimension."""


class Network(Trainable):
    """A conditional flow between the colours of images of one size and latents (N, D), D about 2 per pixel."""

    @abstractmethod
    def dimensions(self, size: int) -> int:
        """D of images of `size` by `size` pixels."""

    @abstractmethod
    def inputs(self, rgb: UInt8, offset: Float32 | None = None) -> Inputs:
        """Saved images (N, H, W, 3) as inputs for `read`; as if `offset` (same shape, levels) were added to them."""

    @abstractmethod
    def read(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Latents (N, D), and the negative log-likelihood of the colours in nats per dimension."""

    @abstractmethod
    def draw_roots(self, count: int, rng: np.random.Generator) -> Float32:
        """What `paint` starts from besides latents: (count, k), k may be 0."""

    @abstractmethod
    def read_roots(self, rgb: UInt8) -> Float32:
        """The same, read off images."""

    @abstractmethod
    def round_trip(self, rgb: UInt8, z: Tensor, roots: Float32) -> RoundTrip:
        """Containers painted, rounded (straight through) and read, with gradients through all of it."""

    @abstractmethod
    def paint(self, rgb: UInt8, z: Tensor, roots: Float32) -> Painting:
        """Colours for the gray-scale of (N, H, W, 3) hosts from latents (N, D); without gradient."""


class PyramidNetwork(Network):
    """The shipped network: conditional flows over luma-locked chroma, drawn from one mean colour upwards."""

    def __init__(self, config: PyramidConfig) -> None:
        super().__init__()
        self.config = config
        self.cinn = CINN(CINNConfig(config.couplings, config.features, config.hidden))

    def dimensions(self, size: int) -> int:
        return DETAILS * sum((size >> level) ** 2 for level in range(1, self.config.levels + 1))

    def prepare(self, rgb: UInt8, rng: np.random.Generator) -> Inputs:
        sigma = draw_noise(len(rgb), self.config.noise, rng)
        batch = _cut_finest(to_batch(rgb, sigma, self.config.levels, rng), self.config.fine_crop // 2, rng)
        return _flatten(batch)

    def losses(self, inputs: Inputs) -> tuple[Tensor, list[Tensor]]:
        parts = [negative_log_likelihood(z, logdet) for z, logdet in self._forward(inputs)]
        own = len(self.config.couplings)
        zero = torch.zeros((), device=self.device)
        return sum(parts[:own], zero) + self.config.shared_weight * sum(parts[own:], zero), parts

    def inputs(self, rgb: UInt8, offset: Float32 | None = None) -> Inputs:
        return self._inputs(luma_of(rgb), _chroma(rgb, offset))

    def read(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        levels = self._forward(inputs)
        z = torch.cat([z.flatten(1) for z, _ in levels], 1)
        return z, negative_log_likelihood(z, torch.stack([logdet for _, logdet in levels]).sum(0))

    def draw_roots(self, count: int, rng: np.random.Generator) -> Float32:
        draw = np.array(ROOT_STD) * ROOT_TEMPERATURE * rng.standard_normal((count, 2))
        return (np.array(ROOT_MEAN) + draw).astype(np.float32)

    def read_roots(self, rgb: UInt8) -> Float32:
        roots: Float32 = _chroma(rgb).mean((2, 3))
        return roots

    @torch.no_grad()
    def paint(self, rgb: UInt8, z: Tensor, roots: Float32) -> Painting:
        y, levels = luma_of(rgb), self.config.levels
        n, height, width = y.shape
        pyramid = LumaPyramid(y[:, None].astype(np.float32), levels)
        mean = np.broadcast_to(roots[:, :, None, None], (n, 2, height >> levels, width >> levels))
        end = z.shape[1]
        for level in range(levels, 0, -1):
            shape = (n, DETAILS, height >> level, width >> level)
            start = end - math.prod(shape[1:])
            condition = torch.from_numpy(pyramid.condition(level, mean, self.config.run_noise)).to(self.device)
            details = self.cinn.flow(level).inverse(z[:, start:end].reshape(shape).to(self.device), condition)[0]
            mean = merge(mean, np.nan_to_num(details.cpu().numpy()).clip(-MAX_DETAIL, MAX_DETAIL))
            end = start
        colours = from_chroma(y.astype(np.float64), np.moveaxis(mean, 1, 0).astype(np.float64))
        near = 1e-6  # whatever reaches an end of its interval was moved there
        moved = ((colours <= LOW + near) | (colours >= HIGH - near)).any(0)
        return Painting(quantise(y, colours), self._inputs(y, mean), moved.mean((1, 2)).astype(np.float32))

    def round_trip(self, rgb: UInt8, z: Tensor, roots: Float32) -> RoundTrip:
        y, levels, device = luma_of(rgb), self.config.levels, self.device
        n, height, width = y.shape
        luma = torch.from_numpy(y.astype(np.float32)).to(device)
        conditions = LumaConditions(y, levels, self.config.run_noise, device)
        mean = torch.from_numpy(roots).to(device)[:, :, None, None].expand(n, 2, *conditions.coarsest)
        end = z.shape[1]
        for level in range(levels, 0, -1):
            shape = (n, DETAILS, height >> level, width >> level)
            start = end - math.prod(shape[1:])
            latents = z[:, start:end].reshape(shape).to(device)
            details = self.cinn.flow(level).inverse(latents, conditions.at(level, mean))[0]
            mean = lumalocked.merge(mean, details.clamp(-MAX_DETAIL, MAX_DETAIL))
            end = start
        painted = lumalocked.from_chroma(luma, mean)
        red, blue = (lumalocked.straight_through_round(channel) for channel in (painted.red, painted.blue))
        mean, read = lumalocked.to_chroma(luma, red, blue), []
        for level in range(1, levels + 1):
            mean, details = lumalocked.split(mean)
            read.append(self.cinn.flow(level)(details, conditions.at(level, mean))[0].flatten(1))
        energy = ((red - luma).square().mean() + (blue - luma).square().mean()) / 2
        return RoundTrip(torch.cat(read, 1), painted.overshoot.square().mean(), energy)

    def _inputs(self, y: UInt8, chroma: Float32) -> Inputs:
        return _flatten(pyramid_batch(y, chroma, self.config.run_noise, self.config.levels))

    def _forward(self, inputs: Inputs) -> list[tuple[Tensor, Tensor]]:
        inputs = tuple(tensor.to(self.device, non_blocking=True) for tensor in inputs)
        half = len(inputs) // 2
        levels: list[tuple[Tensor, Tensor]] = self.cinn(list(inputs[:half]), list(inputs[half:]))
        return levels


def _chroma(rgb: UInt8, offset: Float32 | None = None) -> Float32:
    moved = rgb.astype(np.float64)
    if offset is not None:
        moved += offset
    return chroma_planes(luma_of(rgb), moved[..., 0], moved[..., 2])


def _flatten(batch: Batch) -> Inputs:
    return (*batch.details, *batch.conditions)


def _cut_finest(batch: Batch, cells: int, rng: np.random.Generator) -> Batch:
    h, w = batch.details[0].shape[-2:]
    y, x = rng.integers(h - cells + 1), rng.integers(w - cells + 1)
    window = (..., slice(y, y + cells), slice(x, x + cells))
    return Batch([batch.details[0][window], *batch.details[1:]], [batch.conditions[0][window], *batch.conditions[1:]])


def chroma_energy(rgb: UInt8) -> float:
    """Mean square of R - Y and B - Y over images (N, H, W, 3), in levels squared."""
    y = luma_of(rgb).astype(np.float64)
    return float(np.mean([np.square(rgb[..., c] - y).mean() for c in (0, 2)]))
