"""A convolutional code for few bits that must be read where little is left of them: rate 1/3, 256 states.

The generators are 557, 663 and 711 (octal), of the greatest free distance at this length (18; Larsen 1973, and 3GPP2
C.S0002). A message ends with MEMORY zeros, which bring the encoder back to where it began. Decoding is Viterbi's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stegcinn.runtime.arrays import Float32, UInt8

GENERATORS = (0o557, 0o663, 0o711)  # the newest bit is the highest
MEMORY = 8
_STATES = 1 << MEMORY


def encode(bits: UInt8) -> UInt8:
    """Code bits (n, 3) of a message (n,) whose last MEMORY bits are zero, else ValueError."""
    if bits[-MEMORY:].any() or len(bits) < MEMORY:
        raise ValueError(f"a message ends with {MEMORY} zeros")
    register, out = 0, np.empty((len(bits), len(GENERATORS)), np.uint8)
    for at, bit in enumerate(bits.tolist()):
        register = bit << MEMORY | register >> 1
        out[at] = [(register & generator).bit_count() & 1 for generator in GENERATORS]
    return out


def decode(llr: Float32) -> UInt8:
    """The likeliest message (n,) by LLRs (n, 3) of its code bits, positive for 0."""
    signs, before, newest = _trellis()
    metric = np.full(_STATES, -np.inf, np.float32)
    metric[0] = 0
    chosen = np.empty((len(llr), _STATES), np.uint8)
    for at, beliefs in enumerate(llr):
        ways = metric[before] + signs @ beliefs.astype(np.float32)  # (2, states)
        chosen[at] = ways[1] > ways[0]
        metric = ways.max(axis=0)
    state, bits = 0, np.empty(len(llr), np.uint8)
    for at in range(len(llr) - 1, -1, -1):
        bits[at] = newest[state]
        state = int(before[chosen[at, state], state])
    return bits


def _trellis() -> tuple[Float32, NDArray[np.int64], NDArray[np.int64]]:
    """Per way into a state (2, states): its code bits as signs (2, states, 3) and the state before; and its newest bit.

    A state is the MEMORY newest bits, the newest on top.
    """
    states = np.arange(_STATES)
    newest = states >> MEMORY - 1
    oldest = np.arange(2)[:, None]  # the bit that leaves
    registers = states << 1 | oldest
    ones = np.array([bin(number).count("1") & 1 for number in range(2 * _STATES)])
    signs = np.stack([1 - 2 * ones[registers & generator] for generator in GENERATORS], axis=2).astype(np.float32)
    return signs, registers & _STATES - 1, newest
