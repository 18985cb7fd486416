"""Hide any file in the colours of a photo and get it back byte for byte."""

from importlib.metadata import version

from stegcinn.errors import (
    CapacityError,
    ImageError,
    RevealError,
    SelfCheckError,
    StegcinnError,
    StegcinnWarning,
    UsageError,
    WeightsError,
)
from stegcinn.stego import Capacity, capacity, hide, reveal

__version__ = version("stegcinn")

__all__ = [
    "Capacity",
    "CapacityError",
    "ImageError",
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
