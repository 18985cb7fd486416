"""Which codecs are tried for a photo and a wish, in turn, and what each of them opens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from stegcinn.carriers.base import Source
from stegcinn.carriers.formats import LOSSLESS
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Codec, Wish
from stegcinn.errors import ImageError, UsageError

AS_USUAL = Wish()


def shipped() -> list[Codec[Any]]:
    """All codecs that there are."""
    return [load_codec(name) for name in CODECS]


def hosts(
    source: Source, wish: Wish = AS_USUAL, codecs: Sequence[Codec[Any]] | None = None
) -> list[tuple[Codec[Any], Any]]:
    """Codecs that can hide in the source, of those given or all that may be chosen, each with its carrier.

    ImageError if there are none.
    """
    found: list[tuple[Codec[Any], Any]] = []
    failure: ImageError | None = None
    for codec in chosen(None, wish, None) if codecs is None else codecs:
        try:
            found.append((codec, codec.host(source, wish)))
        except ImageError as error:
            failure = error
    if failure and not found:
        raise failure
    return found


def opened(source: Source, codecs: Sequence[Codec[Any]]) -> list[tuple[Codec[Any], Any]]:
    """Those of the codecs whose carrier is in the source, with it."""
    found: list[tuple[Codec[Any], Any]] = []
    for codec in codecs:
        with suppress(ImageError):
            found.append((codec, codec.open(source)))
    return found


def chosen(
    name: str | None, wish: Wish, suffix: str | None, among: Sequence[Codec[Any]] | None = None
) -> list[Codec[Any]]:
    """Codecs to try in turn: the one that is asked for, or all that may be chosen and do what is wished.

    UsageError for one that is not there or does not do what is wished; for a wish that none does.
    """
    if name is not None:
        codec = named(name, among)
        if refusal := codec.refusal(wish):
            raise UsageError(f"codec {name} cannot do that: {refusal}; leave one of the two choices out")
        if suffix is not None and suffix not in codec.formats:
            raise UsageError(f"codec {name} makes no {suffix} file; use {', '.join(codec.formats)}, or another codec")
        return [codec]
    # Who names a channel asks for what comes through it, which no codec does that is taken unasked.
    there = among or [codec for codec in shipped() if codec.auto or wish.channel is not None]
    usual = [codec for codec in there if codec.refusal(wish) is None]
    fitting = [codec for codec in usual if suffix is None or suffix in codec.formats]
    if not fitting:
        where = "" if suffix is None else f" in a {suffix} file"
        raise UsageError(f"no codec does all of this{where}; choose another format, or fewer options")
    return fitting


def asked(wish: Wish, codec: str | None, suffix: str | None) -> Wish:
    """A file of another kind is made of the host only for whoever asks for that."""
    return replace(wish, convert=codec is not None or suffix is not None, suffix=suffix)


def named(name: str, among: Sequence[Codec[Any]] | None = None) -> Codec[Any]:
    """The codec of a name, of those that ship or of some; UsageError if there is none."""
    if among is not None:
        for codec in among:
            if codec.name == name:
                return codec
        raise UsageError(f"codec {name} has no use for these weights; {', '.join(each.name for each in among)} has")
    if name not in CODECS:
        raise UsageError(f"unknown codec {name!r}; choose one of {', '.join(CODECS)}")
    return load_codec(name)


def usual_suffix(source: Source) -> str:
    """Of the file in which to hide in this source: a JPEG stays one where it can; ImageError if nothing can be."""
    each, host = hosts(source)[0]
    return each.formats[0] if each.limit(host) > each.envelope.OVERHEAD else LOSSLESS[0]


def suffixes(codec: str | None = None) -> tuple[str, ...]:
    """Of the files that `hide` can write, with any codec or that one; the usual one first."""
    codecs = shipped() if codec is None else [named(codec)]
    return tuple(dict.fromkeys(suffix for each in codecs for suffix in each.formats))
