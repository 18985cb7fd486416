"""Which coefficients of a picture say what: for each block seven *slots*, in an order that the key chooses.

What the key says of a block depends on its row and column alone, not on how large the picture is: who has a part of the
picture finds the rest of its blocks. Blocks of the *zone* give their first slot to pilots, which are known bits, and to
the header. All other slots are the body's.
"""

from __future__ import annotations

from functools import cached_property
from math import ceil, sqrt

import numpy as np

from stegcinn.codecs.robust.grid import MODES, PLANES
from stegcinn.runtime.arrays import Bool, Float32, Int64, UInt8
from stegcinn.sealing.keys import Keys

SLOTS = len(MODES)
PAIRS = ((0, 1), (3, 4), (5, 6))  # slots of equal steps, whose modes the key may swap
LEAST_BLOCKS = 640  # of both planes, with which there is room for a header
HEADER_BITS = 264  # of code
ROLES = 396  # of the blocks of the zone; those from HEADER_BITS on are pilots
PILOT = -1

_BYTES = 16  # of keystream for a block: zone (2), role (2), swaps and mask, a dither for each slot, and 4 that are left
_ENOUGH = 1000  # blocks that the zone has at least, where there are as many
_UNLIKELY = 7  # standard deviations: chance leaves no zone of random blocks so much larger than it should be
_SPARSEST = 3  # the zone is one block in 2**3 at the least, so that a part of a large picture still tells its scale
_DITHER = np.float32(1 / 128)  # steps; the dither is 0 to 2


def sparseness(blocks: int) -> int:
    """The k of the 2**-k part of the blocks (of both planes) that are in the zone."""
    return min(max(0, (blocks // _ENOUGH).bit_length() - 1), _SPARSEST)


class Places:
    """The places of a picture of `rows` x `columns` blocks under some keys, or of its first ones.

    Arrays over all places are (rows, columns, 2, 7): block, plane, slot. A *place* is an index into one of them.
    `whole`: how many rows and columns the picture has, if these are not all. `seen`: its `lumaprint`, where the key
    says something else for each.
    """

    def __init__(
        self, keys: Keys, rows: int, columns: int, whole: tuple[int, int] | None = None, *, seen: int | None = None
    ) -> None:
        self._keys, self.rows, self.columns, self._seen = keys, rows, columns, seen
        self._whole = PLANES * (whole[0] * whole[1] if whole else rows * columns)
        size = columns * PLANES * _BYTES
        label = "robust row" if seen is None else f"robust row {seen}"
        drawn = b"".join(keys.stream(f"{label} {row}", size) for row in range(rows))
        self._drawn = np.frombuffer(drawn, np.uint8).reshape(rows, columns, PLANES, _BYTES)

    def first(self, rows: int, columns: int, whole: tuple[int, int]) -> Places:
        """Those of its first rows and columns, in a picture that has `whole` ones."""
        part = Places(self._keys, 0, columns, whole, seen=self._seen)
        part.rows, part._drawn = rows, self._drawn[:rows, :columns]
        return part

    @property
    def blocks(self) -> int:
        """How many there are in both planes."""
        return self.rows * self.columns * PLANES

    @cached_property
    def zone(self) -> Bool:
        """Which blocks (rows, columns, 2) have pilots or bits of the header, see `sparseness`."""
        return self._word(0) < (1 << 16 >> sparseness(self._whole))

    @cached_property
    def head(self) -> Int64:
        """The places of pilots and header, in raster order."""
        return np.flatnonzero(self.zone.reshape(-1)) * SLOTS

    def at_head(self, coefficients: Float32) -> Float32:
        """Of coefficients (rows, columns, 2, 7) in order of MODES, those at the places of `head`."""
        swapped = self._drawn[..., 4][self.zone] & np.uint8(1)
        found: Float32 = coefficients[self.zone][np.arange(len(swapped)), swapped]
        return found

    @cached_property
    def roles(self) -> Int64:
        """What each of the places of `head` is: a code bit of the header by number, or PILOT."""
        roles = self._word(2)[self.zone].astype(np.int64) % ROLES
        return np.where(roles < HEADER_BITS, roles, PILOT)

    @cached_property
    def mask(self) -> UInt8:
        """Zeros and ones, exclusive-or what the places of `head` say; pilots say them bare."""
        mask: UInt8 = (self._drawn[..., 4][self.zone] >> np.uint8(3)) & np.uint8(1)
        return mask

    @cached_property
    def dither(self) -> Float32:
        """Of all places, in steps."""
        return self._drawn[..., 5 : 5 + SLOTS] * _DITHER

    def slotted(self, coefficients: Float32) -> Float32:
        """Coefficients (rows, columns, 2, 7) in order of MODES by slot; its own inverse."""
        found = coefficients.copy()
        for bit, (a, b) in enumerate(PAIRS):
            swap = (self._drawn[..., 4] >> np.uint8(bit) & np.uint8(1)).astype(np.bool_)
            found[..., a] = np.where(swap, coefficients[..., b], coefficients[..., a])
            found[..., b] = np.where(swap, coefficients[..., a], coefficients[..., b])
        return found

    def pattern(self, dithered: bool) -> tuple[Float32, Float32]:
        """What pilots are in phase with, and a quarter of a wave later: both (rows, columns, 2, 2), by plane and mode.

        The modes are the first two of MODES, of which each block has one for its pilot; the other, and all of blocks
        without one, are zero.
        """
        signs = np.zeros((self.rows, self.columns, PLANES), np.float32)
        signs[self.zone] = np.where(self.roles == PILOT, 1 - 2 * self.mask.astype(np.float32), 0)
        swapped = self._drawn[..., 4] & np.uint8(1)
        by_mode = signs[..., None] * (swapped[..., None] == np.arange(2, dtype=np.uint8))
        phase = np.float32(np.pi) * self.dither[..., :1] * np.float32(dithered)
        return by_mode * np.cos(phase), by_mode * np.sin(phase)

    @property
    def room(self) -> int:
        """How many places the body has."""
        return self.blocks * SLOTS - len(self.head)

    @property
    def sure_room(self) -> int:
        """How many places the body has under any keys: those of a host are not known before it is chosen how to write.

        But for one key in 10**11, as a zone's blocks are drawn.
        """
        share = 2.0 ** -sparseness(self._whole)
        most = self.blocks * share + _UNLIKELY * sqrt(self.blocks * share * (1 - share))
        return self.blocks * SLOTS - min(ceil(most), self.blocks)

    def body(self, positions: int, nonce: int) -> Int64:
        """The first so many places of the body, slot by slot, in each of them all blocks in an order by key and nonce.

        ValueError if there are fewer.
        """
        found: list[Int64] = []
        for slot in range(SLOTS):
            blocks = np.flatnonzero(~self.zone.reshape(-1)) if slot == 0 else np.arange(self.blocks)
            order = self._keys.permutation(f"robust order {nonce} {slot}", len(blocks))
            found.append(blocks[order[:positions]] * SLOTS + slot)
            positions -= len(found[-1])
            if not positions:
                return np.concatenate(found)
        raise ValueError(f"{positions} places more than there are")

    def _word(self, at: int) -> Int64:
        """A number of 16 bits for each block."""
        return self._drawn[..., at] + self._drawn[..., at + 1].astype(np.int64) * 256
