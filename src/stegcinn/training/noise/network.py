"""The noise network: what the colours around a pixel, and the luma, tell of its own colours.

For senders alone, so it may look at all of the photo at once: one pass, and each pixel is predicted from all around it.
Only the first layer looks around, with a hole where the pixel's own colours are; the others see one place (networks
with a blind spot: Krull, Buchholz, Jug 2019; Laine, Karras, Lehtinen, Aila 2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.codecs.stealth.noise import (
    EXPECTED,
    FOLLOWS,
    OFF_B,
    OFF_R,
    OFFSET_G,
    RADIUS,
    SCALE_B,
    SCALE_G,
    SCALE_R,
)  # fmt: skip
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import UNIT
from stegcinn.training.colourmodel.network import code_length

NEAR, FAR = (5, 1), (5, 3)  # side and dilation of what is looked at: each pixel within 2, some within RADIUS
WIDTHS = (32, 16, 32, 24)  # channels of the two ways to look around, and of the layers behind
START_SCALE, START_GREEN = 100.0, 170.0  # indices of scales, as `mixture` has them, that untrained networks expect
RANGE = 32.0  # levels of difference that are told as one


class Around(nn.Module):
    """A convolution over (N, 3, H, W) planes Y, R - Y, B - Y that does not see the colours in its centre.

    What it is trained on are differences: luma from the luma of the centre, colours from the mean of the four next to
    it. These are sums of the planes, so the network that runs has one convolution.
    """

    def __init__(self, channels: int, side: int, dilation: int) -> None:
        super().__init__()
        self.side, self.dilation = side, dilation
        places = side * side
        self.weight = nn.Parameter(torch.randn(channels, 3 * places + 3) * (2 / (3 * places)) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.shown: Tensor
        self.register_buffer("shown", self._shown(), persistent=False)

    def _shown(self) -> Tensor:
        """(3 places + 3, 3 places): differences, and luma and mean colours themselves, as sums of the planes."""
        places = self.side * self.side
        centre = places // 2
        nearest = [centre - self.side, centre - 1, centre + 1, centre + self.side]
        found = torch.zeros(3, places + 1, 3, places)
        for plane in range(3):
            at = torch.arange(places)
            found[plane, at, plane, at] = 1 / RANGE
            base = torch.zeros(places)
            if plane == 0:
                base[centre] = 1
            else:
                base[nearest] = 1 / 4
                found[plane, centre] = 0
            others = at if plane == 0 else at[at != centre]
            found[plane, others, plane] -= base / RANGE
            found[plane, places, plane] = base / 128
        return found.reshape(3 * (places + 1), 3 * places)

    def kernel(self) -> Tensor:
        """Over the planes as they are: (channels, 3, side, side)."""
        return (self.weight @ self.shown).reshape(-1, 3, self.side, self.side)

    def forward(self, planes: Tensor) -> Tensor:
        """Of all pixels at least RADIUS away from an edge."""
        cut = RADIUS - self.side // 2 * self.dilation
        inner = planes[..., cut : planes.shape[-2] - cut, cut : planes.shape[-1] - cut]
        return F.conv2d(inner, self.kernel(), self.bias, dilation=self.dilation)


class NoiseNet(nn.Module):
    """Planes Y, R - Y, B - Y (N, 3, H + 2 RADIUS, W + 2 RADIUS), float32 levels -> (N, EXPECTED, H, W).

    As `codecs.stealth.noise` has it, but that scales' indices are told as they are; not rounded.
    """

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        near, far, first, second = widths
        self.near, self.far = Around(near, *NEAR), Around(far, *FAR)
        self.hidden = nn.Sequential(
            nn.ReLU(), nn.Conv2d(near + far, first, 1), nn.ReLU(), nn.Conv2d(first, second, 1), nn.ReLU()
        )
        self.head = nn.Conv2d(second, EXPECTED, 1)
        with torch.no_grad():  # expects what it starts with
            for parameter in self.head.parameters():
                parameter.zero_()
        nearest = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
        self.nearest: Tensor
        self.register_buffer("nearest", nearest.expand(2, 1, 3, 3).contiguous(), persistent=False)
        units = torch.empty(EXPECTED)
        units[[OFF_R, OFF_B]] = 4.0 * UNIT
        units[[SCALE_R, SCALE_B, SCALE_G]] = 2.0 * mixture.SCALE_STEP
        units[FOLLOWS], units[OFFSET_G] = mixture.SLOPE_UNIT, mixture.GREEN_UNIT / 4
        start = torch.zeros(EXPECTED)
        start[[SCALE_R, SCALE_B]], start[SCALE_G] = START_SCALE, START_GREEN
        self.units: Tensor
        self.start: Tensor
        self.register_buffer("units", units.reshape(-1, 1, 1), persistent=False)
        self.register_buffer("start", start.reshape(-1, 1, 1), persistent=False)

    def forward(self, planes: Tensor) -> Tensor:
        hidden = self.hidden(torch.cat([self.near(planes), self.far(planes)], dim=1))
        told = self.head(hidden) * self.units + self.start
        edge = RADIUS - 1
        around = planes[:, 1:, edge:-edge, edge:-edge]
        mean = F.conv2d(around, self.nearest, groups=2)
        red, blue = torch.split(UNIT * (around[..., 1:-1, 1:-1] - mean), 1, dim=1)
        follows = told[:, FOLLOWS : FOLLOWS + 1] / mixture.SLOPE_UNIT
        away = torch.cat([red, blue - follows * red], dim=1)
        return torch.cat([away - told[:, : OFF_B + 1], told[:, OFF_B + 1 :]], dim=1)


def planes_of(rgb: Tensor, luma: Tensor) -> Tensor:
    """Y, R - Y, B - Y of (N, 3, H, W) with luma (N, 1, H, W), in levels."""
    return torch.cat([luma, rgb[:, :1] - luma, rgb[:, 2:] - luma], dim=1)


def bits(found: Tensor, rgb: Tensor, luma: Tensor, shape: Tensor) -> Tensor:
    """Code length of red, blue and green, (3, N, H, W), by what is expected (N, EXPECTED, H, W)."""
    r, g, b = rgb.unbind(1)
    y = luma[:, 0]
    one = torch.zeros_like(y)
    zero = one + mixture.ZERO
    scale_r, scale_b, scale_g = (found[:, k].clamp(0, 255) for k in (SCALE_R, SCALE_B, SCALE_G))
    dummy = [one - 4000.0] * (mixture.K - 1)  # components of no weight
    none = [zero] * (mixture.K - 1)

    def component(scale: Tensor) -> list[Tensor]:
        return [one, *dummy, zero, *none, zero, *none, scale, *none]

    follows, off_r = found[:, FOLLOWS], found[:, OFF_R]
    green = found[:, OFFSET_G] + mixture.ZERO
    p = torch.stack([*component(scale_r), *component(scale_b), follows + mixture.ZERO, green, scale_g])
    guess_r = UNIT * (r - y) - off_r
    guess_b = UNIT * (b - y) - found[:, OFF_B] - follows / mixture.SLOPE_UNIT * off_r  # where red is as expected
    return code_length(p, guess_r, guess_b, shape, y, r, g, b)
