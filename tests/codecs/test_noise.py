"""What the colour model expects of pixels, on the released one; the range coder is the witness for chances."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data as skimage_data

from stegcinn.carriers.luma import LUMA_WEIGHTS, luma_of
from stegcinn.codecs.stealth import moves, noise
from stegcinn.codecs.stealth.moves import MOVES, STAY
from stegcinn.colourmodel import cells, mixture, rangecoder, summary
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.runtime.weights import release


@pytest.fixture(scope="module")
def model() -> ColourModel:
    return ColourModel(release("exact-1"))


def photo(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(skimage_data.chelsea()[20 : 20 + height, 60 : 60 + width])


def test_constants_of_the_kernels():
    assert (summary.K, summary.BLUE, summary.SLOPE) == (mixture.K, mixture.BLUE, mixture.SLOPE)
    assert (summary.FINE, summary.COARSE, summary.SCALE) == (mixture.FINE, mixture.COARSE, mixture.SCALE)
    assert (summary.GREEN, summary.GREEN_SCALE, noise.GREEN_UNIT) == (
        mixture.GREEN,
        mixture.GREEN_SCALE,
        mixture.GREEN_UNIT,
    )
    assert (noise.SCALE_MIN, noise.SCALE_STEP) == (mixture.SCALE_MIN, mixture.SCALE_STEP)
    assert (noise.ZERO, noise.LEVEL, noise.PER_NAT) == (mixture.ZERO, cells.UNIT, moves.NATS)
    assert noise.LEVEL**2 == mixture.SLOPE_UNIT  # what lets blue's mean follow red in whole units
    assert (noise.WR, noise.WG, noise.WB) == LUMA_WEIGHTS


def test_a_mixture_is_summed_up_by_its_mean_and_variance(model):
    rgb = photo(64, 66)
    luma = luma_of(rgb)
    found = summary.summary(model, rgb, lambda share: None)
    row, column = cells.PHASES[-1]
    (part,) = model.parts(rgb, luma, 0, summary.LAST)
    for i, j in ((0, 0), (7, 20), (31, 32)):
        p = part.tile.parameters[:, i, j].astype(float)
        y, x = row + 2 * i, column + 2 * j
        off = [8 * (int(rgb[y, x, c]) - int(luma[y, x])) - int(guess[i, j])
               for c, guess in ((0, part.tile.guess_r), (2, part.tile.guess_b))]  # fmt: skip
        off[1] -= (p[mixture.SLOPE] - 128) * off[0] / 64
        for s, first in enumerate((mixture.RED, mixture.BLUE)):
            weights = mixture.weights()[p[first : first + 3].astype(int)]
            means = p[first + 3 : first + 6] - 128 + 8 * (p[first + 6 : first + 9] - 128)
            mean = np.average(means, weights=weights)
            index = np.average(p[first + 9 : first + 12], weights=weights)
            variance = (0.06 * 2 ** (index / 24)) ** 2 + 3 / np.pi**2 * np.average(
                (means - mean) ** 2, weights=weights
            ) / 64
            assert found[summary.OFF_R + s, y, x] == pytest.approx(off[s] - mean, abs=0.51)
            assert found[summary.SCALE_R + s, y, x] == pytest.approx(24 * np.log2(variance**0.5 / 0.06), abs=0.8)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 65), (67, 69), (300, 71)])
def test_every_pixel_is_expected(model, shape):
    expected = noise.expectation(model, photo(*shape) if shape[0] < 280 else photo(300, 400)[:, :71])
    height, width = expected.scales.shape[1:]
    assert expected.scales.dtype == np.float32
    assert expected.reluctance.shape == (height, width, len(MOVES))
    assert (expected.scales >= noise.LEAST).all()
    assert expected.scales.max() < 200
    assert not expected.reluctance[..., STAY].any()


@pytest.mark.parametrize(("down", "right"), [(0, 1), (1, 0), (1, 1)])
def test_what_is_expected_does_not_depend_on_where_cells_begin(model, down, right):
    """Away from the edges: every pixel is predicted from all around it, whatever its place in its cell."""
    rgb = photo(97, 90)
    whole = summary.summary(model, rgb, lambda share: None)
    cut = summary.summary(model, np.ascontiguousarray(rgb[down:, right:]), lambda share: None)
    inner = slice(24, -24)
    assert np.array_equal(cut[:, inner, inner], whole[:, down:, right:][:, inner, inner])


def test_reluctance_is_what_the_colour_model_says(model):
    """Of moves of the last phase's pixels, the range coder's own code length, before and after."""
    rgb = photo(96, 96)
    luma = luma_of(rgb)
    (part,) = model.parts(rgb, luma, 0, summary.LAST)
    tables = model.tables(0)

    def nats(colours: np.ndarray) -> np.ndarray:
        counts = np.concatenate([c.copy() for c in rangecoder._counts(tables, part.tile, colours)])
        return np.log(counts[..., 2] / (counts[..., 1] - counts[..., 0])).sum(axis=1).reshape(luma[1::2, ::2].shape)

    before, there = nats(part.rgb), noise.expectation(model, rgb).reluctance[1::2, ::2]
    ours, theirs = [], []
    for index, move in enumerate(MOVES):
        after = (part.rgb.astype(int) + move).clip(0, 255).astype(np.uint8)
        kept = luma_of(after) == part.tile.luma
        theirs.append((nats(np.where(kept[..., None], after, part.rgb)) - before)[kept].clip(-6, 6))
        ours.append((there[..., index][kept] / moves.NATS).clip(-6, 6))
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9
    assert 0.7 < np.polyfit(theirs, ours, 1)[0] < 1.3


def test_scales_are_fitted_to_what_is_seen():
    rng = np.random.default_rng(0)
    distance = np.arange(-128, 128) / 8
    table = np.stack([-np.abs(distance) / s - np.log(s) for s in mixture.scales()])
    table = np.rint(100 * table.clip(-300, 300)).astype(np.int16)
    index = rng.integers(50, 100, 20_000)
    seen = rng.laplace(0, mixture.scales()[index + 24])  # twice as far as was expected
    away = np.clip(np.rint(8 * seen), -100, 100).astype(int) + 128
    fitted = noise._fitted(table, index, (away,))
    assert np.array_equal(fitted[80], table[104])


def test_noise_is_where_the_noise_is(model):
    rgb = np.ascontiguousarray(skimage_data.astronaut()[:128, :128])
    noisy = rgb.copy()
    noise_added = np.random.default_rng(0).integers(-12, 13, (64, 128, 3))
    noisy[64:] = np.clip(noisy[64:] + noise_added, 0, 255)
    calm, loud = noise.expectation(model, rgb).scales, noise.expectation(model, noisy).scales
    assert (loud[:, 70:].mean(axis=(1, 2)) > 2 * calm[:, 70:].mean(axis=(1, 2))).all()
    assert loud[:, :40] == pytest.approx(calm[:, :40])  # far away nothing changes


def test_smoothing_is_a_mean_of_nine():
    planes = np.random.default_rng(2).random((2, 6, 8)).astype(np.float32)
    smooth = noise._smoothed(planes)
    assert smooth[1, 3, 4] == pytest.approx(planes[1, 2:5, 3:6].mean())
    assert smooth[0, 0, 0] == pytest.approx(planes[0][np.ix_([0, 0, 1], [0, 0, 1])].mean())


def test_flat_pixels_have_the_colour_of_all_around_them():
    rgb = np.full((8, 9, 3), 7, np.uint8)
    assert noise.flat(rgb).all()
    rgb[3, 4, 1] = 8
    assert np.array_equal(np.argwhere(~noise.flat(rgb)), [(y, x) for y in (2, 3, 4) for x in (3, 4, 5)])
