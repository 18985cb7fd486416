"""High-pass kernels of steganalysis: the KV kernel and the 30 basic linear kernels of the Spatial Rich Model.

Fridrich, Kodovsky: *Rich Models for Steganalysis of Digital Images* (TIFS 2012), figure 2 and section II-B. The kernels
are generated from one prototype per class by the symmetries of the square.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.runtime.arrays import Float32

SIDE = 5
CENTRE = SIDE // 2
# Predictors of a pixel from one side, from both sides, and from a longer run: taps from the centre outwards
DIFFERENCES = {"first": {0: -1, 1: 1}, "second": {-1: 1, 0: -2, 1: 1}, "third": {-1: 1, 0: -3, 1: 3, 2: -1}}
STEPS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))  # eight directions, 45 degrees apart
KB = ((-1, 2, -1), (2, -4, 2), (-1, 2, -1))  # Ker and Boehme's kernel, SRM's SQUARE 3x3
KV = (
    (-1, 2, -2, 2, -1),
    (2, -6, 8, -6, 2),
    (-2, 8, -12, 8, -2),
    (2, -6, 8, -6, 2),
    (-1, 2, -2, 2, -1),
)  # Kodovsky's kernel, SRM's SQUARE 5x5
KV_SCALE = 12.0  # its central coefficient


def kv_kernel() -> Float32:
    """The KV kernel over its central coefficient, (5, 5) float32; it sums to zero."""
    return np.array(KV, np.float32) / np.float32(KV_SCALE)


def srm_kernels() -> Float32:
    """The 30 basic linear kernels of the SRM, integer coefficients, (30, 5, 5) float32; each sums to zero.

    In this order: 8 first-order, 4 second-order, 8 third-order differences, SQUARE 3x3, 4 EDGE 3x3, SQUARE 5x5, 4 EDGE
    5x5. Second-order differences are their own mirror images, hence four.
    """
    kernels = []
    for order, taps in DIFFERENCES.items():
        for down, right in STEPS[:4] if order == "second" else STEPS:
            kernel = np.zeros((SIDE, SIDE), np.float32)
            for distance, tap in taps.items():
                kernel[CENTRE + distance * down, CENTRE + distance * right] = tap
            kernels.append(kernel)
    for square in (np.pad(np.array(KB, np.float32), 1), np.array(KV, np.float32)):
        edge = square.copy()
        edge[CENTRE + 1 :] = 0  # what is below the predicted pixel is left out ...
        kernels += [square, *(np.rot90(edge, turns) for turns in range(4))]  # ... or on its left, above, on its right
    return np.stack(kernels)


class Residuals(nn.Module):
    """Fixed high-pass filters applied to every plane on its own: (N, P, H, W) -> (N, P * K, H, W)."""

    kernels: Tensor

    def __init__(self, kernels: Float32, planes: int) -> None:
        """`kernels`: (K, 5, 5); `planes`: P, 1 for gray and 3 for colour images."""
        super().__init__()
        self.planes = planes
        self.register_buffer("kernels", torch.from_numpy(kernels.copy())[:, None].repeat(planes, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Residuals of the same height and width; the image is taken to be 0 beyond its border, as in the papers."""
        return F.conv2d(x, self.kernels, padding=CENTRE, groups=self.planes)
