"""The codec `robust`: a payload that survives recompression, and to some extent resizing."""

from __future__ import annotations

from stegcinn.codecs.robust.codec import RobustCodec


def load() -> RobustCodec:
    """The codec."""
    return RobustCodec()
