"""The terminal's side of a command: passwords, photos and payloads in; files and lines out.

Nothing else prints or asks but the commands themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import shlex
import signal
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from stegcinn.cli import status
from stegcinn.errors import UsageError

if TYPE_CHECKING:
    from stegcinn.carriers.base import Source
    from stegcinn.sealing.envelope import Payload

STANDARD = "-"  # stands for stdin or stdout
PASSWORD_FILE = "STEGCINN_PASSWORD_FILE"  # a variable that names one; none holds the password itself
CHUNK = 1 << 20  # bytes read at a time
MAX_SHOWN = 1 << 20  # bytes of text for a terminal, which takes its time: nobody reads as much there
# Unicode's Bidi_Control: text with them may be shown in another order than it is in.
BIDI_CONTROLS = {c: f"\\u{c:04x}" for c in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


class Ended(BaseException):
    """The process was asked to end, by a signal that is not Ctrl-C's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def in_order() -> Iterator[None]:
    """Let Ctrl-C and the signals that ask for the end raise, so that terminal and file system are left in order.

    Elsewhere they may end the process.
    """

    def end(number: int, _: object) -> None:
        raise Ended(number)

    handlers: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            handlers[number] = end
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def password(args: argparse.Namespace, *, twice: bool) -> str | None:
    """Ask for the password, or read it from the first line of its file; None if neither is wanted.

    `twice`: as one is chosen, which is asked for again, and must show something.
    """
    from stegcinn.sealing.passwords import check_new

    if args.password_file is None and not args.ask_password:
        return None
    try:
        if args.ask_password:
            with in_order(), warnings.catch_warnings():
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
    if twice:
        check_new(password)
    if password != password.strip() and not args.ask_password:
        say(f"note: the password in {args.password_file} begins or ends with a blank, which is part of it")
    return password


def choose_password_file(args: argparse.Namespace) -> None:
    """Let a variable name the password's file where no option tells of a password."""
    if vars(args).get("password_file", "") is None and not args.ask_password:
        args.password_file = os.environ.get(PASSWORD_FILE) or None
        if args.password_file:
            say(f"note: the password is that of {args.password_file}, as {PASSWORD_FILE} says")


def read_payload(args: argparse.Namespace) -> Payload:
    from stegcinn.sealing.envelope import Payload

    if args.message == STANDARD:
        return Payload(_read_stdin())
    if args.message is not None:
        return Payload(args.message.encode(errors="surrogateescape"))
    if args.file == STANDARD:
        return Payload(_read_stdin())
    path = Path(args.file)
    if path.is_dir():
        pack = f"tar c {shlex.quote(args.file)} | stegcinn hide HOST - -o OUT"
        raise UsageError(f"{args.file} is a directory; hide an archive of it: {pack}")
    try:
        with path.open("rb") as file:
            # what a shell or the system calls a stream is not what it is called
            named = path.is_file() and path.parts[:2] not in (("/", "dev"), ("/", "proc"))
            return Payload(_read_whole(file, args.file), path.name if named else None)
    except OSError as error:
        raise UsageError(f"{args.file} cannot be read ({error.strerror})") from error


def open_source(image: str) -> Source:
    from stegcinn.carriers.base import Source

    return Source(_read_stdin() if image == STANDARD else image)


def _read_stdin() -> bytes:
    try:
        return _read_whole(sys.stdin.buffer, "standard input")
    except (OSError, AttributeError) as error:  # AttributeError: stdin is closed, and thus None
        raise UsageError("standard input cannot be read") from error


def _read_whole(file: BinaryIO, name: str) -> bytes:
    """All of a file, or UsageError before it fills the memory."""
    from stegcinn.files import read_at_most
    from stegcinn.sealing.envelope import MAX_PAYLOAD

    data = read_at_most(file, MAX_PAYLOAD)
    if data is None:
        raise UsageError(f"{name} has more than {MAX_PAYLOAD:,} bytes, which is the most that is taken")
    return data


# what goes out


def check_output(args: argparse.Namespace, *inputs: str | None) -> None:
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


def write(output: str, data: bytes, *, overwrite: bool, private: bool = False) -> None:
    from stegcinn.files import write_atomic

    if output == STANDARD:
        stdout().buffer.write(data)
    else:
        with in_order():
            write_atomic(Path(output), data, overwrite=overwrite, private=private)


def print_payload(data: bytes) -> None:
    """Pass a payload to stdout; to a terminal only as text, as a stranger's control characters could take it over.

    Those that only turn the order of text are shown as escapes there.
    """
    stream = stdout()
    if stream.isatty():
        if len(data) > MAX_SHOWN:
            raise UsageError(
                f"the payload has {len(data):,} bytes, too many to show; name a file with -o, or use a pipe"
            )
        text = data.decode(errors="replace").replace("\r\n", "\n")
        if any((unicodedata.category(c) == "Cc" and c not in "\n\t") or c == "\ufffd" for c in text):
            raise UsageError("the payload is not plain text; name a file with -o, or use a pipe")
        data = text.translate(BIDI_CONTROLS).encode(stream.encoding, "backslashreplace").removesuffix(b"\n") + b"\n"
    stream.buffer.write(data)


def stdout() -> TextIO:
    """Standard output; UsageError if it is closed, and thus None."""
    if sys.stdout is None:
        raise UsageError("standard output is closed; name a file with -o")
    return sys.stdout


def say(text: str) -> None:
    """Print one line on stderr."""
    status.clear()
    print("stegcinn: " + printable(text), file=sys.stderr)


def printable(text: str) -> str:
    """`text` with its control characters escaped: a name or an exception may hold some, and they rule terminals."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def abandon_stdout() -> None:
    """Drop what stdout did not take: Python would try again at exit, and complain."""
    if sys.stdout is None:  # closed from the start
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
