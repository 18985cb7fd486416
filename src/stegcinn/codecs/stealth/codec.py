"""The stealth codec: the payload in changes of one level, where the colour model expects noise, to likely colours.

embed:   stream bits -> (syndrome-trellis codes, layer by layer) labels of pixels -> the cheapest moves to these labels
extract: labels -> syndromes -> the stream; no network, and no rounding anywhere

All pixels take part, in an order that the key chooses; most stay as they are. The first ones hold a header that tells
how many bits each layer carries.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import is_gray
from stegcinn.codecs.base import SAFE, Colors, Embedding, Extraction, Progress, Room, silent
from stegcinn.codecs.stealth import moves, noise
from stegcinn.codecs.stealth.moves import LAYERS, Pixels
from stegcinn.coding import stc
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.errors import CapacityError, RevealError
from stegcinn.runtime.arrays import Float64, UInt8
from stegcinn.sealing.keys import Keys

Places = npt.NDArray[np.integer]

SALT_SIZE = 8
_SIZES = struct.Struct(f">{LAYERS}I")
CHECK_SIZE = 4  # bytes that tell a header from anything else, but for a chance of 2**-32
HEADER_SIZE = SALT_SIZE + _SIZES.size + CHECK_SIZE
HEADER_SHARE = 16  # one pixel in so many is the header's, within these bounds
HEADER_LEAST, HEADER_MOST = 1024, 16384
HEADERS = 16  # that are tried

LOAD = 1.25  # bits per pixel that may move, at most: `exact` has more room and is easier to detect (docs/security.md)
CHEAPEST = 0.1  # price, over the squared change in standardised levels, below which calm photos would be disturbed
# Parts of a layer's open bits that its message may fill, tried in turn. They are for a layer that is open everywhere:
# the code's blocks need some open bits each, so the part shrinks with the share of bits that are.
FILLS = (0.8, 0.5, 0.3)
PROMISED = FILLS[1]
RESERVE = 1.3  # of the room that a sample shows, over what is promised: the key chooses other pixels
SAMPLE = 8192  # pixels from which the price of a change is found
STEPS = 11  # of that search
FORBIDDING = 1e9  # at any of those; finite, so that the code may still cross a wide flat area
EXPONENTS = (-20.0, 14.0)  # between which powers of two it lies: moves are free at one end, and never made at the other
PRICING_SHARE = 0.4  # of the work of `embed`


class StealthCodec:
    """The stealth codec; `model` predicts noise, for the sender alone. See `codecs.base.Codec` for the interface."""

    name = "stealth"
    most = LOAD

    def __init__(self, model: Callable[[], ColourModel]) -> None:
        self._model = model

    def capacity(self, rgb: UInt8, colors: Colors, progress: Progress) -> Room:
        """The least of two bounds: a load that is hard to see, and a share of what there is room for."""
        if not _suits(rgb, colors):
            return Room(0)
        host = self._pixels(rgb, progress)
        most = _capacity(host)
        return Room(most, min(most, _undisturbing(host)))

    def embed(self, rgb: UInt8, stream: bytes, key: Keys, colors: Colors, progress: Progress) -> Embedding:
        """Takes no more than `capacity`, even where more would fit: `exact` is there for that."""
        if not _suits(rgb, colors):
            raise CapacityError(len(stream), 0)
        host = self._pixels(rgb, lambda share: progress(PRICING_SHARE * share))
        available = _capacity(host)
        if len(stream) > available:
            raise CapacityError(len(stream), available)
        progress(PRICING_SHARE)
        order = key.permutation("stealth order", rgb[..., 0].size)
        split = _header_pixels(len(order))
        header, body = order[:split], order[split:]
        head = host.taken(header)
        message = np.unpackbits(np.frombuffer(stream, np.uint8))
        for fill in FILLS:
            written = _written(
                host, body, message, LAYERS, fill, lambda s: progress(PRICING_SHARE + (1 - PRICING_SHARE) * s)
            )
            if written is None:
                continue
            progress(1.0)
            painted = written.rgb
            for bits in _headers(written.sizes, key):
                first = _written(head, np.arange(split), bits, 1, fill)
                if first is not None:
                    painted[header] = first.rgb
                    return Embedding(painted.reshape(rgb.shape), math.hypot(written.disturbance, first.disturbance))
        raise CapacityError(len(stream), len(stream) - 1)

    def extract(self, rgb: UInt8, key: Keys, *, strict: bool = False) -> Extraction:
        """There is nothing to be strict about: bits are right, or altered."""
        order = key.permutation("stealth order", rgb[..., 0].size)
        labels = moves.labels(rgb).reshape(-1)[order]
        split = _header_pixels(len(labels))
        sizes = _unmasked(np.packbits(stc.decode(_bit(labels[:split], 0), 8 * HEADER_SIZE)).tobytes(), key)
        body = labels[split:]
        if sum(sizes) % 8 or max(sizes) > len(body):
            raise RevealError
        layers = [stc.decode(_bit(body, layer), size) for layer, size in enumerate(sizes)]
        return Extraction(np.packbits(np.concatenate(layers)).tobytes(), 1.0)

    def disturbance(self, rgb: UInt8, size: int) -> float | None:
        """How much a stream of `size` bytes is expected to disturb a host; None if it does not take as much."""
        if not _suits(rgb, "keep"):
            return None
        host = self._pixels(rgb)
        return _disturbance(host, size) if size <= _capacity(host) else None

    def _pixels(self, rgb: UInt8, progress: Progress = silent) -> Pixels:
        """All pixels in raster order. One level's change is priced at one over the predicted variance.

        Hardly any price is high enough where all pixels around have the same colour: a single other one is seen.
        """
        expected = noise.expectation(self._model(), rgb, progress)
        red, blue = 1 / np.square(expected.scales.reshape(2, -1))
        prices = np.stack([red, (red + blue) / 2, blue], axis=-1)
        prices[noise.flat(rgb).reshape(-1)] = FORBIDDING
        return Pixels(rgb.reshape(-1, 3), prices, expected.reluctance.reshape(-1, len(moves.MOVES)))


def _suits(rgb: UInt8, colors: Colors) -> bool:
    """There are no colours to keep in a gray photo, and a single changed pixel would be seen."""
    return colors == "keep" and not is_gray(rgb)


def _capacity(pixels: Pixels) -> int:
    """Bytes of the longest stream."""
    count = len(pixels)
    sample = _evenly(pixels)
    header = _header_pixels(count)
    in_header = _room(sample, 2.0 ** EXPONENTS[0], PROMISED, 1)[0] / len(sample) * header
    if in_header < RESERVE * 8 * HEADER_SIZE:
        return 0
    in_body = _room(sample, CHEAPEST, PROMISED).sum() / len(sample) * (count - header)
    free = float((pixels.prices[:, 0] < FORBIDDING).sum())
    return int(min(LOAD * free, in_body / RESERVE) // 8)


def _disturbance(pixels: Pixels, size: int) -> float:
    """Expected of a stream of `size` bytes."""
    sample, header = _evenly(pixels), _header_pixels(len(pixels))

    def of(bits: int, count: int, layers: int) -> float:
        wanted = bits * len(sample) / count
        price = _highest_price(lambda price: _room(sample, price, FILLS[0], layers).sum() >= wanted)
        return _deflection(sample, price, count, layers)

    return math.hypot(of(8 * HEADER_SIZE, header, 1), of(8 * size, len(pixels) - header, LAYERS))


def _undisturbing(pixels: Pixels) -> int:
    """Bytes of the longest stream whose disturbance is SAFE at most."""
    sample, count = _evenly(pixels), len(pixels) - _header_pixels(len(pixels))
    of_header = _disturbance(pixels, 0)
    price = _highest_price(lambda price: math.hypot(of_header, _deflection(sample, price, count)) > SAFE)
    return int(_room(sample, price, FILLS[0]).sum() * count / len(sample)) // 8


def _deflection(sample: Pixels, price: float, count: int, layers: int = LAYERS) -> float:
    """Deflection, for `count` pixels like the sample's, of the likelihood ratio test that knows noise and chances.

    With noise of variance s to which the changes add v, the sum of (v / s)**2 / 2 over pixels and channels, and its
    root (Sedighi, Cogranne, Fridrich 2016, for Gaussian noise).
    """
    costs, best = moves.label_costs(sample, price, layers)
    added = (moves.chances(costs)[..., None] * np.square(moves.MOVES[best])).sum(axis=1) * sample.prices
    total = float(np.square(added, dtype=np.float64).sum()) * count / len(sample)
    return math.sqrt(total / 2)


def _evenly(pixels: Pixels) -> Pixels:
    """A sample of pixels in raster order."""
    return pixels.taken(np.linspace(0, len(pixels) - 1, min(len(pixels), SAMPLE)).astype(np.int64))


def _bit(labels: UInt8, layer: int) -> UInt8:
    bits: UInt8 = (labels >> np.uint8(layer)) & np.uint8(1)
    return bits


def _header_pixels(pixels: int) -> int:
    return min(max(pixels // HEADER_SHARE, HEADER_LEAST), HEADER_MOST)


def _headers(sizes: Sequence[int], key: Keys) -> Iterator[UInt8]:
    """Bits of a header under one fresh salt after the other: each meets the pixels that must stay in another way."""
    for _ in range(HEADERS):
        yield np.unpackbits(np.frombuffer(_masked(os.urandom(SALT_SIZE), sizes, key), np.uint8))


def _masked(salt: bytes, sizes: Sequence[int], key: Keys) -> bytes:
    """Salt, then how many bits each layer holds under a keystream of key and salt, and a piece of that keystream."""
    return salt + key.masked(_SIZES.pack(*sizes) + bytes(CHECK_SIZE), f"stealth header {salt.hex()}")


def _unmasked(header: bytes, key: Keys) -> tuple[int, ...]:
    """The inverse of `_masked`; RevealError if it is no header."""
    plain = key.masked(header[SALT_SIZE:], f"stealth header {header[:SALT_SIZE].hex()}")
    if any(plain[_SIZES.size :]):
        raise RevealError
    return _SIZES.unpack(plain[: _SIZES.size])


class _Written(NamedTuple):
    sizes: tuple[int, ...]  # bits that each layer holds
    rgb: UInt8  # all pixels
    disturbance: float


def _written(
    pixels: Pixels, places: Places, message: UInt8, layers: int, fill: float, progress: Progress = silent
) -> _Written | None:
    """`message` in the labels of the pixels at `places`; None if some layer cannot hold its share."""
    sample = pixels.taken(places[:SAMPLE])
    found = _price_of_change(sample, len(message) * len(sample) / len(places), layers, fill)
    if found is None:
        return None
    price, room = found
    ends = np.rint(np.cumsum(room) / room.sum() * len(message)).astype(np.int64)
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
    return _Written(sizes, moves.moved(pixels, price, labels), _deflection(sample, price, len(places), layers))


def _price_of_change(pixels: Pixels, size: float, layers: int, fill: float) -> tuple[float, Float64] | None:
    """The highest price at which `size` bits find room, and the room in each layer; None if they never do."""
    if _room(pixels, 2.0 ** EXPONENTS[0], fill, layers).sum() < size:
        return None
    price = _highest_price(lambda price: _room(pixels, price, fill, layers).sum() >= size)
    return price, _room(pixels, price, fill, layers)


def _highest_price(enough: Callable[[float], np.bool_ | bool]) -> float:
    """The highest price at which changes are still `enough`; the lowest of all if they never are."""
    low, high = EXPONENTS
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if enough(math.exp2(middle)) else (low, middle)
    return math.exp2(low)


def _room(pixels: Pixels, price: float, fill: float, layers: int = LAYERS) -> Float64:
    """Bits for which there is room in each layer, (layers,)."""
    entropy, open_bits = moves.entropies(moves.label_costs(pixels, price, layers)[0])[:, :layers]
    room: Float64 = np.minimum(entropy, fill * open_bits * (open_bits / len(pixels)))
    return room
