"""What the noise network expects at each pixel of a host: how noisy it is, and how unlikely a move makes its colour.

Only a sender needs this. The network looks at all around a pixel, as a receiver never has to repeat it, and at the luma
of all, but not at the pixel's own colours.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.codecs.stealth.moves import LABELS, MOVES, PULL, Pixels, Places
from stegcinn.coding.labels import NATS, PIECE
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import UNIT
from stegcinn.runtime.arrays import Bool, Float16, Float32, Int8, Int16, Int64, UInt8
from stegcinn.runtime.native import WORKERS, Kernel, in_parts
from stegcinn.runtime.weights import Release

# What is expected of a pixel: how far red and blue are from their means, in 1/UNIT levels; their scales' indices, less
# ZERO; how much blue's mean follows red, in 1/mixture.SLOPE_UNIT; offset and scale of green, as `mixture` has them.
OFF_R, OFF_B, SCALE_R, SCALE_B, FOLLOWS, OFFSET_G, SCALE_G = range(7)
EXPECTED = 7

RADIUS = 6  # pixels that the network looks around
TILE = 128  # pixels of a side that it predicts at a time
LEAST = 0.15  # levels; what the network thinks less noisy is not told apart from rounding
AROUND = 3  # pixels on each side over which prices are averaged
POWER = -1.4  # of the scale of what is expected, that is a price: what attackers see of it (docs/decisions/stealth.md)
STRIP = 32  # rows computed at a time
FITTED = 8192  # pixels to which scales are fitted
SHIFTS = range(-36, 37, 4)  # of scale indices, that are tried
FORBIDDING = 1e9  # of a price: at any price; finite, so that the code may still cross a wide flat area

# Of the tables, as native/noise.c has them.
FINER = 4  # times: units of the tables' logarithms, of the units of reluctance
FAR = 100  # 1/UNIT levels from the mean beyond which nothing is told apart; moves stay within the tables
GREEN_FAR = 200  # 1/GREEN_UNIT levels
MOST = round(NATS / PULL)  # of reluctance: a nat of what moves cost; more would rule out what is only unlikely
WR, WG, WB = LUMA_WEIGHTS

_RELUCTANCE = Kernel("move_reluctance", "i1 u1 u1 n i2 i2 i1!")
# Of scales as they are told, seen as uint8
_PRICES = (np.maximum(np.roll(mixture.scales(), mixture.ZERO), LEAST) ** POWER).astype(np.float32)


class NoiseModel:
    """A release of the noise network; see `training.noise.network` for what it computes."""

    def __init__(self, release: Release) -> None:
        self.release = release

    @cached_property
    def logistic(self) -> npt.NDArray[np.int32]:
        """Distribution functions of red, blue and green, see `mixture.logistic`."""
        return np.stack([mixture.logistic(shape) for shape in self.release.config["shape"]])

    def expected(self, rgb: UInt8, luma: UInt8, progress: Callable[[float], None]) -> Int8:
        """What is expected of pixels (H, W, 3) with their luma (H, W): (H, W, EXPECTED)."""
        height, width = luma.shape
        found = np.empty((height, width, EXPECTED), np.int8)
        corners = [(y, x) for y in range(0, height, TILE) for x in range(0, width, TILE)]

        def predict(corner: tuple[int, int]) -> None:
            rows, columns = (slice(at, min(at + TILE, side)) for at, side in zip(corner, (height, width), strict=True))
            planes = _planes(rgb, luma, rows, columns)
            (told,) = self.release.session("noise.onnx", threads=1).run(None, {"x": planes})
            found[rows, columns] = told[0]

        with ThreadPoolExecutor(WORKERS) as pool:
            for done, _ in enumerate(pool.map(predict, corners), 1):
                progress(done / len(corners))
        return found


@dataclass(frozen=True)
class Host:
    """Pixels of a host and what is expected of them, in raster order: choices of a layered code (`coding.layered`).

    What moves cost is worked out where it is asked for: for all pixels at once it would take ten times the memory.
    """

    rgb: UInt8  # (n, 3)
    luma: UInt8  # (n,)
    expected: Int8  # (n, EXPECTED)
    prices: Float16  # (n, 2): of one level's change of red and blue; infinite where nothing may move
    tables: Tables

    @classmethod
    def of(cls, model: NoiseModel, rgb: UInt8, luma: UInt8, progress: Callable[[float], None]) -> Self:
        """All pixels (H, W, 3) with luma (H, W)."""
        expected = model.expected(rgb, luma, progress)
        flat = expected.reshape(-1, EXPECTED), rgb.reshape(-1, 3), luma.reshape(-1)
        return cls(flat[1], flat[2], flat[0], prices(expected, rgb).reshape(-1, 2), Tables.of(model.logistic, *flat))

    def __len__(self) -> int:
        return len(self.luma)

    @property
    def free(self) -> int:
        """How many pixels may move."""
        return int(np.count_nonzero(np.isfinite(self.prices[:, 0])))

    def where(self, chosen: Bool) -> Host:
        """Those that are `chosen` (n,)."""
        return Host(self.rgb[chosen], self.luma[chosen], self.expected[chosen], self.prices[chosen], self.tables)

    def taken(self, places: Places) -> Pixels:
        """Those of the given indices. A change of green costs as much as one of both red and blue.

        Hardly any price is high enough where all pixels around have the same colour: a single other one is seen.
        """
        rgb, luma = np.take(self.rgb, places, axis=0), np.take(self.luma, places)
        expected = np.take(self.expected, places, axis=0)
        red, blue = np.minimum(np.take(self.prices, places, axis=0).astype(np.float32), np.float32(FORBIDDING)).T
        prices = np.stack([red, red + blue, blue], axis=-1)
        reluctance = np.empty((len(places), len(MOVES)), np.int8)
        _RELUCTANCE(expected, rgb, luma, len(places), self.tables.near, self.tables.green, reluctance)
        return Pixels(rgb, prices, reluctance)

    def costs(self, price: float, places: Places | None = None) -> UInt8:
        """See `moves.Pixels.costs`."""
        where = np.arange(len(self), dtype=np.uint32) if places is None else places
        costs = np.empty((len(where), LABELS), np.uint8)

        def part(some: slice) -> None:
            costs[some] = self.taken(where[some]).costs(price)

        in_parts(part, len(where), PIECE)
        return costs


class Tables:
    """Logarithms of chances by scale index, fitted to a photo."""

    def __init__(self, near: Int16, green: Int16) -> None:
        self.near = near  # (2, 256, 256): of the level that is d - 128 away from the mean, in 1/UNIT levels
        self.green = green  # (256, 2 GREEN_FAR + 1, 2): of green's lower and higher level, by its mean's distance

    @classmethod
    def of(cls, logistic: npt.NDArray[np.int32], expected: Int8, rgb: UInt8, luma: UInt8) -> Tables:
        """For distribution functions `logistic`, and pixels (n, 3) of which (n, EXPECTED) is expected.

        The scales of red, blue and green are shifted by what makes these colours likeliest.
        """
        every = max(1, len(luma) // FITTED)
        return cls(*_tables(logistic))._fitted(expected[::every], rgb[::every], luma[::every])

    def _fitted(self, expected: Int8, rgb: UInt8, luma: UInt8) -> Tables:
        sample = expected.T.astype(np.int64)
        near = []
        for symbol in range(2):
            away = np.clip(sample[OFF_R + symbol], -FAR, FAR) + mixture.ZERO
            near.append(fitted(self.near[symbol], sample[SCALE_R + symbol] + mixture.ZERO, (away,)))
        r, g, b = rgb.T.astype(np.int64)
        low, high, entry = _green_choice(65536 * luma.astype(np.int64) - WR * r - WG * g - WB * b, g, sample[OFFSET_G])
        open_ = low < high
        scale = sample[SCALE_G][open_] + mixture.ZERO
        return Tables(np.stack(near), fitted(self.green, scale, (entry[open_], -low[open_])))


def prices(expected: Int8, rgb: UInt8) -> Float16:
    """What a level's change of red and of blue costs at each pixel (H, W, 2): the POWER of the scales expected there.

    Means over the pixels AROUND; infinite where it is flat.
    """
    height, width = rgb.shape[:2]
    found = np.empty((height, width, 2), np.float16)

    def fill(rows: slice) -> None:
        told = _surrounded(expected[..., SCALE_R : SCALE_B + 1], rows, AROUND).view(np.uint8)
        found[rows] = _mean(_mean(_PRICES[told], 0), 1)
        colours = _surrounded(rgb, rows, 1).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        found[rows][_same(colours)] = np.inf

    in_parts(fill, height, STRIP)
    return found


def _surrounded(image: npt.NDArray[Any], rows: slice, around: int) -> npt.NDArray[Any]:
    """Some rows of an image (H, W, C) and the pixels around them, at its edges those of the edge."""
    height = len(image)
    stop = min(rows.stop, height)
    inner = slice(max(rows.start - around, 0), min(stop + around, height))
    missing = around - (rows.start - inner.start), around - (inner.stop - stop)
    return np.pad(image[inner], (missing, (around, around), (0, 0)), mode="edge")


def _mean(values: Float32, axis: int) -> Float32:
    """Of seven neighbours, as there are with AROUND, along one axis."""
    lines = np.moveaxis(values, axis, 0)
    two = lines[:-1] + lines[1:]
    four = two[:-2] + two[2:]
    mean: Float32 = np.moveaxis(four[:-3] + two[4:-1] + lines[6:], 0, axis) / np.float32(7)
    return mean


def _same(colours: npt.NDArray[np.uint32]) -> Bool:
    """Where (h, w) all of the 3x3 numbers around, of (h + 2, w + 2), are the same."""
    rows = (colours[:-2] == colours[1:-1]) & (colours[2:] == colours[1:-1])
    across = (colours[1:-1, :-2] == colours[1:-1, 1:-1]) & (colours[1:-1, 2:] == colours[1:-1, 1:-1])
    same: Bool = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:] & across
    return same


def _planes(rgb: UInt8, luma: UInt8, rows: slice, columns: slice) -> Float32:
    """Y, R - Y and B - Y of a tile and RADIUS pixels around, mirrored at the edges: (1, 3, h, w)."""
    height, width = luma.shape
    spans, missing = [], []
    for span, side in ((rows, height), (columns, width)):
        first, last = span.start - RADIUS, span.stop + RADIUS
        spans.append(slice(max(first, 0), min(last, side)))
        missing.append((max(-first, 0), max(last - side, 0)))
    inner = tuple(spans)
    y = luma[inner].astype(np.float32)
    planes = np.stack([y, rgb[inner][..., 0] - y, rgb[inner][..., 2] - y])
    padded: Float32 = np.pad(planes, ((0, 0), *missing), mode="reflect")[None]
    return padded


def _tables(logistic: npt.NDArray[np.int32]) -> tuple[Int16, Int16]:
    inverse = mixture.inverse_scales()[:, None]

    def below(symbol: int, distance: Int64) -> npt.NDArray[np.float64]:
        reach = mixture.LOGISTIC_REACH * mixture.LOGISTIC_UNIT
        entry = np.clip((distance * inverse) >> mixture.SCALE_SHIFT, -reach, reach) + reach
        share: npt.NDArray[np.float64] = (logistic[symbol][entry] + 0.5) / (mixture.MASS + 1)
        return share

    distance = np.arange(-mixture.ZERO, mixture.ZERO)
    half = UNIT // 2
    near = [below(s, distance + half) - below(s, distance - half) for s in range(2)]
    low = below(2, np.arange(-GREEN_FAR, GREEN_FAR + 1))
    of_near, of_green = np.maximum(near, 0.5 / mixture.MASS), np.stack([low, 1 - low], axis=-1)
    rounded = (np.rint(FINER * NATS * np.log(share)).astype(np.int16) for share in (of_near, of_green))
    return next(rounded), next(rounded)


def fitted(table: Int16, index: Int64, entries: tuple[Int64, ...]) -> Int16:
    """`table` with its first axis, scale indices, shifted so that the sum over `entries` is the largest."""
    shifted = [table[np.clip(np.arange(256) + shift, 0, 255)] for shift in SHIFTS]
    return max(shifted, key=lambda each: int(each[(index, *entries)].sum(dtype=np.int64)))


def _green_choice(rest: Int64, g: Int64, offset: Int64) -> tuple[Int64, Int64, Int64]:
    """As in native/noise.c: levels of green that keep the luma, and which entry tells how likely they are.

    `rest` is what the luma of red, `g` and blue lacks, in 1/65536 levels: the luma is kept from -32767 to 32768.
    """
    low = (rest > 32768) * 1 + (rest > 32768 - WG) + (rest > 32768 - 2 * WG) - 2
    high = (rest >= -32767) * 1 + (rest >= WG - 32767) + (rest >= 2 * WG - 32767) - 1
    low, high = np.maximum(low, -g), np.minimum(high, 255 - g)
    distance = mixture.GREEN_UNIT * low + mixture.GREEN_UNIT // 2 - (mixture.GREEN_UNIT * rest) // WG - offset
    return low, high, np.minimum(np.maximum(distance, -GREEN_FAR), GREEN_FAR) + GREEN_FAR
