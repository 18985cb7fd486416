"""The codecs by name. A codec is loaded when it is first asked for: `codecs.NAME.load` makes it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stegcinn.codecs.base import Codec

CODECS = ("jpeg", "stealth", "exact", "cinn")  # in the order in which they are tried


@cache
def load_codec(name: str) -> Codec[Any]:
    """The codec called `name`, one of CODECS, over its released weights."""
    codec: Codec[Any] = import_module(f"stegcinn.codecs.{name}").load()
    return codec
