"""Bits <-> latents: the paper's mapping module M and its inverse, with soft decisions in place of the hard one.

M (Algorithm 1) draws z ~ N(0, 1) until it lies on the bit's side of the dead zone; M^-1 (Algorithm 2) reads the sign.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from stegcinn.runtime.arrays import Float32
from stegcinn.sealing.keys import RandomBytes

Bits = npt.NDArray[np.uint8]

ALPHA = 0.1  # half-width of the dead zone around z = 0 (paper, Algorithm 1)
MAX_LLR = 30.0  # nats; a bound even where no outliers are expected
_TABLE_RANGE = 38.0  # standard deviations; the normal tail underflows beyond


def standard_normal(count: int, random: RandomBytes) -> Float32:
    """`count` samples of N(0, 1) from uniform bytes (Box and Muller 1958), float32."""
    pairs = (count + 1) // 2
    uniform = np.frombuffer(random(8 * pairs), "<u4").reshape(2, pairs)
    radius = np.sqrt(-2 * np.log((uniform[0] + np.float64(1)) / 2**32))
    angle = uniform[1] * (2 * np.pi / 2**32)
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return both[:count].astype(np.float32)


def magnitudes(count: int, random: RandomBytes, *, alpha: float = ALPHA) -> Float32:
    """|z| of `count` draws of Algorithm 1: z ~ N(0, 1), drawn again until |z| > alpha; (count,) float32."""
    size = np.abs(standard_normal(count, random))
    while (short := np.flatnonzero(size <= alpha)).size:
        size[short] = np.abs(standard_normal(short.size, random))
    return size


def bits_to_latents(bits: Bits, random: RandomBytes, *, alpha: float = ALPHA) -> Float32:
    """Algorithm 1: bit 0 -> z ~ N(0, 1) given z < -alpha, bit 1 -> given z > alpha; same shape, float32."""
    size = magnitudes(bits.size, random, alpha=alpha).reshape(bits.shape)
    signed: Float32 = np.where(bits == 1, size, -size)
    return signed


def bits_to_latents_near(bits: Bits, host: Float32, random: RandomBytes, *, alpha: float = ALPHA) -> Float32:
    """Algorithm 1 with its draws arranged so that z comes as near to the latents `host` as they allow.

    `bits` and `host` have the same shape, and so has the result. The draws are those of `bits_to_latents` in another
    order: the sum of (z - host)^2 is least when the largest go where `host` is farthest on the bit's side and the
    smallest where it is farthest on the other (rearrangement inequality). Given the host, z is thus not independent.
    """
    side = np.where(bits == 1, host, -host).ravel()
    size = np.empty(bits.size, np.float32)
    size[np.argsort(side)] = np.sort(magnitudes(bits.size, random, alpha=alpha))
    signed: Float32 = np.where(bits == 1, size.reshape(bits.shape), -size.reshape(bits.shape))
    return signed


def latents_to_bits(z: Float32) -> Bits:
    """Algorithm 2: bit = [z >= 0]."""
    return (z >= 0).astype(np.uint8)


@cache
def _log_normal_cdf() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x = np.linspace(-_TABLE_RANGE, 8.0, 4601)
    return x, np.array([math.log(math.erfc(-t / math.sqrt(2)) / 2) for t in x])


def log_likelihood_ratio(z: Float32, sigma: Float32 | float, *, alpha: float = ALPHA, outliers: float = 0.0) -> Float32:
    """Soft decision on each latent: log P(z | bit 0) / P(z | bit 1), in nats, within +-MAX_LLR.

    `z` is what the revealing network read, the sent latent plus Gaussian noise of standard deviation `sigma` (> 0,
    same shape or scalar). The product of the prior N(0, 1) and the noise is again Gaussian, with mean m and deviation
    t; what counts is its mass on either side of the dead zone. However sure that looks, the bit is taken to be flipped
    with probability `outliers`.
    """
    variance = np.square(np.asarray(sigma, np.float64))
    mean = z / (1 + variance)
    deviation = np.sqrt(variance / (1 + variance))
    x, table = _log_normal_cdf()
    zero = np.interp((-mean - alpha) / deviation, x, table)
    one = np.interp((mean - alpha) / deviation, x, table)
    odds = math.log1p(-outliers) - math.log(outliers) if outliers else MAX_LLR
    # p0 (1 - f) + p1 f over p1 (1 - f) + p0 f, with f the flip probability
    softened = np.logaddexp(zero - one, -odds) - np.logaddexp(0, zero - one - odds)
    llr: Float32 = softened.astype(np.float32)
    return llr


def information(llr: Float32, bits: Bits) -> Float32:
    """Bits of information that each soft decision carries about its bit; 1 if it is sure and right, negative if wrong.

    The mean is what a code over these positions can hope for (generalised mutual information).
    """
    wrong_way = np.where(bits == 1, llr, -llr)
    each: Float32 = (1 - np.logaddexp(0, wrong_way) / math.log(2)).astype(np.float32)
    return each
