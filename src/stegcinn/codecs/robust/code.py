"""How the bytes of a stream become bits of places and come back, and the header that tells how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stegcinn.codecs.robust.lattice import STRENGTHS
from stegcinn.codecs.robust.places import HEADER_BITS
from stegcinn.coding import convolution, ldpc
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.sealing.keys import Keys, RandomBytes

MOST_BYTES = (1 << 16) - 1  # of a stream
SUREST = 5.0  # nats: no place is believed more, as some are wrong whatever the noise
FEW_ITERATIONS = 25  # of decoding, for who asks for a margin

_FIELDS = {"size": 16, "rate": 5, "strength": 7, "width": 16, "height": 16, "nonce": 16}
_SIZE = HEADER_BITS // len(convolution.GENERATORS)  # bits of the header; behind the fields they are zero


@dataclass(frozen=True)
class Header:
    """What a reader has to know: bytes of the stream, rate of the code, strength, the picture's size, and a nonce."""

    size: int
    rate: int
    strength: int
    width: int
    height: int
    nonce: int

    def encoded(self) -> UInt8:
        """Its code bits, (HEADER_BITS,): of its fields in turn, each with the most significant bit first."""
        text = "".join(f"{getattr(self, name):0{bits}b}" for name, bits in _FIELDS.items())
        return convolution.encode(np.array([int(bit) for bit in text.ljust(_SIZE, "0")], np.uint8)).reshape(-1)

    @staticmethod
    def decoded(llr: Float32) -> Header:
        """The header of which there are LLRs (HEADER_BITS,) of the code bits; RevealError if it cannot be one."""
        bits = convolution.decode(llr.reshape(_SIZE, -1))
        if bits[sum(_FIELDS.values()) :].any():
            raise RevealError
        values, at = {}, 0
        for name, size in _FIELDS.items():
            values[name] = int("".join(map(str, bits[at : at + size])), 2)
            at += size
        header = Header(**values)
        if header.rate >= len(ldpc.RATES) or header.strength not in STRENGTHS:
            raise RevealError
        return header

    @property
    def plan(self) -> ldpc.Plan:
        """Of the code of its stream."""
        return plan(self.size, self.rate)


def new_nonce(random: RandomBytes) -> int:
    """One that is drawn."""
    return int.from_bytes(random(2), "big")


def plan(size: int, rate: int) -> ldpc.Plan:
    """Of the code for `size` bytes at a rate: as few words as can be, and those as short as can be."""
    bits = max(8 * size, 1)
    info = round(ldpc.RATES[rate] * ldpc.BLOCKS)  # bits of a word that is BLOCKS long
    words = -(-bits // (info * (ldpc.MAX_LENGTH // ldpc.BLOCKS)))
    lift = max(-(-bits // (info * words)), ldpc.MIN_LIFT)
    return ldpc.plan(words * lift * ldpc.BLOCKS, rate)


def encode(stream: bytes, header: Header, keys: Keys, random: RandomBytes) -> UInt8:
    """The bits of the body's places in turn; what the code has room for beyond the stream is drawn from `random`.

    Words lie side by side: a place in n has a bit of each of n words.
    """
    cut = header.plan
    filled = stream + random(-(-cut.info_bits // 8) - len(stream))
    bits = np.unpackbits(np.frombuffer(filled, np.uint8), count=cut.info_bits)
    coded = ldpc.encode(cut, bits ^ _mask(header, cut, keys))
    return np.ascontiguousarray(coded.reshape(cut.words, cut.length).T).reshape(-1)


def decode(beliefs: Float32, header: Header, keys: Keys, *, strict: bool = False) -> tuple[bytes, float]:
    """The stream, and the share of places whose hard decision was right; RevealError if some word does not decode.

    `beliefs`: LLRs of the body's places in turn. `strict`: with less effort.
    """
    cut = header.plan
    side_by_side = np.clip(beliefs, -SUREST, SUREST).reshape(cut.length, cut.words).astype(np.float32)
    llr: Float32 = np.ascontiguousarray(side_by_side.T).reshape(-1)
    bits, decoded = ldpc.decode(cut, llr, iterations=FEW_ITERATIONS if strict else ldpc.ITERATIONS)
    if not decoded.all():
        raise RevealError
    right = float(np.mean((llr < 0) == ldpc.encode(cut, bits)))
    stream = np.packbits((bits ^ _mask(header, cut, keys))[: 8 * header.size]).tobytes()
    return stream, right


def _mask(header: Header, cut: ldpc.Plan, keys: Keys) -> UInt8:
    return keys.bits(f"robust mask {header.nonce}", cut.info_bits)
