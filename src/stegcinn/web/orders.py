"""What can be ordered over HTTP: an order is a JSON object, and these are its fields."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from stegcinn import candidates
from stegcinn.codecs import CODECS
from stegcinn.codecs.base import COLORS
from stegcinn.codecs.robust.channels import channels

T = TypeVar("T")


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class OfPhoto:
    photo: str


@dataclass(frozen=True)
class Measure:
    photo: str
    codec: str | None = None
    colors: str | None = None
    halve: bool = False
    channel: str | None = None
    format: str = "png"


@dataclass(frozen=True)
class Weigh:
    payload: str


@dataclass(frozen=True)
class Hide:
    host: str
    payload: str
    name: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    codec: str | None = None
    colors: str | None = None
    halve: bool = False
    channel: str | None = None
    format: str = "png"
    strip_metadata: bool = False


@dataclass(frozen=True)
class Reveal:
    image: str
    password: str | None = dataclasses.field(default=None, repr=False)
    thorough: bool = False


@dataclass(frozen=True)
class HideAlbum:
    hosts: list[str]
    payload: str
    names: list[str] = dataclasses.field(default_factory=list)
    name: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    spare: str = "0"
    strip_metadata: bool = False


@dataclass(frozen=True)
class RevealAlbum:
    images: list[str]
    password: str | None = dataclasses.field(default=None, repr=False)
    thorough: bool = False


UPLOADED = {"photo", "payload", "host", "image", "hosts", "images"}  # fields that name uploads


@cache
def choices() -> dict[str, tuple[str, ...]]:
    """What may be chosen for fields with a choice; the codecs say in which formats they save."""
    formats = tuple(suffix.removeprefix(".") for suffix in candidates.suffixes())
    # Channels by their names alone: others could name files of this machine.
    return {"codec": CODECS, "colors": COLORS, "format": formats, "channel": tuple(each.name for each in channels())}


def parse(body: bytes, kind: type[T]) -> T:
    """An order of a kind; RefusedError if it is none."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the request is not JSON") from None
    if not isinstance(values, dict):
        raise RefusedError(400, "the request is not a JSON object")
    types = get_type_hints(kind)
    if unknown := sorted(set(values) - set(types)):
        raise RefusedError(400, f"unknown field {unknown[0]!r}")
    for name, value in values.items():
        if not _is(value, types[name]):
            kinds = {bool: "true or false", list[str]: "a list of texts"}
            raise RefusedError(400, f"{name} must be {kinds.get(types[name], 'text')}")
        allowed = choices().get(name)
        if isinstance(value, str) and allowed and value not in allowed:
            raise RefusedError(400, f"unknown {name} {value!r}; choose one of {', '.join(allowed)}")
    try:
        return kind(**values)
    except TypeError:
        missing = next(f.name for f in dataclasses.fields(kind) if f.name not in values)  # type: ignore[arg-type]
        raise RefusedError(400, f"{missing} is missing") from None


def _is(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a kind that a field of an order has."""
    if get_origin(kind) is list:
        return isinstance(value, list) and all(isinstance(each, get_args(kind)) for each in value)
    return isinstance(value, get_args(kind) or kind)
