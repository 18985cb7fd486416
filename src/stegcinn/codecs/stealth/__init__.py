"""The codec `stealth`: small payloads in changes of one level, where its network expects noise."""

from __future__ import annotations

from functools import cache

from stegcinn.codecs.stealth.codec import StealthCodec
from stegcinn.codecs.stealth.noise import NoiseModel
from stegcinn.runtime.weights import Release, release


@cache
def _released() -> NoiseModel:
    return NoiseModel(release("noise-1"))


def load() -> StealthCodec:
    """Over the released noise network."""
    return StealthCodec(_released)


def over(release: Release) -> StealthCodec:
    """Over another release."""
    model = NoiseModel(release)
    return StealthCodec(lambda: model)
