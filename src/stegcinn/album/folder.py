"""An album as a folder: containers and untouched photos under the names of the hosts. What was stopped goes on.

While it is unfinished, the folder holds a file that says which photo carries how much, and the salt of the set: nothing
that helps to read the payload. What is there already is read back before more is made, so that two sets never mix.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from stegcinn.album import hiding, working
from stegcinn.album.hiding import MEASURING, Asked, Plan, Spreading
from stegcinn.album.listing import output_names, photos_in
from stegcinn.album.spreading import Spread
from stegcinn.album.working import Finding, Measured
from stegcinn.codecs.base import Grades, Progress, silent
from stegcinn.errors import ImageError, UsageError
from stegcinn.files import shown, write_atomic
from stegcinn.sealing import envelope, sharing
from stegcinn.sealing.envelope import Payload

STATE = ".stegcinn-album"

Note = Callable[[str], None]


@dataclass(frozen=True)
class Placed:
    """A photo of the album: its host's name, the name of what is made of it, and what that carries."""

    host: PurePath
    output: PurePath
    codec: str | None  # None where it stays as it was
    bytes: int
    disturbance: float | None


@dataclass(frozen=True)
class AlbumFolder(Spreading):
    """What was made."""

    photos: tuple[Placed, ...] = ()


def hide_in_folder(
    folder: Path, payload: Payload, out: Path, asked: Asked, *, only_used: bool = False, note: Note,
    progress: Progress = silent,
) -> AlbumFolder:  # fmt: skip
    """Make the folder `out` of the photos in `folder`, or go on with it.

    `only_used`: leave out photos that carry nothing. `note` is told what there is to know before the work is done.
    Raises UsageError for a folder `out` that holds anything else, or an album of another payload, of other photos, or
    with other options; what `hiding.planned` and `concealed` raise.
    """
    check_folders(folder, out)
    names = photos_in(folder)
    hosts = [folder / name for name in names]
    options = {
        "codec": asked.codec, "channel": asked.channel, "spare": vars(asked.spare), "safe": asked.safe,
        "full": asked.full, "strip_metadata": asked.strip_metadata, "only_used": only_used,
        "photos": [name.as_posix() for name in names],
    }  # fmt: skip
    state = _read_state(out)
    if state is None:
        plan = hiding.planned(hosts, payload, asked, lambda share: progress(MEASURING * share))
        out.mkdir(exist_ok=True)
        _write(out / STATE, json.dumps(_state_of(plan, options)).encode())
    else:
        plan = _plan_of(state, payload, options, out)
        note(f"going on with the album in {shown(out)}")
    for photo in plan.photos:
        if not photo.is_photo:
            note(f"left out: {photo.reason}")
    shares, outputs = plan.shares, _outputs(names, plan, only_used)
    todo = _todo(shares, {number: out / outputs[number] for number in shares}, out, asked)
    done, notes = len(shares) - len(todo), list[str]()
    for number, container in hiding.concealed(plan, hosts, shares, todo, asked):
        _write(out / outputs[number], container.file)
        notes += hiding.notes_of(container)
        done += 1
        progress(1 - (1 - MEASURING) * (1 - done / len(shares)))
    for number in outputs.keys() - shares.keys():
        copy = out / outputs[number]
        if not copy.exists():
            _write(copy, _copied(hosts[number], asked, note))
    (out / STATE).unlink()
    placed = tuple(
        Placed(
            names[number], output, plan.photos[number].codec if number in shares else None,
            plan.spread.bytes_of(number), plan.disturbances.get(number),
        )
        for number, output in outputs.items()
    )  # fmt: skip
    return AlbumFolder(**vars(hiding.told(plan, notes)), photos=placed)


def check_folders(folder: Path, out: Path) -> None:
    """UsageError for a folder that cannot become an album's, before any work."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{shown(out)} is no folder; name a new one")
    if not out.parent.is_dir():
        raise UsageError(f"{shown(out)} is in a directory that does not exist; create it first")
    here, there = folder.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise UsageError(f"{shown(out)} and {shown(folder)} lie in each other; name a folder elsewhere")
    # Hidden files may be what a write left that was killed, on systems without files that have no name.
    if out.exists() and not (out / STATE).exists() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise UsageError(f"{shown(out)} is not empty; name a new folder")


def _copied(host: Path, asked: Asked, note: Note) -> bytes:
    """What is written of a photo that carries nothing."""
    file = host.read_bytes()
    try:
        return working.without_metadata(file) if asked.strip_metadata else file
    except ImageError as error:
        note(f"{shown(host)} is copied with its metadata: {error}")
        return file


def _outputs(names: Sequence[Path], plan: Plan, only_used: bool) -> dict[int, PurePath]:
    """Names of all that is made, by number of the photo."""
    used = plan.spread.used
    carrying = set(used)
    kept = [] if only_used else [n for n, photo in enumerate(plan.photos) if photo.is_photo and n not in carrying]
    made = output_names([(names[n], plan.photos[n].suffix) for n in used], [names[n] for n in kept])
    found = {**dict(zip(used, made, strict=True)), **{n: names[n] for n in kept}}
    return dict(sorted(found.items()))


def _todo(shares: dict[int, bytes], outputs: dict[int, Path], out: Path, asked: Asked) -> list[int]:
    """Which containers are not there yet; UsageError for what is there in their place."""
    there = [number for number in shares if outputs[number].exists()]
    tasks = [Finding(outputs[number], asked.password) for number in there]
    for task, payload in working.each_of(working.found, tasks, asked.jobs):
        number = there[task]
        if not isinstance(payload, Payload) or payload.data != shares[number]:
            raise UsageError(
                f"{shown(outputs[number])} is not what belongs to this album: another file or password, or altered; "
                f"name a new folder instead of {shown(out)}"
            )
    return [number for number in shares if number not in there]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data, overwrite=False)


def _read_state(out: Path) -> dict[str, Any] | None:
    path = out / STATE
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(f"{shown(path)} cannot be read; name a new folder") from None
    return state


def _state_of(plan: Plan, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "options": options, "salt": plan.block[: sharing.SALT_SIZE].hex(), "size": len(plan.block),
        "named": plan.dropped_name is None, "photos": [asdict(photo) for photo in plan.photos],
        "spread": asdict(plan.spread),
    }  # fmt: skip


def _plan_of(state: dict[str, Any], payload: Payload, options: dict[str, Any], out: Path) -> Plan:
    """The plan of an album that was begun; UsageError if it was one of another file, or with other options."""
    if state.get("options") != options:
        raise UsageError(f"{shown(out)} was begun with other photos or options; repeat those, or name a new folder")
    photos = []
    for photo in state["photos"]:
        grades = photo["grades"] and Grades(*(tuple(each) for each in photo["grades"].values()))
        photos.append(Measured(**{**photo, "grades": grades}))
    spread = Spread(**{**state["spread"], "symbols": tuple(state["spread"]["symbols"])})
    packed = envelope.pack(payload)
    packed = packed if state["named"] else packed.without_name()
    block = sharing.block_of(packed, bytes.fromhex(state["salt"]))
    if len(block) != state["size"]:
        raise UsageError(f"{shown(out)} was begun with another file; repeat that, or name a new folder")
    return Plan(tuple(photos), spread, block, packed.dropped_name)
