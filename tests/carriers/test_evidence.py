"""Structures of hosts that prove any change: each is found, wherever it is, and honest photos have none."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps, features
from skimage import data as skimage_data

from photos import crop
from stegcinn.carriers.base import Source
from stegcinn.carriers.evidence.decoders import Decoder, decoders
from stegcinn.carriers.evidence.lattices import decodable
from stegcinn.carriers.evidence.parts import unclipped
from stegcinn.carriers.evidence.repeats import is_enlarged
from stegcinn.carriers.evidence.search import (
    ENLARGED,
    PALETTE,
    STRETCHED,
    TONED,
    as_decoded,
    find_evidence,
)  # fmt: skip
from stegcinn.runtime.arrays import Int64, UInt8

AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
FILTERS = [Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX]


def saved(rgb: UInt8, kind: str, **options: object) -> UInt8:
    """As a file of this kind gives it back."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind, **options)
    return np.array(Image.open(buffer).convert("RGB"))


def scaled(rgb: UInt8, factor: float, by: Image.Resampling = Image.Resampling.LANCZOS) -> UInt8:
    height, width = (round(factor * side) for side in rgb.shape[:2])
    return np.array(Image.fromarray(rgb).resize((width, height), by))


def by_value(rgb: UInt8, change: Callable[[int], float]) -> UInt8:
    """Each sample replaced by what an 8-bit program makes of it."""
    table = [min(255, max(0, round(change(value)))) for value in range(256)]
    return np.array(table, np.uint8)[rgb]


def host() -> UInt8:
    """A photo that was never compressed at this size."""
    return crop("astronaut", 192, 224)


# Arithmetic, each as its source has it: of Y, Cb - 128 and Cr - 128


def stb(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    def fixed(value: float) -> int:
        return int(value * 4096 + 0.5) << 8

    whole = (y << 20) + (1 << 19)
    green = whole - r * fixed(0.71414) + ((b * -fixed(0.34414)) & 0xFFFF0000).astype(np.int32)
    return whole + r * fixed(1.402) >> 20, green >> 20, whole + b * fixed(1.772) >> 20


def libheif(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    return y + (359 * r + 128 >> 8), y + (-88 * b - 183 * r + 128 >> 8), y + (454 * b + 128 >> 8)


def truncating(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    exact = y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b
    return tuple(np.floor(channel.round(9)).astype(int) for channel in exact)


def rounding(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    exact = y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b
    return tuple(np.floor(channel + 0.5).astype(int) for channel in exact)


def eight_bits(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    return y + (359 * r >> 8), y + (-88 * b - 183 * r >> 8), y + (454 * b >> 8)


def shifting(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    return y + (359 * r >> 8), y - (88 * b + 183 * r >> 8), y + (454 * b >> 8)


def golang(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    whole = y * 0x10101
    return whole + 91881 * r >> 16, whole - 22554 * b - 46802 * r >> 16, whole + 116130 * b >> 16


def ten_bits(y: Int64, b: Int64, r: Int64) -> tuple[Int64, Int64, Int64]:
    """One that we do not know."""
    return y + (1436 * r + 512 >> 10), y + (-352 * b - 731 * r + 512 >> 10), y + (1815 * b + 512 >> 10)


Arithmetic = Callable[[Int64, Int64, Int64], tuple[Int64, Int64, Int64]]
KNOWN = [stb, libheif, truncating, eight_bits, shifting, golang]


def redecoded(rgb: UInt8, arithmetic: Arithmetic) -> UInt8:
    """As a decoder of this arithmetic makes it from 8-bit luma and chroma."""
    ycc = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(np.int64)
    channels = arithmetic(ycc[..., 0], ycc[..., 1] - 128, ycc[..., 2] - 128)
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


# the lattices


@pytest.mark.parametrize("quality", [60, 90, 100])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_every_unclipped_colour_of_libjpeg_is_on_its_lattice(quality: int, subsampling: int) -> None:
    rgb = saved(skimage_data.astronaut(), "JPEG", quality=quality, subsampling=subsampling)
    inside = unclipped(rgb)
    assert inside.any()
    assert np.array_equal(decodable(rgb) & inside, inside)
    assert find_evidence(rgb) == as_decoded("JPEG")


SHARES = [0.236] * 7 + [0.158, 0.159, 0.235]  # of all colours, counted over all of Y, Cb and Cr


@pytest.mark.parametrize(("decoder", "share"), list(zip(decoders(), SHARES, strict=True)), ids=range(len(SHARES)))
def test_a_lattice_holds_no_more_than_the_decoder_makes(decoder: Decoder, share: float) -> None:
    colours = np.random.default_rng(0).integers(1, 255, (200_000, 3), dtype=np.uint8)
    assert decoder.makes(colours).mean() == pytest.approx(share, abs=0.003)


@pytest.mark.parametrize("arithmetic", KNOWN)
def test_all_colours_of_an_arithmetic_are_on_its_lattice(arithmetic: Arithmetic) -> None:
    rgb = redecoded(skimage_data.coffee(), arithmetic)
    rgb = rgb[unclipped(rgb)]
    assert max(each.makes(rgb).mean() for each in decoders()) == 1


@pytest.mark.parametrize("arithmetic", [*KNOWN, rounding, ten_bits])
def test_what_any_jpeg_decoder_made_is_told(arithmetic: Arithmetic) -> None:
    assert find_evidence(redecoded(host(), arithmetic)).startswith("this photo is as a JPEG")


@pytest.mark.parametrize("quality", [50, 90])
def test_what_libwebp_made_is_told(quality: int) -> None:
    rgb = saved(host(), "WEBP", quality=quality)
    assert decoders()[7].makes(rgb)[unclipped(rgb)].all()
    assert find_evidence(rgb) == as_decoded("WebP")


@AVIF
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("spread", ["full", "limited"])
def test_what_pillow_made_of_an_avif_is_told(spread: str, subsampling: str) -> None:
    rgb = saved(host(), "AVIF", quality=70, range=spread, subsampling=subsampling, speed=9)
    assert max(each.makes(rgb)[unclipped(rgb)].mean() for each in decoders() if each.kind == "AVIF") > 0.95
    assert find_evidence(rgb) == as_decoded("AVIF")


def test_a_decoded_photo_is_told_whatever_was_done_to_a_few_pixels() -> None:
    rgb = saved(host(), "JPEG", quality=95)
    rgb[::10, ::3, 2] ^= 1
    assert find_evidence(rgb) == as_decoded("JPEG")
    rgb = saved(host(), "JPEG", quality=95)
    image = Image.fromarray(rgb)
    ImageDraw.Draw(image).text((20, 150), "captioned", fill=(250, 240, 10))
    assert find_evidence(np.array(image)) == as_decoded("JPEG")


@pytest.mark.parametrize("side", [32, 48, 90])
@pytest.mark.parametrize("make", [
    lambda rgb: saved(rgb, "JPEG", quality=85), lambda rgb: saved(rgb, "WEBP", quality=85),
    lambda rgb: redecoded(rgb, golang), lambda rgb: redecoded(rgb, truncating),
], ids=["libjpeg", "libwebp", "go", "truncating"])  # fmt: skip
def test_a_decoded_area_is_found(make: Callable[[UInt8], UInt8], side: int) -> None:
    rgb = scaled(skimage_data.astronaut(), 0.8)
    top, left = 143, 91  # off the grid of tiles
    assert find_evidence(rgb) is None
    area = np.s_[top : top + side, left : left + side]
    rgb[area] = make(crop("coffee", 256, 256, 90, 150))[50 : 50 + side, 60 : 60 + side]
    assert find_evidence(rgb).startswith("part of this photo is as a ")


def test_a_screenshot_with_a_decoded_photo_in_it_is_told() -> None:
    rgb = np.full((300, 400, 3), (236, 240, 243), np.uint8)
    rgb[60:252, 100:324] = saved(host(), "JPEG", quality=80)
    assert find_evidence(rgb) == as_decoded("JPEG")


# few colours


@pytest.mark.parametrize("method", [Image.Quantize.MEDIANCUT, Image.Quantize.FASTOCTREE])
@pytest.mark.parametrize("colours", [64, 256])
def test_a_palette_is_told(colours: int, method: Image.Quantize) -> None:
    rgb = np.array(Image.fromarray(host()).quantize(colours, method=method).convert("RGB"))
    assert find_evidence(rgb) == PALETTE


def test_fewer_bits_per_channel_are_told() -> None:
    assert find_evidence(host() & np.array([0xF8, 0xFC, 0xF8], np.uint8)) == PALETTE


SEPIA = (0.39, 0.77, 0.19, 0, 0.35, 0.69, 0.17, 0, 0.27, 0.53, 0.13, 0)


@pytest.mark.parametrize("tone", [
    lambda image: ImageOps.colorize(image.convert("L"), "#201005", "#fff0d0", mid="#a07850"),
    lambda image: image.convert("L").convert("RGB").convert("RGB", SEPIA),
], ids=["colorize", "matrix"])  # fmt: skip
def test_a_toned_photo_is_told(tone: Callable[[Image.Image], Image.Image]) -> None:
    rgb = np.array(tone(Image.fromarray(skimage_data.astronaut())))
    assert find_evidence(rgb) == TONED


# empty levels


@settings(max_examples=15, deadline=None)
@given(st.floats(1.08, 3), st.integers(0, 40))
def test_stretched_contrast_is_told(gain: float, black: int) -> None:
    rgb = by_value(host(), lambda value: gain * (value - black))
    assert find_evidence(rgb) in (STRETCHED, PALETTE)


def test_one_stretched_channel_and_a_curve_are_told() -> None:
    rgb = host()
    for gain in (1.2, 3, 4):  # 4 leaves three empty levels at a time
        rgb[..., 2] = by_value(host()[..., 2], lambda value, gain=gain: gain * (value - 10))
        assert find_evidence(rgb) == STRETCHED
    assert find_evidence(by_value(host(), lambda value: 255 * (value / 255) ** 0.7)) == STRETCHED


# repeated pixels


@pytest.mark.parametrize("factor", [1.1, 1.5, 2.0, 3.0, 4.0])
def test_enlarging_without_interpolation_is_told(factor: float) -> None:
    assert find_evidence(scaled(host(), factor, Image.Resampling.NEAREST)) == ENLARGED


def test_an_enlarged_area_is_found() -> None:
    rgb = scaled(skimage_data.astronaut(), 0.8)
    rgb[143:207, 91:155] = scaled(crop("coffee", 32, 32, 150, 250), 2, Image.Resampling.NEAREST)
    assert find_evidence(rgb) == ENLARGED


def test_slow_gradients_are_not_enlarged() -> None:
    row, column = np.mgrid[:192, :192]
    ramp = 60 + (row + 2) // 5 + (column + 1) // 5
    assert not is_enlarged(np.stack([ramp, ramp + 20, ramp + 50], axis=-1).astype(np.uint8))


# photos that are none of this


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_photos_that_were_not_compressed_at_their_size_have_no_evidence(name: str) -> None:
    assert find_evidence(getattr(skimage_data, name)()) is None


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_half_of_a_compressed_photo_has_no_evidence(name: str, kind: str, subsampling: int) -> None:
    options = {"subsampling": subsampling} if kind == "JPEG" else {}
    assert find_evidence(scaled(saved(getattr(skimage_data, name)(), kind, quality=90, **options), 0.5)) is None


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["astronaut", "chelsea", "coffee", "rocket"]), st.floats(0.35, 0.85), st.sampled_from(FILTERS))
def test_scaled_photos_have_no_evidence(name: str, factor: float, by: Image.Resampling) -> None:
    """But by the box filter from JPEG, which copies pixels."""
    rgb = getattr(skimage_data, name)()
    if by is Image.Resampling.BOX and name in ("chelsea", "rocket"):
        by = Image.Resampling.HAMMING
    assert find_evidence(scaled(rgb, factor, by)) is None


def test_white_skies_dark_photos_and_pale_ones_have_no_evidence() -> None:
    rgb = scaled(skimage_data.astronaut(), 0.7).astype(np.int16)
    white = (rgb + 130).clip(0, 255)
    white[:150] = 255
    dark = rgb // 6
    luma = rgb.mean(axis=-1, keepdims=True)
    pale = luma + 0.25 * (rgb - luma)
    for each in (white, dark, pale):
        assert find_evidence(each.astype(np.uint8)) is None


@pytest.mark.parametrize("spread", [1, 3])
def test_flat_areas_have_no_evidence(spread: int) -> None:
    noise = np.random.default_rng(spread).normal(0, spread, (200, 200, 3))
    for colour in ((120, 121, 122), (90, 140, 200), (40, 30, 28)):
        assert find_evidence((colour + noise).round().astype(np.uint8)) is None


def test_an_area_of_few_decodable_colours_has_no_evidence() -> None:
    """Any flat area has such colours by chance."""
    rgb = host()
    flat = saved(np.full((64, 64, 3), (90, 140, 200), np.uint8), "JPEG")
    flat[::2] += 1  # another luma: as decodable
    flat[:, 20:40] = saved(np.full((64, 20, 3), (70, 150, 180), np.uint8), "JPEG")
    assert decodable(flat).all()
    rgb[43:107, 59:123] = flat
    assert find_evidence(rgb) is None


def test_black_and_white_and_gray_tell_nothing() -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[32:] = 255
    assert find_evidence(rgb) is None
    gray = np.repeat(skimage_data.camera()[..., None], 3, axis=-1)
    assert find_evidence(scaled(gray, 0.5)) is None


# files


def file_of(kind: str, rgb: UInt8, **options: object) -> bytes:
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": [Image.fromarray(rgb[::-1])]} if kind == "MPO" else {}
    Image.fromarray(rgb).save(buffer, kind, **options, **more)
    return buffer.getvalue()


LOSSY = [("JPEG", {}, "JPEG"), ("MPO", {}, "JPEG"), ("WEBP", {}, "WebP"), ("TIFF", {"compression": "jpeg"}, "JPEG")]
LOSSLESS = [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {})]


@pytest.mark.parametrize(("kind", "options", "told"), [
    *LOSSY, pytest.param("AVIF", {"speed": 9}, "AVIF", marks=AVIF),
])  # fmt: skip
def test_the_pixels_of_a_lossy_file_are_decoded_whatever_they_are(kind: str, options: dict, told: str) -> None:
    flat = np.full((128, 128, 3), (90, 140, 200), np.uint8)
    source = Source(file_of(kind, flat, **options))
    assert source.photo().evidence == as_decoded(told)
    assert source.photo().with_rgb(flat).evidence is None
    assert Source(source.photo().to_pil()).photo().lossy is None
    photo = Source(file_of(kind, skimage_data.astronaut(), **options))
    assert photo.photo().evidence == as_decoded(told)
    assert photo.halved().photo().evidence is None


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_the_pixels_of_a_lossless_file_are_not(kind: str, options: dict) -> None:
    assert Source(file_of(kind, host(), **options)).photo().evidence is None


def test_a_webp_is_told_by_its_first_frame() -> None:
    frames = [Image.fromarray(host()), Image.fromarray(host()[::-1])]
    for lossless in (False, True):
        buffer = io.BytesIO()
        frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], lossless=lossless)
        assert (Source(buffer.getvalue()).photo().lossy is None) == lossless
    with_alpha = Image.fromarray(host())
    with_alpha.putalpha(100)
    for lossless in (False, True):  # the alpha plane comes first
        buffer = io.BytesIO()
        with_alpha.save(buffer, "WEBP", lossless=lossless)
        assert (Source(buffer.getvalue()).photo().lossy is None) == lossless
