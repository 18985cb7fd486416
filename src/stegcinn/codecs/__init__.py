"""The codecs by name. A codec is loaded when it is first asked for."""

from __future__ import annotations

from functools import cache

from stegcinn.codecs.base import Codec
from stegcinn.runtime import release

CODECS = ("exact", "cinn")  # in the order in which `reveal` tries them
DEFAULT_CODEC = "exact"


@cache
def load_codec(name: str) -> Codec:
    """The codec called `name`, one of CODECS, over its released weights."""
    if name == "exact":
        from stegcinn.codecs.exact import ExactCodec
        from stegcinn.colourmodel import ColourModel

        codec = ExactCodec(ColourModel(release("exact-1")))
        codec.require_known_answer()
        return codec
    from stegcinn.codecs.cinn import CinnCodec

    return CinnCodec(release("cinn-1"))
