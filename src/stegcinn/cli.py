"""The command line: the only place that prints, asks or exits.

stdout carries what was asked for (a payload, an image, a number, JSON); stderr tells what was done, noted or refused.
The library is imported inside the commands, as loading it would make `--help` slow.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import io
import json
import math
import os
import sys
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from stegcinn import __version__
from stegcinn.errors import StegcinnError, StegcinnWarning, UsageError

if TYPE_CHECKING:
    from stegcinn.envelope import Payload
    from stegcinn.imagefile import Photo

STANDARD = "-"  # stands for stdin or stdout
PROGRESS_AFTER = 1.0  # seconds; shorter work shows none
EXTRAS = {"skimage": "demo", "torch": "train", "safetensors": "train", "onnx": "train"}
EXIT_CODES = "exit codes: 0 done, 1 unexpected, 2 usage, 3 does not fit, 4 no payload or wrong password, 5 bad image"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    sys.stderr = sys.stderr or io.StringIO()  # None when closed, and print would take that for stdout
    parser = _parser()
    args, rest = parser.parse_known_args(argv)
    if len(rest) == 1 and getattr(args, "file", "") is None and (rest == [STANDARD] or not rest[0].startswith("-")):
        args.file = rest.pop()  # argparse misses a FILE that does not follow its HOST
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", StegcinnWarning)
            warnings.showwarning = lambda message, *_: _say(f"note: {message}")
            args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("STEGCINN_DEBUG"):
            traceback.print_exc()
        return _fail(error)
    return 0


def _fail(error: BaseException) -> int:
    """Tell what went wrong in one line and return the exit code for it."""
    match error:
        case StegcinnError():
            _say(str(error))
            return error.exit_code
        case ModuleNotFoundError(name=name) if name in EXTRAS:
            _say(f"this command needs {name}: pip install 'stegcinn[{EXTRAS[name]}]'")
            return UsageError.exit_code
        case KeyboardInterrupt():
            _say("interrupted")
            return 130
        case MemoryError():
            _say("not enough memory; use a smaller photo or file")
        case OSError():
            if not isinstance(error, BrokenPipeError):  # else the reader of our output has left, and needs no telling
                _say(f"input/output error: {error}")
            _abandon_stdout()
        case _:
            _say(f"unexpected {type(error).__name__}: {error} (STEGCINN_DEBUG=1 shows the traceback)")
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
    if args.output == STANDARD and sys.stdout.isatty():
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
        print(json.dumps({"bytes": room.bytes, "bpp": room.bpp, "codec": room.codec, "colors": room.colors}))
    else:
        print(f"{room.bytes:,} bytes ({room.bpp:.2f} bits per pixel) with codec {room.codec}, colors {room.colors}")
    if room.bytes == 0:
        _say("note: this photo takes no payload; try a larger or more colourful one")


def _demo(args: argparse.Namespace) -> None:
    from stegcinn import demo

    with _progress("hiding") as progress:
        result = demo.run(Path(args.out), progress)
    print(result.table())
    if not result.identical:
        raise StegcinnError("the revealed file differs from the hidden one; please report this")


def _train(args: argparse.Namespace) -> None:
    from stegcinn.training import stage1

    options: dict[str, Any] = {k: v for k in ("steps", "batch", "seed") if (v := getattr(args, k)) is not None}
    try:  # Ctrl-C passes: the last checkpoint stays, and the same command goes on from there
        stage1.train(args.data, Path(args.output), stage1.Stage1Config(**options), report=_print_step)
    except (ValueError, FloatingPointError) as error:  # no usable photos; a loss that is not finite
        raise StegcinnError(str(error)) from error
    if args.export:
        from stegcinn.training.release import release

        release(Path(args.output), Path(args.export), args.data)


def _print_step(step: int, losses: list[float], seconds: float) -> None:
    print(f"step {step}: {' '.join(f'{loss:.3f}' for loss in losses)} bits per dimension, {seconds:.0f} s", flush=True)


# what goes in


def _codec(args: argparse.Namespace) -> str | None:
    from stegcinn.codecs import CODECS

    if args.codec not in ("auto", *CODECS):
        raise UsageError(f"this version does not have codec {args.codec!r}; choose from auto, {', '.join(CODECS)}")
    return None if args.codec == "auto" else str(args.codec)


def _password(args: argparse.Namespace, *, twice: bool) -> str | None:
    """Ask for the password, or read it from the first line of its file; None if neither is wanted."""
    if args.password_file is None and not args.ask_password:
        return None
    try:
        if args.ask_password:
            with warnings.catch_warnings():
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
        sys.stdout.buffer.write(data)
    else:
        imagefile.write_atomic(Path(output), data, overwrite=overwrite)


def _print_payload(data: bytes) -> None:
    """Pass a payload to stdout; to a terminal only as text, as a stranger's control characters could take it over."""
    if sys.stdout.isatty():
        text = data.decode(errors="replace").replace("\r\n", "\n")
        if any((unicodedata.category(c) == "Cc" and c not in "\n\t") or c == "\ufffd" for c in text):
            raise UsageError("the payload is not plain text; name a file with -o, or use a pipe")
        data = text.encode(sys.stdout.encoding, "backslashreplace").removesuffix(b"\n") + b"\n"
    sys.stdout.buffer.write(data)


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


# arguments


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors take one line for the usage and one for the message."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        _say(" ".join(self.format_usage().split()))
        _say(message)
        sys.exit(UsageError.exit_code)


def _parser() -> argparse.ArgumentParser:
    tagline = "Hide any file in the colours of a photo and get it back byte for byte."
    parser = _Parser(prog="stegcinn", description=tagline, epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"stegcinn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(run: Callable[[argparse.Namespace], None], what: str, *details: str) -> argparse.ArgumentParser:
        name, epilog = run.__name__.removeprefix("_"), "\n".join(details)
        added = commands.add_parser(name, help=what, description=f"{what.capitalize()}.", epilog=epilog)
        added.set_defaults(run=run)
        return added

    hide = command(
        _hide,
        "hide a file in a photo",
        "example: stegcinn hide photo.jpg secret.pdf -o out.png --ask-password",
        "Send the output as a file: what recompresses or resizes it on the way destroys the payload.",
    )
    reveal = command(
        _reveal,
        "reveal the file hidden in an image",
        "example: stegcinn reveal out.png --ask-password",
        "Without -o a file comes back under its own name in the current directory, never over another file; a payload",
        "without a name (a message, or what came from stdin) goes to stdout. To a terminal goes only plain text.",
    )
    capacity = command(_capacity, "measure how much a photo takes", "example: stegcinn capacity photo.jpg --json")
    demo = command(_demo, "hide the README in a photo and show what changed", "example: stegcinn demo --out demo")
    train = command(_train, "train networks on folders of photos", "example: stegcinn train photos drawings=0.2 -o run")
    hide.add_argument("host", metavar="HOST", help="photo to hide in; - is stdin")
    hide.add_argument("file", metavar="FILE", nargs="?", help="file to hide; - is stdin")
    hide.add_argument("-m", "--message", metavar="TEXT", help="hide this text instead of a file")
    hide.add_argument("-o", "--output", metavar="OUT", required=True, help="lossless image to write; - is stdout (PNG)")
    reveal.add_argument("image", metavar="IMAGE", help="image to read; - is stdin")
    reveal.add_argument("-o", "--output", metavar="PATH", help="file to write; - is stdout")
    capacity.add_argument("host", metavar="HOST", help="photo to measure; - is stdin")
    for each in (hide, reveal):
        password = each.add_mutually_exclusive_group()
        password.add_argument("--password-file", metavar="P", help="the password is the first line of this file, UTF-8")
        password.add_argument("--ask-password", action="store_true", help="ask for the password on the terminal")
        each.add_argument("--force", action="store_true", help="overwrite the file named with -o")
    for each in (hide, capacity):
        each.add_argument("--codec", metavar="NAME", default="auto", help="how bits become colours (default: auto)")
        colors = "coarse colours: the host's, or new ones (default: keep; generate for a gray host)"
        each.add_argument("--colors", choices=("keep", "generate"), help=colors)
    for each in (hide, reveal, capacity):
        each.add_argument("--json", action="store_true", help="print the result as one JSON object")
    demo.add_argument("--out", metavar="DIR", default="demo", help="folder for the images (default: demo)")
    train.add_argument("data", metavar="DATA", nargs="+", type=weighted_folder, help="FOLDER or FOLDER=WEIGHT")
    train.add_argument("-o", "--output", metavar="RUN", required=True, help="folder of the run, new or to go on")
    train.add_argument("--steps", metavar="N", type=int, help="length of the run")
    train.add_argument("--batch", metavar="N", type=int, help="crops per step")
    train.add_argument("--seed", metavar="N", type=int, help="of every random draw")
    train.add_argument("--export", metavar="DIR", help="write the trained networks there, ready for use")
    return parser


def weighted_folder(text: str) -> tuple[Path, float]:
    """Split FOLDER=WEIGHT; argparse names this function when the weight is no number."""
    folder, _, weight = (text, "=", "1") if Path(text).is_dir() else text.rpartition("=")
    if not folder or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {folder or text!r}")
    return Path(folder), float(weight)
