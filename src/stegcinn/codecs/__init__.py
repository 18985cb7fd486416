"""The codecs by name. A codec is loaded when it is first asked for."""

from __future__ import annotations

from stegcinn.codecs.base import Codec
from stegcinn.codecs.cinn import CinnCodec
from stegcinn.runtime import release

CODECS = ("cinn",)
DEFAULT_CODEC = "cinn"


def load_codec(name: str) -> Codec:
    """The codec called `name`, one of CODECS, over its released weights."""
    return {"cinn": lambda: CinnCodec(release("cinn-1"))}[name]()
