"""What `stealth` expects at each pixel of a host, on the released model; the range coder is the witness for chances."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop
from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.base import silent
from stegcinn.codecs.stealth import noise
from stegcinn.codecs.stealth.moves import MOVES, STAY
from stegcinn.coding.labels import NATS
from stegcinn.colourmodel import mixture, rangecoder, summary


def photo(height: int, width: int) -> np.ndarray:
    return crop("chelsea", height, width, 20, 60)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 65), (67, 69), (300, 71)])
def test_every_pixel_is_expected(exact, shape):
    rgb = photo(*shape) if shape[0] < 280 else photo(300, 400)[:, :71]
    expected = noise.expectation(exact.model, rgb, luma_of(rgb), silent)
    height, width = expected.scales.shape[1:]
    assert expected.scales.dtype == np.float32
    assert expected.reluctance.shape == (height, width, len(MOVES))
    assert (expected.scales >= noise.LEAST).all()
    assert expected.scales.max() < 200
    assert not expected.reluctance[..., STAY].any()


def test_reluctance_is_what_the_colour_model_says(exact):
    """Of moves of the last phase's pixels, the range coder's own code length, before and after."""
    rgb = photo(96, 96)
    luma = luma_of(rgb)
    (part,) = exact.model.parts(rgb, luma, 0, summary.LAST_PHASE)
    tables = exact.model.tables(0)

    def nats(colours: np.ndarray) -> np.ndarray:
        counts = np.concatenate([c.copy() for c in rangecoder._counts(tables, part.tile, colours)])
        return np.log(counts[..., 2] / (counts[..., 1] - counts[..., 0])).sum(axis=1).reshape(luma[1::2, ::2].shape)

    before, there = nats(part.rgb), noise.expectation(exact.model, rgb, luma_of(rgb), silent).reluctance[1::2, ::2]
    ours, theirs = [], []
    for index, move in enumerate(MOVES):
        after = (part.rgb.astype(int) + move).clip(0, 255).astype(np.uint8)
        kept = luma_of(after) == part.tile.luma
        theirs.append((nats(np.where(kept[..., None], after, part.rgb)) - before)[kept].clip(-6, 6))
        ours.append((there[..., index][kept] / NATS).clip(-6, 6))
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


def test_noise_is_where_the_noise_is(exact):
    rgb = crop("astronaut", 128, 128)
    noisy = rgb.copy()
    noise_added = np.random.default_rng(0).integers(-12, 13, (64, 128, 3))
    noisy[64:] = np.clip(noisy[64:] + noise_added, 0, 255)
    calm, loud = (noise.expectation(exact.model, each, luma_of(each), silent).scales for each in (rgb, noisy))
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
