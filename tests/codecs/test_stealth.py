"""The stealth codec: what is hidden comes back without any network, in changes of one level that keep the luma."""

from __future__ import annotations

from pathlib import Path

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
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import SAFE
from stegcinn.codecs.stealth import codec as stealth
from stegcinn.codecs.stealth import noise
from stegcinn.codecs.stealth.codec import HEADER_SIZE, StealthCodec
from stegcinn.errors import CapacityError, RevealError, SelfCheckError
from stegcinn.sealing import envelope, keys
from stegcinn.sealing.envelope import OVERHEAD, Payload

PUBLIC = keys.derive(None, bytes(range(32)))
OTHER = keys.derive(None, bytes(range(1, 33)))
GOLDEN = Path(__file__).parents[1] / "format" / "vectors" / "stealth.png"
GOLDEN_TEXT = b"A container of the first release with codec stealth."


def silent(share: float) -> None:
    pass


def photo(height: int = 128, width: int = 128, top: int = 0, left: int = 0) -> np.ndarray:
    return np.ascontiguousarray(skimage_data.astronaut()[top : top + height, left : left + width])


def no_network() -> None:
    raise AssertionError("a receiver needs no network")


@pytest.fixture(scope="module")
def codec() -> StealthCodec:
    found = load_codec("stealth")
    assert isinstance(found, StealthCodec)
    return found


def embedded(codec: StealthCodec, rgb: np.ndarray, stream: bytes, key: keys.Keys = PUBLIC) -> np.ndarray:
    return codec.embed(rgb, stream, key, "keep", silent).rgb


@settings(max_examples=12, deadline=None)
@given(st.integers(64, 130), st.integers(64, 130), st.floats(0, 1), st.integers(0, 2**32))
def test_any_size_and_load(height, width, share, seed):
    codec, rgb = load_codec("stealth"), photo(height, width, 100, 150)
    room = codec.capacity(rgb, "keep", silent).most
    assert room > 300
    stream = np.random.default_rng(seed).bytes(int(share * room))
    before = rgb.copy()
    container = embedded(codec, rgb, stream)
    assert np.array_equal(rgb, before)
    assert StealthCodec(no_network).extract(container, PUBLIC).stream == stream
    assert np.array_equal(luma_of(container), luma_of(rgb))
    assert np.abs(container.astype(int) - rgb).max() <= 1


def test_capacity_is_taken_to_the_last_byte(codec):
    for top, left in ((0, 0), (300, 200)):
        rgb = photo(96, 97, top, left)
        room = codec.capacity(rgb, "keep", silent).most
        for seed in range(3):
            stream = np.random.default_rng(seed).bytes(room)
            assert codec.extract(embedded(codec, rgb, stream), PUBLIC).stream == stream
        with pytest.raises(CapacityError) as error:
            embedded(codec, rgb, bytes(room + 1))
        assert (error.value.needed, error.value.available) == (room + 1, room)


@pytest.mark.parametrize("free", [12, 15, 18, 22, 30])
def test_capacity_holds_where_little_may_move_whatever_pixels_the_key_chooses(codec, free):
    rgb = np.full((64, 64, 3), 90, np.uint8)
    rgb[:, :free] = photo(64, free)
    room, promised = codec.capacity(rgb, "keep", silent).most, 0
    for seed in range(6):
        key = keys.derive(None, np.random.default_rng(seed).bytes(32))
        stream = np.random.default_rng(seed).bytes(room)
        if room:
            promised += 1
            assert codec.extract(codec.embed(rgb, stream, key, "keep", silent).rgb, key).stream == stream
    assert promised == (6 if free > 20 else 0 if free < 16 else promised)


def test_capacity_is_a_load_per_pixel_that_may_move(codec):
    rgb = photo()
    assert codec.capacity(rgb, "keep", silent).most == int(stealth.LOAD * (~noise.flat(rgb)).sum() / 8)


def test_small_payloads_touch_little(codec):
    rgb = photo(256, 256)
    changed = []
    for size in (0, 60, 600, 6000):
        container = embedded(codec, rgb, np.random.default_rng(0).bytes(size))
        changed.append(float((container != rgb).any(axis=-1).mean()))
    assert changed == sorted(changed)
    assert changed[0] < 0.002  # the header
    assert changed[1] < 0.005
    assert changed[3] < 0.25


def test_changes_are_where_the_noise_is(codec):
    rgb = np.full((128, 256, 3), 128, np.uint8)
    rgb[:, 128:] = photo()
    container = embedded(codec, rgb, np.random.default_rng(0).bytes(1000))
    changed = (container != rgb).any(axis=-1)
    assert changed[:, 136:].mean() > 10 * changed[:, :120].mean()


@pytest.mark.parametrize("level", [0, 99, 255])
def test_where_nothing_can_move(codec, level):
    """Where all is of one colour a change would be seen; the pixels beside carry what they can."""
    rgb = np.full((96, 96, 3), level, np.uint8)
    rgb[:, 48:] = photo(96, 48)
    room = codec.capacity(rgb, "keep", silent).most
    assert 0 < room <= stealth.LOAD * 96 * 50 / 8
    stream = np.random.default_rng(0).bytes(room)
    container = embedded(codec, rgb, stream)
    assert codec.extract(container, PUBLIC).stream == stream
    assert (container[:, :46] != rgb[:, :46]).any(axis=-1).mean() < 0.001


def test_what_is_safe_disturbs_by_as_much_as_is_safe(codec):
    rgb = photo(256, 256)
    room = codec.capacity(rgb, "keep", silent)
    assert 0 < 4 * room.safe < room.most
    random = np.random.default_rng(0)
    sizes = 0, room.safe, room.most
    found = [codec.embed(rgb, random.bytes(size), PUBLIC, "keep", silent).disturbance for size in sizes]
    assert 0 < found[0] < found[1] < found[2]
    assert 0.8 * SAFE < found[1] < 1.2 * SAFE
    for size, disturbance in zip(sizes, found, strict=True):
        assert codec.disturbance(rgb, size) == pytest.approx(disturbance, rel=0.2)
    assert codec.disturbance(rgb, room.most + 1) is None


def test_noise_makes_more_of_a_photo_safe(codec):
    rgb = photo(256, 256)
    noisy = np.clip(rgb + np.random.default_rng(0).normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)
    assert codec.capacity(noisy, "keep", silent).safe > 1.5 * codec.capacity(rgb, "keep", silent).safe


@pytest.mark.parametrize("colors", ["keep", "generate"])
def test_a_gray_photo_takes_nothing(codec, colors):
    rgb = np.repeat(luma_of(photo())[..., None], 3, axis=-1)
    assert codec.capacity(rgb, colors, silent).most == 0
    with pytest.raises(CapacityError):
        codec.embed(rgb, b"x", PUBLIC, colors, silent)


def test_no_new_colours(codec):
    assert codec.capacity(photo(), "generate", silent).most == 0
    with pytest.raises(CapacityError):
        codec.embed(photo(), b"x", PUBLIC, "generate", silent)


def test_a_photo_with_hardly_any_colour_takes_nothing():
    """One coloured pixel makes it a colour photo, though not one to hide much in."""
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[5, 5] = (200, 10, 10)
    assert stegcinn.capacity(rgb, codec="stealth").bytes == 0
    with pytest.raises(CapacityError):
        stegcinn.hide(rgb, b"x", codec="stealth")


def test_another_key_or_photo_reads_nothing(codec):
    container = embedded(codec, photo(), b"a stream")
    for rgb, key in ((container, OTHER), (photo(), PUBLIC), (container[::-1].copy(), PUBLIC)):
        with pytest.raises(RevealError):
            codec.extract(rgb, key)


def test_two_containers_have_nothing_in_common(codec):
    rgb, stream = photo(), np.random.default_rng(0).bytes(200)
    first, second, third = (embedded(codec, rgb, stream, key) for key in (PUBLIC, PUBLIC, OTHER))
    assert not np.array_equal(first, second)  # the header has a salt
    changed = [(image != rgb).any(axis=-1) for image in (first, third)]
    both = (changed[0] & changed[1]).sum()
    assert both < 0.35 * changed[0].sum()  # the same noisy places, by another draw


def test_sizes_that_no_sender_writes_are_refused(codec, monkeypatch):
    for sizes in ((2**32 - 1, 0, 0, 0), (9, 0, 0, 0)):
        monkeypatch.setattr(stealth, "_unmasked", lambda header, key, sizes=sizes: sizes)
        with pytest.raises(RevealError):
            codec.extract(photo(), PUBLIC)


def test_header_is_uniform_and_never_the_same():
    sizes = (5, 4, 3, 2)
    header = stealth._masked(b"12345678", sizes, PUBLIC)
    assert len(header) == HEADER_SIZE
    assert stealth._unmasked(header, PUBLIC) == sizes
    assert stealth._masked(b"12345679", sizes, PUBLIC)[8:] != header[8:]
    for place in range(HEADER_SIZE):
        damaged = bytearray(header)
        damaged[place] ^= 1
        if place in range(8, 24):  # the envelope has to find these
            assert stealth._unmasked(bytes(damaged), PUBLIC) != sizes
        else:
            with pytest.raises(RevealError):
                stealth._unmasked(bytes(damaged), PUBLIC)


def test_a_layer_that_fails_is_tried_with_less(codec, monkeypatch):
    """And nothing is lost when no layout works."""
    real, calls = stealth.stc.encode, []

    def refusing(bits, costs, message):
        calls.append(len(message))
        return None if len(calls) == refused else real(bits, costs, message)

    monkeypatch.setattr(stealth.stc, "encode", refusing)
    stream = np.random.default_rng(0).bytes(500)
    refused = 3
    assert codec.extract(embedded(codec, photo(), stream), PUBLIC).stream == stream
    assert len(calls) == refused + stealth.LAYERS + 1
    monkeypatch.setattr(stealth.stc, "encode", lambda *arguments: None)
    with pytest.raises(CapacityError):
        embedded(codec, photo(), stream)


def test_progress_is_told_in_small_steps(codec):
    rgb = photo(300, 400)
    for work in (
        lambda report: codec.capacity(rgb, "keep", report),
        lambda report: codec.embed(rgb, bytes(500), PUBLIC, "keep", report),
    ):
        told: list[float] = []
        work(told.append)
        assert told == sorted(told)
        assert told[-1] == 1
        assert max(np.diff([0, *told])) < 0.4


def test_a_flipped_bit_is_noticed(codec):
    host = read_photo(photo())
    container = stego.conceal(host, Payload(b"secret" * 40), codec="stealth").photo.rgb.copy()
    rng = np.random.default_rng(0)
    places = rng.random(container.shape[:2]) < 0.02
    container[places] = photo()[places]
    damaged = container.copy()
    damaged[places, 2] ^= 1
    with pytest.raises(RevealError):
        stego.uncover(host.with_rgb(damaged))


def test_what_does_not_read_back_is_not_returned(codec, monkeypatch):
    monkeypatch.setattr(StealthCodec, "extract", lambda *arguments, **options: (_ for _ in ()).throw(RevealError()))
    with pytest.raises(SelfCheckError):
        stego.conceal(read_photo(photo()), Payload(b"x"), codec="stealth")


def make_golden_container() -> None:
    """Write the container that every later release must reveal; only ever for a new format."""
    host = read_photo(photo(96, 80, 40, 170))
    sealed = stego.conceal(host, Payload(GOLDEN_TEXT, "golden.txt"), password="golden", codec="stealth")
    GOLDEN.write_bytes(sealed.file)


def test_the_golden_container():
    payload = stego.uncover(read_photo(GOLDEN), password="golden")
    assert payload == Payload(GOLDEN_TEXT, "golden.txt")
    with pytest.raises(RevealError):
        stegcinn.reveal(GOLDEN, password="Golden")
    with Image.open(GOLDEN) as image:
        assert image.size == (80, 96)


def test_envelopes_end_where_the_stream_ends(codec):
    stream = envelope.seal(envelope.pack(Payload(b"x" * 50)), PUBLIC)
    assert len(stream) <= OVERHEAD + 50
    assert envelope.unseal(codec.extract(embedded(codec, photo(), stream), PUBLIC).stream, PUBLIC).data == b"x" * 50
