"""Luma-locked chroma and its pyramid in PyTorch, with gradients: what `colour` and `pyramid` compute in NumPy.

Training through painting and reading needs it; running never does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stegcinn.codecs.cinn.chroma import CENTRE_MARGIN, EDGE, HIGH, KB, KG, KR, LOW, MARGIN
from stegcinn.codecs.cinn.pyramid import CHROMA_UNIT, LumaPyramid

SATURATED = 60.0  # logits beyond are at the end of their interval in any precision


class Interval(NamedTuple):
    """As `chroma.Interval`."""

    low: Tensor
    high: Tensor
    centre: Tensor


class Painted(NamedTuple):
    """Real-valued red and blue within the cube, (N, H, W) each, and how far they had to be moved, in levels."""

    red: Tensor
    blue: Tensor
    overshoot: Tensor  # (N, 2, H, W)


def red_interval(y: Tensor) -> Interval:
    """The red values that pixels of luma `y` (any shape, levels) can take."""
    low = torch.clamp((y - (KG + KB) * HIGH) / KR, min=LOW)
    high = torch.clamp((y - (KG + KB) * LOW) / KR, max=HIGH)
    return Interval(low, high, (y - low + MARGIN) / (high - low + 2 * MARGIN))


def blue_interval(y: Tensor, red: Tensor) -> Interval:
    """The blue values that pixels of luma `y` and red value `red` can take."""
    rest = y - KR * red
    low = torch.clamp((rest - KG * HIGH) / KB, LOW, HIGH)
    high = torch.clamp((rest - KG * LOW) / KB, LOW, HIGH)
    centre = (y - low + MARGIN) / (high - low + 2 * MARGIN)
    return Interval(low, high, centre.clamp(CENTRE_MARGIN, 1 - CENTRE_MARGIN))


def _open(value: Tensor, interval: Interval) -> Tensor:
    width, c = interval.high - interval.low + 2 * MARGIN, interval.centre
    p = torch.clamp((value - interval.low + MARGIN) / width, min=EDGE / width, max=1 - EDGE / width)
    return width * c * (1 - c) * (torch.logit(p) - torch.logit(c))


def _close(chroma: Tensor, interval: Interval) -> tuple[Tensor, Tensor]:
    """Channel values within the interval, and the distance by which they had to be moved into it."""
    width, c = interval.high - interval.low + 2 * MARGIN, interval.centre
    logit = torch.clamp(chroma / (width * c * (1 - c)) + torch.logit(c), -SATURATED, SATURATED)
    value = interval.low - MARGIN + width * torch.sigmoid(logit)
    inside = torch.minimum(torch.maximum(value, interval.low), interval.high)
    return inside, value - inside


def to_chroma(y: Tensor, red: Tensor, blue: Tensor) -> Tensor:
    """As `chroma.to_chroma`: (N, H, W) each -> (N, 2, H, W)."""
    interval = red_interval(y)
    possible_red = torch.minimum(torch.maximum(red, interval.low), interval.high)
    return torch.stack([_open(red, interval), _open(blue, blue_interval(y, possible_red))], 1)


def from_chroma(y: Tensor, chroma: Tensor) -> Painted:
    """As `chroma.from_chroma`: luma (N, H, W) and chroma (N, 2, H, W) -> red and blue; green follows from the luma."""
    red, red_overshoot = _close(chroma[:, 0], red_interval(y))
    blue, blue_overshoot = _close(chroma[:, 1], blue_interval(y, red))
    return Painted(red, blue, torch.stack([red_overshoot, blue_overshoot], 1))


def split(plane: Tensor) -> tuple[Tensor, Tensor]:
    """As `pyramid.split`."""
    p, q = plane[..., 0::2, 0::2], plane[..., 0::2, 1::2]
    r, s = plane[..., 1::2, 0::2], plane[..., 1::2, 1::2]
    details = torch.cat([(p - q + r - s) / 2, (p + q - r - s) / 2, (p - q - r + s) / 2], dim=-3)
    return (p + q + r + s) / 4, details


def merge(mean: Tensor, details: Tensor) -> Tensor:
    """As `pyramid.merge`."""
    a, b, c = (details / 2).chunk(3, dim=-3)
    top = torch.stack([mean + a + b + c, mean - a + b - c], dim=-1).flatten(-2)
    bottom = torch.stack([mean + a - b - c, mean - a - b + c], dim=-1).flatten(-2)
    return torch.stack([top, bottom], dim=-2).flatten(-3, -2)


class LumaConditions:
    """The conditions of all levels, of which only the chroma mean is still to come."""

    def __init__(self, y: np.ndarray, levels: int, noise: float, device: torch.device) -> None:
        """`y`: luma (N, H, W) uint8; `noise`: as in `LumaPyramid.condition`."""
        pyramid = LumaPyramid(y[:, None].astype(np.float32), levels)
        self._planes = []
        for level in range(1, levels + 1):
            mean = pyramid.levels[level - 1][0]
            blank = np.zeros((len(mean), 2, *mean.shape[2:]), np.float32)
            self._planes.append(torch.from_numpy(pyramid.condition(level, blank, noise)).to(device))

    def at(self, level: int, chroma_mean: Tensor) -> Tensor:
        """The condition of `level` once the chroma mean (N, 2, h, w) is known: (N, CONDITION, h, w)."""
        planes = self._planes[level - 1]
        return torch.cat([planes[:, :-3], chroma_mean / CHROMA_UNIT, planes[:, -1:]], 1)

    @property
    def coarsest(self) -> tuple[int, int]:
        """Height and width of the coarsest lattice."""
        height, width = self._planes[-1].shape[-2:]
        return height, width


def straight_through_round(values: Tensor) -> Tensor:
    """Rounded to the levels of 8 bits; the gradient is that of the values themselves (Bengio et al. 2013)."""
    return values + (torch.clamp(torch.round(values), 0, 255) - values).detach()
