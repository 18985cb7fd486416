"""The stealth codec: the payload in changes of one level, where the colour model expects noise, to likely colours.

embed:   stream bits -> (syndrome-trellis codes, layer by layer) labels of pixels -> the cheapest moves to these labels
extract: labels -> syndromes -> the stream; no network, and no rounding anywhere

All pixels take part, in an order that the key chooses; most stay as they are. The first ones hold a header that tells
how many bits each layer carries.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Embedding, Extraction, Progress, Room, StreamSize, Wish, silent
from stegcinn.codecs.lumalocked import LumaLocked, chosen_colors, embedding
from stegcinn.codecs.stealth import moves, noise, pricing
from stegcinn.codecs.stealth.header import HEADER_SIZE, header_pixels, headers, unmasked
from stegcinn.codecs.stealth.moves import LAYERS, Pixels
from stegcinn.codecs.stealth.pricing import FILLS, FORBIDDING, LOAD, SAMPLE
from stegcinn.coding import stc
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.errors import CapacityError, RevealError
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.sealing.keys import Keys

Places = npt.NDArray[np.integer]

PRICING_SHARE = 0.4  # of the work of `embed`


class StealthCodec(LumaLocked):
    """The stealth codec; `model` predicts noise, for the sender alone."""

    name = "stealth"
    label = "stealth: small changes"
    auto = True
    max_bpp = LOAD

    def __init__(self, model: Callable[[], ColourModel]) -> None:
        self._model = model

    def refusal(self, wish: Wish) -> str | None:
        """Every pixel stays near its colour."""
        return "it keeps the colours of the host" if wish.colors == "generate" else None

    def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room:
        """The least of two bounds: a load that is hard to see, and a share of what there is room for."""
        if not _suits(photo, wish):
            return Room(0, colors="keep")
        host = self._pixels(photo, progress)
        most = pricing.capacity(host)
        safe = 0 if self.evidence(photo) else min(most, pricing.undisturbing(host))
        return Room(most, safe, "keep")

    def embed(self, photo: Photo, stream: bytes, key: Keys, wish: Wish, progress: Progress) -> Embedding[Photo]:
        """Takes no more than `capacity`, even where more would fit: `exact` is there for that."""
        if not _suits(photo, wish):
            raise CapacityError(len(stream), 0)
        host = self._pixels(photo, lambda share: progress(PRICING_SHARE * share))
        available = pricing.capacity(host)
        if len(stream) > available:
            raise CapacityError(len(stream), available)
        progress(PRICING_SHARE)
        order = key.permutation("stealth order", photo.pixels)
        split = header_pixels(len(order))
        first_pixels, body = order[:split], order[split:]
        head = host.taken(first_pixels)
        message = np.unpackbits(np.frombuffer(stream, np.uint8))
        for fill in FILLS:
            written = _written(
                host, body, message, LAYERS, fill, lambda s: progress(PRICING_SHARE + (1 - PRICING_SHARE) * s)
            )
            if written is None:
                continue
            progress(1.0)
            painted = written.rgb
            for bits in headers(written.sizes, key):
                header = _written(head, np.arange(split), bits, 1, fill)
                if header is not None:
                    painted[first_pixels] = header.rgb
                    disturbance = math.hypot(written.disturbance, header.disturbance)
                    return embedding(photo, painted.reshape(photo.rgb.shape), "keep", disturbance)
        raise CapacityError(len(stream), len(stream) - 1)

    def extract(
        self, photo: Photo, key: Keys, size: StreamSize, *, strict: bool = False, progress: Progress = silent
    ) -> Extraction:
        """The header tells the whole length. There is nothing to be strict about: bits are right, or altered."""
        order = key.permutation("stealth order", photo.pixels)
        labels = moves.labels(photo.rgb).reshape(-1)[order]
        split = header_pixels(len(labels))
        sizes = unmasked(np.packbits(stc.decode(_bit(labels[:split], 0), 8 * HEADER_SIZE)).tobytes(), key)
        body = labels[split:]
        if sum(sizes) % 8 or max(sizes) > len(body):
            raise RevealError
        layers = [stc.decode(_bit(body, layer), bits) for layer, bits in enumerate(sizes)]
        return Extraction(np.packbits(np.concatenate(layers)).tobytes(), 1.0)

    def disturbance(self, photo: Photo, size: int, progress: Progress = silent) -> float | None:
        """From the predicted noise, for a photo that keeps its colours."""
        if not _suits(photo, Wish()):
            return None
        host = self._pixels(photo, progress)
        return pricing.disturbance(host, size) if size <= pricing.capacity(host) else None

    def noisiness(self, photo: Photo, progress: Progress) -> Float32 | None:
        """One over the root of what a level's change costs: nothing where all pixels around have the same colour."""
        if not _suits(photo, Wish()):
            return None
        prices = self._pixels(photo, progress).prices[:, 1]
        levels: Float32 = np.where(prices < FORBIDDING, prices**-0.5, 0).astype(np.float32).reshape(photo.luma.shape)
        return levels

    def _pixels(self, photo: Photo, progress: Progress) -> Pixels:
        """All pixels in raster order. One level's change is priced at one over the predicted variance.

        Hardly any price is high enough where all pixels around have the same colour: a single other one is seen.
        """
        expected = noise.expectation(self._model(), photo.rgb, photo.luma, progress)
        red, blue = 1 / np.square(expected.scales.reshape(2, -1))
        prices = np.stack([red, (red + blue) / 2, blue], axis=-1)
        prices[noise.flat(photo.rgb).reshape(-1)] = FORBIDDING
        return Pixels(photo.rgb.reshape(-1, 3), prices, expected.reluctance.reshape(-1, len(moves.MOVES)))


def _suits(photo: Photo, wish: Wish) -> bool:
    """There are no colours to keep in a gray photo, and a single changed pixel would be seen."""
    return chosen_colors(photo, wish) == "keep" and not photo.is_gray


def _bit(labels: UInt8, layer: int) -> UInt8:
    bits: UInt8 = (labels >> np.uint8(layer)) & np.uint8(1)
    return bits


class _Written(NamedTuple):
    sizes: tuple[int, ...]  # bits that each layer holds
    rgb: UInt8  # all pixels
    disturbance: float


def _written(
    pixels: Pixels, places: Places, message: UInt8, layers: int, fill: float, progress: Progress = silent
) -> _Written | None:
    """`message` in the labels of the pixels at `places`; None if some layer cannot hold its share."""
    sample = pixels.taken(places[:SAMPLE])
    found = pricing.price_of_change(sample, len(message) * len(sample) / len(places), layers, fill)
    if found is None:
        return None
    price, shares = found
    ends = np.rint(np.cumsum(shares) / shares.sum() * len(message)).astype(np.int64)
    parts = np.split(message, ends[:-1])
    costs = np.take(moves.label_costs(pixels, price, layers)[0], places, axis=0)
    settled = np.zeros(len(places), np.uint8)
    for layer, part in enumerate(parts):
        written = stc.encode(*moves.preferences(costs, settled, layer), part)
        if written is None:
            return None
        settled |= written << np.uint8(layer)
        progress((layer + 1) / (layers + 1))  # pricing and moving take about as long as a layer
    sizes = tuple(map(len, parts)) + (0,) * (LAYERS - layers)
    labels = moves.labels(pixels.rgb)
    labels[places] = moves.cheapest_labels(costs, settled, layers)
    return _Written(sizes, moves.moved(pixels, price, labels), pricing.deflection(sample, price, len(places), layers))
