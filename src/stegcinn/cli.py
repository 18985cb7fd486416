"""The command line: the only place that prints, asks or exits.

stdout carries what was asked for (a payload, an image, a number, JSON); stderr tells what was done, noted or refused.
The library is imported inside the commands, as loading it would make `--help` slow.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import getpass
import io
import json
import math
import os
import signal
import sys
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from stegcinn import arguments
from stegcinn.errors import StegcinnError, StegcinnWarning, UsageError, describe

if TYPE_CHECKING:
    from stegcinn.envelope import Payload
    from stegcinn.imagefile import Photo
    from stegcinn.training.loop import Progress as TrainingProgress

STANDARD = "-"  # stands for stdin or stdout
PROGRESS_AFTER = 1.0  # seconds; shorter work shows none
EXTRAS = {
    "skimage": "demo", "torch": "train", "safetensors": "train", "onnx": "train", "starlette": "web", "uvicorn": "web",
    "joblib": "eval", "matplotlib": "eval", "brisque": "eval",
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    sys.stderr = sys.stderr or io.StringIO()  # None when closed, and print would take that for stdout
    try:
        args = _arguments(argv)
        with warnings.catch_warnings():
            warnings.simplefilter("always", StegcinnWarning)
            warnings.showwarning = lambda message, *_: _say(f"note: {message}")
            COMMANDS[args.command](args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("STEGCINN_DEBUG"):
            traceback.print_exc()
        return _fail(error)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = arguments.parser()
    args, rest = parser.parse_known_args(argv)
    if len(rest) == 1 and getattr(args, "file", "") is None and (rest == [STANDARD] or not rest[0].startswith("-")):
        args.file = rest.pop()  # argparse misses a FILE that does not follow its HOST
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def _fail(error: BaseException) -> int:
    """Tell what went wrong in one line and return the exit code for it."""
    match error:
        case StegcinnError():
            if isinstance(error, arguments.ArgumentsError):
                _say(error.usage)
            _say(str(error))
            return error.exit_code
        case ModuleNotFoundError(name=name) if name in EXTRAS:
            _say(f"this command needs {name}: pip install 'stegcinn[{EXTRAS[name]}]'")
            return UsageError.exit_code
        case KeyboardInterrupt():
            _say("interrupted")
            return 130
        case OSError():
            if not isinstance(error, BrokenPipeError):  # else the reader of our output has left, and needs no telling
                _say(describe(error))
            _abandon_stdout()
        case _:
            _say(describe(error))
    return 1


def _abandon_stdout() -> None:
    """Drop what stdout did not take: Python would try again at exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# commands


def _hide(args: argparse.Namespace) -> None:
    from stegcinn import imagefile, stego

    if (args.file is None) == (args.message is None):
        raise UsageError("give either a FILE to hide or a message with -m")
    if args.host == args.file == STANDARD:
        raise UsageError("HOST and FILE cannot both be standard input")
    suffix = ".png" if args.output == STANDARD else imagefile.check_suffix(args.output)
    _check_output(args, args.host, args.file)
    if args.output == STANDARD and _stdout().isatty():
        raise UsageError("an image is nothing for a terminal; name a file with -o, or use a pipe")
    codec, password = _codec(args), _password(args, twice=True)
    started = time.monotonic()
    payload, photo = _read_payload(args), _read_photo(args.host)
    with _progress("hiding") as progress:
        container = stego.conceal(
            photo, payload, password=password, codec=codec, colors=args.colors, suffix=suffix, progress=progress
        )
    _write(args.output, container.file, overwrite=args.force)
    size, bpp = len(payload.data), 8 * len(payload.data) / photo.rgb[..., 0].size
    if args.json:
        facts = {key: getattr(container, key) for key in ("name", "codec", "colors", "raw_accuracy", "changed_pixels")}
        print(
            json.dumps(
                {"output": args.output, "bytes": size, "bpp": bpp, **facts, "seconds": time.monotonic() - started}
            )
        )
    else:
        _say(
            f"hid {size:,} bytes in {'stdout' if args.output == STANDARD else args.output}: {bpp:.3g} bits per pixel, "
            f"codec {container.codec}, colors {container.colors}, {container.changed_pixels:.1%} of pixels changed"
        )
    if payload.name and not container.name:
        _say(f"note: the name {payload.name} was left out to make the payload fit")
    if container.decoded:
        _say(f"note: {stego.DECODED}")
    if password is None:
        _say("note: without a password, anyone with stegcinn can read the payload")


def _reveal(args: argparse.Namespace) -> None:
    from stegcinn import stego

    _check_output(args, args.image)
    password = _password(args, twice=False)
    started = time.monotonic()
    payload = stego.uncover(_read_photo(args.image), password=password)
    output = args.output or payload.name or STANDARD
    if output == STANDARD:
        if args.json:
            raise UsageError("the payload has no name; with --json, name a file for it with -o")
        _print_payload(payload.data)
        return
    # A name that came with the payload is the sender's word, not the user's: it must not touch what is there.
    if args.output is None and os.path.lexists(output):
        raise UsageError(f"{output} already exists; name another file with -o")
    _write(output, payload.data, overwrite=args.force and args.output is not None)
    if args.json:
        facts = {"output": output, "bytes": len(payload.data), "name": payload.name}
        print(json.dumps({**facts, "seconds": time.monotonic() - started}))
    else:
        _say(f"revealed {len(payload.data):,} bytes into {output}")


def _capacity(args: argparse.Namespace) -> None:
    from stegcinn import stego

    codec, photo = _codec(args), _read_photo(args.host)
    with _progress("measuring") as progress:
        room = stego.measure(photo, codec=codec, colors=args.colors, progress=progress)
    if args.json:
        print(json.dumps(dataclasses.asdict(room)))
    else:
        discreet = room.codec != "stealth" and room.stealth_bytes > 0
        print(
            f"{room.bytes:,} bytes ({room.bpp:.2f} bits per pixel) with codec {room.codec}, colors {room.colors}"
            + (f"; up to {room.stealth_bytes:,} with codec stealth" if discreet else "")
        )
    if room.bytes == 0:
        _say("note: this photo takes no payload; try a larger or more colourful one")


def _rank(args: argparse.Namespace) -> None:
    from stegcinn import rank

    if args.payload < 0:
        raise UsageError("--payload is a number of bytes")
    files = sorted(path for path in args.photos.rglob("*") if path.is_file())
    found = rank.rank(files, args.payload, lambda path, reason: _say(f"note: left out: {reason}"))
    if args.json:
        print(json.dumps([{**dataclasses.asdict(photo), "path": str(photo.path)} for photo in found]))
        return
    for photo in found:
        print(f"{photo.disturbance:10.2f}  {photo.bpp:6.3f}  {'JPEG' if photo.decoded else '    '}  {photo.path}")
    if not found:
        raise StegcinnError(f"no photo in {args.photos} takes {args.payload} bytes with codec stealth")


def _demo(args: argparse.Namespace) -> None:
    from stegcinn import demo

    with _progress("hiding") as progress:
        result = demo.run(Path(args.out), progress)
    print(result.table())
    if not result.identical:
        raise StegcinnError("the revealed file differs from the hidden one; please report this")


def _train(args: argparse.Namespace) -> None:
    from stegcinn.training import config, loop

    out = Path(args.output)
    if args.resume:
        if args.data or args.preset or args.config or args.set or args.start:
            raise UsageError("--resume takes everything from the run's folder; only --device may be given with it")
        settings, folders = loop.resume_config(out)
    else:
        if not args.data:
            raise UsageError("name at least one folder of photos")
        if args.preset and args.config:
            raise UsageError("give either --preset or --config")
        if (out / "checkpoint.safetensors").exists():
            raise UsageError(f"{out} holds a run already; go on with --resume, or name a new folder")
        settings = config.load(Path(args.config)) if args.config else config.preset(args.preset or "default")
        settings = config.override(settings, args.set)
        folders = args.data
    start = None if args.start is None else Path(args.start)
    try:  # Ctrl-C passes: the last checkpoint stays, and --resume goes on from there
        with _in_order(), _progress_line() as show:
            loop.train(settings, folders, out, start=start, device=args.device, report=lambda p: show(*_lines(p)))
    except FloatingPointError as error:  # a loss that is not finite
        raise StegcinnError(str(error)) from error


def _lines(progress: TrainingProgress) -> tuple[str, bool]:
    """A run's progress in one line, and whether it is worth keeping."""
    left = timedelta(seconds=round(progress.seconds_left))
    accuracy = "" if progress.accuracy is None else f", accuracy {progress.accuracy:.4f}"
    stage = f"round {progress.round}" if progress.round else "stage 1"
    where = f"{progress.step / progress.steps:.0%} {stage}, step {progress.step}/{progress.steps}"
    text = f"{where}: loss {progress.loss:.4f}{accuracy}, {progress.images_per_second:.1f} images/s, {left} left"
    return text, progress.saved


def _export(args: argparse.Namespace) -> None:
    from stegcinn.training.release import export

    facts = export(Path(args.run), Path(args.output), folders=args.data or None, noise=args.noise)
    if args.json:
        print(json.dumps(facts))
    else:
        _say(f"exported {args.run} to {args.output}")


def _benchmark(args: argparse.Namespace) -> None:
    from stegcinn.benchmark import run as benchmark

    def report(line: str) -> None:
        print(line, flush=True)

    out = Path(args.output)
    try:  # Ctrl-C passes: what is finished stays, and the same command goes on from there
        benchmark.run(
            args.photos, out, benchmark.PLANS[args.preset], jobs=args.jobs, hyperiqa=args.hyperiqa, vgg=args.vgg,
            report=report,
        )  # fmt: skip
    except (ValueError, FloatingPointError) as error:
        raise StegcinnError(str(error)) from error
    _say(f"results are in {out / 'results.json'} and {out / 'tables.md'}")


def _serve(args: argparse.Namespace) -> None:
    from stegcinn.web import server

    def announce(address: str) -> None:
        if not server.is_loopback(args.host):
            _say(f"note: {args.host} can be reached by others, and what is sent there, passwords too, is not encrypted")
        print(address, flush=True)
        _say("hide and reveal at this address; it is good until Ctrl-C ends the server")

    with contextlib.suppress(KeyboardInterrupt), _in_order():  # the usual end
        server.serve(args.host, args.port, announce=announce, browser=not args.no_browser)


def _completion(args: argparse.Namespace) -> None:
    from stegcinn import completion

    print(completion.script(args.shell), end="")


COMMANDS = {
    "hide": _hide, "reveal": _reveal, "capacity": _capacity, "rank": _rank, "demo": _demo, "train": _train,
    "export": _export, "benchmark": _benchmark, "serve": _serve, "completion": _completion,
}  # fmt: skip


# what goes in


def _codec(args: argparse.Namespace) -> str | None:
    from stegcinn.codecs import CODECS

    if args.codec not in ("auto", *CODECS):
        raise UsageError(f"this version does not have codec {args.codec!r}; choose from auto, {', '.join(CODECS)}")
    return None if args.codec == "auto" else str(args.codec)


@contextlib.contextmanager
def _in_order() -> Iterator[None]:
    """Let Ctrl-C raise, so that the terminal or the file system is left in order; elsewhere it may end the process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _password(args: argparse.Namespace, *, twice: bool) -> str | None:
    """Ask for the password, or read it from the first line of its file; None if neither is wanted."""
    if args.password_file is None and not args.ask_password:
        return None
    try:
        if args.ask_password:
            with _in_order(), warnings.catch_warnings():
                # Without a terminal getpass would warn, and then read from a stdin that may be the photo.
                warnings.simplefilter("error", getpass.GetPassWarning)
                password = getpass.getpass("Password: ")
                if twice and password and getpass.getpass("Again: ") != password:
                    raise UsageError("the two passwords differ")
        else:
            with Path(args.password_file).open("rb") as file:
                password = file.readline().removesuffix(b"\n").removesuffix(b"\r").decode("utf-8-sig")
    except (getpass.GetPassWarning, EOFError) as error:
        raise UsageError("the password could not be asked for; use --password-file") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "not UTF-8 text")
        raise UsageError(f"{args.password_file or 'the password'} cannot be read ({reason})") from error
    if not password:
        raise UsageError("the password is empty")
    return password


def _read_payload(args: argparse.Namespace) -> Payload:
    from stegcinn.envelope import Payload, safe_name

    if args.message is not None:
        return Payload(args.message.encode(errors="surrogateescape"))
    if args.file == STANDARD:
        return Payload(_read_stdin())
    try:
        return Payload(Path(args.file).read_bytes(), safe_name(Path(args.file).name))
    except OSError as error:
        raise UsageError(f"{args.file} cannot be read ({error.strerror})") from error


def _read_photo(source: str) -> Photo:
    from stegcinn import imagefile

    return imagefile.read_photo(_read_stdin() if source == STANDARD else source)


def _read_stdin() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except (OSError, AttributeError) as error:  # AttributeError: stdin is closed, and thus None
        raise UsageError("standard input cannot be read") from error


# what goes out


def _check_output(args: argparse.Namespace, *inputs: str | None) -> None:
    """Refuse, before any work, an output that could not or should not be written."""
    if args.output == STANDARD and args.json:
        raise UsageError("--json and -o - both want standard output")
    if args.output is None or args.output == STANDARD:
        return
    path, folder = Path(args.output), Path(os.path.realpath(args.output)).parent
    sources = [Path(source) for source in (*inputs, args.password_file) if source and source != STANDARD]
    try:
        refusals = (
            (path.exists() and any(path.samefile(s) for s in sources if s.exists()), "is an input; never overwritten"),
            (path.is_dir(), "is a directory; name a file in it"),
            (path.exists() and not path.is_file(), "is not a regular file; for standard output use -"),
            (path.exists() and not args.force, "already exists; choose another name, or --force to overwrite"),
            (not folder.is_dir(), "is in a directory that does not exist; create it first"),
            (not os.access(folder, os.W_OK | os.X_OK), "is in a directory that is not writable; choose another"),
        )
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be looked at ({error.strerror})") from error
    for applies, why in refusals:
        if applies:
            raise UsageError(f"{path} {why}")


def _write(output: str, data: bytes, *, overwrite: bool) -> None:
    from stegcinn import imagefile

    if output == STANDARD:
        _stdout().buffer.write(data)
    else:
        with _in_order():
            imagefile.write_atomic(Path(output), data, overwrite=overwrite)


def _print_payload(data: bytes) -> None:
    """Pass a payload to stdout; to a terminal only as text, as a stranger's control characters could take it over."""
    stdout = _stdout()
    if stdout.isatty():
        text = data.decode(errors="replace").replace("\r\n", "\n")
        if any((unicodedata.category(c) == "Cc" and c not in "\n\t") or c == "\ufffd" for c in text):
            raise UsageError("the payload is not plain text; name a file with -o, or use a pipe")
        data = text.encode(stdout.encoding, "backslashreplace").removesuffix(b"\n") + b"\n"
    stdout.buffer.write(data)


def _stdout() -> TextIO:
    """Standard output; UsageError if it is closed, and thus None."""
    if sys.stdout is None:
        raise UsageError("standard output is closed; name a file with -o")
    return sys.stdout


def _say(text: str) -> None:
    """Print one line on stderr; control characters, which a name or an exception may hold, are escaped."""
    print("stegcinn: " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), file=sys.stderr)


@contextlib.contextmanager
def _progress(label: str) -> Iterator[Callable[[float], None]]:
    """Show a percentage on stderr: on a terminal only, and only while the work takes long."""
    shown_from = time.monotonic() + PROGRESS_AFTER if sys.stderr.isatty() else math.inf

    def show(text: str) -> None:
        if time.monotonic() >= shown_from:
            # The cursor stays in front, so that the next message overwrites this one.
            print(text, end="\r", file=sys.stderr, flush=True)

    try:
        yield lambda share: show(f"{label} {share:4.0%}")
    finally:
        show(" " * len(f"{label} 100%"))


@contextlib.contextmanager
def _progress_line() -> Iterator[Callable[[str, bool], None]]:
    """Show lines that replace each other on stderr; those worth keeping stay, and only they are shown to a file."""
    terminal = sys.stderr.isatty()
    shown = 0

    def show(text: str, keep: bool) -> None:
        nonlocal shown
        if terminal:
            print(text.ljust(shown), end="\n" if keep else "\r", file=sys.stderr, flush=True)
            shown = 0 if keep else len(text)
        elif keep:
            _say(text)

    try:
        yield show
    finally:
        if shown:
            print(" " * shown, end="\r", file=sys.stderr, flush=True)
