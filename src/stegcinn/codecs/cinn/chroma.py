"""Chroma in the exact slice of the RGB cube at a pixel's luma; the one place where colours are rounded.

A pixel is luma `Y` (Pillow's 8-bit BT.601 gray, kept exactly) and chroma `(u, v)`, two real numbers without bounds.
Given `Y`, red lives in an interval; given `Y` and red, so does blue; green follows from the luma. Each interval,
widened by MARGIN, is opened to the real line by a logit, shifted and scaled so that `u` is about `R - Y` and `v` about
`B - Y` near gray. Without the margin the logit would stretch the last levels before the edge of the cube over most of
the line, and a small error in `u` would be a glaring colour. What falls into the margin is moved to the edge of the
cube; then rounding each channel moves the luma by at most one half, so the saved pixel keeps its gray value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.runtime.arrays import Float32, UInt8

FloatArray = npt.NDArray[np.floating]

KR, KG, KB = (w / 65536 for w in LUMA_WEIGHTS)
LOW, HIGH = -0.5, 255.5  # real channel values that round into 0..255
MARGIN = 24.0  # levels by which an interval is widened; bounds the slope of the chroma at its edge to about 3
EDGE = 1.0  # levels: chroma is read at least this far inside the widened interval, which keeps the logit finite
CENTRE_MARGIN = 0.1  # the centre of a blue interval stays this share of its width away from both ends


class Interval(NamedTuple):
    """The channel values a pixel can take, and the value that maps to chroma 0 as a share of the widened interval."""

    low: FloatArray
    high: FloatArray
    centre: FloatArray


def _red_interval(y: FloatArray) -> Interval:
    low = np.maximum(LOW, (y - (KG + KB) * HIGH) / KR)
    high = np.minimum(HIGH, (y - (KG + KB) * LOW) / KR)
    return Interval(low, high, (y - low + MARGIN) / (high - low + 2 * MARGIN))


def _blue_interval(y: FloatArray, r: FloatArray) -> Interval:
    rest = y - KR * r
    low = np.clip((rest - KG * HIGH) / KB, LOW, HIGH)
    high = np.clip((rest - KG * LOW) / KB, LOW, HIGH)
    centre = (y - low + MARGIN) / (high - low + 2 * MARGIN)
    return Interval(low, high, np.clip(centre, CENTRE_MARGIN, 1 - CENTRE_MARGIN))


def _open(value: FloatArray, interval: Interval) -> FloatArray:
    """Map channel values to the real line."""
    width = interval.high - interval.low + 2 * MARGIN
    p = np.clip((value - interval.low + MARGIN) / width, EDGE / width, 1 - EDGE / width)
    c = interval.centre
    chroma: FloatArray = width * c * (1 - c) * (np.log(p / (1 - p)) - np.log(c / (1 - c)))
    return chroma


def _close(chroma: FloatArray, interval: Interval) -> FloatArray:
    """The inverse of `_open`, moved to the edge of the interval if it falls into the margin."""
    width = interval.high - interval.low + 2 * MARGIN
    c = interval.centre
    logit = chroma / (width * c * (1 - c)) + np.log(c / (1 - c))
    value = interval.low - MARGIN + width / (1 + np.exp(-np.clip(logit, -60, 60)))
    inside: FloatArray = np.clip(value, interval.low, interval.high)
    return inside


def to_chroma(y: FloatArray, red: FloatArray, blue: FloatArray) -> FloatArray:
    """Chroma (2, *S), about (R - Y, B - Y) in levels, of pixels with luma `y`, `red` and `blue`, all of shape S.

    Red and blue are real values, 0..255 plus noise; what lies outside the widened interval is read at its edge.
    """
    interval = _red_interval(y)
    possible_red = np.clip(red, interval.low, interval.high)
    return np.stack([_open(red, interval), _open(blue, _blue_interval(y, possible_red))])


def from_chroma(y: FloatArray, chroma: FloatArray) -> FloatArray:
    """Real-valued RGB with luma exactly `y`, channels within -0.5..255.5: S and (2, *S) -> (3, *S)."""
    red = _close(chroma[0], _red_interval(y))
    blue = _close(chroma[1], _blue_interval(y, red))
    return np.stack([red, (y - KR * red - KB * blue) / KG, blue])


def quantise(y: UInt8, rgb: FloatArray) -> UInt8:
    """Round real-valued RGB of luma `y` to 8 bits and keep the luma bit-identical: S and (3, *S) -> (*S, 3) uint8.

    The one rounding site of the project. Red and blue go to the nearest level, green to the nearest one whose pixel has
    luma `y` (the nearest level in all cases but ties).
    """
    red, green, blue = (np.clip(np.rint(channel), 0, 255).astype(np.int32) for channel in rgb)
    wr, wg, wb = LUMA_WEIGHTS
    # luma == y means 65536 y <= wr R + wg G + wb B + 32768 < 65536 (y + 1): an interval of one or two green levels
    rest = (y.astype(np.int32) << 16) - 32768 - wr * red - wb * blue
    first = -(-rest // wg)
    last = (rest + 65535) // wg
    green = np.clip(np.clip(green, first, last), 0, 255)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def chroma_room(y: UInt8) -> Float32:
    """Width in levels of the red interval at each luma: how much colour a pixel can show at all."""
    interval = _red_interval(np.arange(256, dtype=np.float64))
    return (interval.high - interval.low).astype(np.float32)[y]
