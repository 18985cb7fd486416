"""The commands over several photos: one payload spread over them, and put together again."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stegcinn.cli import arguments, console, status
from stegcinn.cli.console import STANDARD, say
from stegcinn.errors import ImageError, UsageError
from stegcinn.files import shown

if TYPE_CHECKING:
    from stegcinn.album.folder import AlbumFolder
    from stegcinn.album.revealing import Revealed

EACH = 8  # images at least for each process that reveals, as a process takes a while to begin


def album(args: argparse.Namespace, codec: str | None) -> None:
    from stegcinn.album import folder
    from stegcinn.album.hiding import Asked
    from stegcinn.album.spreading import Spare

    photos, out = args.photos, Path(args.output)
    spare = Spare.read(args.spare)
    folder.check_folders(photos, out)
    password = console.password(args, twice=True)
    asked = Asked(password, codec, spare, args.safe, args.full, args.jobs, args.channel, args.strip_metadata)
    payload = console.read_payload(args)
    started = time.monotonic()
    with console.in_order(), status.progress("hiding") as progress:
        made = folder.hide_in_folder(
            photos, payload, out, asked, only_used=args.only_used, note=lambda text: say(f"note: {text}"),
            progress=progress,
        )  # fmt: skip
    carrying = [photo for photo in made.photos if photo.codec]
    if args.json:
        facts = {
            "output": args.output, "bytes": len(payload.data), "needed": made.needed, "photos_used": len(carrying),
            "spare": made.spare, "level": made.level, "disturbance": made.disturbance,
            "judgement": made.judgement.verdict,
            "photos": [
                {
                    "host": str(photo.host), "output": str(photo.output), "codec": photo.codec, "bytes": photo.bytes,
                    "disturbance": photo.disturbance,
                }
                for photo in made.photos
            ],
            "seconds": time.monotonic() - started,
        }  # fmt: skip
        print(json.dumps(facts))
    else:
        print(_table(made))
        together = "" if made.disturbance is None else f", disturbance of all together {made.disturbance:.1f}"
        say(
            f"hid {len(payload.data):,} bytes in {len(carrying)} of {len(made.photos)} photos in {args.output}: "
            f"{f'any {made.spare}' if made.spare else 'none'} of them may be lost{together}"
        )
    for note in made.notes:
        say(f"note: {note}")


def _table(made: AlbumFolder) -> str:
    """A line for each photo that carries something."""
    lines = ["  bytes  disturbance  codec    photo"]
    for photo in made.photos:
        if photo.codec:
            disturbance = "unknown" if photo.disturbance is None else f"{photo.disturbance:.2f}"
            name = console.printable(str(photo.output))
            lines.append(f"{photo.bytes:7,}  {disturbance:>11}  {photo.codec:7}  {name}")
    return "\n".join(lines)


def is_one(images: Sequence[str]) -> bool:
    """Whether a command is about a single image."""
    return len(images) == 1 and not Path(images[0]).is_dir()


def uncover(args: argparse.Namespace, password: str | None) -> Revealed:
    """The payload of several images."""
    from stegcinn.album import revealing
    from stegcinn.album.listing import photos_in

    if args.weights or STANDARD in args.images:
        raise UsageError("give one image with --weights or on standard input, not several")
    images: list[Path] = []
    for path in map(Path, args.images):
        if not path.exists():
            raise ImageError(f"{shown(path)} cannot be opened (no such file); check its name")
        images += [path / name for name in photos_in(path)] if path.is_dir() else [path]
    jobs = max(1, min(arguments.cores(), len(images) // EACH))
    with console.in_order(), status.progress("revealing") as progress:
        return revealing.uncovered(
            images, password=password, thorough=args.thorough, jobs=jobs, progress=progress
        )  # fmt: skip


def in_words(revealed: Revealed) -> str:
    """From how many shares a payload came."""
    if not revealed.count:
        return ""
    return (
        f" from {revealed.found:,} of {revealed.count:,} shares "
        f"({revealed.bytes:,} bytes, of which {revealed.needed:,} are needed)"
    )


def facts(revealed: Revealed) -> dict[str, int]:
    """The same as JSON has it."""
    return {
        "shares_found": revealed.found, "shares": revealed.count, "shares_bytes": revealed.bytes,
        "shares_needed_bytes": revealed.needed,
    }  # fmt: skip
