"""One payload over several photos.

hide_album:    payload -> shares, as large as disturbs all photos alike -> each hidden in its photo, as any payload
reveal_album:  images -> what is hidden in each -> the shares of one set -> payload
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stegcinn import candidates
from stegcinn.album import working
from stegcinn.album.listing import photos_in
from stegcinn.album.spreading import NO_SPARE, Spare, Spread, pooled, spread
from stegcinn.album.working import Hiding, Measured, Measuring
from stegcinn.carriers.base import ImageSource
from stegcinn.carriers.formats import FRAGILE, FRAGILE_JPEG, LOSSLESS
from stegcinn.codecs.base import SAFE, VERDICTS, Judgement, Progress, Wish, judge_disturbance, silent
from stegcinn.errors import CapacityError, SelfCheckError, StegcinnWarning, UsageError
from stegcinn.results import Container
from stegcinn.sealing import envelope, sharing
from stegcinn.sealing.envelope import Packed, Payload

MEASURING = 0.3  # of the work

Skipped = Callable[[ImageSource, str], None]


@dataclass(frozen=True)
class Asked:
    """How a payload is to be spread."""

    password: str | None = field(default=None, repr=False)
    codec: str | None = None
    spare: Spare = NO_SPARE
    safe: bool = False  # refuse what would disturb a photo by more than SAFE
    full: bool = False  # fill all photos up to SAFE: what the payload leaves is spare
    jobs: int = 1  # processes
    channel: str | None = None  # that each photo has to come through, see `stego.hide`
    strip_metadata: bool = False  # leave out what JPEG files tell besides their pictures

    def __post_init__(self) -> None:
        if self.safe and self.full:
            raise UsageError("an album cannot be both safe and full; choose one of the two")
        if self.channel is not None and (self.safe or self.full):
            raise UsageError(
                "what survives a channel does not tell what is safe; leave out --safe and --full, or --for"
            )
        if self.jobs < 1:
            raise UsageError(f"at least one process is needed, not {self.jobs}")
        candidates.chosen(self.codec, Wish(channel=self.channel), None)


@dataclass(frozen=True)
class Plan:
    """Which photos carry which share."""

    photos: tuple[Measured, ...]
    spread: Spread
    block: bytes = field(repr=False)
    dropped_name: str | None = None

    @property
    def spare(self) -> int:
        """How many photos may be lost, whichever they are."""
        needed = sharing.source_symbols(len(self.block), self.spread.words)
        left, lost = sum(self.spread.symbols), 0
        for symbols in sorted(self.spread.symbols, reverse=True):
            left -= symbols
            if left < needed:
                break
            lost += 1
        return lost

    @property
    def disturbances(self) -> dict[int, float | None]:
        """Expected of each photo that carries something, by its number; None where the codec cannot tell."""
        found: dict[int, float | None] = {}
        for number in self.spread.used:
            photo = self.photos[number]
            size = self.spread.header + self.spread.bytes_of(number)
            known = photo.grades is not None and photo.told
            found[number] = photo.grades.at(size) if photo.grades and known else None
        return found

    @property
    def shares(self) -> dict[int, bytes]:
        """By number of the photo, as envelopes seal them."""
        used = self.spread.used
        symbols = [self.spread.symbols[number] for number in used]
        shares = sharing.cut(self.block, self.spread.words, symbols)
        fullest = sorted(shares, key=lambda share: len(share.symbols))
        if sharing.joined(fullest[: len(fullest) - self.spare]) != sharing.joined(shares):
            raise SelfCheckError("the shares do not give the payload back; please report this")
        return {number: share.to_bytes() for number, share in zip(used, shares, strict=True)}


@dataclass(frozen=True)
class Spreading:
    """What an album carries: bytes in each photo, in the order of the photos, and what is to be expected of it."""

    bytes: tuple[int, ...]  # of the payload and of what makes up for losses; 0 where a photo stays as it was
    needed: int  # bytes, of all those, that give the payload back
    spare: int  # photos that may be lost, whichever they are
    level: float | None  # disturbance of each photo, about; None where the codec cannot tell
    disturbance: float | None  # of all photos together: the deflection of who examines all of them
    judgement: Judgement  # of the photo that is judged worst
    notes: tuple[str, ...]  # what whoever hid the payload should know, a line each


@dataclass(frozen=True)
class Album(Spreading):
    """An album: containers, in the order of their hosts, and None for photos that stay as they were."""

    containers: tuple[Container | None, ...] = ()


def hide_album(
    hosts: str | os.PathLike[str] | Iterable[ImageSource], payload: bytes | bytearray | memoryview, *,
    password: str | None = None, codec: str | None = None, spare: int | str = 0, safe: bool = False,
    full: bool = False, channel: str | None = None, strip_metadata: bool = False, jobs: int = 1,
    skipped: Skipped | None = None, progress: Progress | None = None,
) -> Album:  # fmt: skip
    """Hide one payload in several photos, each as much as disturbs all of them alike.

    `hosts`: a folder, with those below it, or photos as `hide` takes them. JPEG files stay JPEG files; others become
    PNG, where `codec` does not ask for another. `spare`: how many of the photos used may be lost without loss, or which
    part of them, as in "20%". `safe`: raise CapacityError rather than disturb a photo noticeably; `full`: fill all
    photos as far as that is as good as unseen, so that as many as possible may be lost. `channel`: what each container
    has to come through, as for `hide`: all are JPEG files then, made of the photos as the channel does it.
    `strip_metadata`: leave EXIF, with the place where a photo was taken, comments and thumbnails out of JPEG files.
    `jobs`: processes; with more than one, a script needs `if __name__ == "__main__"`. `skipped(host, reason)` is called
    for those that take nothing, `progress` with the share of the work done.

    Warns with StegcinnWarning of all that is in the album's `notes`. Raises CapacityError, UsageError, SelfCheckError.
    """
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise UsageError(f"the payload must be bytes, not {type(payload).__name__}")
    if isinstance(hosts, (str, os.PathLike)):
        photos: list[ImageSource] = [Path(hosts) / name for name in photos_in(Path(hosts))]
    else:
        photos = [working.kept(host) for host in hosts]
    asked = Asked(password, codec, Spare.read(spare), safe, full, jobs, channel, strip_metadata)
    plan, album = conceal(photos, Payload(bytes(payload)), asked, progress or silent)
    for host, photo in zip(photos, plan.photos, strict=True):
        if photo.reason and skipped:
            skipped(host, photo.reason)
    for note in album.notes:
        warnings.warn(note, StegcinnWarning, stacklevel=2)
    return album


def conceal(
    photos: Sequence[ImageSource], payload: Payload, asked: Asked, progress: Progress = silent
) -> tuple[Plan, Album]:
    """`hide_album` of a payload with its name, and what was found out of each photo."""
    plan = planned(photos, payload, asked, lambda share: progress(MEASURING * share))
    containers: list[Container | None] = [None] * len(photos)
    shares, notes = plan.shares, list[str]()
    for done, (number, container) in enumerate(concealed(plan, photos, shares, list(shares), asked), start=1):
        containers[number] = container
        notes += notes_of(container)
        progress(1 - (1 - MEASURING) * (1 - done / len(shares)))
    return plan, Album(**vars(told(plan, notes)), containers=tuple(containers))


def planned(
    photos: Sequence[ImageSource], payload: Payload, asked: Asked, progress: Progress, salt: bytes | None = None
) -> Plan:
    """Measure the photos and find out what each shall carry."""
    found: dict[int, Measured] = {}
    tasks = [Measuring(photo, asked.codec, asked.channel) for photo in photos]
    for number, photo in working.each_of(working.measured, tasks, asked.jobs):
        found[number] = photo
        progress(len(found) / len(photos))
    photos_found = tuple(found[number] for number in range(len(photos)))
    if asked.safe and not all(photo.told for photo in photos_found if photo.grades):
        raise UsageError(f"codec {asked.codec} cannot tell what is safe; choose another one, or do not ask for that")
    packed, salt = envelope.pack(payload), salt or sharing.new_salt()
    for each in (packed, packed.without_name())[: 1 + bool(packed.name)]:
        try:
            return _plan(photos_found, each, salt, asked)
        except CapacityError as error:
            available = error.available
    added = sharing.SALT_SIZE + 1 + packed.size_field
    raise CapacityError(
        len(packed.stored), max(0, available - added), size=len(payload.data),
        photos=sum(photo.is_photo for photo in photos_found),
    )  # fmt: skip


def _plan(photos: tuple[Measured, ...], packed: Packed, salt: bytes, asked: Asked) -> Plan:
    block = sharing.block_of(packed, salt)
    every = [photo.grades for photo in photos]
    unproved = [photo.grades if photo.evidence is None else None for photo in photos]
    options = {"safe": asked.safe, "full": asked.full}
    try:
        chosen = spread(unproved, len(block), asked.spare, **options)
    except CapacityError:
        if asked.safe or unproved == every:
            raise
        chosen = spread(every, len(block), asked.spare, **options)
    return Plan(photos, chosen, block, packed.dropped_name)


def concealed(
    plan: Plan, photos: Sequence[ImageSource], shares: dict[int, bytes], numbers: Sequence[int], asked: Asked
) -> Iterator[tuple[int, Container]]:
    """Containers of the photos of some numbers, as they are made."""
    tasks = []
    for number in numbers:
        photo = plan.photos[number]
        task = Hiding(
            photos[number], photo.codec, photo.suffix, photo.digest, shares[number], asked.password, asked.channel,
            asked.strip_metadata,
        )  # fmt: skip
        tasks.append(task)
    for place, container in working.each_of(working.hidden, tasks, asked.jobs):
        yield numbers[place], container


def told(plan: Plan, notes: Iterable[str]) -> Spreading:
    """What there is to tell of an album; `notes` of the containers among it, but for how they are judged."""
    used, disturbances = plan.spread.used, plan.disturbances
    known = [each for each in disturbances.values() if each is not None]
    whole = pooled(known) if len(known) == len(used) else None
    louder = sorted(used, key=lambda number: disturbances[number] or 0.0)
    judgements = [
        judge_disturbance(plan.photos[n].evidence, disturbances[n], survives=plan.photos[n].survives)
        for n in reversed(louder)
    ]
    worst = max(judgements, key=lambda each: VERDICTS.index(each.verdict))
    found = list(dict.fromkeys(notes))
    if plan.dropped_name:
        found.append(f"the name {plan.dropped_name} was left out to make the payload fit")
    if worst.verdict != "safe":
        found.append(worst.reason)
    if whole is not None and whole > SAFE and len(used) > 1:
        found.append(
            f"whoever examines these {len(used)} photos together may notice (disturbance {whole:.1f} in all); "
            "hide less, or in more or noisier photos"
        )
    fragile = [plan.photos[number] for number in used if not plan.photos[number].survives]
    found += dict.fromkeys(FRAGILE if photo.suffix in LOSSLESS else FRAGILE_JPEG for photo in fragile)
    carried = tuple(plan.spread.bytes_of(number) for number in range(len(plan.photos)))
    level = max(known) if whole is not None else None
    return Spreading(carried, len(plan.block), plan.spare, level, whole, worst, tuple(found))


def notes_of(container: Container) -> list[str]:
    """Those that are not on how much it is disturbed."""
    return [note for note in container.notes if note != container.judgement.reason]
