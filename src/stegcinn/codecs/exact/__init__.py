"""The codec `exact`: several bits per pixel, as colours drawn from the colour model by an entropy coder."""

from __future__ import annotations

from stegcinn.codecs.exact.codec import ExactCodec
from stegcinn.colourmodel.networks import ColourModel, released
from stegcinn.runtime.weights import Release


def load() -> ExactCodec:
    """Over the released colour model."""
    return ExactCodec(released())


def over(release: Release) -> ExactCodec:
    """Over another release."""
    return ExactCodec(ColourModel(release))
