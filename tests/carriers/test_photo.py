"""Reading photos in every mode Pillow knows, and refusing bad ones in one line."""

from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import GRAY, RGB, RGBA, SRGB, H, W, encoded, gray3, noise, png, png_chunk, refused
from PIL import Image

from photos import crop
from stegcinn.carriers.base import read_photo
from stegcinn.carriers.foreign import FORMATS
from stegcinn.carriers.photo import MAX_PIXELS, Photo
from stegcinn.errors import ImageError, StegcinnWarning

# reading


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_rgb_formats_are_read_exactly_from_path_bytes_and_image(form: str, tmp_path: Path) -> None:
    data = encoded(Image.fromarray(RGB), form, lossless=True)
    path = tmp_path / "photo"
    path.write_bytes(data)
    for source in (path, str(path), data, Image.open(io.BytesIO(data))):
        photo = read_photo(source)
        assert np.array_equal(photo.rgb, RGB)
        assert photo.rgb.flags.c_contiguous
        assert photo.alpha is None
        assert photo.icc_profile is None


def test_jpeg_is_read_as_pillow_decodes_it() -> None:
    for image in (Image.fromarray(RGB), Image.fromarray(GRAY)):
        data = encoded(image, "JPEG")
        assert np.array_equal(read_photo(data).rgb, np.array(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept_apart_and_hidden_colours_survive(form: str) -> None:
    pixels = RGBA.copy()
    pixels[:20, :, 3] = 0
    photo = read_photo(encoded(Image.fromarray(pixels), form, lossless=True, exact=True))
    assert np.array_equal(photo.rgb, pixels[..., :3])
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, pixels[..., 3])


def test_gray_and_bilevel_and_gray_with_alpha() -> None:
    assert np.array_equal(read_photo(encoded(Image.fromarray(GRAY), "PNG")).rgb, gray3(GRAY))
    assert np.array_equal(read_photo(encoded(Image.fromarray(GRAY), "PPM")).rgb, gray3(GRAY))
    bits = GRAY > 127
    assert np.array_equal(read_photo(encoded(Image.fromarray(bits), "PNG")).rgb, gray3(bits * np.uint8(255)))
    photo = read_photo(encoded(Image.fromarray(RGBA[..., :2], "LA"), "PNG"))
    assert np.array_equal(photo.rgb, gray3(RGBA[..., 0]))
    assert np.array_equal(photo.alpha, RGBA[..., 1])
    assert photo.is_gray
    assert not read_photo(RGB).is_gray
    almost = gray3(GRAY)
    almost[3, 4, 2] ^= 1
    assert not read_photo(almost).is_gray


def test_palettes_with_every_kind_of_transparency() -> None:
    palette = noise(256, 3, seed=1)
    image = Image.frombytes("P", (W, H), GRAY.tobytes())
    image.putpalette(palette.tobytes())
    photo = read_photo(encoded(image, "PNG"))
    assert np.array_equal(photo.rgb, palette[GRAY])
    assert photo.alpha is None

    one = read_photo(encoded(image, "PNG", transparency=7))
    assert np.array_equal(one.rgb, palette[GRAY])
    assert np.array_equal(one.alpha, np.where(GRAY == 7, 0, 255))

    levels = noise(256, seed=2)
    many = read_photo(encoded(image, "PNG", transparency=levels.tobytes()))
    assert np.array_equal(many.alpha, levels[GRAY])

    both = image.convert("PA")
    both.putalpha(Image.fromarray(RGBA[..., 3]))
    photo = read_photo(both)
    assert np.array_equal(photo.rgb, palette[GRAY])
    assert np.array_equal(photo.alpha, RGBA[..., 3])


def test_transparent_colour_key_becomes_alpha() -> None:
    key = png_chunk(b"tRNS", struct.pack(">3H", *RGB[5, 6].tolist()))
    photo = read_photo(png(RGB, 8, 2, key))
    assert np.array_equal(photo.rgb, RGB)
    assert np.array_equal(photo.alpha, np.where((RGB[5, 6] == RGB).all(axis=2), 0, 255))
    wide = noise(H, W, dtype=np.uint16)
    with pytest.warns(StegcinnWarning):
        photo = read_photo(png(wide, 16, 0, png_chunk(b"tRNS", struct.pack(">H", wide[5, 6]))))
    assert np.array_equal(photo.alpha, np.where(wide == wide[5, 6], 0, 255))


def test_premultiplied_alpha_is_divided_out() -> None:
    for mode, straight in (("RGBa", (200, 100, 50, 128)), ("La", (200, 128))):
        image = Image.new(mode[:-1] + "A", (W, H), straight).convert(mode)
        photo = read_photo(image)
        assert photo.alpha is not None
        assert (photo.alpha == 128).all()
        expected = straight[:3] if mode == "RGBa" else (200,) * 3
        assert np.abs(photo.rgb.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX"])
def test_other_colour_spaces_become_rgb(mode: str) -> None:
    smooth = np.dstack(np.broadcast_arrays(np.arange(W) + 80, np.arange(H)[:, None] + 80, 120)).astype(np.uint8)
    image = Image.fromarray(smooth)
    source = image.convert("RGBA").convert(mode) if mode == "RGBX" else image.convert(mode)
    photo = read_photo(source)
    assert photo.alpha is None
    assert np.abs(photo.rgb.astype(int) - smooth).max() <= 6


def cmyk_profile() -> bytes:
    """A CMYK profile by hand in which only the black ink counts: L* falls from 100 to 0 with it."""
    tables = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    lut = (
        b"mft1\0\0\0\0"
        + bytes([4, 3, 2, 0])
        + identity
        + tables * 4
        + bytes([255, 128, 128, 0, 128, 128]) * 8
        + tables * 3
    )
    offset = 128 + 4 + 12
    header = struct.pack(">I4sI4s4s4s", offset + len(lut), b"    ", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", offset, len(lut)) + lut


def test_cmyk_goes_through_its_profile_or_else_pillow_and_the_profile_is_dropped() -> None:
    image = Image.frombytes("CMYK", (W, H), RGBA.tobytes())
    plain = np.array(image.convert("RGB"))
    assert np.array_equal(read_photo(encoded(image, "TIFF")).rgb, plain)
    jpeg = encoded(image, "JPEG", quality=100)
    assert np.array_equal(read_photo(jpeg).rgb, np.array(Image.open(io.BytesIO(jpeg)).convert("RGB")))
    damaged = read_photo(encoded(image, "TIFF", icc_profile=b"damaged" * 40))
    assert np.array_equal(damaged.rgb, plain)

    profiled = read_photo(encoded(image, "TIFF", icc_profile=cmyk_profile()))
    assert profiled.icc_profile is None
    lightness = (1 - RGBA[..., 3] / 255) * 100
    linear = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    srgb = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear) * 255
    assert np.abs(profiled.rgb - gray3(srgb)).max() <= 4


def test_profile_is_kept_for_rgb_and_dropped_for_gray() -> None:
    image = Image.fromarray(RGB)
    for form in ("PNG", "JPEG", "WEBP", "TIFF"):
        assert read_photo(encoded(image, form, icc_profile=SRGB)).icc_profile == SRGB
    gray_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    assert read_photo(encoded(Image.fromarray(GRAY), "PNG", icc_profile=gray_profile)).icc_profile is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_even_beside_damaged_tags(orientation: int) -> None:
    turned = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: np.rot90,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    data = encoded(Image.fromarray(RGBA), "PNG", exif=exif)
    photo = read_photo(data)
    assert np.array_equal(photo.rgb, turned[orientation](RGBA)[..., :3])
    assert np.array_equal(photo.alpha, turned[orientation](RGBA)[..., 3])

    # A maker tag of type rational: Pillow reads it, but fails when it rewrites the metadata.
    tags = struct.pack("<HHHIIHHII", 2, 0x010F, 5, 1, 38, 0x0112, 3, 1, orientation)
    exif_bytes = b"Exif\0\0II*\0\x08\0\0\0" + tags + bytes(4) + bytes(range(1, 9))
    data = encoded(Image.fromarray(RGBA), "PNG", exif=exif_bytes)
    assert np.array_equal(read_photo(data).rgb, turned[orientation](RGBA)[..., :3])


@pytest.mark.filterwarnings("ignore")  # Pillow's own
def test_damaged_exif_does_not_cost_the_photo() -> None:
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0"):
        assert read_photo(encoded(Image.fromarray(RGB), "JPEG", exif=exif)).rgb.shape == (H, W, 3)
    text = png_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n4\nnot hex\n")
    assert np.array_equal(read_photo(png(RGB, 8, 2, text)).rgb, RGB)


def test_16_bit_gray_is_rounded_with_a_warning(tmp_path: Path) -> None:
    wide = noise(H, W, dtype=np.uint16)
    expected = gray3(((wide.astype(int) + 128) // 257).astype(np.uint8))
    path = tmp_path / "wide.png"
    path.write_bytes(encoded(Image.fromarray(wide), "PNG"))
    pgm = b"P5 %d %d 65535\n" % (W, H) + wide.astype(">u2").tobytes()
    tiff = encoded(Image.fromarray(wide), "TIFF")
    for source in (path, pgm, tiff, Image.fromarray(wide)):
        with pytest.warns(StegcinnWarning, match="wide.png has more" if source is path else "the image has more"):
            photo = read_photo(source)
        assert np.array_equal(photo.rgb, expected)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_png_warns(colour: int, channels: int) -> None:
    wide = noise(H, W, channels, dtype=np.uint16)
    with pytest.warns(StegcinnWarning, match="8 bits"):
        photo = read_photo(png(wide, 16, colour))
    near = wide / 257
    assert np.abs(photo.rgb - near[..., : 1 if colour == 4 else 3]).max() <= 1
    assert (photo.alpha is None) == (colour == 2)


def test_16_bit_ppm_warns_and_8_bit_sources_do_not() -> None:
    with pytest.warns(StegcinnWarning, match="8 bits"):
        read_photo(b"P6 %d %d 1023\n" % (W, H) + bytes(H * W * 6))
    read_photo(png(RGB, 8, 2))
    read_photo(b"P6 %d %d 200\n" % (W, H) + bytes(H * W * 3))


def tiff(bits: list[int], planar: int, strips: list[bytes]) -> bytes:
    """An uncompressed TIFF by hand, of one strip or one per plane."""
    bands = len(bits)
    offsets = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    lists = {258: bits, 273: offsets, 279: [len(strip) for strip in strips]}
    single = {256: W, 257: H, 259: 1, 262: 1 if bands == 1 else 2, 277: bands, 278: H, 284: planar}
    body = b"".join(strips)
    directory = b""
    for tag in sorted({**lists, **single}):
        values = lists.get(tag) or [single[tag]]
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:  # the values live outside the directory, at an offset
            body, packed = body + packed, struct.pack("<I", 8 + len(body))
        directory += struct.pack("<HHI", tag, 4, len(values)) + packed
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", 10) + directory + bytes(4)


def test_12_bit_tiff_is_scaled_from_its_own_white() -> None:
    with pytest.warns(StegcinnWarning, match="8 bits"):
        photo = read_photo(tiff([12], 1, [b"\xff" * (H * W * 12 // 8)]))
    assert (photo.rgb == 255).all()


def test_16_bit_tiff_in_separate_planes_is_refused_because_pillow_misreads_it() -> None:
    planes = np.moveaxis(RGB, 2, 0)
    photo = read_photo(tiff([8] * 3, 2, [plane.tobytes() for plane in planes]))
    assert np.array_equal(photo.rgb, RGB)
    assert "planes" in refused(tiff([16] * 3, 2, [plane.astype("<u2").tobytes() for plane in planes]))


def test_wide_gray_modes_are_taken_only_when_unambiguous() -> None:
    values = noise(H, W).astype(np.int32)
    assert np.array_equal(read_photo(Image.fromarray(values)).rgb, gray3(values.astype(np.uint8)))
    floats = values.astype(np.float32)
    with pytest.warns(StegcinnWarning, match="8 bits"):
        photo = read_photo(Image.fromarray(np.minimum(floats + np.float32(0.25), 255)))
    assert np.array_equal(photo.rgb, gray3(values.astype(np.uint8)))
    for bad in (values + 1000, values - 1, floats / 255, floats + 1, floats * np.nan, floats + np.inf):
        assert "gray values" in refused(Image.fromarray(bad))


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "WEBP"])
def test_first_of_several_frames_with_a_warning(form: str) -> None:
    frames = [Image.new("RGB", (W, H), colour) for colour in ("red", "blue", "lime")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
    with pytest.warns(StegcinnWarning, match="several frames"):
        photo = read_photo(data)
    assert (photo.rgb == (255, 0, 0)).all()


# refusing


@pytest.mark.filterwarnings("ignore")  # Pillow's own, and the note of a JPEG that lacks its end only
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_truncated_files_are_refused_unless_every_pixel_is_there(form: str) -> None:
    data = encoded(Image.fromarray(RGB), form)
    whole = read_photo(data).rgb
    cuts = {*range(1, len(data), len(data) // 40), *range(len(data) - 30, len(data))}
    refusals = 0
    for cut in cuts:
        try:
            assert np.array_equal(read_photo(data[:cut]).rgb, whole)
        except ImageError:
            refusals += 1
    assert refusals >= 40


@pytest.mark.filterwarnings("ignore")  # Pillow's own
@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA"]),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6)), max_size=5),
)
def test_damaged_bytes_raise_nothing_but_image_errors(form: str, edits: list[tuple[float, bytes]]) -> None:
    data = bytearray(encoded(Image.fromarray(RGB // 64 * 64), form))
    for where, patch in edits:
        at = int(where**3 * len(data))  # cubed: most of the edits hit the headers
        data[at : at + len(patch)] = patch
    with contextlib.suppress(ImageError):
        assert read_photo(bytes(data)).rgb.dtype == np.uint8


def test_small_sides_and_too_many_pixels_are_refused_by_the_header() -> None:
    assert "1x1" in refused(encoded(Image.new("RGB", (1, 1)), "PNG"))
    for size in ((63, 200), (200, 63)):
        assert "64" in refused(encoded(Image.new("RGB", size), "PNG"))
        assert "64" in refused(np.zeros((*size, 3), np.uint8))
    assert read_photo(np.zeros((64, 64, 3), np.uint8)).rgb.shape == (64, 64, 3)
    side = int(MAX_PIXELS**0.5) + 1
    # From just over the limit to Pillow's own bomb warning and error. The pixels are not even there.
    for size in ((side, side), (10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)):
        assert "50,000,000" in refused(png(RGB, 8, 2, size=size))
    assert "damaged" in refused(png(RGB, 8, 2, size=(side - 1, side - 1)))
    assert "50,000,000" in refused(np.broadcast_to(np.uint8(0), (side, side, 3)))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_the_list_is_read(form: str) -> None:
    Image.init()
    if form not in Image.SAVE:
        pytest.skip("this Pillow is built without it")
    smooth = crop("astronaut", H, W)
    options: dict[str, object] = {"quality": 95} if form in ("JPEG", "AVIF") else {"lossless": form == "WEBP"}
    rgb = read_photo(encoded(Image.fromarray(smooth), form, **options)).rgb
    assert np.abs(rgb.astype(int) - smooth).mean() < (8 if form in ("GIF", "JPEG", "AVIF") else 1e-9)


@pytest.mark.parametrize("form", ["PCX", "SGI", "DDS", "ICO", "ICNS", "QOI", "EPS", "MSP", "SPIDER", "XBM"])
def test_formats_beyond_the_list_are_refused_unopened(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    image = Image.fromarray(RGB).convert("1" if form in ("MSP", "XBM") else "F" if form == "SPIDER" else "RGB")
    data = encoded(image, form)
    tried = []
    for name, (factory, accept) in list(Image.OPEN.items()):
        monkeypatch.setitem(Image.OPEN, name, (lambda *a, n=name, f=factory: (tried.append(n), f(*a))[1], accept))
    told = refused(data)
    assert "not a photo in a known format (PNG, JPEG, " in told
    assert "; convert it to PNG first" in told
    assert set(tried) <= set(FORMATS)


def test_icon_holding_another_size_than_it_announces() -> None:
    tiny = png(GRAY[:1, :1], 8, 0, size=(1, 1))
    block = b"ic07" + struct.pack(">I", 8 + len(tiny)) + tiny  # ic07 stands for a side of 128
    assert "1x1" in refused(Image.open(io.BytesIO(b"icns" + struct.pack(">I", 8 + len(block)) + block)))


def test_decoder_running_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", exhausted)
    assert "memory" in refused(png(RGB, 8, 2))


def test_postscript_is_not_run() -> None:
    assert "PostScript" in refused(Image.open(io.BytesIO(encoded(Image.fromarray(RGB), "EPS"))))


# arrays and photos


def test_arrays_are_validated_and_copied() -> None:
    for source in (RGB.copy(), RGBA.copy(), GRAY.copy(), np.asfortranarray(RGB)):
        photo = read_photo(source)
        before = photo.rgb.copy(), None if photo.alpha is None else photo.alpha.copy()
        source[...] ^= 255
        assert np.array_equal(photo.rgb, before[0])
        assert photo.alpha is None or np.array_equal(photo.alpha, before[1])
        assert photo.rgb.flags.c_contiguous
    assert np.array_equal(read_photo(GRAY).rgb, gray3(GRAY))
    assert np.array_equal(read_photo(RGBA).alpha, RGBA[..., 3])
    for bad in (
        RGB.astype(np.float32),
        RGB.astype(np.int64),
        RGB[..., :2],
        RGB[None],
        RGB[0, :, 0],
        RGBA[0, 0, 0],
    ):
        assert "uint8" in refused(np.asarray(bad))


def test_reading_leaves_a_pil_image_as_it_was() -> None:
    image = Image.fromarray(RGB)
    image.info["icc_profile"] = SRGB
    image.getexif()[0x0112] = 6
    photo = read_photo(image)
    photo.rgb[...] = 0
    assert np.array_equal(np.array(image), RGB)
    assert image.info == {"icc_profile": SRGB}
    assert image.getexif()[0x0112] == 6


def test_photo_validates_and_takes_other_colours() -> None:
    for rgb, alpha in ((GRAY, None), (RGB.astype(np.int16), None), (RGB, GRAY[1:]), (RGB, GRAY.astype(bool))):
        with pytest.raises(ValueError, match="must be"):
            Photo(rgb, alpha, None)
    photo = Photo(RGB, GRAY, SRGB)
    assert np.array_equal(photo.luma, np.asarray(Image.fromarray(RGB).convert("L")))
    new = RGB[::-1]
    changed = photo.with_rgb(new)
    assert np.array_equal(changed.rgb, new)
    assert changed.rgb.flags.c_contiguous
    assert np.array_equal(changed.luma, photo.luma[::-1])  # not the one that was kept
    assert np.array_equal(photo.rgb, RGB)
    assert (changed.alpha is GRAY, changed.icc_profile) == (True, SRGB)
    with pytest.raises(ValueError, match="shape"):
        photo.with_rgb(RGB[1:])
    image = photo.to_pil()
    assert (image.mode, image.info["icc_profile"]) == ("RGBA", SRGB)
    assert np.array_equal(np.array(image), np.dstack([RGB, GRAY]))
    assert Photo(RGB, None, None).to_pil().mode == "RGB"


def test_fully_transparent_pixels_are_not_seen() -> None:
    """Others are, and count with the colours that they have."""
    alpha = GRAY.copy()
    alpha[:5], alpha[5] = 0, 1
    photo = Photo(RGB, alpha, SRGB)
    assert np.array_equal(photo.visible, alpha > 0)
    assert np.array_equal(photo.bared.rgb, np.where(alpha[..., None] > 0, RGB, 0))
    assert (photo.bared.alpha is alpha, photo.bared.icc_profile) == (True, SRGB)
    assert np.array_equal(photo.rgb, RGB)
    for whole in (Photo(RGB), Photo(RGB, np.full_like(GRAY, 1))):
        assert whole.visible.shape == GRAY.shape
        assert whole.visible.all()
        assert whole.bared is whole


def test_a_photo_is_gray_if_what_is_seen_is() -> None:
    rgb, alpha = gray3(GRAY), np.full_like(GRAY, 255)
    rgb[3, 4] = (1, 2, 3)
    assert not Photo(rgb, alpha).is_gray
    alpha[3, 4] = 0
    assert Photo(rgb, alpha).is_gray
    assert Photo(RGB, np.zeros_like(GRAY)).is_gray


def test_half_of_a_photo() -> None:
    """Under transparent pixels there may be any colour: it must not bleed into what is seen."""
    rgb = np.zeros((129, 200, 3), np.uint8)
    rgb[:, :100] = 200
    rgb[:, 100:] = (255, 0, 0)
    alpha = np.zeros((129, 200), np.uint8)
    alpha[:, :100] = 255
    half = Photo(rgb, alpha, b"profile").halved()
    assert (half.rgb.shape, half.icc_profile) == ((64, 100, 3), b"profile")
    assert half.alpha is not None
    assert np.abs(half.rgb[half.alpha > 128].astype(int) - 200).max() <= 4
    assert (half.alpha[:, :46] == 255).all()
    assert Photo(rgb).halved().alpha is None
    with pytest.raises(ImageError, match="half of the photo is 100x63 pixels"):
        Photo(rgb[:127]).halved()


@pytest.mark.parametrize(
    "edges", [(0.5, 0.5, 0.5, 0.5), (1.3, 0.2, 3.9, 2.7), (4.0, 4.0, 4.0, 4.0), (0.0, 3.1, 0.4, 0.0)]
)
def test_edges_are_left_out_of_a_half_and_nothing_else_is_lost(edges: tuple[float, float, float, float]) -> None:
    """Compared with the exact half, moved by as much: what moving alone costs is the most that may differ."""
    photo = Photo(crop("chelsea", 300, 400))
    exact, half = photo.halved(), photo.halved(edges)
    height, width = half.luma.shape
    assert (height, width) == (int(300 - edges[1] - edges[3]) // 2, int(400 - edges[0] - edges[2]) // 2)
    left, top, right, bottom = (edge / 2 for edge in edges)
    moved = exact.to_pil().resize((width, height), Image.Resampling.BICUBIC, (left, top, 200 - right, 150 - bottom))
    error = np.square(np.asarray(moved, np.float64) - half.rgb).mean()
    assert error < 255**2 / 10**3.8  # 38 dB
