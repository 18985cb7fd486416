"""What is hidden in several images: one payload, shared among them or whole in one of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stegcinn import stego
from stegcinn.album import working
from stegcinn.album.listing import photos_in
from stegcinn.album.working import Finding
from stegcinn.carriers.base import ImageSource
from stegcinn.codecs.base import Progress, silent
from stegcinn.errors import MachineError, RevealError, SharesError, StegcinnWarning, UsageError
from stegcinn.results import Container
from stegcinn.sealing import sharing
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.sharing import Share


@dataclass(frozen=True)
class Revealed:
    """A payload, and the shares that it came from; none where it was whole in one image."""

    payload: Payload
    found: int = 0  # shares
    count: int = 0  # shares that there are
    bytes: int = 0  # of the shares that were found
    needed: int = 0  # of such bytes


def reveal_album(
    containers: str | os.PathLike[str] | Iterable[ImageSource | Container], *, password: str | None = None,
    thorough: bool = False, jobs: int = 1, progress: Progress | None = None,
) -> bytes:  # fmt: skip
    """Return the payload that several images hold together, whatever their order and names.

    `containers`: a folder, with those below it, or images as `reveal` takes them. Other files among them do not matter,
    as long as there are enough shares of one payload. `thorough`: as for `reveal`; `jobs`: processes; `progress` is
    called with the share of the work done.

    Raises SharesError for too few shares, RevealError where nothing is found, UsageError where several payloads are,
    MachineError if nothing was found where some codec cannot run.
    """
    if isinstance(containers, (str, os.PathLike)):
        images: list[ImageSource] = [Path(containers) / name for name in photos_in(Path(containers))]
    else:
        images = [image.file if isinstance(image, Container) else working.kept(image) for image in containers]
    revealed = uncovered(images, password=password, thorough=thorough, jobs=jobs, progress=progress or silent)
    for note in stego.name_notes(revealed.payload):
        warnings.warn(note, StegcinnWarning, stacklevel=2)
    return revealed.payload.data


def uncovered(
    images: Sequence[ImageSource], *, password: str | None = None, thorough: bool = False, jobs: int = 1,
    progress: Progress = silent,
) -> Revealed:  # fmt: skip
    """`reveal_album`, with the payload's name and the shares there were."""
    shares: list[Share] = []
    whole: dict[int, Payload] = {}
    failure: MachineError | None = None
    tasks = [Finding(image, password, thorough) for image in images]
    for done, (number, payload) in enumerate(working.each_of(working.found, tasks, jobs), start=1):
        progress(done / len(tasks))
        if payload is None or isinstance(payload, MachineError):
            failure = payload or failure
            continue
        if not payload.share:
            whole[number] = payload
            continue
        try:
            shares.append(sharing.read(payload.data))
        except RevealError:
            continue
    complete, short = _joined(shares)
    found = complete + [Revealed(each) for each in {p.data: p for p in whole.values()}.values()]
    if len(found) > 1:
        names = "".join(f"; one is {_name(images[number])}" for number in list(whole)[:1])
        raise UsageError(f"these images hold {len(found)} payloads{names}: name those of one")
    if found:
        return found[0]
    raise short or failure or RevealError()


def _joined(shares: Sequence[Share]) -> tuple[list[Revealed], SharesError | None]:
    """Payloads of all sets that are complete, and what lacks of the one that lacks least."""
    found, short = [], None
    for of, each in sharing.by_set(shares).items():
        try:
            size = sum(len(share.symbols) for share in each)
            found.append(Revealed(sharing.joined(each), len(each), of.count, size, of.size))
        except SharesError as error:
            short = error if short is None or error.missing < short.missing else short
        except RevealError:  # forged, by somebody with the keys
            continue
    return found, short


def _name(image: ImageSource) -> str:
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else "in memory"
