"""JPEG files written as they were read, and with other coefficients."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import jpegs
from jpegs import File, Scan
from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.entropy import MINUS, PLUS
from stegcinn.carriers.jpegfile.file import JpegFile, LackingError
from stegcinn.carriers.jpegfile.markers import NATURAL
from stegcinn.carriers.jpegfile.quality import estimated_quality, standard_table
from stegcinn.errors import ImageError

QUALITIES = (30, 50, 75, 85, 92, 98)
SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
KINDS = {
    "baseline": {},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "restart by blocks": {"restart_marker_blocks": 3},
    "restart by rows": {"restart_marker_rows": 1},
    "progressive with restarts": {"progressive": True, "restart_marker_blocks": 1},
}
SIZES = ((64, 64), (65, 71), (1, 1), (17, 200), (129, 8))
EVENTS = st.integers(0, 2**32 - 1)


def read(data: bytes) -> JpegFile:
    return JpegFile.read(data, "the image")


def blocks(jpeg: JpegFile) -> list[jpegs.Blocks]:
    return [component.coefficients for component in jpeg.components]


def same(ours: list[jpegs.Blocks], others: list[jpegs.Blocks]) -> bool:
    return all(itertools.starmap(np.array_equal, zip(ours, others, strict=True)))


def moved(jpeg: JpegFile, seed: int, share: float = 0.05, planes: tuple[int, ...] = (1, 2)) -> JpegFile:
    """Some coefficients are one more or less, of those that its codes let change by themselves."""
    rng, changed = np.random.default_rng(seed), {}
    for plane in planes:
        moves, by = jpeg.codable(plane), jpeg.components[plane].coefficients.copy()
        up, chosen = rng.random(by.shape) < 0.5, rng.random(by.shape) < share
        by[chosen & up & ((moves & PLUS) > 0)] += 1
        by[chosen & ~up & ((moves & MINUS) > 0)] -= 1
        changed[plane] = by
    return jpeg.with_coefficients(changed)


def settled(jpeg: JpegFile) -> JpegFile:
    """The same without the changes that lack codes together, as hiding would take them back."""
    while len(places := jpeg.missing_symbols().places):
        changed = [component.coefficients.copy() for component in jpeg.components]
        for plane, row, column in places:
            changed[plane][row, column] = jpeg.was[plane][row, column]
        jpeg = jpeg.with_coefficients(dict(enumerate(changed)))
    return jpeg


def outside(data: bytes, jpeg: JpegFile) -> list[bytes]:
    """What is between the entropy-coded segments."""
    stops = [0, *(scan.stop for scan in jpeg.layout.scans)]
    starts = [*(scan.start for scan in jpeg.layout.scans), len(data)]
    return [data[stop:start] for stop, start in zip(stops, starts, strict=True)]


def check_changed(jpeg: JpegFile) -> bytes | None:
    """It is written as wanted, or codes lack for the changes."""
    lacking = jpeg.missing_symbols()
    if lacking.symbols:
        with pytest.raises(LackingError, match="lack"):
            jpeg.write()
        changed = [(a != b).any(axis=2) for a, b in zip(jpeg.was, blocks(jpeg), strict=True)]
        assert len(lacking.places)
        assert all(changed[plane][row, column] for plane, row, column in lacking.places)
        return None
    data = jpeg.write()
    again = read(data)
    assert same(blocks(again), blocks(jpeg))
    assert outside(data, again) == outside(jpeg.data, jpeg)
    assert again.write() == data
    return data


# -- files that do not change


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_file_comes_back_byte_for_byte(sampling: str, kind: str) -> None:
    for quality, (width, height) in itertools.product(QUALITIES, SIZES):
        data = jpegs.saved(jpegs.picture(width, height, quality), quality=quality, subsampling=sampling, **KINDS[kind])
        jpeg = read(data)
        assert (jpeg.width, jpeg.height, jpeg.pixels) == (width, height, width * height)
        assert jpeg.quality == (quality, True)
        assert jpeg.write() == data
        assert jpeg.with_coefficients({n: b.copy() for n, b in enumerate(blocks(jpeg))}).write() == data


@pytest.mark.parametrize("kind", ["baseline", "optimised", "restart by blocks"])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_coefficients_are_those_that_a_slow_decoder_reads(sampling: str, kind: str) -> None:
    for quality, (width, height) in zip((30, 75, 95), SIZES[1:4], strict=True):
        rgb = jpegs.picture(width, height, quality)
        data = jpegs.saved(rgb, quality=quality, subsampling=sampling, **KINDS[kind])
        assert same(blocks(read(data)), jpegs.read_baseline(data))
        baseline, progressive = (
            read(data),
            read(jpegs.saved(rgb, quality=quality, subsampling=sampling, progressive=True)),
        )
        for ours, others in zip(baseline.components, progressive.components, strict=True):
            assert np.array_equal(ours.visible, others.visible)


@pytest.mark.parametrize("progressive", [False, True])
@given(seed=EVENTS)
@settings(deadline=None)
def test_any_scans_samplings_and_habits_are_read_and_kept(progressive: bool, seed: int) -> None:
    file = jpegs.random_file(seed, progressive)
    data = jpegs.build(file)
    jpeg = read(data)
    assert same(blocks(jpeg), file.blocks)
    assert jpeg.write() == data
    for component, (rows, columns, *visible) in zip(
        jpeg.components, jpegs.geometry(file.width, file.height, file.sampling), strict=True
    ):
        assert component.coefficients.shape == (rows, columns, 64)
        assert [component.visible_rows, component.visible_columns] == visible


@pytest.mark.parametrize("progressive", [False, True])
def test_coefficients_are_those_that_jpeglib_reads(progressive: bool, tmp_path: Path) -> None:
    jpeglib = pytest.importorskip("jpeglib")
    path = tmp_path / "a.jpg"
    compared = 0
    for seed in range(60):
        file = jpegs.random_file(seed, progressive)
        file.tail = b"\xff\xd9"
        path.write_bytes(jpegs.build(file))
        try:
            others = jpeglib.read_dct(str(path))
        except OSError:  # samplings that it does not know
            continue
        for component, name in zip(read(path.read_bytes()).components, ("Y", "Cb", "Cr"), strict=True):
            theirs = getattr(others, name)[: component.visible_rows, : component.visible_columns]
            assert np.array_equal(theirs.reshape(component.visible.shape), component.visible)
        compared += 1
    assert compared > 40


def ycc(data: bytes) -> np.ndarray:
    """What Pillow decodes, before it is made RGB."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("YCbCr", image.size)
        return np.asarray(image).astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_the_coefficients_changed_or_not(kind: str) -> None:
    data = jpegs.saved(jpegs.picture(83, 61), quality=90, subsampling="4:4:4", **KINDS[kind])
    for jpeg in (read(data), settled(moved(read(data), 1, planes=(0, 1, 2)))):
        seen = ycc(jpeg.write())
        for plane, component in enumerate(jpeg.components):
            samples = jpegs.plane_of(component.coefficients, component.quantisation)[: jpeg.height, : jpeg.width]
            assert np.abs(samples - seen[..., plane]).max() < 1.6


def test_the_source_decodes_once() -> None:
    data = jpegs.saved(jpegs.picture(80, 80))
    source = Source(data)
    assert source.coefficients() is source.coefficients()
    assert source.notes == []
    with pytest.raises(ImageError, match="not a JPEG file"):
        Source(b"\x89PNG\r\n\x1a\n and so on").coefficients()
    with pytest.raises(ImageError, match="is no file"):
        Source(Image.open(io.BytesIO(data))).coefficients()


# -- changed coefficients


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_changed_chroma_is_written_and_all_else_stays(sampling: str, kind: str) -> None:
    for seed, (width, height) in enumerate(SIZES):
        data = jpegs.saved(jpegs.picture(width, height), quality=85, subsampling=sampling, **KINDS[kind])
        jpeg = settled(moved(read(data), seed, share=0.03))
        written = check_changed(jpeg)
        assert written
        assert np.array_equal(read(written).luma.coefficients, read(data).luma.coefficients)
        assert written != data or width * height < 64
        assert np.array_equal(ycc(written)[..., 0], ycc(data)[..., 0])


@pytest.mark.parametrize("progressive", [False, True])
@given(seed=EVENTS, share=st.sampled_from([0.0005, 0.01, 0.3]))
@settings(deadline=None)
def test_any_change_of_any_file_is_written(progressive: bool, seed: int, share: float) -> None:
    file = jpegs.random_file(seed, progressive)
    jpeg = moved(read(jpegs.build(file)), seed, share, planes=(0, 1, 2))
    check_changed(jpeg)
    assert check_changed(settled(jpeg))


@given(seed=EVENTS)
@settings(deadline=None)
def test_large_changes_are_written(seed: int) -> None:
    file = jpegs.random_file(seed, seed % 2 == 1)
    file.full_tables = True
    jpeg, rng, changed = read(jpegs.build(file)), np.random.default_rng(seed), {}
    for plane, component in enumerate(jpeg.components):
        by, moves = component.coefficients.copy(), jpeg.codable(plane)
        moves[..., 0] = 0
        chosen = (rng.random(by.shape) < 0.02) & (moves > 0)
        by[chosen] = rng.integers(-500, 500, by.shape)[chosen]
        changed[plane] = by
    check_changed(jpeg.with_coefficients(changed))


@pytest.mark.parametrize("progressive", [False, True])
def test_only_the_bits_of_changed_blocks_change(progressive: bool) -> None:
    """An encoder that ends each block by a code of its own, and pads with zeros: others would make one run of them."""
    sizes = jpegs.geometry(160, 160, [(1, 1)] * 3)
    file = File(160, 160, [(1, 1)] * 3, [np.zeros((*size[:2], 64), np.int16) for size in sizes], [], progressive)
    file.scans = [Scan([0, 1, 2], 0, 0), *(Scan([n], 1, 63) for n in range(3))] if progressive else [Scan([0, 1, 2])]
    file.pad, file.longest_run, file.full_tables = "0", 1, True
    file.blocks[1][::3, ::2, 9] = 4
    data = jpegs.build(file)
    changed = file.blocks[1].copy()
    changed[3, 2, 9], changed[15, 7, 1], changed[16, 7, 1] = 0, 1, -1
    jpeg = read(data).with_coefficients({1: changed})
    file.blocks[1] = changed
    assert jpeg.write() == jpegs.build(file)


def test_only_intervals_with_changed_blocks_change() -> None:
    data = jpegs.saved(jpegs.picture(160, 160), quality=90, restart_marker_rows=1)
    jpeg = read(data)
    changed = jpeg.chroma[1].coefficients.copy()
    changed[4, 3, 1] += 1
    written = jpeg.with_coefficients({2: changed}).write()
    intervals = [re.split(rb"\xff[\xd0-\xd7]", d) for d in (data, written)]
    assert [n for n, (a, b) in enumerate(zip(*intervals, strict=True)) if a != b] == [4]


def test_an_array_of_another_kind_is_refused() -> None:
    jpeg = read(jpegs.saved(jpegs.picture(70, 66), progressive=True))
    plain = jpeg.luma.coefficients
    for wrong in (plain.astype(np.int32), plain[:-1], plain.reshape(-1, 64)):
        with pytest.raises(ValueError, match="must be int16"):
            jpeg.with_coefficients({0: wrong})
    least = plain.copy()
    least[0, 0, 5] = -32768
    padding = plain.copy()
    padding[-1, -1, 5] = 1  # AC scans of progressive files have no padding
    for wrong in (least, padding):
        with pytest.raises(ValueError, match="does not code"):
            jpeg.with_coefficients({0: wrong})
    strided = np.asfortranarray(plain)
    assert jpeg.with_coefficients({0: strided}).write() == jpeg.data


def test_arrays_do_not_change_behind_its_back() -> None:
    jpeg = read(jpegs.saved(jpegs.picture(64, 64)))
    given_array = jpeg.chroma[0].coefficients.copy()
    given_array[0, 0, 1] += 1
    changed = jpeg.with_coefficients({1: given_array})
    written = changed.write()
    given_array[0, 0, 1] += 1
    assert changed.write() == written
    for component in (*jpeg.components, *changed.components):
        with pytest.raises(ValueError, match="read-only"):
            component.coefficients[0, 0, 0] = 1


# -- codes that lack


@pytest.mark.parametrize("progressive", [False, True])
@given(seed=EVENTS)
@settings(max_examples=40, deadline=None)
def test_codable_tells_which_single_changes_can_be_written(progressive: bool, seed: int) -> None:
    file = jpegs.random_file(seed, progressive)
    file.full_tables = seed % 4 == 0
    jpeg, rng = read(jpegs.build(file)), np.random.default_rng(seed)
    for plane, component in enumerate(jpeg.components):
        moves = jpeg.codable(plane)
        for _ in range(20):
            at = tuple(rng.integers(0, size) for size in moves.shape)
            for move, by in ((PLUS, 1), (MINUS, -1)):
                changed = component.coefficients.copy()
                changed[at] += by
                try:
                    jpeg.with_coefficients({plane: changed}).write()
                    codable = True
                except (LackingError, ValueError):
                    codable = False
                assert codable == bool(moves[at] & move)


def test_codes_that_lack_are_told() -> None:
    grays = [np.zeros((2, 2, 64), np.int16) for _ in range(3)]
    grays[1][0, 1, 1] = 1
    file = File(16, 16, [(1, 1)] * 3, grays, [Scan([0, 1, 2])])
    jpeg = read(jpegs.build(file))
    changed = grays[1].copy()
    changed[1, 0, NATURAL[20]] = 2
    wanted = jpeg.with_coefficients({1: changed})
    lacking = wanted.missing_symbols()
    assert lacking.symbols == ((1, "AC", 0x32), (1, "AC", 0xF0))
    assert lacking.places.tolist() == [[1, 1, 0]]
    with pytest.raises(LackingError, match="lack 2 codes for 1 changed blocks"):
        wanted.write()
    assert jpeg.missing_symbols().symbols == ()
    assert jpeg.codable(1)[1, 0, 1] == PLUS | MINUS
    assert jpeg.codable(1)[1, 0, 8] == 0
    assert not (jpeg.codable(0)[..., 1:]).any()


def test_codes_that_a_change_takes_from_the_next_block_are_told() -> None:
    grays = [np.zeros((1, 3, 64), np.int16) for _ in range(3)]
    grays[1][0, :, 0] = [0, 0, 7]
    jpeg = read(jpegs.build(File(24, 8, [(1, 1)] * 3, grays, [Scan([0, 1, 2])])))
    changed = grays[1].copy()
    changed[0, 1, 0] = 4
    lacking = jpeg.with_coefficients({1: changed}).missing_symbols()
    assert lacking.symbols == ((1, "DC", 2),)
    assert lacking.places.tolist() == [[1, 0, 1]]


def test_a_step_that_no_code_can_have_is_told() -> None:
    grays = [np.zeros((1, 2, 64), np.int16) for _ in range(3)]
    jpeg = read(jpegs.build(File(16, 8, [(1, 1)] * 3, grays, [Scan([0, 1, 2])], full_tables=True)))
    changed = grays[1].copy()
    changed[0, :, 0] = [32767, -32767]
    lacking = jpeg.with_coefficients({1: changed}).missing_symbols()
    assert lacking.symbols == ((1, "DC", 15), (1, "DC", 16))
    assert lacking.places.tolist() == [[1, 0, 0], [1, 0, 1]]


def test_runs_of_blocks_are_made_of_the_codes_there_are() -> None:
    """A run of nine is cut into four and four, where there are codes for two or three and for eight to fifteen."""
    grays = [np.zeros((1, 12, 64), np.int16) for _ in range(3)]
    grays[1][0, 11, 63] = 1
    scans = [Scan([0, 1, 2], 0, 0), *(Scan([n], 1, 62) for n in range(3)), *(Scan([n], 63, 63) for n in range(3))]
    file = File(96, 8, [(1, 1)] * 3, grays, scans, progressive=True, longest_run=9)
    jpeg = read(jpegs.build(file))
    for place in range(9):
        changed = grays[1].copy()
        changed[0, place, 63] = 1
        wanted = jpeg.with_coefficients({1: changed})
        codable = place not in (1, 7)  # a run of one on either side
        assert bool(jpeg.codable(1)[0, place, 63] & PLUS) == codable
        if codable:
            assert check_changed(wanted)
        else:
            assert wanted.missing_symbols().symbols == ((1, "AC", 0),)
            assert wanted.missing_symbols().places.tolist() == [[1, 0, place]]


def test_bits_that_no_scan_has_cannot_change() -> None:
    """A progressive file whose last scans were never sent."""
    grays = [np.zeros((2, 2, 64), np.int16) for _ in range(3)]
    for plane in grays:
        plane[..., 0], plane[..., 1] = 8, -4
    scans = [Scan([0, 1, 2], 0, 0, 0, 1), *(Scan([n], 1, 5, 0, 2) for n in range(3))]
    jpeg = read(jpegs.build(File(16, 16, [(1, 1)] * 3, grays, scans, progressive=True, full_tables=True)))
    assert same(blocks(jpeg), grays)
    assert not jpeg.codable(1).any()
    for place, by in ((0, 1), (1, 1), (1, 2), (63, 1)):
        changed = grays[1].copy()
        changed[0, 0, place] += by
        with pytest.raises(ValueError, match="does not code"):
            jpeg.with_coefficients({1: changed})
    changed = grays[1].copy()
    changed[0, 0, 0], changed[1, 1, 1], changed[0, 1, 8] = 10, 0, 4
    check_changed(jpeg.with_coefficients({1: changed}))


# -- quality


def test_quality_is_told_by_the_table() -> None:
    for quality in (1, 30, 75, 98, 100):
        for chroma in (False, True):
            assert estimated_quality(standard_table(quality, chroma), chroma) == (quality, True)
    other = list(standard_table(80, False))
    other[5] += 1
    assert estimated_quality(other, False) == (80, False)
    with pytest.raises(ValueError, match="64 steps"):
        estimated_quality(other[:63], False)
