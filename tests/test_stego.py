"""The straight line: hide, reveal, capacity, and what must never pass the check."""

from __future__ import annotations

import contextlib
import copy
import io
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import stegcinn
from fakes import LsbCodec, load_fake, pixels
from photos import resized
from stegcinn import candidates, stego
from stegcinn.carriers import formats
from stegcinn.carriers.base import Source
from stegcinn.carriers.evidence.search import PALETTE, as_decoded
from stegcinn.carriers.luma import luma_of
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Codec, Wish, silent
from stegcinn.errors import (
    CapacityError,
    ImageError,
    MachineError,
    RevealError,
    SelfCheckError,
    StegcinnWarning,
    UsageError,
)
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import Keyring, Keys, derive

# Notes come as warnings; the tests of notes catch them.
pytestmark = pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")


@pytest.fixture(scope="module")
def host() -> Image.Image:
    return Image.fromarray(resized("chelsea", 90, 96))


@pytest.fixture(scope="module")
def room(host: Image.Image) -> stegcinn.Capacity:
    return stegcinn.capacity(host)


AUTO = [name for name in CODECS if load_codec(name).auto]
GENERATE = Wish("generate")


def roomy(host: Image.Image, codec: str | None) -> Image.Image:
    """The host, or a larger one for a codec that has no room in that."""
    return Image.fromarray(resized("rocket", 400, 601)) if codec == "robust" else host


def gray(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"))


def uncovered(container: stegcinn.Container, password: str | None = None) -> Payload:
    return stego.uncover(Source(container.file), password=password)


def test_what_capacity_promises_fits_and_comes_back(host, room):
    payload = np.random.default_rng(0).bytes(room.bytes)
    container = stegcinn.hide(host, payload, password="a password")
    assert np.array_equal(gray(container.image), gray(host))
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
    host = roomy(host, codec)
    room = stegcinn.capacity(host, codec=codec)
    container = stego.conceal(Source(host), Payload(b"x" * 100, "a.txt"), password="p", codec=codec)
    assert room.codec == container.codec == codec
    assert uncovered(container, "p") == Payload(b"x" * 100, "a.txt")
    assert load_codec(codec).name == codec
    for other in map(load_codec, set(CODECS) - {codec, "jpeg"}):
        source = Source(Source(container.file).photo())
        saved = other.open(source)
        keys = Keyring("p")(other.salt(saved), shared=other.shared_salt)
        with pytest.raises(RevealError):
            other.extract(saved, keys, partial(other.envelope.stream_size, keys=keys))


def test_the_smallest_change_that_takes_the_payload_is_the_default(host):
    source = Source(host)
    room = stego.measure(source)
    small = stego.measure(source, codec="stealth")
    exact = stego.measure(source, codec="exact")
    assert room == replace(exact, routes=(*small.routes, *exact.routes))
    assert (small.per_codec, exact.per_codec) == ({"stealth": small.bytes}, {"exact": exact.bytes})
    assert exact.safe_bytes == 0 < small.safe_bytes < small.bytes < room.bytes
    random = np.random.default_rng(0)
    for size, codec in ((0, "stealth"), (small.bytes, "stealth"), (small.bytes + 1, "exact")):
        container = stego.conceal(source, Payload(random.bytes(size)))
        assert container.codec == codec
        assert len(uncovered(container).data) == size


def test_drawn_colours_and_gray_hosts_are_not_for_stealth(host):
    gray = np.repeat(luma_of(np.asarray(host))[..., None], 3, axis=-1)
    for photo, wish in ((gray, Wish()), (host, GENERATE)):
        container = stego.conceal(Source(photo), Payload(b"x"), wish=wish)
        assert (container.codec, container.colors) == ("exact", "generate")
        assert stego.measure(Source(photo), wish=wish).per_codec.get("stealth", 0) == 0
    assert stego.measure(Source(gray), codec="stealth").bytes == 0
    with pytest.raises(CapacityError):
        stego.conceal(Source(gray), Payload(b"x"), codec="stealth")
    for work in (stego.measure, lambda source, **kinds: stego.conceal(source, Payload(b"x"), **kinds)):
        with pytest.raises(UsageError, match="keeps the colours"):  # no other photo would help
            work(Source(host), codec="stealth", wish=GENERATE)


def test_photos_as_a_decoder_left_them_are_told(host):
    buffer = io.BytesIO()
    host.save(buffer, "JPEG", quality=95)
    for image, decoded in ((buffer.getvalue(), True), (host, False)):
        container = stego.conceal(Source(image), Payload(b"x"), codec="stealth")
        assert (container.judgement.verdict == "provable", as_decoded("JPEG") in container.notes) == (decoded, decoded)
        room = stego.measure(Source(image), codec="stealth")
        assert (room.decoded, room.evidence) == (decoded, as_decoded("JPEG") if decoded else None)
        assert (room.safe_bytes == 0) == decoded


def test_a_host_that_proves_any_change_is_told_through_every_door(host):
    palette = np.array(host.quantize(64).convert("RGB"))
    room = stego.measure(Source(palette))
    assert (room.decoded, room.evidence, room.safe_bytes) == (True, PALETTE, 0)
    container = stego.conceal(Source(palette), Payload(b"x"))
    assert (container.judgement.verdict, container.judgement.reason) == ("provable", PALETTE)
    assert PALETTE in container.notes
    (ranked,) = stegcinn.rank([palette], 1)
    assert ranked.judgement == container.judgement


@pytest.mark.parametrize("codec", CODECS)
def test_no_codec_takes_more_than_it_says(host, codec):
    source, each = Source(roomy(host, codec)), load_codec(codec)
    limit = each.limit(each.host(source, Wish(convert=True)))
    assert 0 < stego.measure(source, codec=codec).bytes <= limit - each.envelope.OVERHEAD


def test_codecs_are_asked_for_what_they_might_take(host, monkeypatch):
    """Every one with the payload's name, and without it only if that helps."""
    room = stego.measure(Source(host)).bytes
    tried = []

    def load(name):
        codec = copy.copy(load_codec(name))
        monkeypatch.setattr(codec, "embed", lambda *a: tried.append(name) or load_codec(name).embed(*a))
        return codec

    monkeypatch.setattr(candidates, "load_codec", load)
    most = int(load_codec("stealth").max_bpp * host.width * host.height / 8)
    for size, expected in ((10, ["stealth"]), (most, ["exact"]), (room + 200, ["exact"])):
        tried.clear()
        with contextlib.suppress(CapacityError):
            stego.conceal(Source(host), Payload(np.random.default_rng(0).bytes(size), "a.txt"))
        assert tried == expected


def test_a_payload_is_compressed_once(host, monkeypatch):
    """However many codecs are asked, and however often."""
    packed = []
    inner = envelope.pack
    monkeypatch.setattr(envelope, "pack", lambda payload: packed.append(payload) or inner(payload))
    with pytest.raises(CapacityError):
        stego.conceal(Source(host), Payload(np.random.default_rng(0).bytes(100_000), "a.txt"))
    assert len(packed) == 1


def test_a_container_tells_the_name_that_is_stored(host):
    assert stego.conceal(Source(host), Payload(b"x", "../a")).name == "a"


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
    container.image.save(saved, format_, **({"lossless": True} if format_ == "WEBP" else {}))
    assert stegcinn.reveal(saved.getvalue()) == b"payload"


def test_a_gray_host_is_coloured_by_default(host):
    container = stego.conceal(Source(host.convert("L")), Payload(b"x"))
    assert container.colors == "generate"
    assert np.array_equal(gray(container.image), np.asarray(host.convert("L")))
    assert not Source(container.file).photo().is_gray


def test_transparency_is_kept(host):
    rgba = host.convert("RGBA")
    alpha = np.random.default_rng(1).integers(0, 256, (90, 96), dtype=np.uint8)
    rgba.putalpha(Image.fromarray(alpha))
    container = stegcinn.hide(rgba, b"x")
    assert np.array_equal(np.asarray(container)[..., 3], alpha)
    assert stegcinn.reveal(container) == b"x"


def test_the_name_is_kept_if_there_is_room_and_dropped_if_not(host):
    source = Source(host)
    kept = stego.conceal(source, Payload(b"x", "notes.txt"))
    assert (kept.name, uncovered(kept).name) == ("notes.txt", "notes.txt")
    full = Payload(np.random.default_rng(2).bytes(stegcinn.capacity(host, codec="cinn").bytes), "notes.txt")
    container = stego.conceal(source, full, codec="cinn")
    assert container.name is None
    assert "the name notes.txt was left out to make the payload fit" in container.notes
    assert uncovered(container) == Payload(full.data)


@pytest.mark.parametrize("short", [6, 5, 1, 0, -1])
def test_a_name_is_dropped_for_its_last_byte_too(monkeypatch, short):
    """It takes a byte more than it has, for its size."""
    monkeypatch.setattr(candidates, "load_codec", load_fake)
    source = Source(pixels())
    room = stego.measure(source, codec="exact").bytes
    payload = Payload(np.random.default_rng(0).bytes(room - short), "name")
    if short < 0:
        with pytest.raises(CapacityError) as error:
            stego.conceal(source, payload, codec="exact")
        assert (error.value.needed, error.value.available) == (room + 1, room)
        return
    container = stego.conceal(source, payload, codec="exact")
    assert container.name == ("name" if short >= 5 else None)
    assert uncovered(container) == Payload(payload.data, container.name)


def test_the_newest_version_is_tried_first_and_no_version_before_there_was_the_codec(monkeypatch):
    """Each under keys of its own, over what that version sees of the photo."""
    tried: list[tuple[str, int, Keys]] = []

    class Spy(LsbCodec):
        def extract(self, photo, keys, size, *, strict=False, progress=silent):
            tried.append((self.name, keys.version, keys))
            return super().extract(photo, keys, size, strict=strict)

    def load(name: str) -> Codec[Any]:
        if name == "jpeg":
            return load_codec(name)
        codec = Spy()
        codec.name, codec.first_version = name, 2 if name in ("cinn", "robust") else 1
        return codec

    monkeypatch.setattr(candidates, "load_codec", load)
    rgba = np.dstack([pixels(), np.arange(96 * 96).reshape(96, 96) % 7]).astype(np.uint8)
    with pytest.raises(RevealError):
        stegcinn.reveal(rgba)
    assert [each[:2] for each in tried] == [
        ("stealth", 2),
        ("exact", 2),
        ("cinn", 2),
        ("robust", 2),
        ("stealth", 1),
        ("exact", 1),
    ]
    bare, full = (derive(None, LsbCodec().salt(Source(rgba).photo(), version), version) for version in (2, 1))
    assert bare.root != full.root
    assert [keys for *_, keys in tried] == [bare] * 4 + [full] * 2


def test_a_jpeg_of_the_container_reveals_nothing(host):
    buffer = io.BytesIO()
    stegcinn.hide(host, b"x").image.save(buffer, "JPEG", quality=95)
    with pytest.raises(RevealError):
        stegcinn.reveal(buffer.getvalue())


@pytest.mark.parametrize("codec", CODECS)
def test_a_container_that_fails_its_check_is_not_returned(host, monkeypatch, codec):
    seals = []
    module = load_codec(codec).envelope
    real = module.seal
    monkeypatch.setattr(module, "seal", lambda *a, **k: seals.append(1) or real(*a, **k))

    def refuse(self, photo, key, size, *, strict=False, progress=None):
        assert strict
        raise RevealError

    monkeypatch.setattr(type(load_codec(codec)), "extract", refuse)
    with pytest.raises(SelfCheckError):
        stegcinn.hide(roomy(host, codec), b"x", codec=codec)
    assert len(seals) == stego.ATTEMPTS  # a new salt for every draw


def test_a_container_with_another_gray_scale_is_not_returned(host, monkeypatch):
    real = formats.encode_photo
    monkeypatch.setattr(formats, "encode_photo", lambda photo, suffix: real(photo.with_rgb(photo.rgb ^ 255), suffix))
    with pytest.raises(SelfCheckError):
        stegcinn.hide(host, b"x")


def test_a_damaged_file_is_not_returned(host, monkeypatch):
    real, damaged = formats.encode_photo, []

    def noisy(photo, suffix):
        damaged.append(True)
        rgb = photo.rgb.copy()
        rgb[::3] = np.asarray(host)[::3]  # same gray-scale, a third of the bits gone
        return real(photo.with_rgb(rgb), suffix)

    monkeypatch.setattr(formats, "encode_photo", noisy)
    with pytest.raises(SelfCheckError):
        stegcinn.hide(host, np.random.default_rng(3).bytes(1000))
    assert len(damaged) == len([name for name in AUTO if name != "jpeg"]) * stego.ATTEMPTS


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
    assert not gray(container.image).any()
    assert stegcinn.reveal(container) == payload


@pytest.mark.parametrize("codec", CODECS)
def test_running_never_imports_pytorch(codec):
    side = 700 if codec == "robust" else 128
    script = f"""
import sys
import numpy as np
import stegcinn
host = np.random.default_rng(0).integers(60, 200, ({side}, {side}, 3), dtype=np.uint8)
assert stegcinn.reveal(stegcinn.hide(host, b"x", codec={codec!r})) == b"x"
assert "torch" not in sys.modules and "stegcinn.training" not in sys.modules
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


# what a host may be, and what may be asked for


def test_a_host_may_be_anything_that_holds_a_photo(host, tmp_path):
    path = tmp_path / "host.png"
    host.save(path)
    file = path.read_bytes()
    for image in (path, str(path), file, bytearray(file), memoryview(file), io.BytesIO(file), host, np.asarray(host)):
        container = stegcinn.hide(image, b"payload")
        assert np.array_equal(gray(container.image), gray(host))
        assert stegcinn.reveal(container.file) == b"payload"
    with path.open("rb") as opened:
        assert stegcinn.capacity(opened) == stegcinn.capacity(host)


def test_a_container_may_be_anything_that_holds_it(host, tmp_path):
    container = stegcinn.hide(host, b"payload")
    file, path = container.file, tmp_path / "container.png"
    container.save(path)
    pixels = np.asarray(container)
    for image in (container, path, file, bytearray(file), memoryview(file), io.BytesIO(file), container.image, pixels):
        assert stegcinn.reveal(image) == b"payload"
    assert stegcinn.open_payload(container) == Payload(b"payload")
    with path.open("rb") as opened:
        assert stegcinn.reveal(opened) == b"payload"


def test_a_file_opened_as_text_is_told_as_such(tmp_path):
    (tmp_path / "text").write_text("hello")
    with (tmp_path / "text").open() as opened, pytest.raises(UsageError, match="opened in binary mode"):
        stegcinn.hide(opened, b"x")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_payload_may_be_any_bytes(host, kind):
    assert stegcinn.reveal(stegcinn.hide(host, kind(b"payload"))) == b"payload"


def test_a_payload_is_opened_with_its_name(host):
    container = stego.conceal(Source(host), Payload(b"x", "notes.txt"), password="p")
    assert stegcinn.open_payload(container, password="p") == Payload(b"x", "notes.txt")
    assert stegcinn.reveal(container, password="p") == b"x"
    with pytest.raises(RevealError):
        stegcinn.open_payload(container, password="q")


@pytest.mark.parametrize(
    ("asked", "suffix", "kind"),
    [(None, ".png", "PNG"), ("png", ".png", "PNG"), (".webp", ".webp", "WEBP"), ("tif", ".tif", "TIFF"),
     ("TIFF", ".tif", "TIFF"), ("bmp", ".bmp", "BMP")],
)  # fmt: skip
def test_the_format_is_a_choice(host, asked, suffix, kind):
    container = stegcinn.hide(host, b"x", format=asked)
    assert (container.suffix, Image.open(io.BytesIO(container.file)).format) == (suffix, kind)
    assert stegcinn.reveal(container) == b"x"


@pytest.mark.parametrize("asked", ["avif", "gif", "", "docx", "png/x"])
def test_formats_that_lose_the_payload_are_refused(host, asked):
    with pytest.raises(UsageError, match=r"\.png"):
        stegcinn.hide(host, b"x", format=asked)


def test_a_photo_may_be_halved_first(host):
    large = host.resize((192, 180))
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=95)
    assert stegcinn.capacity(buffer.getvalue()).decoded
    with pytest.warns(StegcinnWarning, match="halved to"):
        room = stegcinn.capacity(buffer.getvalue(), halve=True)
    assert not room.decoded
    with pytest.warns(StegcinnWarning) as told:
        container = stegcinn.hide(buffer.getvalue(), b"payload", halve=True)
    width, height = container.image.size
    assert any(f"halved to {width}x{height} pixels, its edges and phase" in str(each.message) for each in told)
    assert 92 <= width <= 96
    assert 86 <= height <= 90
    assert container.pixels == width * height
    half = stegcinn.halved(buffer.getvalue())  # measured and hidden in alike
    room = stegcinn.capacity(half)
    with pytest.warns(StegcinnWarning):
        container = stegcinn.hide(half, np.random.default_rng(0).bytes(room.bytes), codec=room.codec)
    assert container.image.size == half.size
    container = stegcinn.hide(stegcinn.halved(buffer.getvalue(), exact=True), b"payload")
    assert container.image.size == (96, 90)
    assert stegcinn.reveal(container) == b"payload"
    with pytest.raises(ImageError, match="half of the photo is 48x45 pixels"):
        stegcinn.hide(host, b"x", halve=True)


@pytest.mark.parametrize("codec", [None, *CODECS])
def test_progress_only_grows_and_ends(host, codec):
    told = {name: [] for name in ("hide", "capacity", "reveal")}
    host = roomy(host, codec)
    container = stegcinn.hide(host, b"x" * 100, codec=codec, progress=told["hide"].append)
    stegcinn.capacity(host, codec=codec, progress=told["capacity"].append)
    stegcinn.reveal(container, progress=told["reveal"].append)
    for name, shares in told.items():
        assert shares == sorted(shares), name
        assert 0 <= shares[0] <= shares[-1] == 1.0, name


def test_progress_does_not_fall_back_where_another_codec_is_tried(host, monkeypatch):
    """Nor where a container fails its check."""
    monkeypatch.setattr(envelope, "unseal", _failing(envelope.unseal, 2))
    shares = []
    size = stegcinn.capacity(host, codec="stealth").bytes
    container = stegcinn.hide(host, np.random.default_rng(0).bytes(size + 1), progress=shares.append)
    assert container.codec == "exact"
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def _failing(real, times):
    left = iter(range(times))

    def unseal(*arguments):
        if next(left, None) is not None:
            raise RevealError
        return real(*arguments)

    return unseal


# notes and warnings


def test_notes_are_warnings_in_the_callers_name(host, tmp_path):
    deep = tmp_path / "deep.png"
    Image.fromarray(np.asarray(host)[..., 0].astype(np.uint16) * 257).save(deep)
    read = f"{deep} has more than 8 bits per channel and is reduced to 8 bits"
    coloured = ["the photo was gray and has colours now", "a trained attacker may notice colours that are drawn anew"]
    for call, expected in (
        (lambda: stegcinn.hide(deep, b"x", codec="exact"), [read, *coloured, "without a password"]),
        (lambda: stegcinn.hide(host, b"x", password="p"), []),
        (lambda: stegcinn.hide(host, b"x"), ["without a password, anyone with stegcinn can read the payload"]),
        (lambda: stegcinn.capacity(deep), [read, "this photo is gray, and hiding gives it colours"]),
        (lambda: stegcinn.capacity(host), []),
    ):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            result = call()
        expected += [formats.FRAGILE] * isinstance(result, stegcinn.Container)
        assert [str(warning.message)[: len(start)] for warning, start in zip(told, expected, strict=True)] == expected
        assert {warning.category for warning in told} <= {stegcinn.StegcinnWarning}
        assert {warning.filename for warning in told} <= {__file__}
        if isinstance(result, stegcinn.Container):
            assert str(told.pop().message) == formats.FRAGILE
            assert result.notes == tuple(str(warning.message) for warning in told)


def test_notes_on_a_container_are_warnings(host):
    container = stegcinn.hide(host, b"payload", format="tif")
    frames = io.BytesIO()
    Image.fromarray(np.asarray(container)).save(frames, "TIFF", save_all=True, append_images=[host.copy()])
    for call in (stegcinn.reveal, stegcinn.open_payload):
        with pytest.warns(stegcinn.StegcinnWarning, match="the image holds several frames") as told:
            call(frames.getvalue())
        assert [warning.filename for warning in told] == [__file__]


def test_what_is_inside_tells_notes_but_does_not_warn(host):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = Source(host.convert("L").convert("I"))
        container = stego.conceal(source, Payload(b"x"))
        assert stego.measure(source).bytes > 0
        assert uncovered(container).data == b"x"
    assert container.notes


# machines that cannot run a codec


@pytest.fixture
def in_cinn(host):
    """A container from a machine that can run all codecs."""
    return stegcinn.hide(host, b"x", codec="cinn")


@pytest.fixture
def _exact_cannot_run(in_cinn, monkeypatch):
    def ready(self):
        raise MachineError("this machine computes other numbers")

    monkeypatch.setattr(type(load_codec("exact")), "ready", ready)


@pytest.mark.usefixtures("_exact_cannot_run")
def test_a_machine_that_cannot_run_one_codec_can_run_the_others(host, in_cinn):
    """As the error itself advises."""
    with pytest.raises(MachineError):
        stegcinn.hide(host, b"x", codec="exact")
    for codec in ("cinn", "stealth", None):
        assert stegcinn.reveal(stegcinn.hide(host, b"y", codec=codec)) == b"y"
    assert stegcinn.reveal(in_cinn) == b"x"
    with pytest.raises(MachineError):  # it may be there, for all that this machine can say
        stegcinn.reveal(host)


@pytest.mark.usefixtures("_exact_cannot_run")
def test_capacity_is_that_of_the_codecs_that_can_run(host):
    room = stegcinn.capacity(host)
    assert (room.codec, room.per_codec) == ("stealth", {"stealth": room.bytes})
    assert room.bytes == stegcinn.capacity(host, codec="stealth").bytes > 0
    with pytest.raises(MachineError):
        stegcinn.capacity(host, codec="exact")
    with pytest.raises(MachineError):  # no other codec does that
        stegcinn.capacity(host, colors="generate")
