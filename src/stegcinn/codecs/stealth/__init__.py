"""The codec `stealth`: small payloads in changes of one level, where the colour model expects noise."""

from __future__ import annotations

from stegcinn.codecs.stealth.codec import StealthCodec
from stegcinn.colourmodel.networks import ColourModel, released
from stegcinn.runtime.weights import Release


def load() -> StealthCodec:
    """Over the released colour model."""
    return StealthCodec(released)


def over(release: Release) -> StealthCodec:
    """Over another release."""
    model = ColourModel(release)
    return StealthCodec(lambda: model)
