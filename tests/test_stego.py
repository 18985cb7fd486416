"""The straight line: hide, reveal, capacity, and what must never pass the check."""

from __future__ import annotations

import contextlib
import copy
import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data as skimage_data

import stegcinn
from stegcinn import stego
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.base import read_photo
from stegcinn.codecs import AUTO, CODECS, load_codec
from stegcinn.errors import CapacityError, ImageError, MachineError, RevealError, SelfCheckError, UsageError
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload


@pytest.fixture(scope="module")
def host() -> Image.Image:
    return Image.fromarray(skimage_data.chelsea()).crop((100, 60, 196, 150))


@pytest.fixture(scope="module")
def room(host: Image.Image) -> stegcinn.Capacity:
    return stegcinn.capacity(host)


def gray(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"))


def test_what_capacity_promises_fits_and_comes_back(host, room):
    payload = np.random.default_rng(0).bytes(room.bytes)
    container = stegcinn.hide(host, payload, password="a password")
    assert np.array_equal(gray(container), gray(host))
    assert stegcinn.reveal(container, password="a password") == payload
    assert room.bpp == pytest.approx(8 * room.bytes / (96 * 90))
    assert (room.codec, room.colors) == ("exact", "keep")


def test_one_byte_more_does_not_fit(host):
    room = stegcinn.capacity(host, codec="cinn")  # what it promises is all there is; exact keeps a margin for its luck
    with pytest.raises(CapacityError) as error:
        stegcinn.hide(host, np.random.default_rng(0).bytes(room.bytes + 1), codec="cinn")
    assert (error.value.needed, error.value.available) == (room.bytes + 1, room.bytes)


def test_much_more_does_not_fit(host, room):
    with pytest.raises(CapacityError) as error:
        stegcinn.hide(host, np.random.default_rng(0).bytes(2 * room.bytes))
    assert (error.value.needed, error.value.available) == (2 * room.bytes, room.bytes)


@pytest.mark.parametrize("codec", CODECS)
def test_reveal_needs_not_be_told_the_codec(host, codec):
    room = stegcinn.capacity(host, codec=codec)
    container = stego.conceal(read_photo(host), Payload(b"x" * 100, "a.txt"), password="p", codec=codec)
    assert room.codec == container.codec == codec
    assert stego.uncover(container.photo, password="p") == Payload(b"x" * 100, "a.txt")
    assert load_codec(codec).name == codec
    for other in set(CODECS) - {codec}:
        with pytest.raises(RevealError):
            load_codec(other).extract(container.photo.rgb, stego.photo_keys(container.photo, "p"))


def test_the_smallest_change_that_takes_the_payload_is_the_default(host):
    photo = read_photo(host)
    room = stego.measure(photo)
    small = stego.measure(photo, codec="stealth")
    exact = stego.measure(photo, codec="exact")
    assert room == replace(exact, stealth_bytes=small.bytes, safe_bytes=small.safe_bytes)
    assert exact.safe_bytes == 0 < small.safe_bytes < small.bytes == small.stealth_bytes < room.bytes
    random = np.random.default_rng(0)
    for size, codec in ((0, "stealth"), (small.bytes, "stealth"), (small.bytes + 1, "exact")):
        container = stego.conceal(photo, Payload(random.bytes(size)))
        assert container.codec == codec
        assert len(stego.uncover(container.photo).data) == size


def test_drawn_colours_and_gray_hosts_are_not_for_stealth(host):
    gray = np.repeat(luma_of(np.asarray(host))[..., None], 3, axis=-1)
    for photo, colors in ((gray, None), (host, "generate")):
        container = stego.conceal(read_photo(photo), Payload(b"x"), colors=colors)
        assert (container.codec, container.colors) == ("exact", "generate")
        assert stego.measure(read_photo(photo), colors=colors).stealth_bytes == 0
    assert stego.measure(read_photo(gray), codec="stealth").bytes == 0
    with pytest.raises(CapacityError):
        stego.conceal(read_photo(gray), Payload(b"x"), codec="stealth")
    for work in (stego.measure, lambda photo, **kinds: stego.conceal(photo, Payload(b"x"), **kinds)):
        with pytest.raises(UsageError, match="keeps the colours"):  # no other photo would help
            work(read_photo(host), codec="stealth", colors="generate")


def test_photos_as_a_decoder_left_them_are_told(host):
    buffer = io.BytesIO()
    host.save(buffer, "JPEG", quality=95)
    assert stego.conceal(read_photo(buffer.getvalue()), Payload(b"x")).decoded
    assert not stego.conceal(read_photo(host), Payload(b"x")).decoded


@pytest.mark.parametrize("codec", CODECS)
def test_no_codec_takes_more_than_it_says(host, codec):
    assert 0 < stego.measure(read_photo(host), codec=codec).bpp <= load_codec(codec).most


def test_codecs_are_asked_for_what_they_might_take(host, monkeypatch):
    """Every one with the payload's name, and without it only if that helps."""
    room = stego.measure(read_photo(host)).bytes
    tried = []

    def load(name):
        codec = copy.copy(load_codec(name))
        monkeypatch.setattr(codec, "embed", lambda rgb, stream, *a: tried.append(name) or load_codec(name).embed(
            rgb, stream, *a))  # fmt: skip
        return codec

    monkeypatch.setattr(stego, "load_codec", load)
    most = int(load_codec("stealth").most * host.width * host.height / 8)
    for size, expected in ((10, ["stealth"]), (most, ["exact"]), (room + 200, ["exact"])):
        tried.clear()
        with contextlib.suppress(CapacityError):
            stego.conceal(read_photo(host), Payload(np.random.default_rng(0).bytes(size), "a.txt"))
        assert tried == expected


def test_a_payload_is_compressed_once(host, monkeypatch):
    """However many codecs are asked, and however often."""
    packed = []
    inner = envelope.pack
    monkeypatch.setattr(envelope, "pack", lambda payload: packed.append(payload) or inner(payload))
    with pytest.raises(CapacityError):
        stego.conceal(read_photo(host), Payload(np.random.default_rng(0).bytes(100_000), "a.txt"))
    assert len(packed) == 1


def test_a_container_tells_the_name_that_is_stored(host):
    assert stego.conceal(read_photo(host), Payload(b"x", "../a")).name == "a"


def test_a_machine_that_cannot_run_one_codec_can_run_the_other(host, monkeypatch):
    """As the error itself advises."""
    container = stegcinn.hide(host, b"x", codec="cinn")

    def load(name):
        if name == "exact":
            raise MachineError("use --codec cinn")
        return load_codec(name)

    monkeypatch.setattr(stego, "load_codec", load)
    with pytest.raises(MachineError):
        stegcinn.hide(host, b"x", codec="exact")
    assert stegcinn.reveal(stegcinn.hide(host, b"y", codec="cinn")) == b"y"
    assert stegcinn.reveal(container) == b"x"
    with pytest.raises(MachineError):  # it may be there, for all that this machine can say
        stegcinn.reveal(host)


def test_a_payload_that_compresses_may_be_larger(host, room):
    payload = b"all work and no play " * room.bytes
    assert stegcinn.reveal(stegcinn.hide(host, payload)) == payload


@settings(max_examples=6, deadline=None)
@given(payload=st.binary(max_size=300), password=st.none() | st.text("pä€ß", min_size=1, max_size=4))
def test_any_payload_and_password(host, payload, password):
    assert stegcinn.reveal(stegcinn.hide(host, payload, password=password), password=password) == payload


def test_wrong_password_and_clean_photo_are_one_case(host):
    container = stegcinn.hide(host, b"secret", password="right")
    messages = set()
    for image, password in ((container, "wrong"), (container, None), (host, "right"), (host, None)):
        with pytest.raises(RevealError) as error:
            stegcinn.reveal(image, password=password)
        messages.add(str(error.value))
    assert len(messages) == 1


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "BMP", "WEBP"])
def test_hosts_and_containers_in_any_lossless_format(host, format_):
    buffer = io.BytesIO()
    host.save(buffer, format_, **({"lossless": True} if format_ == "WEBP" else {}))
    container = stegcinn.hide(buffer.getvalue(), b"payload")
    saved = io.BytesIO()
    container.save(saved, format_, **({"lossless": True} if format_ == "WEBP" else {}))
    assert stegcinn.reveal(saved.getvalue()) == b"payload"


def test_a_gray_host_is_coloured_by_default(host):
    photo = read_photo(host.convert("L"))
    container = stego.conceal(photo, Payload(b"x"))
    assert container.colors == "generate"
    assert np.array_equal(gray(container.photo.to_pil()), np.asarray(host.convert("L")))
    assert not container.photo.is_gray


def test_transparency_is_kept(host):
    rgba = host.convert("RGBA")
    alpha = np.random.default_rng(1).integers(0, 256, (90, 96), dtype=np.uint8)
    rgba.putalpha(Image.fromarray(alpha))
    container = stegcinn.hide(rgba, b"x")
    assert np.array_equal(np.asarray(container)[..., 3], alpha)
    assert stegcinn.reveal(container) == b"x"


def test_the_name_is_kept_if_there_is_room_and_dropped_if_not(host):
    photo = read_photo(host)
    assert stego.uncover(stego.conceal(photo, Payload(b"x", "notes.txt")).photo).name == "notes.txt"
    full = Payload(np.random.default_rng(2).bytes(stegcinn.capacity(host, codec="cinn").bytes), "notes.txt")
    container = stego.conceal(photo, full, codec="cinn")
    assert container.name is None
    assert stego.uncover(container.photo) == Payload(full.data)


def test_a_jpeg_of_the_container_reveals_nothing(host):
    buffer = io.BytesIO()
    stegcinn.hide(host, b"x").save(buffer, "JPEG", quality=95)
    with pytest.raises(RevealError):
        stegcinn.reveal(buffer.getvalue())


@pytest.mark.parametrize("codec", CODECS)
def test_a_container_that_fails_its_check_is_not_returned(host, monkeypatch, codec):
    seals = []
    real = envelope.seal
    monkeypatch.setattr("stegcinn.sealing.envelope.seal", lambda *a, **k: seals.append(1) or real(*a, **k))

    def refuse(self, rgb, key, *, strict=False):
        assert strict
        raise RevealError

    monkeypatch.setattr(type(load_codec(codec)), "extract", refuse)
    with pytest.raises(SelfCheckError):
        stegcinn.hide(host, b"x", codec=codec)
    assert len(seals) == stego.ATTEMPTS  # a new salt for every draw


def test_a_container_with_another_gray_scale_is_not_returned(host, monkeypatch):
    real = stego.encode_photo
    monkeypatch.setattr(stego, "encode_photo", lambda photo, suffix: real(photo.with_rgb(photo.rgb ^ 255), suffix))
    with pytest.raises(SelfCheckError):
        stegcinn.hide(host, b"x")


def test_a_damaged_file_is_not_returned(host, monkeypatch):
    real, damaged = stego.encode_photo, []

    def noisy(photo, suffix):
        damaged.append(True)
        rgb = photo.rgb.copy()
        rgb[::3] = np.asarray(host)[::3]  # same gray-scale, a third of the bits gone
        return real(photo.with_rgb(rgb), suffix)

    monkeypatch.setattr(stego, "encode_photo", noisy)
    with pytest.raises(SelfCheckError):
        stegcinn.hide(host, np.random.default_rng(3).bytes(1000))
    assert len(damaged) == len(AUTO) * stego.ATTEMPTS


@pytest.mark.parametrize(("codec", "colors"), [("none", None), (None, "loud"), ("", None)])
def test_unknown_choices_are_refused(host, codec, colors):
    with pytest.raises(UsageError):
        stegcinn.hide(host, b"", codec=codec, colors=colors)


def test_unsuitable_images_are_refused():
    with pytest.raises(ImageError):
        stegcinn.capacity(Image.new("RGB", (1, 1)))
    assert stegcinn.capacity(Image.new("RGB", (64, 64), "white"), codec="cinn").bytes == 0
    with pytest.raises(CapacityError):
        stegcinn.hide(Image.new("RGB", (64, 64), "black"), b"", codec="cinn")


def test_black_takes_the_colours_that_look_black():
    black = Image.new("RGB", (64, 64), "black")
    payload = np.random.default_rng(4).bytes(stegcinn.capacity(black).bytes)
    assert len(payload) > 0
    container = stegcinn.hide(black, payload)
    assert not gray(container).any()
    assert stegcinn.reveal(container) == payload


@pytest.mark.parametrize("codec", CODECS)
def test_running_never_imports_pytorch(codec):
    script = f"""
import sys
import numpy as np
import stegcinn
host = np.random.default_rng(0).integers(60, 200, (64, 64, 3), dtype=np.uint8)
assert stegcinn.reveal(stegcinn.hide(host, b"x", codec={codec!r})) == b"x"
assert "torch" not in sys.modules and "stegcinn.model" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_requests_of_the_wrong_type_are_told_as_such(host):
    for call, word in (
        (lambda: stegcinn.hide(host, "text"), "payload must be bytes, not str"),
        (lambda: stegcinn.hide(7, b""), "not int"),
        (lambda: stegcinn.reveal(None), "not NoneType"),
        (lambda: stegcinn.reveal(host, password=7), "password must be text, not int"),
    ):
        with pytest.raises(UsageError, match=word):
            call()
    assert stegcinn.reveal(stegcinn.hide(host, bytearray(b"x"))) == b"x"
