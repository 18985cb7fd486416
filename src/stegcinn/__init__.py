"""Hide any file in the colours of a photo and get it back byte for byte."""

from typing import TYPE_CHECKING, Any

from stegcinn.errors import (
    CapacityError,
    ImageError,
    MachineError,
    RevealError,
    SelfCheckError,
    StegcinnError,
    StegcinnWarning,
    UsageError,
    WeightsError,
)

if TYPE_CHECKING:
    from stegcinn.stego import Capacity, capacity, hide, reveal

    __version__: str

__all__ = [
    "Capacity",
    "CapacityError",
    "ImageError",
    "MachineError",
    "RevealError",
    "SelfCheckError",
    "StegcinnError",
    "StegcinnWarning",
    "UsageError",
    "WeightsError",
    "capacity",
    "hide",
    "reveal",
]


def __getattr__(name: str) -> Any:
    """Load the library when it is first used: `stegcinn --help` does without NumPy and ONNX Runtime."""
    if name == "__version__":
        from importlib.metadata import version

        return version("stegcinn")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stegcinn import stego

    return getattr(stego, name)
