"""Simulated embedding in coefficients of JPEG files, and what changes cost there."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from jpegs import picture, saved
from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import wavelet
from stegcinn.evaluation.baselines.jpeg import embed, juniward, uerd
from stegcinn.runtime.arrays import Int16


def host(width: int = 96, height: int = 80, subsampling: str = "4:4:4") -> JpegFile:
    return JpegFile.read(saved(picture(width, height), quality=90, subsampling=subsampling), "host")


def moved(before: JpegFile, after: JpegFile, plane: int) -> Int16:
    return after.components[plane].coefficients - before.components[plane].coefficients


# -- samples


def test_samples_are_what_pillow_decodes_but_for_rounding() -> None:
    jpeg = host()
    with Image.open(io.BytesIO(jpeg.data)) as image:
        image.draft("YCbCr", image.size)
        decoded = np.asarray(image).astype(np.float64)
    for plane, component in enumerate(jpeg.components):
        samples = np.clip(dct.samples(component.visible, component.quantisation) + 128, 0, 255)
        assert np.abs(samples - decoded[..., plane]).max() <= 1


def test_coefficients_undo_samples() -> None:
    luma = host().luma
    found = dct.coefficients(dct.samples(luma.visible, luma.quantisation), luma.quantisation)
    np.testing.assert_allclose(found, luma.visible, atol=1e-3)


# -- costs


def test_uerd_divides_the_step_by_what_the_block_and_a_quarter_of_its_neighbours_hold() -> None:
    blocks = np.zeros((3, 4, 64), np.int16)
    blocks[1, 1, 9] = -3
    blocks[0, 0, 0] = 77  # DC holds nothing
    steps = np.arange(1, 65, dtype=np.uint16)
    cost = uerd.costs(blocks, steps)
    np.testing.assert_allclose(cost[1, 1, 1:], steps[1:] / 30)
    np.testing.assert_allclose(cost[2, 2, 1:], steps[1:] / 7.5)
    assert cost[1, 1, 0] == pytest.approx((2 + 9) / 2 / 30)
    assert np.isinf(cost[:, 3]).all()


def test_uerd_takes_blocks_beyond_the_border_for_the_nearest() -> None:
    blocks = np.zeros((2, 2, 64), np.int16)
    blocks[0, 0, 1] = 1
    cost = uerd.costs(blocks, np.ones(64, np.uint16))
    assert cost[0, 0, 1] == pytest.approx(1 / (1 + 3 / 4))


def test_the_wavelet_is_orthonormal() -> None:
    for taps in (wavelet.HIGH, wavelet.LOW):
        assert (taps**2).sum() == pytest.approx(1)
    assert wavelet.HIGH.sum() == pytest.approx(0, abs=1e-6)
    assert pytest.approx(0, abs=1e-6) == wavelet.LOW @ wavelet.HIGH


def test_juniward_costs_are_relative_changes_of_wavelets() -> None:
    component = host(56, 56).chroma[0]
    cost = juniward.costs(component.visible, component.quantisation)

    def wavelets(blocks: Int16) -> list[np.ndarray]:
        plane = dct.samples(blocks, component.quantisation).astype(np.float64)
        filtered = []
        for down, along in wavelet.BANDS:
            rows = np.stack([np.correlate(line, along) for line in plane])
            filtered.append(np.stack([np.correlate(line, down) for line in rows.T]).T)
        return filtered

    was = wavelets(component.visible)
    for mode in (0, 1, 8, 27, 63):
        blocks = component.visible.copy()
        blocks[3, 3, mode] += 1
        expected = sum(
            (np.abs(a - b) / (juniward.SIGMA + np.abs(b))).sum() for a, b in zip(wavelets(blocks), was, strict=True)
        )
        assert cost[3, 3, mode] == pytest.approx(expected, rel=1e-3)


def test_flat_costs_leave_zeros_and_dc() -> None:
    blocks = np.zeros((1, 1, 64), np.int16)
    blocks[0, 0, [0, 5]] = 3, -1
    cost = embed.flat(blocks, np.ones(64, np.uint16))
    assert np.flatnonzero(np.isfinite(cost)).tolist() == [5]


# -- embedding


@pytest.mark.parametrize("planes", [embed.CHROMA, embed.ALL, (2,)])
@pytest.mark.parametrize("costs", [embed.flat, uerd.costs, juniward.costs])
def test_changes_are_by_one_and_in_the_planes_alone(costs: embed.CostFunction, planes: tuple[int, ...]) -> None:
    jpeg = host(90, 75, "4:2:0")  # blocks that only pad are not touched
    stego = embed.at_bound(jpeg, costs, 200, np.random.default_rng(0), planes)
    assert sum(np.count_nonzero(moved(jpeg, stego, plane)) for plane in planes) > 20
    for plane, component in enumerate(jpeg.components):
        steps = moved(jpeg, stego, plane)
        assert set(np.unique(steps)) <= ({-1, 0, 1} if plane in planes else {0})
        assert not steps[component.visible_rows :].any()
        assert not steps[:, component.visible_columns :].any()


def test_flat_changes_carry_the_bits() -> None:
    jpeg = host(256, 256)
    n = embed.nonzero_ac(jpeg)
    stego = embed.at_bound(jpeg, embed.flat, 0.5 * n, np.random.default_rng(1))
    share = sum(np.count_nonzero(moved(jpeg, stego, plane)) for plane in embed.CHROMA) / n
    entropy = -share * np.log2(share / 2) - (1 - share) * np.log2(1 - share)
    assert entropy == pytest.approx(0.5, abs=0.06)


def test_there_are_as_many_nonzero_coefficients_as_pillow_wrote() -> None:
    jpeg = host()
    assert embed.nonzero_ac(jpeg) == sum(
        sum(1 for block in c.visible.reshape(-1, 64) for value in block[1:] if value) for c in jpeg.chroma
    )


def test_nsf5_comes_nearer_to_zero_as_rarely_as_codes_allow() -> None:
    jpeg = host(256, 256)
    n = embed.nonzero_ac(jpeg)
    stego = embed.nsf5(jpeg, 0.5 * n, np.random.default_rng(0))
    count = 0
    for plane in embed.CHROMA:
        steps, was = moved(jpeg, stego, plane), jpeg.components[plane].coefficients
        assert not steps[..., 0].any()
        np.testing.assert_array_equal(steps[steps != 0], -np.sign(was[steps != 0]))
        count += np.count_nonzero(steps)
    assert count / n == pytest.approx(0.11, abs=0.001)  # H(0.11) = 0.5
    assert not moved(jpeg, stego, 0).any()


def test_the_least_share_of_changes() -> None:
    assert embed.changes_per_element(1.0) == pytest.approx(0.5)
    assert embed.changes_per_element(0.5) == pytest.approx(0.110028, abs=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    jpeg, rng = host(), np.random.default_rng(0)
    n = embed.nonzero_ac(jpeg)
    with pytest.raises(CapacityError):
        embed.nsf5(jpeg, n + 1, rng)
    with pytest.raises(CapacityError):
        embed.at_bound(jpeg, embed.flat, 1.6 * n, rng)
