"""The jobs of the page as functions, and the shelf: no server and no process."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from web_server import png

import jpegs
import stegcinn
from fakes import RELEASED
from stegcinn import stego
from stegcinn.carriers import base, compare
from stegcinn.carriers.base import Source
from stegcinn.carriers.photo import Photo
from stegcinn.errors import ImageError
from stegcinn.runtime.arrays import UInt8
from stegcinn.web import shelf, work
from stegcinn.web.shelf import Shelf


def picture(data: bytes) -> UInt8:
    return np.asarray(Image.open(io.BytesIO(data)))


# previews


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_raster_images_are_known_by_their_bytes(kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    assert work.preview(buffer.getvalue()) == {"kind": "image", "type": f"image/{kind}"}


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"a\x00b", b"\x1b[31mred", b"%PDF-1.4\n\xe2\xe3", b"BM" + bytes(60), b"\xc2"]
)
def test_what_is_not_shown(data: bytes) -> None:
    assert work.preview(data) == {"kind": "none"}


@pytest.mark.parametrize("text", ["", "plain\ttext\r\n", "<b>bold</b>", "naïve 漢字 🔒", "<?xml?><svg onload='x'/>"])
def test_text(text: str) -> None:
    assert work.preview(text.encode()) == {"kind": "text", "text": text, "whole": True}


def test_long_text_is_cut_between_characters() -> None:
    shown = work.preview(("x" + "é" * work.PREVIEW_BYTES).encode())
    assert shown == {"kind": "text", "text": "x" + "é" * (work.PREVIEW_BYTES // 2 - 1), "whole": False}
    assert work.preview(b"x" * (work.PREVIEW_BYTES - 1) + b"\xff" + b"x" * 9) == {"kind": "none"}


# pictures to compare


def compared(host: UInt8, container: UInt8) -> dict[str, bytes]:
    return work.pictures(work.View(Source(Photo(host))), work.View(Source(Photo(container))), 8)


def test_pictures_of_a_small_photo_are_whole_and_exact() -> None:
    host = np.random.default_rng(0).integers(50, 200, (70, 90, 3), dtype=np.uint8)
    container = host.copy()
    container[5, 7, 0] += 3
    files = compared(host, container)
    assert set(files) == {f"{n}-whole" for n in ("host", "container", "host-gray", "container-gray", "difference")}
    assert np.array_equal(picture(files["host-whole"]), host)
    assert np.array_equal(picture(files["container-whole"]), container)
    assert np.array_equal(picture(files["host-gray-whole"]), np.asarray(Image.fromarray(host).convert("L")))
    difference = picture(files["difference-whole"]).astype(int) - 128
    assert difference[5, 7].tolist() == [24, 0, 0]
    assert np.count_nonzero(difference) == 1


@pytest.mark.parametrize("shape", [(1000, 2000), (1000, 300), (64, 1999), (650, 650)])
def test_a_detail_of_a_large_photo_is_where_it_changed_most(shape: tuple[int, int]) -> None:
    host = np.full((*shape, 3), 100, np.uint8)
    container = host.copy()
    row, column = shape[0] - 30, shape[1] // 3
    container[row : row + 8, column : column + 8] += 9
    files = compared(host, container)
    detail = picture(files["difference-detail"])
    assert detail.shape[:2] == (min(shape[0], work.DETAIL_SIDE), min(shape[1], work.DETAIL_SIDE))
    assert (detail[..., 0] == 128 + 72).sum() == 64
    assert detail.shape == picture(files["container-detail"]).shape
    whole = picture(files["container-whole"])
    assert max(whole.shape) <= work.VIEW_SIDE
    assert whole.shape[0] / whole.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.05)


def test_averaging_does_not_calm_the_difference() -> None:
    host = np.full((1000, 4 * work.VIEW_SIDE, 3), 100, np.uint8)
    container = host.copy()
    container[::2] += 2
    container[1::2] -= 2
    files = compared(host, container)
    assert set(np.unique(picture(files["difference-whole"]))) <= {112, 144}


@pytest.mark.parametrize(("change", "times"), [(0, 127), (1, 127), (-1, 127), (5, 25), (15, 8), (-90, 8)])
def test_small_changes_are_amplified_more(change: int, times: int) -> None:
    host = np.full((64, 64, 3), 100, np.uint8)
    container = host.copy()
    container[5, 7, 1] = 100 + change
    assert compare.amplification(host, container) == times


def jpeg(**options: Any) -> bytes:
    return jpegs.saved(jpegs.picture(448, 320), quality=85, **options)


def hide(host: bytes, format: str, **options: Any) -> work.Outcome:
    nothing = dict.fromkeys(("name", "password", "codec", "colors", "channel"))
    chosen = {**nothing, "halve": False, "strip_metadata": False} | options
    return work.hide(lambda share: None, host=host, payload=b"secret", format=format, **chosen)


def measure(photo: bytes, **options: Any) -> dict[str, Any]:
    chosen = {"codec": None, "colors": None, "halve": False, "channel": None} | options
    return work.measure(lambda share: None, photo=photo, **chosen).facts


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_compared_by_what_it_stores(orientation: int) -> None:
    """Its gray-scale is the same to the last bit, and its difference is one of colours alone, at full range."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    outcome = hide(jpeg(exif=exif), "jpg")
    assert outcome.facts["same_gray"] == 1
    assert 0 < outcome.facts["changed_pixels"] < 0.05
    assert np.array_equal(picture(outcome.files["host-gray-whole"]), picture(outcome.files["container-gray-whole"]))
    difference = picture(outcome.files["difference-whole"]).astype(int)
    assert difference.shape[:2] == ((448, 320) if orientation == 6 else (320, 448))
    assert (difference == 128).all(axis=2).mean() > 0.5
    assert np.abs(difference - 128).max() > 100  # though no value changes by more than some levels
    assert np.abs(np.asarray(Image.fromarray(difference.astype(np.uint8)).convert("L")).astype(int) - 128).mean() < 3


def test_a_jpeg_made_of_a_photo_is_compared_with_one_that_hides_nothing() -> None:
    """Else what compressing changes would be taken for what hiding does."""
    host = png(448, 320)
    outcome = hide(host, "jpg")
    assert outcome.facts["same_gray"] == 1
    blank = stego.blank(Source(host), ".jpg")
    assert blank.is_jpeg
    assert np.array_equal(picture(outcome.files["host-whole"]), blank.photo().rgb)
    assert (picture(outcome.files["difference-whole"]) == 128).all(axis=2).mean() > 0.25


@pytest.mark.parametrize("format", ["png", "webp", "bmp", "tif"])
def test_a_jpeg_in_a_lossless_file_is_compared_by_its_pixels(format: str) -> None:
    outcome = hide(jpeg(), format)
    assert (outcome.facts["same_gray"], outcome.facts["encrypted"]) == (1, False)
    assert picture(outcome.files["difference-whole"]).shape == (320, 448, 3)


def test_what_else_a_jpeg_tells_is_left_out_where_it_is_wished() -> None:
    told = jpeg(comment=b"from me")
    assert b"from me" in hide(told, "jpg").files["container"]
    assert b"from me" not in hide(told, "jpg", strip_metadata=True).files["container"]


def test_what_is_sent_through_a_channel_is_seen_as_large_as_that_leaves_it() -> None:
    host = jpegs.saved(jpegs.picture(1500, 600), quality=85)
    told = measure(host, channel="telegram", format="jpg")
    assert (told["width"], told["height"], told["codec"]) == (1280, 512, "robust")
    assert (told["safe_bytes"], [each["up_to"] for each in told["judgements"]]) == (0, [told["bytes"]])
    outcome = hide(host, "jpg", channel="telegram")
    facts = outcome.facts
    assert (facts["width"], facts["height"], facts["codec"]) == (1280, 512, "robust")
    assert len(outcome.files["container"]) == pytest.approx(told["file_bytes"], rel=0.1)
    assert facts["same_gray"] == 1  # as the JPEG that would be sent anyway
    assert facts["survival"].startswith(
        "the payload survives Telegram, as a photo: tried through JPEG of quality 84 to "
    )
    assert facts["survival"] not in facts["notes"]
    assert picture(outcome.files["host-whole"]).shape == (512, 1280, 3)
    assert stegcinn.reveal(outcome.files["container"]) == b"secret"
    assert hide(host, "jpg").facts["survival"] is None


@pytest.mark.parametrize("halve", [False, True])
@pytest.mark.parametrize("format", ["jpg", "png", "webp", "tif", "bmp"])
def test_how_large_the_file_will_be_is_told_before(format: str, halve: bool) -> None:
    rgb = np.asarray(Image.fromarray(jpegs.picture(300, 300)).resize((300, 700)))  # more rows than are looked at
    host = jpegs.saved(rgb, quality=85)
    room = measure(host, halve=halve, format=format)
    made = hide(host, format, halve=halve)
    assert room["file_bytes"] == pytest.approx(len(made.files["container"]), rel=0.1)
    assert [note for note in room["notes"] if "halved" in note] == room["notes"]
    assert len(room["notes"]) == halve


@pytest.mark.parametrize(
    ("host", "format"),
    [
        (jpegs.saved(jpegs.picture(128, 96), quality=85), "jpg"),
        (png(), "png"),
        (jpegs.saved(jpegs.picture(128, 96), quality=100), "png"),  # in which any change can be proved
        (jpegs.saved(np.repeat(jpegs.picture(128, 96)[..., :1], 3, axis=2), quality=85), "png"),  # without colours
    ],
)
def test_a_jpeg_stays_one_where_it_can(host: bytes, format: str) -> None:
    assert work.look(lambda share: None, photo=host).facts["format"] == format


@pytest.mark.parametrize(("host", "format"), [(jpeg(), "jpg"), (png(448, 320), "png")])
def test_what_is_too_large_is_seen_halved(host: bytes, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="damaged"):
        work.look(lambda share: None, photo=host[:2000])
    monkeypatch.setattr(base, "MAX_PIXELS", 448 * 320 - 1)
    seen = work.look(lambda share: None, photo=host)
    told = {key: seen.facts[key] for key in ("width", "height", "jpeg", "too_large", "format")}
    assert told == {"width": 224, "height": 160, "jpeg": format == "jpg", "too_large": True, "format": format}
    assert picture(seen.files["thumbnail"]).shape == (160, 224, 3)
    monkeypatch.setattr(base, "MAX_HALVED", 448 * 320 - 1)
    with pytest.raises(ImageError, match="has more than"):
        work.look(lambda share: None, photo=host)


@pytest.mark.skipif(not RELEASED, reason="the weights are not there")
def test_the_map_is_as_large_as_the_thumbnail() -> None:
    host = png(1000, 96)
    small = picture(work.look(lambda share: None, photo=host).files["thumbnail"])
    drawn = picture(work.chart(lambda share: None, photo=host).files["map"])
    assert drawn.shape == small.shape
    assert np.ptp(drawn.astype(int), axis=2).mean() > 50  # noise all over
    with pytest.raises(ImageError, match="no colours"):
        work.chart(lambda share: None, photo=png(mode="L"))


def test_transparency_and_profile_are_shown() -> None:
    outcome = work.look(lambda share: None, photo=png(2000, 1000, mode="RGBA"))
    thumbnail = Image.open(io.BytesIO(outcome.files["thumbnail"]))
    assert (thumbnail.mode, thumbnail.size) == ("RGBA", (640, 320))


# the shelf


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shelf, "time", clock)
    return clock


def make(discarded: list[bytes], limit: int = 100, count: int = 10) -> Shelf[bytes]:
    return Shelf(len, limit=limit, count=count, discard=discarded.append)


def test_things_go_when_nobody_asks_for_them(clock: Clock) -> None:
    discarded: list[bytes] = []
    kept = make(discarded)
    kept.put("a", b"1")
    kept.put("b", b"2")
    clock.now = 5
    assert kept.get("a") == b"1"
    clock.now = 8
    kept.trim(6)
    assert discarded == [b"2"]
    assert (kept.get("a"), kept.get("b"), len(kept)) == (b"1", None, 1)


def test_the_oldest_makes_room(clock: Clock) -> None:
    discarded: list[bytes] = []
    kept = make(discarded, limit=10)
    for name in "abc":
        kept.put(name, name.encode() * 4)
        clock.now += 1
        kept.get("a")
    assert discarded == [b"bbbb"]
    kept.put("huge", b"x" * 50)  # its own size was judged when it came
    assert len(kept) == 1
    assert kept.get("huge")


def test_count_is_limited(clock: Clock) -> None:
    discarded: list[bytes] = []
    kept = make(discarded, count=2)
    for name in "abc":
        kept.put(name, name.encode())
    assert discarded == [b"a"]
    assert kept.drop("b")
    assert not kept.drop("b")
    assert discarded == [b"a", b"b"]
