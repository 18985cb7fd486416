"""The codecs by name. A codec is loaded when it is first asked for: `codecs.NAME.load` makes it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stegcinn.errors import UsageError

if TYPE_CHECKING:
    from stegcinn.codecs.base import Codec

# Codecs over the releases in whose configuration there is such a key
_RELEASES = {"shape": ("stealth",), "groups": ("exact",), "root": ("cinn",)}
CODECS = ("jpeg", "stealth", "exact", "cinn", "robust")  # in the order in which they are tried


@cache
def load_codec(name: str) -> Codec[Any]:
    """The codec called `name`, one of CODECS, over its released weights."""
    codec: Codec[Any] = import_module(f"stegcinn.codecs.{name}").load()
    return codec


def codecs_over(folder: Path) -> list[Codec[Any]]:
    """Codecs over a release of weights that does not ship, for experiments: nobody without it reads what they hide.

    UsageError if the folder holds none that hides.
    """
    from stegcinn.runtime.weights import Release

    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} holds no release of networks; `stegcinn export` makes one of a run")
    release = Release(folder)
    names = next((names for key, names in _RELEASES.items() if key in release.config), ())
    if not names:
        raise UsageError(f"{folder} holds networks that no codec hides with; see docs/training.md for those that do")
    return [import_module(f"stegcinn.codecs.{name}").over(release) for name in names]
