from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.carriers.luma import LUMA_WEIGHTS, luma_of
from stegcinn.colourmodel import cells, mixture
from stegcinn.colourmodel import rangecoder as rc
from stegcinn.training.colourmodel import network as exact

SHAPES = ((0.0, 3.0, 0.0), (0.5, 1.0, -0.5), (-1.0, 1.0, 2.0))
LOGISTIC = np.stack([mixture.logistic(shape) for shape in SHAPES])
TABLES = rc.Tables.of(LOGISTIC)
CASES = settings(max_examples=40, deadline=None)
MESSAGES = st.one_of(
    st.binary(max_size=200),
    st.integers(0, 200).map(lambda n: b"\xff" * n),
    st.tuples(st.binary(max_size=4), st.sampled_from((b"\0", b"\xff")), st.binary(max_size=40)).map(
        lambda parts: parts[0] + parts[1] * 30 + parts[2]
    ),
)


@st.composite
def tiles(draw: st.DrawFn, pixels: int = 60) -> rc.Tile:
    """Tiles of arbitrary parameters, extreme ones among them, and arbitrary strides."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    h = draw(st.integers(0, 8))
    w = draw(st.integers(0, pixels // max(h, 1)))
    spread = draw(st.sampled_from((10, 60, 1000)))
    parameters = np.clip(rng.normal(128, spread, (h, w, mixture.PARAMETERS)), 0, 255).astype(np.uint8)
    if draw(st.booleans()):
        parameters = np.ascontiguousarray(parameters[:, ::-1])[:, ::-1]
    parameters = np.moveaxis(parameters, -1, 0)
    if draw(st.booleans()):
        parameters = np.ascontiguousarray(parameters)
    luma = rng.choice(draw(st.sampled_from(([0, 255], [1, 254, 0], [*range(256)]))), (h, w)).astype(np.uint8)
    guesses = rng.integers(-2040, 2041, (2, h, w)).astype(np.int16) // draw(st.sampled_from((1, 20)))
    chosen = rng.random((h, w)) < draw(st.sampled_from((0.5, 1.0)))
    return rc.Tile(parameters, guesses[0], guesses[1], luma, chosen)


def ordinary(seed: int, size: tuple[int, int]) -> rc.Tile:
    """A tile of parameters such as a network gives."""
    rng = np.random.default_rng(seed)
    n = mixture.K
    means = (128,) * 3 * n
    middle = np.array([*means, *(100,) * n, *means, *(100,) * n, 110, 128, 170])
    spread = np.array([*(30, 6, 1, 30) * 2, 20, 10, 20]).repeat([n] * 8 + [1] * 3)
    parameters = np.clip(rng.normal(middle, spread, (*size, mixture.PARAMETERS)), 0, 255).astype(np.uint8)
    guesses = rng.normal(0, 100, (2, *size)).astype(np.int16)
    luma = np.clip(rng.normal(128, 50, size), 0, 255).astype(np.uint8)
    return rc.Tile(np.moveaxis(parameters, -1, 0), guesses[0], guesses[1], luma, np.ones(size, bool))


def draw(message: bytes, tile: rc.Tile, tables: rc.Tables = TABLES) -> tuple[rc.Decoder, np.ndarray]:
    h, w = tile.luma.shape
    rgb = np.full((2 * h, 2 * w, 3), 77, np.uint8)[1::2, ::2]
    decoder = rc.Decoder(message)
    decoder.draw(tables, tile, rgb)
    return decoder, rgb


def absorb(tile: rc.Tile, rgb: np.ndarray, tables: rc.Tables = TABLES) -> rc.Encoder:
    encoder = rc.Encoder()
    encoder.absorb(tables, tile, rgb)
    return encoder


class Reference:
    """The same coder on one unbounded integer: `low` and `size` in units of 256**-digits."""

    def __init__(self) -> None:
        self.low, self.size, self.digits = 0, 2**64, 8

    def part(self, cumulated: list[int], index: int) -> tuple[int, int]:
        unit = (self.size - 1) // cumulated[-1]
        start = unit * ([0, *cumulated][index])
        return start, self.size if index == len(cumulated) - 1 else unit * cumulated[index]

    def take(self, cumulated: list[int], index: int) -> None:
        start, end = self.part(cumulated, index)
        self.low, self.size = self.low + start, end - start
        while self.size <= 2**56:
            self.low, self.size, self.digits = 256 * self.low, 256 * self.size, self.digits + 1

    def find(self, cumulated: list[int], message: bytes) -> int:
        number = int.from_bytes(message[: self.digits].ljust(self.digits, b"\0"), "big") - self.low
        return next(i for i in range(len(cumulated)) if number < self.part(cumulated, i)[1])

    def peek(self) -> bytes:
        inside = min(self.low + (self.size - 1) // 2, self.low | (2**64 - 1))
        return inside.to_bytes(self.digits, "big")


def cumulated_counts(tile: rc.Tile, at: tuple[int, int], *settled: int) -> tuple[int, list[int]]:
    """Least value of the symbol that follows `settled` (red, blue), and counts up to each value, as defined."""
    p = [int(x) for x in tile.parameters[:, at[0], at[1]]]
    y, guess_r, guess_b = (int(a[at]) for a in (tile.luma, tile.guess_r, tile.guess_b))
    (wr, wg, wb), symbol = LUMA_WEIGHTS, len(settled)
    half = Fraction(1, 2)

    def cdf(distance: Fraction, scale: int) -> int:
        entry = math.floor(distance * int(mixture.inverse_scales()[scale]) / 2**mixture.SCALE_SHIFT)
        reach = mixture.LOGISTIC_REACH * mixture.LOGISTIC_UNIT
        return int(LOGISTIC[symbol, min(max(entry, -reach), reach) + reach])

    if symbol == 2:
        red, blue = settled
        possible = [g for g in range(256) if luma_of(np.array([red, g, blue], np.uint8)) == y]
        rest = Fraction(65536 * y - wr * red - wb * blue, wg)
        mean = math.floor(mixture.GREEN_UNIT * rest) + p[mixture.GREEN] - mixture.ZERO
        border = cdf(mixture.GREEN_UNIT * (possible[0] + half) - mean, p[mixture.GREEN_SCALE])
        return possible[0], [border + 1, mixture.MASS + 2] if len(possible) == 2 else [1]
    if symbol == 0:
        low, high = (int(bound[y]) for bound in mixture.red_bounds())
        first, centre = mixture.RED, guess_r
    else:
        rest = 65536 * y - wr * settled[0]
        low = min(max(math.ceil(Fraction(rest - 32768 - 255 * wg, wb)), 0), 255)
        high = min(max(math.floor(Fraction(rest + 32767, wb)), 0), 255)
        slope = Fraction(p[mixture.SLOPE] - mixture.ZERO, mixture.SLOPE_UNIT)
        first, centre = (
            mixture.BLUE,
            guess_b + math.floor(slope * (cells.UNIT * (settled[0] - y) - guess_r) + Fraction(1, 2)),
        )
    cumulated = [v - low + 1 for v in range(low, high + 1)]
    for k in range(mixture.K):
        logit, fine, coarse, scale = (p[first + i * mixture.K + k] for i in range(4))
        mean = centre + fine - mixture.ZERO + cells.UNIT * (coarse - mixture.ZERO)
        weight = int(mixture.weights()[logit])
        for v in range(low, high):
            cumulated[v - low] += weight * cdf(cells.UNIT * (v - y + half) - mean, scale)
        cumulated[-1] += weight * mixture.MASS
    return low, cumulated


def test_all_counts_of_a_pixel_are_integers_of_32_bits() -> None:
    assert mixture.K * mixture.WEIGHT_TOP * mixture.MASS + 256 < 2**31


@CASES
@given(tiles(), MESSAGES)
def test_colours_have_the_luma_and_give_the_message_back(tile: rc.Tile, message: bytes) -> None:
    filling = np.random.default_rng(len(message)).bytes(1000)
    decoder, rgb = draw(message + filling, tile)
    assert (luma_of(rgb)[tile.chosen] == tile.luma[tile.chosen]).all()
    assert (rgb[~tile.chosen] == 77).all()
    encoder = absorb(tile, rgb)
    assert encoder.settled == decoder.consumed
    if decoder.consumed >= len(message) + 4:
        assert encoder.peek().startswith(message)


@CASES
@given(tiles(), MESSAGES)
def test_the_settled_bytes_are_the_messages_up_to_a_carry(tile: rc.Tile, message: bytes) -> None:
    """Holds for any filling, even for that of zeros, where the message lies at the border of an interval."""
    decoder, rgb = draw(message, tile)
    encoder = absorb(tile, rgb)
    n = encoder.settled
    assert n == decoder.consumed
    number, absorbed = (int.from_bytes(m[:n].ljust(n, b"\0"), "big") for m in (message, encoder.peek()))
    assert abs(number - absorbed) <= 1
    assert (draw(encoder.peek(), tile)[1] == rgb).all()


@CASES
@given(tiles(), st.integers(0, 2**32))
def test_any_colours_can_be_absorbed_and_drawn_again(tile: rc.Tile, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (*tile.luma.shape, 3), np.uint8)
    tile = tile._replace(luma=luma_of(rgb))
    drawn = draw(absorb(tile, rgb).peek(), tile)[1]
    assert (drawn[tile.chosen] == rgb[tile.chosen]).all()


@settings(max_examples=25, deadline=None)
@given(tiles(pixels=12), MESSAGES)
def test_agrees_with_unbounded_integers(tile: rc.Tile, message: bytes) -> None:
    decoder, rgb = draw(message, tile)
    encoder = absorb(tile, rgb)
    reference = Reference()
    for at in zip(*np.nonzero(tile.chosen), strict=True):
        symbols: list[int] = []
        for _ in range(mixture.SYMBOLS):
            low, cumulated = cumulated_counts(tile, at, *symbols)
            index = reference.find(cumulated, message)
            reference.take(cumulated, index)
            symbols.append(low + index)
        assert [symbols[i] for i in (0, 2, 1)] == rgb[at].tolist()
    assert decoder.consumed == encoder.settled == reference.digits - 8
    assert encoder.peek() == reference.peek()


def test_a_carry_goes_back_through_many_bytes() -> None:
    tile = ordinary(1, (1, 200))
    message = b"\x12\x34" + bytes(40) + np.random.default_rng(2).bytes(400)
    rgb = draw(message, tile)[1]
    encoder, longest = rc.Encoder(), 0
    for j in range(200):
        before = encoder.peek()[: encoder.settled]
        encoder.absorb(TABLES, rc.Tile(tile.parameters[:, :, j : j + 1], *(a[:, j : j + 1] for a in tile[1:])),
                       rgb[:, j : j + 1])  # fmt: skip
        after = encoder.peek()[: len(before)]
        longest = max(longest, sum(a != b for a, b in zip(before, after, strict=True)))
    assert longest > 30
    n = encoder.settled - 4
    assert encoder.peek()[:n] == message[:n] == absorb(tile, rgb).peek()[:n]


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_the_ends_of_the_number_line(byte: bytes) -> None:
    tile = ordinary(3, (20, 20))
    message = byte * rc.WORST * 400
    decoder, rgb = draw(message, tile)
    assert decoder.consumed > 100
    low, high = (bound[tile.luma] for bound in mixture.red_bounds())
    assert (rgb[..., 0] == (low if byte == b"\0" else high)).all()
    n = decoder.consumed
    assert absorb(tile, rgb).peek()[:n] == message[:n]


def test_tiles_in_a_row_are_one_message() -> None:
    tile = ordinary(4, (120, 90))  # more than one batch
    message = np.random.default_rng(5).bytes(12000)
    decoder, rgb = draw(message, tile)
    parts = rc.Decoder(message)
    encoder = rc.Encoder()
    again = np.zeros_like(rgb)
    for part in (slice(0, 50), slice(50, 51), slice(51, 120)):
        piece = rc.Tile(tile.parameters[:, part], *(a[part] for a in tile[1:]))
        parts.draw(TABLES, piece, again[part])
        encoder.absorb(TABLES, piece, again[part])
        assert parts.consumed == encoder.settled
    assert (again == rgb).all()
    assert parts.consumed == decoder.consumed
    assert encoder.peek() == absorb(tile, rgb).peek()
    assert encoder.peek()[: encoder.settled - 4] == message[: encoder.settled - 4]


def test_information_is_what_the_message_pays() -> None:
    tile = ordinary(6, (100, 100))
    decoder, rgb = draw(np.random.default_rng(7).bytes(20000), tile)
    bits, squares = rc.information(TABLES, tile, rgb)
    assert 8 * decoder.consumed - 0.01 <= bits.sum() <= 8 * decoder.consumed + 8.01
    single = [rc.information(TABLES, rc.Tile(tile.parameters[:, :1, j : j + 1], *(a[:1, j : j + 1] for a in tile[1:])),
                             rgb[:1, j : j + 1]) for j in range(20)]  # fmt: skip
    total, of_squares = (sum(x) for x in zip(*single, strict=True))
    first = rc.information(TABLES, rc.Tile(tile.parameters[:, :1, :20], *(a[:1, :20] for a in tile[1:])), rgb[:1, :20])
    assert np.allclose(first[0], total)
    assert math.isclose(first[1], of_squares)
    assert math.isclose(of_squares, sum(float(b.sum()) ** 2 for b, _ in single))
    none = tile._replace(chosen=np.zeros_like(tile.chosen))
    assert rc.information(TABLES, none, rgb)[0].tolist() == [0, 0, 0]
    assert squares > bits.sum() ** 2 / 10000


@pytest.mark.parametrize(("slopes", "tolerance"), [((64, 128, 192), 0.02), (range(90, 150), 0.06)])
def test_information_agrees_with_the_real_valued_model(slopes: tuple[int, ...], tolerance: float) -> None:
    """Most so for slopes of whole multiples, after which nothing is rounded; by rounding, little is lost on average."""
    tile = ordinary(8, (100, 100))
    tile.parameters[mixture.SLOPE] = np.random.default_rng(16).choice(slopes, (100, 100))
    rgb = draw(np.random.default_rng(9).bytes(20000), tile)[1]
    p, guess_r, guess_b, y, colours = (torch.from_numpy(np.array(a, np.float32)) for a in (*tile[:4], rgb))
    shape = torch.softmax(torch.tensor(SHAPES), -1)
    real = exact.code_length(p, guess_r, guess_b, shape, y, *colours.permute(2, 0, 1)).double().numpy()
    counts = np.concatenate([c.copy() for c in rc._counts(TABLES, tile, rgb)])
    bits = np.log2(counts[..., 2] / (counts[..., 1] - counts[..., 0])).T.reshape(real.shape)
    assert np.abs(bits - real).mean((1, 2)).max() < tolerance
    assert np.abs((bits - real).mean((1, 2))).max() < 0.005


def test_random_messages_draw_red_and_blue_from_their_distributions() -> None:
    one = ordinary(10, (1, 1))
    one = one._replace(luma=np.full((1, 1), 120, np.uint8), guess_r=np.full((1, 1), 40, np.int16))
    n = 200
    tile = rc.Tile(np.tile(one.parameters, (1, n, n)), *(np.tile(a, (n, n)) for a in one[1:]))
    rgb = draw(np.random.default_rng(11).bytes(80000), tile)[1].reshape(-1, 3)
    red = np.bincount(rgb[:, 0]).argmax()
    for values, settled in ((rgb[:, 0], ()), (rgb[rgb[:, 0] == red, 2], (int(red),))):
        low, cumulated = cumulated_counts(one, (0, 0), *settled)
        expected = np.diff([0, *cumulated]) / cumulated[-1] * len(values)
        found = np.bincount(values - low, minlength=len(expected))
        often = expected > 10
        assert often.sum() >= 5
        chi2 = (((found - expected) ** 2)[often] / expected[often]).sum()
        assert chi2 < often.sum() + 4 * math.sqrt(2 * often.sum())
        assert abs(found[~often].sum() - expected[~often].sum()) < 5 * math.sqrt(expected[~often].sum() + 1)


def test_calibration_replaces_scales() -> None:
    tile = ordinary(12, (16, 16))
    message = np.random.default_rng(13).bytes(1000)
    calibration = np.random.default_rng(14).integers(0, 256, (3, 256), np.uint8)
    parameters = np.array(tile.parameters)
    for s, first in enumerate((mixture.SCALE, mixture.BLUE + mixture.SCALE, mixture.GREEN_SCALE)):
        part = parameters[first : first + (mixture.K if s < 2 else 1)]
        part[...] = calibration[s][part]
    tables = TABLES.calibrated(calibration)
    drawn = draw(message, tile, tables)[1]
    assert (drawn == draw(message, tile._replace(parameters=parameters))[1]).all()
    assert (drawn != draw(message, tile)[1]).any()


def test_refuses_what_the_kernels_cannot_take() -> None:
    tile = ordinary(15, (4, 5))
    rgb = draw(b"abc", tile)[1].copy()
    with pytest.raises(ValueError, match="colours must be"):
        rc.Decoder(b"").draw(TABLES, tile, rgb[:3])
    with pytest.raises(ValueError, match="differ in size"):
        rc.Decoder(b"").draw(TABLES, tile._replace(guess_b=tile.guess_b[:3]), rgb)
    with pytest.raises(ValueError, match="of shape"):
        rc.Tables.of(LOGISTIC[:, :-1])
    with pytest.raises(ValueError, match="must rise"):
        rc.Tables.of(LOGISTIC[:, ::-1])
    rgb[2, 2, 1] ^= 255
    with pytest.raises(ValueError, match="luma"):
        rc.Encoder().absorb(TABLES, tile, rgb)
    tile.chosen[2, 2] = False
    rc.Encoder().absorb(TABLES, tile, rgb)
