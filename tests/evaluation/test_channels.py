"""Channels: the grammar of their names, what each step does, and what is told where a program is missing."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jpegs import picture
from stegcinn.errors import StegcinnError, UsageError
from stegcinn.evaluation.channels import browser, encoders, programs
from stegcinn.evaluation.channels.channel import Channel, decoded
from stegcinn.evaluation.channels.encoders import Png

RGB = picture(80, 64)


def sent(name: str) -> bytes:
    return Channel.parse(name).send(Png()(RGB))


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file))


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("as-sent", "as-sent"),
        ("jpeg-q75", "jpeg-q75-420"),
        ("jpeg-q75-444-optimized-progressive", "jpeg-q75-444-optimized-progressive"),
        ("resize-0.75+jpeg-q75", "resize-0.75-lanczos+jpeg-q75-420"),
        ("resize-1.50-area", "resize-1.5-area"),
        ("fit-1600", "fit-1600-lanczos"),
        ("webp-q80+avif-q60", "webp-q80+avif-q60"),
        ("magick-q75", "magick-q75"),
        ("magick-q75-422", "magick-q75-422"),
        ("mozjpeg-q75", "mozjpeg-q75-420"),
        ("ffmpeg-v3+canvas-q92", "ffmpeg-v3+canvas-q92"),
        ("noise-1.5+crop-1+rotate-270+mirror+png", "noise-1.5+crop-1+rotate-270+mirror+png"),
    ],
)
def test_names(name: str, full: str) -> None:
    channel = Channel.parse(name)
    assert str(channel) == full
    assert Channel.parse(full) == channel


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("jpeg-75", "no channel 'jpeg-75'; write as-sent, or steps as jpeg-q75"),
        ("", "no channel ''"),
        ("jpeg-q75++png", "no channel ''"),
        ("jpeg-q75+as-sent", "no channel 'as-sent'"),
        ("jpeg-q75-progressive-optimized", "no channel"),
        ("resize-0.75-nearest", "no channel"),
        ("jpeg-q0", "a quality is 1 to 100, not 0"),
        ("webp-q101", "a quality is 1 to 100, not 101"),
        ("resize-9", "a factor of resizing is 0.1 to 4, not 9"),
        ("noise-60", "noise in levels is 0 to 50, not 60"),
        ("rotate-45", "turned by 90, 180, 270 degrees, not 45"),
        ("ffmpeg-v1", "ffmpeg's scale of quality is 2 to 31, not 1"),
        ("crop-0", "a crop in pixels is 1 to"),
    ],
)
def test_what_is_no_channel(name: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        Channel.parse(name)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_sent_as_it_is() -> None:
    assert Channel.parse("as-sent").send(b"any bytes") == b"any bytes"


def test_jpeg() -> None:
    plain, fine = opened(sent("jpeg-q75")), opened(sent("jpeg-q75-444"))
    assert plain.format == "JPEG"
    assert [component[1:3] for component in plain.layer] == [(2, 2), (1, 1), (1, 1)]
    assert [component[1:3] for component in fine.layer] == [(1, 1), (1, 1), (1, 1)]
    assert opened(sent("jpeg-q75-422")).layer[0][1:3] == (2, 1)
    assert plain.quantization[0][0] == 8  # 16 at quality 50
    assert opened(sent("jpeg-q50")).quantization[0][0] == 16
    assert "progressive" not in plain.info
    assert "progressive" in opened(sent("jpeg-q75-420-progressive")).info
    assert len(sent("jpeg-q75-420-optimized")) < len(sent("jpeg-q75"))
    assert np.array_equal(decoded(sent("jpeg-q75-420-optimized-progressive")), decoded(sent("jpeg-q75")))


@pytest.mark.parametrize(("name", "kind"), [("webp-q80", "WEBP"), ("avif-q75", "AVIF"), ("png", "PNG")])
def test_other_formats(name: str, kind: str) -> None:
    channel = Channel.parse(name)
    if channel.missing:
        pytest.skip(channel.missing)
    assert opened(sent(name)).format == kind
    assert np.array_equal(decoded(sent(name)), RGB) == (kind == "PNG")


def test_a_pillow_without_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders.features, "check", lambda feature: feature != "avif")
    assert Channel.parse("webp-q80").missing is None
    missing = "this build of Pillow has no avif: pip install --upgrade pillow"
    assert Channel.parse("jpeg-q75+avif-q60").missing == missing
    with pytest.raises(UsageError, match=r"avif-q60 cannot be run here: this build of Pillow has no avif"):
        sent("avif-q60")


def test_resizing() -> None:
    sizes = {name: opened(sent(name)).size for name in ("resize-0.5", "resize-1.5-area", "fit-40", "fit-100")}
    assert sizes == {"resize-0.5": (40, 32), "resize-1.5-area": (120, 96), "fit-40": (40, 32), "fit-100": (80, 64)}
    assert np.array_equal(decoded(sent("fit-100")), RGB)
    means = RGB.reshape(32, 2, 40, 2, 3).mean((1, 3))
    assert np.abs(decoded(sent("resize-0.5-area")) - means).max() <= 1  # rounded twice
    kernels = [decoded(sent(f"resize-0.5-{kernel}")) for kernel in ("lanczos", "bicubic", "bilinear", "area")]
    assert len({kernel.tobytes() for kernel in kernels}) == 4


def test_noise_is_of_its_size_and_the_same_again() -> None:
    flat = np.full((64, 80, 3), 128, np.uint8)
    noisy = Channel.parse("noise-2").send(Png()(flat))
    assert 1.9 < decoded(noisy).std() < 2.2
    assert noisy == Channel.parse("noise-2").send(Png()(flat))
    assert np.array_equal(decoded(sent("noise-0")), RGB)


def test_crops_and_turns() -> None:
    assert np.array_equal(decoded(sent("crop-1")), RGB[1:, 1:])
    assert np.array_equal(decoded(sent("mirror")), RGB[:, ::-1])
    turned = Image.fromarray(RGB).transpose(Image.Transpose.ROTATE_270)  # Pillow turns the other way
    assert np.array_equal(decoded(sent("rotate-90")), np.asarray(turned))
    assert np.array_equal(decoded(sent("rotate-90+rotate-270")), RGB)
    with pytest.raises(UsageError, match="crop-64 leaves nothing of a picture of 80x64; crop less"):
        sent("crop-64")


def test_steps_come_in_their_order() -> None:
    file = sent("resize-0.5+jpeg-q75")
    assert opened(file).format == "JPEG"
    assert opened(file).size == (40, 32)
    chain = Channel.parse("jpeg-q75+rotate-90").send(Png()(RGB))
    assert opened(chain).format == "PNG"
    assert np.array_equal(decoded(chain), np.rot90(decoded(sent("jpeg-q75")), -1))


def test_a_picture_is_turned_upright_and_loses_what_is_no_colour() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([RGB, np.full((64, 80), 9, np.uint8)])).save(buffer, "PNG", exif=exif)
    arrived = opened(Channel.parse("png").send(buffer.getvalue()))
    assert arrived.mode == "RGB"
    assert not arrived.getexif()
    assert np.array_equal(np.asarray(arrived), np.rot90(RGB, -1))


# -- programs


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is the whole PATH, with nothing in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    programs._program.cache_clear()
    yield folder
    programs._program.cache_clear()


def put(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def version(line: str) -> str:
    return f'if [ "$1" = -version ]; then echo "{line}"; exit 0; fi'


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("magick-q75", "ImageMagick is not installed: apt-get install imagemagick"),
        ("ffmpeg-v3", "ffmpeg is not installed: apt-get install ffmpeg"),
    ],
)
def test_a_missing_program(name: str, reason: str, bin_folder: Path) -> None:
    assert Channel.parse(name).missing == reason
    with pytest.raises(UsageError, match=f"{name} cannot be run here: {reason}"):
        sent(name)


def test_another_program_of_the_same_name_is_not_taken(bin_folder: Path) -> None:
    put(bin_folder / "convert", 'echo "converts file systems"')
    assert Channel.parse("magick-q75").missing is not None


def test_a_program_is_given_the_picture_and_what_is_wanted(bin_folder: Path) -> None:
    read = ["IFS= read -r head", 'echo "$* / $head"']  # all the shell itself can do: other programs are not there
    put(bin_folder / "convert", version("Version: ImageMagick 6"), *read)
    put(bin_folder / "ffmpeg", version("ffmpeg version 5"), *read)
    assert sent("magick-q75-422") == b"ppm:- -quality 75 -sampling-factor 4:2:2 jpg:- / P6 80 64 255\n"
    assert b" -c:v mjpeg -q:v 3 -pix_fmt yuvj420p " in sent("ffmpeg-v3")
    put(bin_folder / "magick", version("Version: ImageMagick 7"), 'echo "no such delegate" >&2', "exit 1")
    programs._program.cache_clear()
    with pytest.raises(StegcinnError, match="magick failed: no such delegate"):
        sent("magick-q75")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["magick-q75", "magick-q92-444", "ffmpeg-v3", "mozjpeg-q75", "mozjpeg-q75-444"])
def test_real_programs(name: str) -> None:
    if missing := Channel.parse(name).missing:
        pytest.skip(missing)
    file = sent(name)
    assert opened(file).format == "JPEG"
    assert opened(file).layer[0][1] == (1 if "444" in name else 2)
    assert 0 < np.abs(decoded(file).astype(int) - RGB).mean() < 20
    assert file != sent(name.replace("75", "50").replace("92", "50").replace("v3", "v9"))


def test_a_machine_without_mozjpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(rgb: np.ndarray, **options: object) -> bytes:
        return b"the same tables, whatever is asked for"

    monkeypatch.setattr(programs, "_by_vips", other)
    assert not programs._has_mozjpeg.__wrapped__()
    monkeypatch.setattr(programs, "_has_mozjpeg", lambda: False)
    assert Channel.parse("mozjpeg-q75").missing == "no libvips with mozjpeg: pip install pyvips pyvips-binary"


# -- a browser


@pytest.mark.slow
def test_a_canvas_in_a_real_browser() -> None:
    channel = Channel.parse("canvas-q75")
    if channel.missing:
        pytest.skip(channel.missing)
    coarse, fine = sent("canvas-q75"), sent("canvas-q92")
    assert opened(coarse).format == "JPEG"
    assert opened(coarse).size == (80, 64)
    assert opened(coarse).quantization == opened(sent("jpeg-q75")).quantization
    assert len(coarse) < len(fine)
    assert 0 < np.abs(decoded(fine).astype(int) - RGB).mean() < 10


def test_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "PROGRAMS", ("no-such-browser",))
    assert Channel.parse("canvas-q75").missing == "no browser is installed: apt-get install chromium"
    monkeypatch.setattr(browser, "find_spec", lambda name: None)
    assert Channel.parse("canvas-q75").missing == "Playwright is missing: pip install playwright"
