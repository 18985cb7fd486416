"""The codec `stealth`: small payloads in changes of one level, where the colour model expects noise."""

from __future__ import annotations

from stegcinn.codecs.stealth.codec import StealthCodec
from stegcinn.colourmodel.networks import released


def load() -> StealthCodec:
    """Over the released colour model."""
    return StealthCodec(released)
