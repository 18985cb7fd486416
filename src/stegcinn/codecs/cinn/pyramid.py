"""Haar pyramid of chroma and luma: the scales of the network, and the condition each scale sees.

Level `l` (1 is the finest) halves the lattice: four chroma samples become their mean, which goes on to level `l + 1`,
and three orthonormal details per channel, which the flow of level `l` turns into latents. The condition of a level is
made from what sender and receiver share at that point: the luma plane and the chroma mean of the level.
"""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import Float32

DETAILS = 6  # channels of a level's details: three Haar bands of u and v
CONDITION = 10  # channels of a level's condition
CHROMA_UNIT = 32.0  # levels per unit of the network's input
LUMA_UNIT = 64.0


def split(plane: Float32) -> tuple[Float32, Float32]:
    """One Haar step: (..., C, 2h, 2w) -> mean (..., C, h, w) and details (..., 3C, h, w), details orthonormal."""
    p, q = plane[..., 0::2, 0::2], plane[..., 0::2, 1::2]
    r, s = plane[..., 1::2, 0::2], plane[..., 1::2, 1::2]
    half = np.float32(0.5)
    mean = (p + q + r + s) * (half * half)
    details = np.concatenate([(p - q + r - s) * half, (p + q - r - s) * half, (p - q - r + s) * half], axis=-3)
    return mean, details


def merge(mean: Float32, details: Float32) -> Float32:
    """The inverse of `split`."""
    a, b, c = np.split(details * np.float32(0.5), 3, axis=-3)
    plane = np.empty((*mean.shape[:-2], 2 * mean.shape[-2], 2 * mean.shape[-1]), np.float32)
    plane[..., 0::2, 0::2] = mean + a + b + c
    plane[..., 0::2, 1::2] = mean - a + b - c
    plane[..., 1::2, 0::2] = mean + a - b - c
    plane[..., 1::2, 1::2] = mean - a - b + c
    return plane


class LumaPyramid:
    """Means and details of the luma plane, and how busy it is below each level."""

    def __init__(self, luma: Float32, levels: int) -> None:
        """`luma`: (..., 1, H, W) in 0..255 with sides that are multiples of 2**levels."""
        self.levels: list[tuple[Float32, Float32, Float32]] = []  # mean, details, activity of the finer levels
        mean, activity = luma, np.zeros_like(luma)
        for _ in range(levels):
            mean, details = split(mean)
            finer, _ = split(activity)
            self.levels.append((mean, details, finer))
            activity = finer + np.abs(details).mean(axis=-3, keepdims=True) * np.float32(0.5)

    def condition(self, level: int, chroma_mean: Float32, noise: float | Float32) -> Float32:
        """What the flow of `level` is told: (..., CONDITION, h, w) float32.

        `chroma_mean`: (..., 2, h, w), the mean of the level; `noise`: standard deviation in levels of the
        dequantisation noise at full resolution (one number, or one per image).
        """
        mean, details, finer = self.levels[level - 1]
        dark = np.exp(-mean / np.float32(16))  # near black and white the room for colour ends
        light = np.exp((mean - 255) / np.float32(16))
        level_noise = np.log(np.asarray(noise, np.float32)) - np.float32((level - 1) * np.log(2))
        return np.concatenate(
            [
                mean / np.float32(LUMA_UNIT) - 2,
                details / np.float32(LUMA_UNIT / 2),
                finer / np.float32(LUMA_UNIT / 4),
                dark,
                light,
                chroma_mean / np.float32(CHROMA_UNIT),
                np.broadcast_to(level_noise, mean.shape),
            ],
            axis=-3,
        ).astype(np.float32)
