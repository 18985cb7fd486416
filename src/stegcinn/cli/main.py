"""The commands of the command line, and how it ends.

stdout carries what was asked for (a payload, an image, a number, JSON); stderr tells what was done, noted or refused.
The library is imported inside the commands, as loading it would make `--help` slow.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stegcinn.cli import albums, arguments, console, networks, status
from stegcinn.cli.console import STANDARD, say
from stegcinn.errors import ImageError, NoHostError, StegcinnError, UsageError, describe

if TYPE_CHECKING:
    from stegcinn.ranking import Ranked
    from stegcinn.results import Capacity, Route

LEFT_OUT_TOLD = 3  # photos that `rank` says something of, each by itself, if it leaves them out

EXTRAS = {
    "demo": "demo",
    "train": "train",
    "train colours": "train",
    "train noise": "train",
    "export": "train",
    "benchmark": "eval",
    "dataset": "eval",
    "serve": "web",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    sys.stderr = sys.stderr or io.StringIO()  # None when closed, and print would take that for stdout
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a terminal need not be UTF-8
    try:
        args = _arguments(argv)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about damaged metadata, which is dropped anyway
            _run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt, console.Ended) as error:
        if os.environ.get("STEGCINN_DEBUG"):
            traceback.print_exc()
        return _fail(error)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = arguments.parser()
    words = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if " ".join(words[:2]) in (arguments.TRAIN_COLOURS, arguments.TRAIN_NOISE):
        words[:2] = [" ".join(words[:2])]
    args, rest = parser.parse_known_args(words)
    if len(rest) == 1 and getattr(args, "file", "") is None and (rest == [STANDARD] or not rest[0].startswith("-")):
        args.file = rest.pop()  # argparse misses a FILE that does not follow its HOST
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    console.choose_password_file(args)
    return args


def _run(args: argparse.Namespace) -> None:
    """Run the command, or tell which extra it needs."""
    try:
        COMMANDS[args.command](args)
    except ModuleNotFoundError as error:
        if args.command not in EXTRAS:
            raise
        raise UsageError(f"this command needs {error.name}: pip install 'stegcinn[{EXTRAS[args.command]}]'") from None


def _fail(error: BaseException) -> int:
    """Tell what went wrong in one line and return the exit code for it."""
    if isinstance(error, (UsageError, ImageError, NoHostError, FileNotFoundError)) and not _is_somewhere():
        error = UsageError("the current directory does not exist any more; change to another one")
    match error:
        case StegcinnError():
            if isinstance(error, arguments.ArgumentsError):
                say(error.usage)
            say(str(error))
            return error.exit_code
        case KeyboardInterrupt():
            say("interrupted")
            return 130
        case console.Ended():
            say("asked to end")
            return 128 + error.number
        case OSError():
            if not isinstance(error, BrokenPipeError):  # else the reader of our output has left, and needs no telling
                say(describe(error))
            console.abandon_stdout()
        case _:
            say(describe(error))
    return 1


def _is_somewhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


# commands


def _hide(args: argparse.Namespace) -> None:
    from stegcinn import candidates, stego
    from stegcinn.carriers.formats import check_suffix
    from stegcinn.carriers.photo import is_photo
    from stegcinn.codecs import codecs_over
    from stegcinn.codecs.base import Wish

    if (args.file is None) == (args.message is None):
        raise UsageError("give either a FILE to hide or a message with -m")
    if args.host == STANDARD and STANDARD in (args.file, args.message):
        raise UsageError("HOST and what is to be hidden cannot both be standard input")
    codec = _codec(args)
    wish = Wish(args.colors, args.quality, args.strip_metadata, channel=args.channel)
    among = codecs_over(args.weights) if args.weights else None
    suffix = None if args.output == STANDARD else check_suffix(args.output, candidates.suffixes(codec))
    console.check_output(args, args.host, args.file)
    if args.output == STANDARD and console.stdout().isatty():
        raise UsageError("an image is nothing for a terminal; name a file with -o, or use a pipe")
    password = console.password(args, twice=True)
    started = time.monotonic()
    payload, source = console.read_payload(args), console.open_source(args.host)
    file = source.file or b""
    with status.progress("hiding") as progress:
        try:
            source = source.halved(exact=args.halve == "exact") if args.halve else source
            if warning := stego.colours(source, codec=codec, wish=wish, suffix=suffix, among=among):
                say(f"note: {warning}")  # before the work, while it can still be stopped
            container = stego.conceal(
                source, payload, password=password, codec=codec, wish=wish, suffix=suffix, among=among,
                progress=progress,
            )  # fmt: skip
        except ImageError as error:
            if not args.file or is_photo(file) or not is_photo(payload.data):
                raise
            raise ImageError(f"{error}; HOST comes first: stegcinn hide {args.file} {args.host}") from error
    console.write(args.output, container.file, overwrite=args.force)
    size, bpp = len(payload.data), 8 * len(payload.data) / container.pixels
    if args.json:
        facts = {
            "output": args.output, "bytes": size, "stored_bytes": container.stored, "bpp": bpp,
            "name": container.name, "codec": container.codec,
            "colors": container.colors, "raw_accuracy": container.raw_accuracy, "changed_pixels": container.changed,
            "disturbance": container.disturbance, "judgement": container.judgement.verdict,
            "survival": container.survival,
            "seconds": time.monotonic() - started,
        }  # fmt: skip
        print(json.dumps(facts))
    else:
        colors = f", colors {container.colors}" if container.colors else ""
        unit = "chroma coefficients" if container.suffix == ".jpg" else "pixels"
        say(
            f"hid {_sizes(size, container.stored)} in {'stdout' if args.output == STANDARD else args.output}: "
            f"{bpp:.3g} bits per pixel, codec {container.codec}{colors}, {container.changed:.1%} of {unit} changed"
        )
    _tell((*container.notes, *container.advice))
    if among:
        say(f"note: only `stegcinn reveal --weights {args.weights}` reads this, with the very same networks")


def _sizes(size: int, stored: int) -> str:
    """How large a payload is, and how large as it is stored."""
    return f"{size:,} bytes" + (f", {stored:,} compressed," if stored < size else "")


def _reveal(args: argparse.Namespace) -> None:
    from stegcinn import stego
    from stegcinn.codecs import codecs_over

    console.check_output(args, *args.images)
    among = codecs_over(args.weights) if args.weights else None
    password = console.password(args, twice=False)
    started = time.monotonic()
    if albums.is_one(args.images):
        source, shares, facts = console.open_source(args.images[0]), "", dict[str, int]()
        with status.progress("revealing") as progress:
            payload = stego.uncover(source, password=password, thorough=args.thorough, among=among, progress=progress)
        notes = source.notes
    else:
        revealed = albums.uncover(args, password)
        payload, notes = revealed.payload, stego.name_notes(revealed.payload)
        shares, facts = albums.in_words(revealed), albums.facts(revealed)
    _tell(notes)
    output = args.output or payload.name or STANDARD
    if output == STANDARD:
        if args.json:
            raise UsageError("the payload has no name; with --json, name a file for it with -o")
        console.print_payload(payload.data)
        return
    # A name that came with the payload is the sender's word, not the user's: it must not touch what is there.
    if args.output is None and os.path.lexists(output):
        raise UsageError(f"{output} already exists; name another file with -o")
    console.write(output, payload.data, overwrite=args.force and args.output is not None, private=True)
    if args.json:
        told = {"output": output, "bytes": len(payload.data), "name": payload.name, **facts}
        print(json.dumps({**told, "seconds": time.monotonic() - started}))
    else:
        say(f"revealed {len(payload.data):,} bytes into {output}{shares}")


def _album(args: argparse.Namespace) -> None:
    albums.album(args, _codec(args))


def _capacity(args: argparse.Namespace) -> None:
    from stegcinn import stego
    from stegcinn.cli import pictures
    from stegcinn.codecs.base import Wish

    pictures.check(args.map)
    codec, source = _codec(args), console.open_source(args.host)
    with status.progress("measuring") as progress:
        source = source.halved(exact=args.halve == "exact") if args.halve else source
        room = stego.measure(source, codec=codec, wish=Wish(args.colors, channel=args.channel), progress=progress)
    if args.map:
        with status.progress("drawing") as progress:
            picture = pictures.heat(source, progress)
        console.write(args.map, picture, overwrite=False)
    if args.json:
        print(json.dumps(room.to_json()))
    else:
        several = len({route.suffix for route in room.routes}) > 1
        for suffix in dict.fromkeys(route.suffix for route in room.routes):
            routes = [route for route in room.routes if route.suffix == suffix]
            print(f"{suffix[1:].upper()}: " * several + _takes(routes, room))
    _tell(source.notes)
    if room.bytes == 0:
        say("note: this photo takes no payload; try a larger or more colourful one")
    for evidence in dict.fromkeys(route.evidence for route in room.routes if route.evidence):
        say(f"note: {evidence}")


def _takes(routes: list[Route], room: Capacity) -> str:
    """What the codecs of one kind of file take, in a line."""
    best, pixels = max(routes, key=lambda route: route.bytes), 8 * room.bytes / room.bpp if room.bytes else 1
    text = f"{best.bytes:,} bytes ({8 * best.bytes / pixels:.2f} bits per pixel) with codec {best.codec}"
    text += f", colors {room.colors}" if room.colors and best.codec == room.codec else ""
    text += "".join(f"; {route.bytes:,} with codec {route.codec}" for route in routes if route.bytes and route != best)
    if best.bytes and not best.evidence:
        text += f"; up to {max(route.safe_bytes for route in routes):,} are quiet against the attackers measured"
    return text


def _rank(args: argparse.Namespace) -> None:
    from stegcinn import ranking
    from stegcinn.cli import pictures

    pictures.check(args.sheet)
    reasons: list[str] = []
    with status.progress("ranking") as progress:
        found = ranking.rank(
            args.photos, args.payload, halve=args.halve, progress=progress,
            skipped=lambda host, reason: reasons.append(reason),
        )  # fmt: skip
    for reason in reasons[:LEFT_OUT_TOLD]:
        say(f"note: left out: {reason}")
    if len(reasons) > LEFT_OUT_TOLD:
        say(f"note: left out: {len(reasons) - LEFT_OUT_TOLD:,} more that are no photos or do not take as much")
    if not found:
        raise NoHostError(f"no photo in {args.photos} takes {args.payload:,} bytes in small changes; hide less")
    if args.sheet:
        with status.progress("drawing") as progress:
            picture = pictures.sheet(found, args.halve, progress)
        console.write(args.sheet, picture, overwrite=False)
    if args.json:
        print(json.dumps([_ranked(photo) for photo in found]))
        return
    print("disturbance  bits/pixel  judgement   photo")
    for photo in found:
        verdict, path = photo.judgement.verdict, console.printable(str(photo.host))
        print(f"{photo.disturbance:11.2f}  {photo.bpp:10.3f}  {verdict:10}  {path}")
    for reason in dict.fromkeys(photo.judgement.reason for photo in found if photo.judgement.verdict == "provable"):
        say(f"note: provable: {reason}")


def _ranked(photo: Ranked) -> dict[str, object]:
    return {
        "path": str(photo.host), "codec": photo.codec, "disturbance": photo.disturbance, "bpp": photo.bpp,
        "judgement": photo.judgement.verdict, "decoded": photo.judgement.verdict == "provable",
        "reason": photo.judgement.reason,
    }  # fmt: skip


def _demo(args: argparse.Namespace) -> None:
    from stegcinn.cli import demo

    with status.progress("hiding and revealing") as progress:
        result = demo.run(Path(args.out), progress, announce=say)
    print(result.table())
    if not result.identical:
        raise StegcinnError("the revealed file differs from the hidden one; please report this")


def _serve(args: argparse.Namespace) -> None:
    from stegcinn.web import server

    def announce(address: str) -> None:
        if not server.is_loopback(args.host):
            say(f"note: {args.host} can be reached by others, and what is sent there, passwords too, is not encrypted")
        print(address, flush=True)
        say("hide and reveal at this address; it is good until Ctrl-C ends the server")

    with contextlib.suppress(KeyboardInterrupt, console.Ended), console.in_order():  # the usual end
        server.serve(args.host, args.port, announce=announce, browser=not args.no_browser, time_limit=args.time_limit)


def _completion(args: argparse.Namespace) -> None:
    from stegcinn.cli import completion

    print(completion.script(args.shell), end="")


COMMANDS = {
    "hide": _hide, "reveal": _reveal, "capacity": _capacity, "rank": _rank, "album": _album, "demo": _demo,
    "train": networks.train, "train colours": networks.train_colours, "train noise": networks.train_noise,
    "export": networks.export, "benchmark": networks.benchmark, "dataset": networks.dataset, "serve": _serve,
    "completion": _completion,
}  # fmt: skip


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        say(f"note: {note}")


def _codec(args: argparse.Namespace) -> str | None:
    from stegcinn.codecs import CODECS

    if args.codec not in ("auto", *CODECS):
        raise UsageError(f"this version does not have codec {args.codec!r}; choose from auto, {', '.join(CODECS)}")
    return None if args.codec == "auto" else str(args.codec)
