"""sRGB <-> CIE Lab (CIE 1976, illuminant D65, IEC 61966-2-1) in PyTorch, the colour space of the paper."""

from __future__ import annotations

import torch
from torch import Tensor

# sRGB primaries to XYZ, rows X, Y, Z, over the white point
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
WHITE = (0.95047, 1.0, 1.08883)
LINEAR_BELOW = 0.04045  # of sRGB's transfer curve
CUBE_BELOW = (6 / 29) ** 3  # of Lab's
SLOPE = (29 / 6) ** 2 / 3


def _matrix(like: Tensor) -> Tensor:
    white = torch.tensor(WHITE, dtype=torch.float64)[:, None]
    return (torch.tensor(TO_XYZ, dtype=torch.float64) / white).to(like)


def _mix(matrix: Tensor, planes: Tensor) -> Tensor:
    """A 3x3 matrix applied to (N, 3, H, W); elementwise, as autocast would shorten a product of matrices."""
    rows = [(planes * matrix[i][:, None, None]).sum(1) for i in range(3)]
    return torch.stack(rows, 1)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) sRGB in levels 0..255, real values allowed -> L (0..100), a, b."""
    x = rgb / 255
    curved = ((x.clamp(min=LINEAR_BELOW) + 0.055) / 1.055) ** 2.4
    xyz = _mix(_matrix(rgb), torch.where(x > LINEAR_BELOW, curved, x / 12.92))
    root = xyz.clamp(min=CUBE_BELOW) ** (1 / 3)
    f = torch.where(xyz > CUBE_BELOW, root, SLOPE * xyz + 4 / 29)
    fx, fy, fz = f.unbind(1)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], 1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """The inverse of `rgb_to_lab`; colours outside the sRGB cube get values below 0 or above 255."""
    lightness, a, b = lab.unbind(1)
    fy = (lightness + 16) / 116
    f = torch.stack([fy + a / 500, fy, fy - b / 200], 1)
    xyz = torch.where(f > 6 / 29, f**3, (f - 4 / 29) / SLOPE)
    linear = _mix(torch.linalg.inv(_matrix(lab.double())).to(lab), xyz)
    limit = LINEAR_BELOW / 12.92
    curved = 1.055 * linear.clamp(min=limit) ** (1 / 2.4) - 0.055
    return 255 * torch.where(linear > limit, curved, 12.92 * linear)
