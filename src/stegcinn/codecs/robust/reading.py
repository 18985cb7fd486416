"""Finding and reading what `robust` hid in coefficients: pilots first, then the header, then the body.

Coefficients of blocks that a picture lacks are NaN, and say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi

import numpy as np

from stegcinn.codecs.robust import code, lattice
from stegcinn.codecs.robust.code import Header
from stegcinn.codecs.robust.places import HEADER_BITS, LEAST_BLOCKS, PILOT, SLOTS, Places
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import Float32
from stegcinn.sealing.keys import Keys

# Standard deviations of chance that the pilots must stand out by: with some 60 lattices one clean picture in 200,000
# passes, which costs it no more than time.
SEEN = 5.3
NOISES = (0.15, 0.6)  # of a step: standard deviations that are believed, least and most
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


def syncs(values: Float32, places: Places) -> list[Sync]:
    """The lattices on which the pilots stand out among `values`, slotted, the likeliest first."""
    pilots = (places.roles == PILOT) & ~np.isnan(np.take(values, places.head))
    at = places.head[pilots]
    if len(at) == 0:
        return []
    signs = 1 - 2 * places.mask[pilots].astype(np.float32)
    dither = places.dither.reshape(-1)[at]
    scaled = np.take(values, at) / STEPS[:, None]
    found = []
    for dithered in (False, True):
        waves = np.cos(np.float32(pi) * (scaled - dither * dithered))
        scores = waves @ signs / np.sqrt(np.square(waves).sum(axis=1) + 1)
        found += [Sync(float(step), dithered, float(s)) for step, s in zip(STEPS, scores, strict=True) if s > SEEN]
    return sorted(found, key=lambda sync: -sync.score)


def header_of(values: Float32, places: Places, sync: Sync) -> tuple[Header, float]:
    """The header on a lattice, and how noisy its places are; RevealError if there is none."""
    dither = places.dither.reshape(-1)[places.head] * np.float32(sync.dithered)
    at, step = np.take(values, places.head), np.full(len(places.head), sync.step, np.float32)
    pilots = places.roles == PILOT
    off = np.abs(places.mask - lattice.distances(at, step, dither))[pilots]
    noise = float(np.clip(np.sqrt(np.nanmean(np.square(off))), *NOISES))
    llr = np.clip(np.nan_to_num(lattice.beliefs(at, step, dither, noise)), -code.SUREST, code.SUREST)
    said = llr * (1 - 2 * places.mask.astype(np.float32))
    sums = np.bincount(places.roles[~pilots], said[~pilots], minlength=HEADER_BITS)
    header = Header.decoded(sums.astype(np.float32))
    if lattice.steps(header.strength)[0] != sync.step:
        raise RevealError
    return header, noise


def body_beliefs(values: Float32, places: Places, header: Header, dithered: bool, noise: float) -> Float32:
    """LLRs of the body's places in turn; RevealError if there are not as many."""
    if header.plan.used > places.room:
        raise RevealError
    at = places.body(header.plan.used, header.nonce)
    dither = places.dither.reshape(-1)[at] * np.float32(dithered)
    step = lattice.steps(header.strength)[at % SLOTS]
    return np.nan_to_num(lattice.beliefs(np.take(values, at), step, dither, noise))


def headers(values: Float32, places: Places) -> Iterator[tuple[Header, Sync, float]]:
    """What headers there seem to be among `values`, slotted, with their lattice and its noise."""
    if places.blocks < LEAST_BLOCKS:
        return
    for sync in syncs(values, places):  # many look alike where most coefficients are small; the header tells
        try:
            header, noise = header_of(values, places, sync)
        except RevealError:
            continue
        yield header, sync, noise


def read(coefficients: Float32, places: Places, keys: Keys, *, strict: bool = False) -> Reading:
    """Read the stream in coefficients (rows, columns, 2, 7) of a picture that lies as it was; else RevealError."""
    values = places.slotted(coefficients)
    for header, sync, noise in headers(values, places):
        try:
            beliefs = body_beliefs(values, places, header, sync.dithered, noise)
            return Reading(*_decoded(beliefs, header, keys, strict))
        except RevealError:
            continue
    raise RevealError


def _decoded(beliefs: Float32, header: Header, keys: Keys, strict: bool) -> tuple[bytes, Header, float]:
    stream, right = code.decode(beliefs, header, keys, strict=strict)
    return stream, header, right
