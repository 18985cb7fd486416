"""Sources: what may be opened, what is kept of it, and what is refused."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import RGB, H, W, encoded, noise, png, refused
from PIL import Image

import stegcinn
from photos import crop
from stegcinn.carriers import photo
from stegcinn.carriers.base import Source, read_photo
from stegcinn.carriers.evidence.search import as_decoded
from stegcinn.carriers.photo import MAX_EDGE
from stegcinn.errors import ImageError, StegcinnWarning, UsageError


def test_paths_that_hold_no_photo(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.png", tmp_path / "empty.png"
    text.write_text("hello\n" * 50)
    empty.touch()
    cases = {
        tmp_path / "gone.png": "No such file",
        text / "below.png": "Not a directory",
        tmp_path: "directory",
        text: "format",
        empty: "empty",
        Path(os.devnull): "neither a file nor a pipe",
        tmp_path / ("x" * 300): "cannot be opened",
        tmp_path / "nul\0byte": "cannot be opened",
        tmp_path / "two\nlines.png": "No such file",
    }
    for path, reason in cases.items():
        message = refused(path)
        assert reason in message
        assert (str(path) if str(path).isprintable() else ascii(str(path))) in message
    assert "the image is empty" in refused(b"")
    assert "''" not in refused(b"junk")
    assert "directory" in refused("")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(png(RGB, 8, 2))

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied" in refused(path)


# what may be opened


def test_a_path_bytes_and_files_are_the_same_file(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(RGB), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with path.open("rb") as opened:
        for image in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), opened):
            source = Source(image)
            assert source.file == data
            assert isinstance(source.file, bytes)
            assert source.name == (str(path) if isinstance(image, (str, Path)) else "the image")
            assert np.array_equal(source.photo().rgb, RGB)


def test_pictures_in_memory_are_no_file() -> None:
    for image in (RGB, Image.fromarray(RGB)):
        source = Source(image)
        assert source.file is None
        assert np.array_equal(source.photo().rgb, RGB)


def test_any_object_that_can_be_read_is_a_file() -> None:
    class Download:
        def read(self) -> bytes:
            return encoded(Image.fromarray(RGB), "PNG")

    assert np.array_equal(Source(Download()).photo().rgb, RGB)


@pytest.mark.parametrize("image", [None, 7, ["photo.png"], {}, object()])
def test_anything_else_is_a_usage_error(image: object) -> None:
    with pytest.raises(UsageError, match=f"not {type(image).__name__}$"):
        Source(image)


def test_a_file_opened_as_text_is_told(tmp_path: Path) -> None:
    for opened in (io.StringIO("text"), (tmp_path / "text").open("w+")):
        with opened, pytest.raises(UsageError, match="opened in binary mode: reading it gives str"):
            Source(opened)


def test_nothing_is_no_photo() -> None:
    for image in (b"", bytearray(), io.BytesIO()):
        with pytest.raises(ImageError, match="the image is empty"):
            Source(image)


# what is kept of it


def test_a_source_is_read_once_and_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(Image.fromarray(RGB), "PNG"))
    source = Source(path)
    path.unlink()
    decoded = []
    decode = photo.decode
    monkeypatch.setattr(photo, "decode", lambda *a, **k: decoded.append(a) or decode(*a, **k))
    assert source.photo() is source.photo()
    assert len(decoded) == 1


def test_decoding_waits_until_it_is_asked_for() -> None:
    source = Source(b"no photo")
    with pytest.raises(ImageError, match="known format"):
        source.photo()


def test_notes_name_the_source_and_are_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(encoded(Image.fromarray(noise(H, W, dtype=np.uint16)), "PNG"))
    for image, name in ((path, str(path)), (path.read_bytes(), "the image")):
        source = Source(image)
        assert source.notes == []
        for _ in range(2):
            source.photo()
        assert source.notes == [f"{name} has more than 8 bits per channel and is reduced to 8 bits"]


def test_read_photo_warns_of_the_notes() -> None:
    deep = Image.fromarray(noise(H, W, dtype=np.uint16))
    with pytest.warns(StegcinnWarning, match="the image has more than 8 bits") as told:
        read_photo(deep)
    assert [warning.filename for warning in told] == [__file__]


def test_half_of_a_source_keeps_its_notes_and_is_no_file() -> None:
    source = Source(encoded(Image.fromarray(noise(128, 150, dtype=np.uint16)), "PNG"))
    half = source.halved(exact=True)
    assert half.file is None
    assert half.photo().rgb.shape == (64, 75, 3)
    assert half.notes == [
        "the image has more than 8 bits per channel and is reduced to 8 bits",
        "the image is halved to 75x64 pixels, exactly: anyone who has the original has this host",
    ]
    assert source.notes == half.notes[:1]
    with pytest.raises(ImageError, match="half of the photo is 75x63 pixels"):
        Source(noise(126, 150, 3)).halved()


def test_an_original_does_not_give_the_half_of_it() -> None:
    photo = crop("chelsea", 200, 300)
    exact = Source(photo).halved(exact=True).photo()
    assert np.array_equal(exact.rgb, Source(photo).halved(exact=True).photo().rgb)
    halves = [Source(photo).halved() for _ in range(3)]
    lumas = [half.photo().luma for half in halves]
    for index, luma in enumerate(lumas):
        assert all(0 <= whole - side <= MAX_EDGE for whole, side in zip(exact.luma.shape, luma.shape, strict=True))
        for other in (exact.luma, *lumas[index + 1 :]):
            height, width = np.minimum(luma.shape, other.shape)
            assert (luma[:height, :width] != other[:height, :width]).mean() > 0.1
    (note,) = halves[0].notes
    height, width = lumas[0].shape
    assert note.startswith(f"the image is halved to {width}x{height} pixels, its edges and phase drawn at random")


def test_the_smallest_photos_are_halved_without_a_draw_and_those_beyond_with_little() -> None:
    for _ in range(5):
        assert Source(noise(128, 128, 3)).halved().photo().luma.shape == (64, 64)
        assert min(Source(noise(129, 131, 3)).halved().photo().luma.shape) == 64


def test_one_half_for_all_that_is_done_with_it() -> None:
    photo = crop("chelsea", 200, 300)
    half = stegcinn.halved(photo)
    assert isinstance(half, Image.Image)
    assert half.size != (150, 100) or not np.array_equal(half, stegcinn.halved(photo, exact=True))
    assert np.array_equal(stegcinn.halved(photo, exact=True), Source(photo).halved(exact=True).photo().rgb)
    with pytest.warns(StegcinnWarning, match="more than 8 bits") as told:
        stegcinn.halved(Image.fromarray(noise(128, 150, dtype=np.uint16)))
    assert [warning.filename for warning in told] == [__file__]


def test_pixels_as_they_are_stored_are_told_apart_only_where_a_file_turns_them() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = Source(encoded(Image.fromarray(RGB), "PNG", exif=exif))
    stored = source.as_stored()
    assert stored is not None
    assert np.array_equal(stored.photo().rgb, RGB)
    assert source.photo().rgb.shape == (W, H, 3)
    for image in (RGB, Image.fromarray(RGB), encoded(Image.fromarray(RGB), "PNG")):
        assert Source(image).as_stored() is None


# -- halving


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "key"])
def test_a_file_is_halved_as_its_photo_is(mode: str) -> None:
    rgb = noise(140, 161, 3)
    options: dict[str, object] = {}
    if mode == "RGBA":
        image = Image.fromarray(np.dstack([rgb, rgb[..., 0]]))
    elif mode == "I;16":
        image = Image.fromarray(rgb[..., 0].astype(np.uint16) * 250)
    elif mode == "key":
        image, options = Image.fromarray(rgb // 128 * 255), {"transparency": (0, 0, 0)}
    else:
        image = Image.fromarray(rgb).convert(mode)
    source = Source(encoded(image, "TIFF" if mode == "CMYK" else "PNG", **options))
    half, expected = source.halved(exact=True).photo(), source.photo().halved()
    assert np.array_equal(half.rgb, expected.rgb)
    assert (half.alpha is None) == (expected.alpha is None) == (mode not in ("RGBA", "LA", "key"))
    if half.alpha is not None and expected.alpha is not None:
        assert np.array_equal(half.alpha, expected.alpha)


def test_half_of_a_turned_file_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = Source(encoded(Image.fromarray(crop("astronaut", 140, 161)), "PNG", exif=exif))
    half, expected = source.halved(exact=True).photo().rgb, source.photo().halved().rgb
    assert half.shape == expected.shape == (80, 70, 3)
    assert np.abs(half.astype(int) - expected).mean() < 2  # turned after halving, and not before


def test_half_of_a_jpeg_no_longer_shows_that_it_was_one() -> None:
    """As it would if libjpeg decoded it at half its scale."""
    file = encoded(Image.fromarray(crop("astronaut", 256, 256)), "JPEG", quality=92)
    with Image.open(io.BytesIO(file)) as image:
        image.draft("RGB", (128, 128))
        drafted = np.asarray(image)
    assert drafted.shape == (128, 128, 3)
    assert Source(drafted).photo().evidence == as_decoded("JPEG")
    assert Source(file).halved().photo().evidence is None


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's own measure of memory")
def test_a_large_jpeg_is_halved_in_little_memory(tmp_path: Path) -> None:
    """Pillow's picture has 4 bytes per pixel, half as much is what is left; no copies of the whole are made."""
    width, height = 6000, 4000
    Image.fromarray(crop("astronaut", 400, 500)).resize((width, height)).save(tmp_path / "large.jpg")
    script = f"""
import resource
from stegcinn.carriers.base import Source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert Source({str(tmp_path / "large.jpg")!r}).halved(exact=True).photo().rgb.shape == ({height // 2}, {width // 2}, 3)
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) < 8 * width * height
