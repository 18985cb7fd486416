"""How strongly to hide: what simulated channels leave of a trial, and what the payload needs of that."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log10

import numpy as np
from PIL import Image

from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.codecs.robust import code, grid, lattice, reading
from stegcinn.codecs.robust.channels import Channel
from stegcinn.codecs.robust.code import MOST_BYTES, SUREST
from stegcinn.codecs.robust.grid import View
from stegcinn.codecs.robust.lattice import STRENGTHS
from stegcinn.codecs.robust.places import SLOTS, Places
from stegcinn.codecs.robust.reading import Slots
from stegcinn.codecs.robust.writing import Host, Text
from stegcinn.coding import ldpc
from stegcinn.runtime.arrays import Float64, UInt8
from stegcinn.sealing.keys import KEY_SIZE, Keys

MOST_CHANGE = 40.0  # dB, PSNR of host and container, expected: nothing is hidden that changes more
MARGIN = 0.04  # bits per place, beyond what the code needs by its own account
GAP = 32  # bytes of streams between two rates that fit neither, at most
SPARED = 0.2  # of the information, for damage in one place of the picture, where there is room for that
RETRIES = 3  # rates, each lower than the one before, should what was written not come through
SAFER = 2  # by how many rates
_SEEN = np.array([[1.772**2 + 0.344136286**2], [1.402**2 + 0.714136286**2]])  # of Cb and Cr: squared, in RGB
_STRONGER = (0, 8, 16, 26, 36)  # how far below the quality of a channel strengths are tried
_WEBP = 35  # how far below, more, strengths are where WebP takes small changes of chroma away
_RESIZED = 25  # likewise, where scaling does


def sent(image: Image.Image, kind: str, quality: int, scale: float = 1.0) -> tuple[View, UInt8]:
    """A view of a picture that was saved anew, scaled before and back by who receives it; its pixels as it came."""
    saved, rgb = resaved(image, kind, quality, scale)
    size = rgb.shape[1], rgb.shape[0]
    if size != image.size:
        return View.of(grid.resampled(grid.halved(None, rgb), size, image.size)), rgb
    file = JpegFile.read(saved, "the simulated file") if kind == "jpeg" else None
    return View.of_file(file, rgb), rgb


def resaved(image: Image.Image, kind: str, quality: int, scale: float = 1.0) -> tuple[bytes, UInt8]:
    """A file of a picture that was scaled, and the pixels that it shows."""
    size, buffer = image.size, io.BytesIO()
    if scale != 1:
        size = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    scaled = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
    scaled.save(buffer, kind.upper(), quality=quality)
    with Image.open(buffer) as saved:
        return buffer.getvalue(), np.asarray(saved.convert("RGB"))


def strengths(channel: Channel) -> list[int]:
    """Those to try for a channel, the gentlest first."""
    first = channel.quality - _WEBP * (channel.kind == "webp") - _RESIZED * (channel.resize is not None)
    return sorted({min(max(first - less, STRENGTHS[0]), STRENGTHS[-1]) for less in _STRONGER}, reverse=True)


@dataclass(frozen=True)
class Choice:
    """How a stream of some size is written, and what it changes: squared, a mean over RGB and pixels."""

    strength: int
    rate: int
    change: float


@dataclass(frozen=True, eq=False)
class Trial:
    """What a channel leaves of random bits in all places of a host, at one strength.

    By slot: `information`, bits per place that come through at the worst quality, and `change`, the squared change of
    the mean pixel if all its places are used.
    """

    places: Places
    strength: int
    information: Float64
    change: Float64

    @cached_property
    def _sizes(self) -> Float64:
        """Places of the body by slot."""
        sizes = np.full(SLOTS, float(self.places.blocks))
        sizes[0] -= len(self.places.head)
        return sizes

    def choice(self, size: int, spared: float = 0.0) -> Choice | None:
        """For a stream of `size` bytes; None if it does not come through, or not within MOST_CHANGE.

        `spared`: share of the information that is not counted on.
        """
        for rate in reversed(range(len(ldpc.RATES))):
            plan = code.plan(size, rate)
            if plan.used > self.places.sure_room:
                continue
            information = (1 - spared) * float(self._used(plan.used) @ self.information) / plan.used
            if information >= ldpc.required_information(rate, plan.length) + MARGIN:
                return self.at(size, rate)
        return None

    def between(self, size: int) -> Choice | None:
        """At the rate of a slightly longer stream, if that has a choice where this one has none.

        A shorter code needs more information, so a stream may just miss a rate, and be too long for the next lower one.
        """
        longer = filter(None, map(self.choice, range(size + 1, size + GAP + 1)))
        return next((self.at(size, choice.rate) for choice in longer), None)

    def at(self, size: int, rate: int) -> Choice | None:
        """A stream of `size` bytes at a rate; None if there is no room for that within MOST_CHANGE."""
        plan = code.plan(size, rate)
        if plan.used > self.places.sure_room:
            return None
        used = self._used(plan.used)
        used[0] += len(self.places.head)
        change = float(used @ self.change) / self.places.blocks
        return Choice(self.strength, rate, change) if -10 * log10(change / 255**2) >= MOST_CHANGE else None

    def _used(self, positions: int) -> Float64:
        """How many places of each slot the first so many of the body are."""
        before = np.append(0, np.cumsum(self._sizes)[:-1])
        used: Float64 = np.clip(positions - before, 0, self._sizes)
        return used

    def most(self) -> int:
        """Bytes of the longest stream that there is a choice for."""
        low, high = 0, min(MOST_BYTES, self.places.sure_room // 8) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.choice(middle) else (low, middle)
        return low if self.choice(low) else 0


def trials(host: Host, channel: Channel, rows: int, columns: int) -> Iterator[Trial]:
    """A trial at each strength in turn, always the same for a host and channel."""
    keys = Keys(bytes(KEY_SIZE))
    places = Places(keys, rows, columns)
    for strength in strengths(channel):
        yield _trial(host, channel, places, keys, strength)


def _trial(host: Host, channel: Channel, places: Places, keys: Keys, strength: int) -> Trial:
    every = np.arange(places.blocks * SLOTS)
    bits = keys.bits(f"rehearsal {strength}", len(every))
    step = np.tile(lattice.steps(strength), places.blocks)
    dither = places.dither.reshape(-1) * np.float32(host.table != strength)
    container = host.written(places, Text(every, bits, step, dither)).image()
    signs = 1 - 2 * bits.astype(np.float32)
    worst = np.ones(SLOTS)
    for trip in channel.trips:
        view, _ = sent(container, channel.kind, *trip)
        values, clipping = Slots.of(view, places).at(every)
        off = np.abs(bits - lattice.distances(values, step, dither))
        noises = reading.noise(off[::SLOTS], clipping[::SLOTS])
        llr = np.clip(lattice.beliefs(values, step, dither, noises[clipping]), -SUREST, SUREST) * signs
        told = 1 - np.log2(1 + np.exp(-llr)).reshape(-1, SLOTS).mean(axis=0)
        worst = np.minimum(worst, told)
    return Trial(places, strength, worst, _change(host.image(), container))


def _change(before: Image.Image, after: Image.Image) -> Float64:
    """By slot, see `Trial`: the squared change of pixels, shared out as coefficients have changed."""
    pixels = [np.asarray(image) for image in (before, after)]
    moved = grid.of_rgb(pixels[1]) - grid.of_rgb(pixels[0])
    shares = (np.square(moved).mean(axis=(0, 1), dtype=np.float64) * _SEEN).sum(axis=0)
    total = np.square(np.subtract(*pixels, dtype=np.float32)).mean(dtype=np.float64)
    change: Float64 = total * shares / max(float(shares.sum()), 1e-9)
    return change


def usable(trials: Sequence[Trial], size: int) -> list[Choice]:
    """The choices that trials offer for a stream, what changes least first, and behind each the same at lower rates."""
    found = [
        (choice, trial)
        for trial in trials
        if (choice := trial.choice(size, SPARED) or trial.choice(size) or trial.between(size))
    ]
    choices: list[Choice] = []
    for choice, trial in sorted(found, key=lambda each: each[0].change):
        lower = range(choice.rate - SAFER, -1, -SAFER)[:RETRIES]
        choices += [choice, *(other for rate in lower if (other := trial.at(size, rate)))]
    return choices
