"""Hide any file in the colours of a photo and get it back byte for byte."""

from typing import TYPE_CHECKING, Any

from stegcinn.errors import (
    CapacityError,
    ImageError,
    MachineError,
    RevealError,
    SelfCheckError,
    SharesError,
    StegcinnError,
    StegcinnWarning,
    UsageError,
    WeightsError,
)

if TYPE_CHECKING:
    from stegcinn.album.hiding import Album, hide_album
    from stegcinn.album.revealing import reveal_album
    from stegcinn.carriers.base import halved
    from stegcinn.codecs.base import Judgement
    from stegcinn.codecs.robust.channels import Channel, channels
    from stegcinn.ranking import Ranked, rank
    from stegcinn.results import Capacity, Container
    from stegcinn.sealing.envelope import Payload
    from stegcinn.stego import capacity, hide, open_payload, reveal

    __version__: str

_ROOMS = {  # of what is loaded when it is first used: `stegcinn --help` does without NumPy and ONNX Runtime
    "album.hiding": ("Album", "hide_album"),
    "album.revealing": ("reveal_album",),
    "carriers.base": ("halved",),
    "codecs.base": ("Judgement",),
    "codecs.robust.channels": ("Channel", "channels"),
    "ranking": ("Ranked", "rank"),
    "sealing.envelope": ("Payload",),
    "results": ("Capacity", "Container"),
    "stego": ("capacity", "hide", "open_payload", "reveal"),
}

__all__ = [
    "Album",
    "Capacity",
    "CapacityError",
    "Channel",
    "Container",
    "ImageError",
    "Judgement",
    "MachineError",
    "Payload",
    "Ranked",
    "RevealError",
    "SelfCheckError",
    "SharesError",
    "StegcinnError",
    "StegcinnWarning",
    "UsageError",
    "WeightsError",
    "capacity",
    "channels",
    "halved",
    "hide",
    "hide_album",
    "open_payload",
    "rank",
    "reveal",
    "reveal_album",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("stegcinn")
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"stegcinn.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
