"""The jobs of the page over several photos: one payload in all of them, and put together again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from stegcinn import stego
from stegcinn.album import hiding, revealing, working
from stegcinn.album.hiding import Asked
from stegcinn.album.listing import output_names, unlike
from stegcinn.album.spreading import Spare
from stegcinn.album.working import Measuring
from stegcinn.carriers.base import Source
from stegcinn.carriers.formats import FRAGILE, FRAGILE_JPEG
from stegcinn.codecs.base import SAFE, Progress
from stegcinn.errors import ImageError, SharesError
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.passwords import check_new
from stegcinn.web.work import Outcome, TooFewError, as_png, revealed

THUMBNAIL_SIDE = 128
UNNAMED = "photo"
PACKING_SHARE = 0.02  # of the progress of `hide_album`; photos take the rest


def survey(progress: Progress, *, photo: bytes) -> Outcome:
    """Look at a photo that may be one of an album: a `thumbnail`, and how much it carries unseen."""
    source = Source(photo)
    small = source.photo().to_pil()
    size = small.size
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    found = working.measured(Measuring(photo, None))
    safe = 0.0 if found.grades is None or found.evidence else found.grades.size_at(SAFE)
    facts = {
        "width": size[0],
        "height": size[1],
        "safe_bytes": max(0, int(safe)),
        "evidence": found.evidence,
        "takes": found.grades is not None,
    }
    return Outcome(facts, {"thumbnail": as_png(small)})


def hide_album(
    progress: Progress, *, hosts: Sequence[bytes], names: Sequence[str], payload: bytes, name: str | None,
    password: str | None, spare: str, strip_metadata: bool,
) -> Outcome:  # fmt: skip
    """Hide a payload in several photos; file: the `album`, a ZIP archive of all of them under the hosts' names.

    Photos that carry nothing are in it as they are, as `stegcinn album` copies them. Its `notes` are those of the
    album but for what `judgement` and `encrypted` tell, and what is true of all.
    """
    check_new(password)
    asked = Asked(password, spare=Spare.read(spare), strip_metadata=strip_metadata)
    share = 1 - PACKING_SHARE
    plan, album = hiding.conceal(hosts, Payload(payload, name), asked, lambda done: progress(share * done))
    unlike_names = unlike(PurePath(each) for each in _safe(names, len(hosts)))
    used = [number for number, container in enumerate(album.containers) if container]
    kept = [number for number, photo in enumerate(plan.photos) if photo.is_photo and number not in set(used)]
    made = output_names([(unlike_names[n], plan.photos[n].suffix) for n in used], [unlike_names[n] for n in kept])
    outputs = {**dict(zip(used, made, strict=True)), **{number: unlike_names[number] for number in kept}}
    files, photos, notes = dict[str, bytes](), list[dict[str, Any]](), list(album.notes)
    for number, output in sorted(outputs.items()):
        container = album.containers[number]
        file = container.file if container else hosts[number]
        if strip_metadata and not container:
            try:
                file = working.without_metadata(file)
            except ImageError as error:
                notes.append(f"{output} is copied with its metadata: {error}")
        files[str(output)] = file
        photos.append({"name": str(output), "bytes": album.bytes[number], "file_bytes": len(file)})
    told = (album.judgement.reason, stego.PUBLIC, FRAGILE, FRAGILE_JPEG)
    facts = {
        "bytes": len(payload),
        "photos": photos,
        "left_out": [str(unlike_names[number]) for number, photo in enumerate(plan.photos) if not photo.is_photo],
        "spare": album.spare,
        "needed": album.needed,
        "disturbance": album.disturbance,
        "judgement": asdict(album.judgement),
        "encrypted": password is not None,
        "notes": [note for note in notes if note not in told],
    }
    return Outcome(facts, {"album": archive(files)})


def _safe(names: Sequence[str], count: int) -> list[str]:
    """As many names that are safe for files."""
    every = [*names[:count], *[""] * (count - len(names))]
    return [envelope.safe_name(name) or UNNAMED for name in every]


def reveal_album(progress: Progress, *, images: Sequence[bytes], password: str | None, thorough: bool) -> Outcome:
    """Reveal what several images hold together, or one of them whole; files: the `payload`."""
    try:
        found = revealing.uncovered(images, password=password, thorough=thorough, progress=progress)
    except SharesError as error:
        raise TooFewError(error) from None
    notes = stego.name_notes(found.payload)
    outcome = revealed(found.payload, notes)
    return Outcome({**outcome.facts, "shares": found.found, "of": found.count}, outcome.files)


def archive(files: dict[str, bytes]) -> bytes:
    """A ZIP archive of files by name, stored as they are, with no time in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()
