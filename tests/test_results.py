"""What measuring and hiding give back: a container is a file, and judged in the same words before and after."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import stegcinn
from photos import resized
from stegcinn.codecs.base import SAFE
from stegcinn.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")


@pytest.fixture(scope="module")
def host() -> Image.Image:
    return Image.fromarray(resized("chelsea", 90, 96))


@pytest.fixture(scope="module")
def container(host: Image.Image) -> stegcinn.Container:
    return stegcinn.hide(host, b"payload", password="p")


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


# containers


def test_a_container_is_saved_as_it_is(container, tmp_path):
    for path in (tmp_path / "one.png", str(tmp_path / "two.PNG")):
        container.save(path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == container.file
    assert {path.name for path in tmp_path.iterdir()} == {"one.png", "two.PNG"}
    assert stegcinn.reveal(tmp_path / "one.png", password="p") == b"payload"


@pytest.mark.parametrize("name", ["c.jpg", "c.webp", "c.tif", "c", "c.png.bmp"])
def test_a_container_is_not_saved_under_another_suffix(container, tmp_path, name):
    with pytest.raises(UsageError, match=r"use \.png"):
        container.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_both_spellings_of_tiff(host, tmp_path):
    container = stegcinn.hide(host, b"payload", format="tiff")
    for name in ("c.tif", "c.tiff"):
        container.save(tmp_path / name)
        assert stegcinn.reveal(tmp_path / name) == b"payload"


def test_a_container_overwrites_only_what_it_may(container, tmp_path):
    path = tmp_path / "c.png"
    path.write_bytes(b"precious")
    with pytest.raises(UsageError, match="already exists"):
        container.save(path)
    assert path.read_bytes() == b"precious"
    container.save(path, overwrite=True)
    assert path.read_bytes() == container.file
    with pytest.raises(UsageError, match="directory does not exist"):
        container.save(tmp_path / "nowhere" / "c.png")


@pytest.mark.parametrize("format_", ["png", "webp", "tif", "bmp"])
def test_a_container_is_looked_at_as_an_image_and_as_an_array(host, format_):
    container = stegcinn.hide(host, b"payload", format=format_)
    with Image.open(io.BytesIO(container.file)) as image:
        expected = np.asarray(image)
    assert np.array_equal(np.asarray(container), expected)
    assert np.array_equal(np.asarray(container.image), expected)
    assert container.image is container.image
    assert np.asarray(container, np.float64).dtype == np.float64
    assert container.pixels == expected.shape[0] * expected.shape[1]
    assert container.changed == np.mean((expected != np.asarray(host)).any(axis=2))
    shown = container._repr_png_()
    assert shown.startswith(b"\x89PNG")
    assert stegcinn.reveal(shown) == b"payload"


def test_what_a_container_tells(container):
    assert (container.suffix, container.codec, container.colors, container.name) == (".png", "stealth", "keep", None)
    assert container.notes == ()
    assert container.judgement == stegcinn.Judgement("safe", "this payload is quiet against the attackers measured")
    assert 0 < container.disturbance <= SAFE
    assert 0 < container.changed < 1
    assert 0.9 < container.raw_accuracy <= 1
    assert "file" not in repr(container)  # thousands of bytes
    assert repr(container).startswith("Container(suffix='.png'")


# judgements


def test_small_payloads_are_judged_safe_before_and_after(host):
    room = stegcinn.capacity(host)
    assert 0 < room.safe_bytes < room.bytes
    random = np.random.default_rng(0)
    for size, verdict in ((0, "safe"), (room.safe_bytes // 2, "safe"), (2 * room.safe_bytes, "noticeable")):
        before = room.judge(size)
        container = stegcinn.hide(host, random.bytes(size), codec="stealth")
        assert (before.verdict, container.judgement.verdict) == (verdict, verdict)
        told = container.judgement.reason.replace(f" (disturbance {container.disturbance:.1f})", "")
        assert told == before.reason
        assert (container.judgement.reason in container.notes) == (verdict != "safe")


def test_large_payloads_are_noticeable_in_the_same_words(host):
    room = stegcinn.capacity(host)
    container = stegcinn.hide(host, np.random.default_rng(0).bytes(room.bytes))
    assert (container.codec, container.disturbance) == ("exact", None)
    assert container.judgement == room.judge(room.bytes)
    assert container.judgement.verdict == "noticeable"


def test_any_change_to_a_decoded_photo_can_be_proved(host):
    room = stegcinn.capacity(jpeg(host), codec="stealth")
    container = stegcinn.hide(jpeg(host), b"x", codec="stealth")
    assert container.judgement == room.judge(0) == room.judge(1) == room.judge(room.bytes)
    assert (container.judgement.verdict, container.judgement.reason) == ("provable", room.evidence)
    assert container.notes[0] == room.evidence
