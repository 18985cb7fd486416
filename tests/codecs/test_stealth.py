"""The stealth codec: what is hidden comes back without any network, in changes of one level that keep the luma."""

from __future__ import annotations

import struct
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import stegcinn
from photos import crop
from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import SAFE, Wish, silent
from stegcinn.codecs.stealth import codec as embedder
from stegcinn.codecs.stealth import header
from stegcinn.codecs.stealth.codec import StealthCodec
from stegcinn.codecs.stealth.header import HEADER_SIZE
from stegcinn.codecs.stealth.moves import LAYERS
from stegcinn.codecs.stealth.pricing import LOAD
from stegcinn.coding import layered, layerheader, stc
from stegcinn.errors import CapacityError, RevealError, SelfCheckError
from stegcinn.sealing import compact, envelope, keys
from stegcinn.sealing.envelope import Payload

PUBLIC = keys.derive(None, bytes(range(32)))
OTHER = keys.derive(None, bytes(range(1, 33)))
OLD = keys.derive(None, bytes(range(32)), version=1)
KEEP, GENERATE = Wish("keep"), Wish("generate")
GOLDEN = Path(__file__).parents[1] / "format" / "vectors" / "stealth.png"
GOLDEN_TEXT = b"A container of the first release with codec stealth."


def photo(height: int = 128, width: int = 128, top: int = 0, left: int = 0) -> Photo:
    return Photo(crop("astronaut", height, width, top, left))


def no_network() -> None:
    raise AssertionError("a receiver needs no network")


def room_of(codec: StealthCodec, host: Photo, wish: Wish = KEEP) -> int:
    return codec.capacity(host, wish, silent).most


def embedded(codec: StealthCodec, host: Photo, stream: bytes, key: keys.Keys = PUBLIC, wish: Wish = KEEP) -> Photo:
    return codec.embed(host, stream, key, wish, silent).carrier


def extracted(codec: StealthCodec, container: Photo, key: keys.Keys = PUBLIC) -> bytes:
    """The header tells how long the stream is: nobody has to be asked."""
    return codec.extract(container, key, lambda start: 0).stream


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.integers(64, 130), st.integers(64, 130), st.floats(0, 1), st.integers(0, 2**32))
def test_any_size_and_load(height, width, share, seed):
    codec, host = load_codec("stealth"), photo(height, width, 100, 150)
    room = room_of(codec, host)
    assert room > 300
    stream = np.random.default_rng(seed).bytes(int(share * room))
    before = host.rgb.copy()
    container = embedded(codec, host, stream)
    assert np.array_equal(host.rgb, before)
    assert extracted(StealthCodec(no_network), container) == stream
    assert np.array_equal(container.luma, host.luma)
    assert np.abs(container.rgb.astype(int) - host.rgb).max() <= 1


@pytest.mark.slow
def test_capacity_is_taken_to_the_last_byte(stealth):
    for top, left in ((0, 0), (300, 200)):
        host = photo(96, 97, top, left)
        room = room_of(stealth, host)
        for seed in range(3):
            stream = np.random.default_rng(seed).bytes(room)
            assert extracted(stealth, embedded(stealth, host, stream)) == stream
        with pytest.raises(CapacityError) as error:
            embedded(stealth, host, bytes(room + 1))
        assert (error.value.needed, error.value.available) == (room + 1, room)


@pytest.mark.slow
@pytest.mark.parametrize("free", [1, 2, 3, 6, 12, 22])
def test_capacity_holds_where_little_may_move_whatever_pixels_the_key_chooses(stealth, free):
    rgb = np.full((64, 64, 3), 90, np.uint8)
    rgb[:, :free] = photo(64, free).rgb
    host = Photo(rgb)
    room, promised = room_of(stealth, host), 0
    for seed in range(6):
        key = keys.derive(None, np.random.default_rng(seed).bytes(32))
        stream = np.random.default_rng(seed).bytes(room)
        if room:
            promised += 1
            assert extracted(stealth, embedded(stealth, host, stream, key), key) == stream
    assert promised == (6 if free > 1 else 0)


def test_capacity_is_a_load_per_pixel_that_may_move(stealth):
    rgb = photo().rgb.copy()
    rgb[10:30, 20:50] = (90, 120, 60)
    host = Photo(rgb)
    around = np.pad(host.rgb, ((1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(0, 1))
    flat = (windows == host.rgb[..., None, None]).all(axis=(2, 3, 4))
    assert flat.any()
    assert room_of(stealth, host) == int(LOAD * (~flat).sum() / 8)


@pytest.mark.slow
def test_small_payloads_touch_little(stealth):
    host = photo(256, 256)
    changed = []
    for size in (0, 60, 600, 6000):
        embedding = stealth.embed(host, np.random.default_rng(0).bytes(size), PUBLIC, KEEP, silent)
        changed.append(float((embedding.carrier.rgb != host.rgb).any(axis=-1).mean()))
        assert embedding.changed == changed[-1]
    assert changed == sorted(changed)
    assert changed[0] < 0.002  # the header
    assert changed[1] < 0.005
    assert changed[3] < 0.25


def test_changes_are_where_the_noise_is(stealth):
    rgb = np.full((128, 256, 3), 128, np.uint8)
    rgb[:, 128:] = photo().rgb
    container = embedded(stealth, Photo(rgb), np.random.default_rng(0).bytes(1000))
    changed = (container.rgb != rgb).any(axis=-1)
    assert changed[:, 136:].mean() > 10 * changed[:, :120].mean()


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 99, 255])
def test_where_nothing_can_move(stealth, level):
    """Where all is of one colour a change would be seen; the pixels beside carry what they can."""
    rgb = np.full((96, 96, 3), level, np.uint8)
    rgb[:, 48:] = photo(96, 48).rgb
    room = room_of(stealth, Photo(rgb))
    assert 0 < room <= LOAD * 96 * 50 / 8
    stream = np.random.default_rng(0).bytes(room)
    container = embedded(stealth, Photo(rgb), stream)
    assert extracted(stealth, container) == stream
    assert (container.rgb[:, :46] != rgb[:, :46]).any(axis=-1).mean() < 0.001


@pytest.mark.slow
def test_what_is_safe_disturbs_by_as_much_as_is_safe(stealth):
    host = photo(256, 256)
    room = stealth.capacity(host, KEEP, silent)
    assert 0 < 4 * room.safe < room.most
    random = np.random.default_rng(0)
    sizes = 0, room.safe, room.most
    found = [stealth.embed(host, random.bytes(size), PUBLIC, KEEP, silent).disturbance for size in sizes]
    assert 0 < found[0] < found[1] < found[2]
    assert 0.97 * SAFE < found[1] <= SAFE
    assert found == [stealth.disturbance(host, size) for size in sizes]
    assert stealth.disturbance(host, room.most + 1) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_a_payload_of_just_what_is_safe_is_never_called_noticeable(name):
    """Whatever photo and size, and whatever places the key chooses."""
    rng, safe = np.random.default_rng(1), []
    for side in (96, 128, 200, 256):
        rgb = crop(name, side, side, 20, 40)
        rgb = np.clip(rgb + rng.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)
        safe.append(stegcinn.capacity(rgb, codec="stealth").safe_bytes)
        if safe[-1]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", stegcinn.StegcinnWarning)
                container = stegcinn.hide(rgb, rng.bytes(safe[-1]), codec="stealth")
            assert container.judgement.verdict == "safe"
    assert safe[-1]


def test_noise_makes_more_of_a_photo_safe(stealth):
    rgb = photo(256, 256).rgb
    noisy = np.clip(rgb + np.random.default_rng(0).normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)
    safe = [stealth.capacity(Photo(pixels), KEEP, silent).safe for pixels in (rgb, noisy)]
    assert safe[1] > 1.5 * safe[0]


@pytest.mark.parametrize("wish", [KEEP, GENERATE], ids=lambda wish: wish.colors)
def test_a_gray_photo_takes_nothing(stealth, wish):
    gray = Photo(np.repeat(photo().luma[..., None], 3, axis=-1))
    assert room_of(stealth, gray, wish) == 0
    with pytest.raises(CapacityError):
        embedded(stealth, gray, b"x", wish=wish)


def test_no_new_colours(stealth):
    assert stealth.refusal(GENERATE)
    assert room_of(stealth, photo(), GENERATE) == 0
    with pytest.raises(CapacityError):
        embedded(stealth, photo(), b"x", wish=GENERATE)


def test_a_photo_with_hardly_any_colour_takes_nothing():
    """One coloured pixel makes it a colour photo, though not one to hide much in."""
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[5, 5] = (200, 10, 10)
    assert stegcinn.capacity(rgb, codec="stealth").bytes == 0
    with pytest.raises(CapacityError):
        stegcinn.hide(rgb, b"x", codec="stealth")


def test_another_key_or_photo_reads_nothing(stealth):
    container = embedded(stealth, photo(), b"a stream")
    turned = Photo(container.rgb[::-1].copy())
    for image, key in ((container, OTHER), (photo(), PUBLIC), (turned, PUBLIC)):
        with pytest.raises(RevealError):
            extracted(stealth, image, key)


def test_two_containers_have_nothing_in_common(stealth):
    host, stream = photo(), np.random.default_rng(0).bytes(200)
    first, second, third = (embedded(stealth, host, stream, key).rgb for key in (PUBLIC, PUBLIC, OTHER))
    assert not np.array_equal(first, second)  # the header has a salt
    changed = [(image != host.rgb).any(axis=-1) for image in (first, third)]
    both = (changed[0] & changed[1]).sum()
    assert both < 0.35 * changed[0].sum()  # the same noisy places, by another draw


@pytest.mark.parametrize(("length", "shares"), [(2**32 - 1, (64, 64, 64)), (1025, (255, 0, 0)), (1025, (0, 0, 0))])
def test_sizes_that_no_body_holds_are_refused(stealth, monkeypatch, length, shares):
    """One layer has a bit for each of the body's pixels: 8,192 of 128x128, where the message is short."""
    real = layerheader.masked
    monkeypatch.setattr(layerheader, "masked", lambda salt, codec, _, __, key: real(salt, codec, length, shares, key))
    lying = embedded(stealth, photo(), bytes(10))
    with pytest.raises(RevealError):
        extracted(stealth, lying)
    monkeypatch.setattr(
        layerheader, "masked", lambda salt, codec, _, __, key: real(salt, codec, 1024, (255, 0, 0), key)
    )
    assert len(extracted(stealth, embedded(stealth, photo(), bytes(10)))) == 1024


def test_a_header_tells_how_many_bits_each_layer_carries(stealth, monkeypatch):
    written = []
    real = layerheader.masked
    monkeypatch.setattr(layerheader, "masked", lambda *header: written.append(header) or real(*header))
    told = []
    inner = embedder.read_header
    monkeypatch.setattr(embedder, "read_header", lambda *labels: told.append(inner(*labels)) or told[-1])
    stream = np.random.default_rng(0).bytes(1500)
    assert extracted(stealth, embedded(stealth, photo(), stream)) == stream
    (_, name, length, shares, key), ((_, sizes),) = written[-1], told
    assert (name, length, key) == ("stealth", 1500, PUBLIC)
    assert sizes == layered.sizes(12_000, shares)
    assert len(sizes) == LAYERS
    assert min(sizes) > 0
    assert HEADER_SIZE == 9


def test_a_header_of_format_1_is_read():
    """Four sizes behind a salt of eight bytes, before four zero bytes."""
    sizes, salt = (5, 4, 3, 4), b"12345678"
    plain = struct.pack(">5I", *sizes, 0)

    def told(plain: bytes, pixels: int = 1029, split: int = 1024) -> tuple[int, tuple[int, ...]]:
        whole = salt + OLD.masked(plain, "stealth header 3132333435363738")
        bits = stc.encode(
            np.zeros(split, np.uint8), np.ones(split, np.int16), np.unpackbits(np.frombuffer(whole, np.uint8))
        )
        return header.read_header(np.pad(bits, (0, pixels - split)), OLD)

    assert told(plain) == (1024, sizes)
    for pixels, split in ((64 * 64, 1024), (16400, 1025), (256 * 1024, 16384), (5_000_000, 16384)):
        assert told(plain, pixels, split) == (split, sizes)
    for wrong in ((5, 4, 3, 4, 1), (5, 4, 3, 3, 0), (5, 4, 3, 4, 1 << 31)):  # zeros, whole bytes, zeros
        with pytest.raises(RevealError):
            told(struct.pack(">5I", *wrong))
    with pytest.raises(RevealError):
        told(plain, 1028)


@pytest.mark.parametrize("refused", [3, LAYERS + 1])
def test_a_code_that_fails_is_tried_again(stealth, monkeypatch, refused):
    """A layer with less in it, the header with another salt; and nothing is lost when no layout works."""
    real, calls = stc.encode, []

    def refusing(bits, prices, message):
        calls.append(len(message))
        return None if len(calls) == refused else real(bits, prices, message)

    monkeypatch.setattr(stc, "encode", refusing)
    stream = np.random.default_rng(0).bytes(500)
    assert extracted(stealth, embedded(stealth, photo(), stream)) == stream
    assert len(calls) == LAYERS + 1 + (refused if refused <= LAYERS else 1)
    assert calls[-1] == 8 * HEADER_SIZE
    monkeypatch.setattr(stc, "encode", lambda *arguments: None)
    with pytest.raises(CapacityError):
        embedded(stealth, photo(), stream)


def test_progress_is_told_in_small_steps(stealth):
    host = photo(300, 400)
    for work in (
        lambda report: stealth.capacity(host, KEEP, report),
        lambda report: stealth.embed(host, bytes(500), PUBLIC, KEEP, report),
    ):
        told: list[float] = []
        work(told.append)
        assert told == sorted(told)
        assert told[-1] == 1
        assert max(np.diff([0, *told])) < 0.4


def test_a_flipped_bit_is_noticed():
    host = photo().rgb
    container = np.array(stego.conceal(Source(host), Payload(b"secret" * 40), codec="stealth"))
    rng = np.random.default_rng(0)
    places = rng.random(container.shape[:2]) < 0.02
    container[places] = host[places]
    damaged = container.copy()
    damaged[places, 2] ^= 1
    with pytest.raises(RevealError):
        stego.uncover(Source(damaged))


def test_what_does_not_read_back_is_not_returned(monkeypatch):
    monkeypatch.setattr(StealthCodec, "extract", lambda *arguments, **options: (_ for _ in ()).throw(RevealError()))
    with pytest.raises(SelfCheckError):
        stego.conceal(Source(photo().rgb), Payload(b"x"), codec="stealth")


def make_golden_container() -> None:
    """Write the container that every later release must reveal; only ever for a new format."""
    host = Source(photo(96, 80, 40, 170).rgb)
    sealed = stego.conceal(host, Payload(GOLDEN_TEXT, "golden.txt"), password="golden", codec="stealth")
    GOLDEN.write_bytes(sealed.file)


def test_the_golden_container():
    payload = stego.uncover(Source(GOLDEN), password="golden")
    assert payload == Payload(GOLDEN_TEXT, "golden.txt")
    with pytest.raises(RevealError):
        stegcinn.reveal(GOLDEN, password="Golden")
    with Image.open(GOLDEN) as image:
        assert image.size == (80, 96)
        assert np.array_equal(luma_of(np.asarray(image)), photo(96, 80, 40, 170).luma)


def test_envelopes_end_where_the_stream_ends(stealth):
    stream = compact.seal(envelope.pack(Payload(b"x" * 50)), PUBLIC)
    assert len(stream) <= compact.OVERHEAD + 50
    container = embedded(stealth, photo(), stream)
    extraction = stealth.extract(container, PUBLIC, partial(compact.stream_size, keys=PUBLIC))
    assert extraction.stream == stream
    assert compact.unseal(extraction.stream, PUBLIC).data == b"x" * 50
