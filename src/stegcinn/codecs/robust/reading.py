"""Finding and reading what `robust` hid in coefficients: pilots first, then the header, then the body.

Coefficients of blocks that a picture lacks are NaN, and say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import pi

import numpy as np

from stegcinn.codecs.robust import code, lattice
from stegcinn.codecs.robust.code import Header
from stegcinn.codecs.robust.grid import CLIPPED, PLANES, View
from stegcinn.codecs.robust.places import HEADER_BITS, LEAST_BLOCKS, PILOT, SLOTS, Places
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import Float32, Int64, UInt8
from stegcinn.sealing.keys import Keys

# Standard deviations of chance that the pilots must stand out by: with some 60 lattices one try in 200,000 passes in a
# clean picture, which costs it no more than time.
SEEN = 5.3
NOISES = (0.15, 0.6)  # of a step: standard deviations that are believed, least and most
_PRIOR = 10  # pilots of any class that each class of clipping is taken to have, besides its own
STEPS = np.unique([lattice.steps(strength)[0] for strength in lattice.STRENGTHS])


@dataclass(frozen=True)
class Sync:
    """A lattice on which pilots were seen: its step, whether it is dithered, and how much they stand out."""

    step: float
    dithered: bool
    score: float


@dataclass(frozen=True)
class Reading:
    """What was read: the stream, its header, and the share of places that said what they should."""

    stream: bytes
    header: Header
    raw_accuracy: float


def syncs(coefficients: Float32, places: Places) -> list[Sync]:
    """The lattices on which the pilots stand out among coefficients as views have them, the likeliest first."""
    values = places.at_head(coefficients)
    pilots = (places.roles == PILOT) & ~np.isnan(values)
    at = places.head[pilots]
    if len(at) == 0:
        return []
    signs = 1 - 2 * places.mask[pilots].astype(np.float32)
    dither = places.dither.reshape(-1)[at]
    scaled = values[pilots] / STEPS[:, None]
    found = []
    for dithered in (False, True):
        waves = np.cos(np.float32(pi) * (scaled - dither * dithered))
        scores = waves @ signs / np.sqrt(np.square(waves).sum(axis=1) + 1)
        found += [Sync(float(step), dithered, float(s)) for step, s in zip(STEPS, scores, strict=True) if s > SEEN]
    return sorted(found, key=lambda sync: -sync.score)


def noise(off: Float32, clipping: UInt8) -> Float32:
    """Standard deviations in steps, (classes of clipping,), of places (n,) that are `off` what they should be."""
    known = ~np.isnan(off)
    squares, classes = np.square(off[known], dtype=np.float64), clipping[known]
    number = np.bincount(classes, minlength=len(CLIPPED) + 1)
    sums = np.bincount(classes, squares, minlength=len(CLIPPED) + 1)
    mean = float(squares.mean()) if squares.size else 1.0
    return np.clip(np.sqrt((sums + _PRIOR * mean) / (number + _PRIOR)), *NOISES).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Slots:
    """A view by places: `values` (rows, columns, 2, 7) by slot, and `clipping` (rows, columns)."""

    values: Float32
    clipping: UInt8

    @staticmethod
    def of(view: View, places: Places) -> Slots:
        """That of a picture whose places are these."""
        return Slots(places.slotted(view.coefficients), view.clipping)

    def at(self, places: Int64) -> tuple[Float32, UInt8]:
        """Values and classes of clipping of some places."""
        return np.take(self.values, places), np.take(self.clipping, places // (SLOTS * PLANES))


def header_of(slots: Slots, places: Places, sync: Sync) -> tuple[Header, Float32]:
    """The header on a lattice, and the noise there, see `noise`; RevealError if there is none."""
    dither = places.dither.reshape(-1)[places.head] * np.float32(sync.dithered)
    (at, clipping), step = slots.at(places.head), np.full(len(places.head), sync.step, np.float32)
    pilots = places.roles == PILOT
    off = np.abs(places.mask - lattice.distances(at, step, dither))
    noises = noise(off[pilots], clipping[pilots])
    llr = np.nan_to_num(lattice.beliefs(at, step, dither, noises[clipping]))
    said = np.clip(llr, -code.SUREST, code.SUREST) * (1 - 2 * places.mask.astype(np.float32))
    sums = np.bincount(places.roles[~pilots], said[~pilots], minlength=HEADER_BITS)
    header = Header.decoded(sums.astype(np.float32))
    if lattice.steps(header.strength)[0] != sync.step:
        raise RevealError
    return header, noises


def body_beliefs(slots: Slots, places: Places, header: Header, dithered: bool, noises: Float32) -> Float32:
    """LLRs of the body's places in turn; RevealError if there are not as many."""
    if header.plan.used > places.room:
        raise RevealError
    at = places.body(header.plan.used, header.nonce)
    dither = places.dither.reshape(-1)[at] * np.float32(dithered)
    values, clipping = slots.at(at)
    return np.nan_to_num(lattice.beliefs(values, lattice.steps(header.strength)[at % SLOTS], dither, noises[clipping]))


def headers(view: View, places: Places) -> Iterator[tuple[Header, Sync, Float32, Slots]]:
    """What headers there seem to be, with their lattice, its noise, and the view by places."""
    if places.blocks < LEAST_BLOCKS:
        return
    seen = syncs(view.coefficients, places)  # many look alike where most coefficients are small; the header tells
    if not seen:
        return
    slots = Slots.of(view, places)
    for sync in seen:
        try:
            header, noises = header_of(slots, places, sync)
        except RevealError:
            continue
        yield header, sync, noises, slots


def read(view: View, places: Places, keys: Keys, *, strict: bool = False) -> Reading:
    """Read the stream in a view of a picture that lies as it was; else RevealError."""
    for header, sync, noises, slots in headers(view, places):
        with suppress(RevealError):
            beliefs = body_beliefs(slots, places, header, sync.dithered, noises)
            stream, right = code.decode(beliefs, header, keys, strict=strict)
            return Reading(stream, header, right)
    raise RevealError


def read_any(view: View, prints: Iterable[int | None], keys: Keys, *, strict: bool = False) -> Reading:
    """The same of a picture with one of some prints, or with none (None), in this order."""
    for seen in prints:
        with suppress(RevealError):
            return read(view, Places(keys, *view.clipping.shape, seen=seen), keys, strict=strict)
    raise RevealError
