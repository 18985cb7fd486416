"""Rich models of JPEG files: co-occurrences of coefficients, and residuals of the decoded planes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from jpegs import picture, saved
from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.evaluation.steganalysis import dctr, jpegrich
from stegcinn.runtime.arrays import Float32, Int16

FEATURES = [jpegrich.features, jpegrich.luma_features, dctr.features, dctr.luma_features]
Extractor = Callable[[JpegFile], Float32]


def read(width: int = 96, height: int = 80, seed: int = 0, **options: object) -> JpegFile:
    return JpegFile.read(saved(picture(width, height, seed), **{"quality": 90, "subsampling": "4:4:4"} | options), "x")


def random_blocks(seed: int, rows: int = 5, columns: int = 6) -> Int16:
    rng = np.random.default_rng(seed)
    return np.rint(rng.laplace(0, 1.5, (rows, columns, 64))).astype(np.int16)


def mirrored(blocks: Int16) -> Int16:
    """Of the picture with left and right exchanged."""
    signs = np.tile((1, -1), 32).astype(np.int16)
    return blocks[:, ::-1] * signs


def transposed(blocks: Int16) -> Int16:
    rows, columns, _ = blocks.shape
    return blocks.reshape(rows, columns, 8, 8).transpose(1, 0, 3, 2).reshape(columns, rows, 64)


# -- all


@pytest.mark.parametrize("extract", FEATURES)
def test_features_are_as_many_for_every_size_and_sampling(extract: Extractor) -> None:
    lengths = set()
    for options in ({}, {"subsampling": "4:2:0"}, {"subsampling": "4:2:2", "quality": 40}, {"progressive": True}):
        found = extract(read(107, 93, **options))
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        assert ((found >= 0) & (found <= 1.5)).all()
        lengths.add(found.shape)
    assert len(lengths) == 1


@pytest.mark.parametrize("extract", FEATURES)
def test_features_see_a_single_change_in_their_planes_alone(extract: Extractor) -> None:
    jpeg = read()
    was = extract(jpeg)
    np.testing.assert_array_equal(extract(read()), was)
    is_luma = extract in (jpegrich.luma_features, dctr.luma_features)
    for plane in range(3):
        blocks = jpeg.components[plane].coefficients.copy()
        blocks[4, 5, 1] += 1
        changed = extract(jpeg.with_coefficients({plane: blocks}))
        sees = (plane == 0) == is_luma or extract is jpegrich.features  # which counts across components
        assert np.array_equal(changed, was) != sees


# -- co-occurrences


def test_magnitudes_are_counted_mode_by_mode() -> None:
    blocks = np.zeros((4, 4, 64), np.int16)
    blocks[..., 1] = 2
    blocks[0, :, 1] = -9
    alone = jpegrich.plane_counts(blocks)[: 7 * 11].reshape(11, 7)
    # u = 1 with its transposed self, v = 1
    np.testing.assert_allclose(alone[0], [0.5, 0, 3 / 8, 0, 0, 0, 1 / 8])
    np.testing.assert_allclose(alone[1:], np.tile([1, 0, 0, 0, 0, 0, 0], (10, 1)))


def test_pairs_within_a_block_are_counted_mode_by_mode() -> None:
    blocks = np.zeros((3, 3, 64), np.int16)
    blocks[..., 1], blocks[..., 2] = 1, -2
    pairs = jpegrich.plane_counts(blocks)[7 * 11 :][: 16 * 20].reshape(20, 4, 4)
    assert pairs[0, 1, 2] == 0.5  # from u = 1 to u = 2; in the transposed picture both are zero
    assert pairs[1, 2, 0] == 0.5
    assert pairs[0, 0, 0] == 0.5


def test_joint_values_of_both_chroma_planes_are_counted() -> None:
    y, cb = np.zeros((3, 3, 64), np.int16), np.zeros((3, 3, 64), np.int16)
    one, other = cb.copy(), cb.copy()
    one[1, 1, 9], other[1, 1, 9] = 1, -1
    same, opposite = jpegrich.counts([y, one, one]), jpegrich.counts([y, one, other])
    differing = np.flatnonzero(same != opposite)
    assert differing.size  # though the planes alone, and with the luma, count as many
    within = jpegrich.plane_counts(one).size
    assert ((differing >= 2 * within) & (differing < 2 * within + 11 * 25 + 61)).all()


@pytest.mark.parametrize("turned", [mirrored, transposed, lambda x: transposed(mirrored(x))])
def test_mirror_images_have_as_many(turned: Callable[[Int16], Int16]) -> None:
    planes = [random_blocks(seed) for seed in range(3)]
    np.testing.assert_allclose(
        jpegrich.counts([turned(plane) for plane in planes]), jpegrich.counts(planes), atol=1e-12
    )


def test_coarser_chroma_meets_the_luma_blocks_in_its_place() -> None:
    rng = np.random.default_rng(0)
    chroma, other = (random_blocks(seed, 4, 4) for seed in (0, 1))
    luma = np.zeros((8, 8, 64), np.int16)
    luma[2, 5] = 4  # in chroma block (1, 2)
    alone = jpegrich.counts([luma, chroma, other])
    np.testing.assert_array_equal(jpegrich.counts([luma[:7], chroma, other]), alone)  # the last row is not seen
    for _ in range(3):
        moved = luma.copy()
        moved[2, 5], moved[2 + rng.integers(2), 4 + rng.integers(2)] = 0, 4
        np.testing.assert_array_equal(jpegrich.counts([moved, chroma, other]), alone)
    moved = np.roll(luma, 2, 0)
    assert not np.array_equal(jpegrich.counts([moved, chroma, other]), alone)


def test_pictures_without_neighbouring_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="three rows"):
        jpegrich.features(read(96, 24))


# -- residuals


def test_residuals_are_counted_by_wave_and_phase() -> None:
    """Against the definition, window by window."""
    plane = np.random.default_rng(0).normal(0, 5, (24, 16)).astype(np.float32)
    step = 3.0
    counts = np.zeros((8, 8, 5, 5, 5))
    waves = dct.cosines()
    for y in range(17):
        for x in range(9):
            block = np.abs(waves @ plane[y : y + 8, x : x + 8].astype(np.float64) @ waves.T) / step
            down, along = min(y % 8, 8 - y % 8), min(x % 8, 8 - x % 8)
            for v, u in np.ndindex(8, 8):
                value = min(4, int(block[v, u] + 0.5 + dctr.TIE))
                counts[v, u, down, along, value] += 1
                counts[u, v, along, down, value] += 1
    expected = []
    for v, u, down, along in np.ndindex(8, 8, 5, 5):
        if v < u or (v == u and v > 0 and down <= along):
            expected.append(np.sqrt(counts[v, u, down, along] / counts[v, u, down, along].sum()))
    np.testing.assert_allclose(dctr.plane_features(plane, step), np.concatenate(expected), atol=1e-6)


@pytest.mark.parametrize("turned", [np.fliplr, np.flipud, np.transpose])
def test_mirrored_planes_have_the_same_residuals(turned: Callable[[Float32], Float32]) -> None:
    plane = np.random.default_rng(1).normal(0, 5, (40, 32)).astype(np.float32)
    np.testing.assert_allclose(
        dctr.plane_features(np.ascontiguousarray(turned(plane)), 2.0), dctr.plane_features(plane, 2.0), atol=1e-3
    )


def test_in_the_grid_of_blocks_residuals_are_the_coefficients() -> None:
    blocks = random_blocks(3, 6, 6)
    steps = np.full(64, 5, np.uint16)
    found = dctr.plane_features(dct.samples(blocks, steps), 5.0) ** 2
    magnitudes = np.minimum(np.abs(np.concatenate([blocks[..., 1].ravel(), blocks[..., 8].ravel()])), 4)
    np.testing.assert_allclose(found[:5], np.bincount(magnitudes, minlength=5) / magnitudes.size, atol=1e-6)


def test_residuals_between_two_steps_are_rounded_up() -> None:
    """In the grid of blocks all of a mode may lie there, and rounding errors must not scatter them."""
    blocks = np.zeros((6, 6, 64), np.int16)
    blocks[..., 1] = np.where(np.indices((6, 6)).sum(0) % 2, 1, -1)
    steps = np.full(64, 5, np.uint16)
    found = dctr.plane_features(dct.samples(blocks, steps), 2.0)[:5] ** 2
    np.testing.assert_allclose(found, [0.5, 0, 0, 0.5, 0], atol=1e-6)  # half of them from the transposed plane


def test_steps_get_finer_with_quality() -> None:
    assert [dctr.step_of(quality) for quality in (50, 75, 90)] == pytest.approx([8, 4, 1.6])
    assert dctr.step_of(100) == dctr.step_of(98) > 0
    assert dctr.step_of(25) == 16
