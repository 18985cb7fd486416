"""The codecs by name. A codec is loaded when it is first asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from stegcinn.codecs.base import Codec
from stegcinn.runtime.weights import release

if TYPE_CHECKING:
    from stegcinn.colourmodel.networks import ColourModel

CODECS = ("stealth", "exact", "cinn")  # in the order in which `reveal` tries them
AUTO = ("stealth", "exact")  # in the order in which `hide` tries them if none is asked for


@cache
def load_codec(name: str) -> Codec:
    """The codec called `name`, one of CODECS, over its released weights."""
    if name == "stealth":
        from stegcinn.codecs.stealth.codec import StealthCodec

        return StealthCodec(_colour_model)
    if name == "exact":
        from stegcinn.codecs.exact.codec import ExactCodec

        codec = ExactCodec(_colour_model())
        codec.require_known_answer()
        return codec
    from stegcinn.codecs.cinn.codec import CinnCodec

    return CinnCodec(release("cinn-2"), release("cinn-1"))


@cache
def _colour_model() -> ColourModel:
    from stegcinn.colourmodel.networks import ColourModel

    return ColourModel(release("exact-1"))
