"""The stealth codec: the payload in changes of one level, where its network expects noise, to likely colours.

embed:   stream bits -> (syndrome-trellis codes, layer by layer) labels of pixels -> the cheapest moves to these labels
extract: labels -> syndromes -> the stream; no network, and no rounding anywhere

All pixels that are seen take part, in an order that the key chooses; most stay as they are. The first ones hold a
header that tells how many bits each layer carries.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import SAFE, Embedding, Extraction, Grades, Progress, Room, StreamSize, Wish, silent
from stegcinn.codecs.lumalocked import LumaLocked, chosen_colors, embedding, usable
from stegcinn.codecs.stealth import moves, pricing
from stegcinn.codecs.stealth.header import read_header
from stegcinn.codecs.stealth.moves import LAYERS, Places
from stegcinn.codecs.stealth.noise import POWER, Host, NoiseModel
from stegcinn.codecs.stealth.pricing import LOAD
from stegcinn.coding import layered, layerheader
from stegcinn.errors import CapacityError
from stegcinn.runtime.arrays import Float32
from stegcinn.runtime.native import in_parts
from stegcinn.sealing import compact
from stegcinn.sealing.envelope import Envelope
from stegcinn.sealing.keys import Keys

PRICING_SHARE = 0.4  # of the work of `embed`
PIECE = 1 << 18  # pixels that one thread takes at a time


class StealthCodec(LumaLocked):
    """The stealth codec; `model` predicts noise, for the sender alone."""

    name = "stealth"
    label = "stealth: small changes"
    auto = True
    envelope: Envelope = compact
    max_bpp = LOAD

    def __init__(self, model: Callable[[], NoiseModel]) -> None:
        self._model = model

    def refusal(self, wish: Wish) -> str | None:
        """Every pixel stays near its colour."""
        return "it keeps the colours of the host" if wish.colors == "generate" else super().refusal(wish)

    def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room:
        """The least of two bounds: a load that is hard to see, and a share of what there is room for."""
        if not _suits(photo, wish):
            return Room(0, colors="keep")
        host = _seen(self._host(photo, progress), photo)
        most = pricing.capacity(host)
        safe = 0 if most == 0 or self.evidence(photo) else min(most, pricing.load(host).longest(SAFE))
        return Room(most, safe, "keep")

    def embed(self, photo: Photo, stream: bytes, key: Keys, wish: Wish, progress: Progress) -> Embedding[Photo]:
        """Takes no more than `capacity`, even where more would fit: `exact` is there for that."""
        if not _suits(photo, wish):
            raise CapacityError(len(stream), 0)
        every = self._host(photo, lambda share: progress(PRICING_SHARE * share))
        seen = _seen(every, photo)
        available = pricing.capacity(seen)
        if len(stream) > available:
            raise CapacityError(len(stream), available)
        progress(PRICING_SHARE)
        order = _order(photo, key)
        written = layerheader.write(
            every, order, stream, LAYERS, self.name, key,
            lambda s: progress(PRICING_SHARE + (1 - PRICING_SHARE) * s), wish.random,
        )  # fmt: skip
        if written is None:
            raise CapacityError(len(stream), len(stream) - 1)
        progress(1.0)
        header, body = written
        head, rest = np.split(order, [len(header.labels)])
        targets = moves.labels(every.rgb)
        targets[rest] = body.labels
        painted = moves.moved(every, body.price, targets)
        painted[head] = moves.moved(every.taken(head), header.price, header.labels)
        # As it is told before hiding, not by the places that the key chose
        disturbance = pricing.load(seen).disturbance(len(stream))
        return embedding(photo, painted.reshape(photo.rgb.shape), "keep", disturbance)

    def extract(
        self, photo: Photo, key: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        """The header tells the whole length. There is nothing to be strict about: bits are right, or altered."""
        labels = np.take(moves.labels(photo.rgb).reshape(-1), _order(photo, key))
        split, sizes = read_header(labels, key)
        return Extraction(layered.read(labels[split:], sizes), 1.0)

    def disturbance(self, photo: Photo, size: int, progress: Progress = silent) -> float | None:
        """From the predicted noise, for a photo that keeps its colours."""
        if not _suits(photo, Wish()):
            return None
        host = _seen(self._host(photo, progress), photo)
        most = pricing.capacity(host)
        return pricing.load(host).disturbance(size) if size <= most and most else None

    def grades(self, photo: Photo, progress: Progress = silent) -> Grades | None:
        """As `disturbance`."""
        if not _suits(photo, Wish()):
            return None
        host = _seen(self._host(photo, progress), photo)
        most = pricing.capacity(host)
        return Grades.of(pricing.load(host).grades(most)) if most else None

    def noisiness(self, photo: Photo, progress: Progress) -> Float32 | None:
        """The scale that a level's change is priced by: nothing where all pixels around have the same colour."""
        if not _suits(photo, Wish()):
            return None
        prices = self._host(photo, progress).prices

        def levels(part: slice) -> Float32:
            mean: Float32 = prices[part].mean(axis=-1, dtype=np.float32)
            return np.power(mean, np.float32(1 / POWER))

        return np.concatenate(in_parts(levels, len(prices), PIECE)).reshape(photo.luma.shape)

    def _host(self, photo: Photo, progress: Progress) -> Host:
        return Host.of(self._model(), photo.rgb, photo.luma, progress)


def _order(photo: Photo, key: Keys) -> Places:
    """Numbers, in raster order, of the pixels that may carry bits, in the order that the key chooses."""
    where = usable(photo, key.version).reshape(-1)
    order = key.permutation("stealth order", int(np.count_nonzero(where)))
    return order if len(order) == where.size else np.flatnonzero(where).astype(order.dtype)[order]


def _suits(photo: Photo, wish: Wish) -> bool:
    """There are no colours to keep in a gray photo, and a single changed pixel would be seen."""
    return chosen_colors(photo, wish) == "keep" and not photo.is_gray


def _seen(host: Host, photo: Photo) -> Host:
    """Without pixels that are fully transparent."""
    return host if photo.visible.all() else host.where(photo.visible.reshape(-1))
