"""Embedding in coefficients of a JPEG file by changes of one, simulated: bits become random changes, not a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import ternary
from stegcinn.runtime.arrays import Float64, Int16, UInt16

CostFunction = Callable[[Int16, UInt16], Float64]
CHROMA = (1, 2)
ALL = (0, 1, 2)
GREATEST = 1023  # a magnitude that every 8-bit baseline file can code
HALVINGS = 60


def flat(coefficients: Int16, quantisation: UInt16) -> Float64:
    """The same cost for all AC coefficients but zeros, which stay: what nobody should do, and detectors must see."""
    found = np.where(coefficients != 0, 1.0, np.inf)
    found[..., 0] = np.inf
    return found


def nonzero_ac(jpeg: JpegFile, planes: Sequence[int] = CHROMA) -> int:
    """Non-zero AC coefficients of some components that are seen."""
    return sum(int(np.count_nonzero(jpeg.components[plane].visible[..., 1:])) for plane in planes)


def at_bound(
    jpeg: JpegFile, costs: CostFunction, bits: float, rng: np.random.Generator, planes: Sequence[int] = CHROMA
) -> JpegFile:
    """Changes by one that carry `bits` in the planes together at the least expected cost (`ternary`).

    CapacityError if there is no room for them.
    """
    components = [jpeg.components[plane] for plane in planes]
    cost = np.concatenate([costs(c.visible, c.quantisation).ravel() for c in components])
    values = np.concatenate([c.visible.ravel() for c in components])
    down = np.where(values > -GREATEST, cost, np.inf)
    up = np.where(values < GREATEST, cost, np.inf)
    lower, higher = ternary.probabilities(down, up, bits)
    drawn = rng.random(values.shape)
    return _changed(jpeg, planes, (drawn > 1 - higher).astype(np.int16) - (drawn < lower))


def nsf5(jpeg: JpegFile, bits: float, rng: np.random.Generator, planes: Sequence[int] = CHROMA) -> JpegFile:
    """nsF5: non-zero AC coefficients come one nearer to zero, as few of them as any binary code needs.

    Fridrich, Pevny, Kodovsky: *Statistically Undetectable JPEG Steganography: Dead Ends, Challenges, and Opportunities*
    (ACM MM&Sec 2007): wet paper codes know no shrinkage. CapacityError if there is no room.
    """
    values = np.concatenate([jpeg.components[plane].visible.ravel() for plane in planes])
    usable = np.flatnonzero((values != 0) & (np.arange(values.size) % 64 > 0))
    if bits > usable.size:
        raise CapacityError(int(np.ceil(bits / 8)), usable.size // 8)
    chosen = rng.choice(usable, round(changes_per_element(bits / usable.size) * usable.size), replace=False)
    step = np.zeros(values.shape, np.int16)
    step[chosen] = -np.sign(values[chosen])
    return _changed(jpeg, planes, step)


def changes_per_element(bits: float) -> float:
    """The least share of binary elements that a code must change for `bits` in each, 0 to 1: H(share) = bits."""
    low, high = 0.0, 0.5
    for _ in range(HALVINGS):
        share = (low + high) / 2
        entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
        low, high = (low, share) if entropy > bits else (share, high)
    return low


def _changed(jpeg: JpegFile, planes: Sequence[int], step: Int16) -> JpegFile:
    """The file with steps added to the seen coefficients of the planes, one after the other."""
    wanted, at = {}, 0
    for plane in planes:
        component = jpeg.components[plane]
        shape = component.visible.shape
        coefficients = component.coefficients.copy()
        size = int(np.prod(shape))
        coefficients[: shape[0], : shape[1]] += step[at : at + size].reshape(shape)
        wanted[plane], at = coefficients, at + size
    return jpeg.with_coefficients(wanted)
