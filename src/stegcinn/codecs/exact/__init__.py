"""The codec `exact`: several bits per pixel, as colours drawn from the colour model by an entropy coder."""

from __future__ import annotations

from stegcinn.codecs.exact.codec import ExactCodec
from stegcinn.colourmodel.networks import released


def load() -> ExactCodec:
    """Over the released colour model."""
    return ExactCodec(released())
