"""The exact codec on its released weights."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

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
from stegcinn.codecs.base import Wish, silent
from stegcinn.codecs.exact import codec, header, loads
from stegcinn.codecs.exact.codec import MARGIN, REACH, ExactCodec
from stegcinn.codecs.exact.header import (
    CODED_PHASES,
    HEADER_SIZE,
    LAST_PHASE,
    SALT_SIZE,
    SHARES,
    Header,
    Load,
    NoRoomError,
    mask,
    unmask,
)
from stegcinn.codecs.exact.loads import FULL, FULL_IF_CALM, SURE, Fit
from stegcinn.colourmodel import calibration, networks
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.colourmodel.networks import plane
from stegcinn.errors import CapacityError, RevealError
from stegcinn.sealing import envelope, keys
from stegcinn.sealing.envelope import OVERHEAD, Payload

SALT = bytes(range(32))
PUBLIC = keys.derive(None, SALT)
OTHER = keys.derive(None, SALT[::-1])
KEEP, GENERATE = WISHES = Wish("keep"), Wish("generate")
VECTORS = Path(__file__).parents[1] / "format" / "vectors"
BOTH = pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.colors)
FLAT = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 40), (0, 0, 255)]


def photo(name: str, top: int, left: int, height: int, width: int) -> Photo:
    """A crop at camera resolution."""
    return Photo(crop(name, height, width, top, left))


def sealed(size: int, seed: int = 0, key: keys.Keys = PUBLIC) -> bytes:
    """An envelope of `size` bytes around a payload that does not compress."""
    return envelope.seal(envelope.pack(payload(size - OVERHEAD, seed)), key)


def payload(size: int, seed: int = 0) -> Payload:
    return Payload(np.random.default_rng(seed).bytes(size))


def room_of(codec: ExactCodec, host: Photo, wish: Wish = KEEP) -> int:
    return codec.capacity(host, wish, silent).most


def embedded(codec: ExactCodec, host: Photo, stream: bytes, key: keys.Keys = PUBLIC, wish: Wish = KEEP) -> Photo:
    return codec.embed(host, stream, key, wish, silent).carrier


def conceal(host: np.ndarray, data: bytes, **options: Any) -> stegcinn.Container:
    return stego.conceal(Source(host), Payload(data), **options)


def read(codec: ExactCodec, container: Photo, key: keys.Keys = PUBLIC) -> Payload:
    """What a receiver does with a saved container."""
    size = partial(envelope.stream_size, keys=key)
    return envelope.unseal(codec.extract(container, key, size, strict=True).stream, key)


def fit(codec: ExactCodec, host: Photo) -> Fit:
    return loads.fit(codec.model, host)


def everywhere(host: Photo) -> np.ndarray:
    """Which pixels are usable where all are seen."""
    return np.ones(host.luma.shape, bool)


def carriers(shape: tuple[int, ...], phases: tuple[tuple[int, int], ...] = CODED_PHASES) -> np.ndarray:
    """Which pixels `phases` may change."""
    mask = np.zeros(shape[:2], bool)
    for phase in phases:
        plane(mask, *phase)[...] = True
    return mask


def changed(host: Photo, container: Photo) -> np.ndarray:
    return (host.rgb != container.rgb).any(axis=-1)


def used(codec: ExactCodec, host: Photo) -> np.ndarray:
    """Which pixels of a host may change when its own colours are kept."""
    return carriers(host.rgb.shape, CODED_PHASES[fit(codec, host).full("keep").first :])


@pytest.fixture(scope="module")
def host() -> Photo:
    return photo("coffee", 120, 200, 67, 94)


@pytest.fixture(scope="module")
def calm() -> Photo:
    return photo("rocket", 120, 200, 66, 81)


@pytest.fixture(scope="module")
def room(exact, host) -> int:
    return room_of(exact, host)


@pytest.fixture(scope="module")
def container(exact, host, room) -> Photo:
    """As full as it surely gets."""
    return embedded(exact, host, sealed(room))


# -- what goes in comes out


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["astronaut", "chelsea", "coffee", "rocket"]),
    st.integers(0, 150), st.integers(0, 150), st.integers(64, 101), st.integers(64, 101),
    st.sampled_from(WISHES), st.sampled_from([0, 1, 17, "half", "full"]), st.binary(min_size=32, max_size=32),
)  # fmt: skip
def test_whatever_is_hidden_comes_back(exact, name, top, left, height, width, wish, size, salt):
    host, key = photo(name, top, left, height, width), keys.derive(None, salt)
    if isinstance(size, str):
        size = (room_of(exact, host, wish) - OVERHEAD) // (1 if size == "full" else 2)
        if size < 0:
            return
    hidden = payload(size)
    container = embedded(exact, host, envelope.seal(envelope.pack(hidden), key), key, wish)
    assert np.array_equal(container.luma, host.luma)
    assert read(exact, container, key) == hidden
    if wish == KEEP:
        assert not changed(host, container)[~used(exact, host)].any()
    with pytest.raises(RevealError):
        read(exact, container, OTHER)


@pytest.mark.slow
@pytest.mark.parametrize(("colors", "password"), [("keep", "pässword"), ("generate", None)])
def test_through_the_straight_line(colors, password):
    host = crop("rocket", 65, 77, 300, 300)
    size = stegcinn.capacity(host, codec="exact", colors=colors).bytes
    for hidden in (b"", payload(size).data):
        container = conceal(host, hidden, password=password, codec="exact", wish=Wish(colors))
        gray = [np.asarray(image.convert("L")) for image in (container.image, Image.fromarray(host))]
        assert np.array_equal(*gray)
        assert stegcinn.reveal(container, password=password) == hidden
    with pytest.raises(RevealError):
        stegcinn.reveal(container, password="another" if password is None else None)


def test_the_host_is_left_alone(exact, host, room):
    frozen = host.rgb.copy()
    frozen.flags.writeable = False
    for wish in WISHES:
        exact.capacity(Photo(frozen), wish, silent)
        read(exact, embedded(exact, Photo(frozen), sealed(100), wish=wish))
    assert np.array_equal(frozen, host.rgb)


def test_a_view_of_a_larger_photo_is_a_host_like_any(exact):
    large = crop("astronaut", 160, 200)
    for view in (large[::2, 20:100], large[::-1, ::-1][:70, :81]):
        container = embedded(exact, Photo(view), sealed(300))
        assert read(exact, container) == payload(300 - OVERHEAD)


# -- what changes, and what does not


def test_a_load_changes_what_it_needs(exact, host, room):
    hosts = []
    for size in (OVERHEAD, room // 8, room // 4, room // 2, room):
        container = embedded(exact, host, sealed(size))
        hosts.append(changed(host, container))
    shares = [mask.mean() for mask in hosts]
    assert np.all(np.diff(shares) > 0.02)
    assert shares[0] < 0.05
    assert shares[-1] > 0.7
    # in proportion: a quarter of the bytes takes about a quarter of the pixels
    assert shares[2] == pytest.approx(shares[-1] / 4, rel=0.4)
    assert not hosts[0][~carriers(host.rgb.shape, (LAST_PHASE,))].any()
    assert not hosts[2][~carriers(host.rgb.shape, CODED_PHASES[-2:])].any()
    assert hosts[-1][carriers(host.rgb.shape, CODED_PHASES[1:2])].mean() > 0.5


@pytest.mark.slow
def test_only_calm_hosts_carry_in_the_step_that_all_lean_on(exact, host, calm):
    for photo, wish, full in (
        (host, KEEP, FULL), (host, GENERATE, FULL), (calm, KEEP, FULL_IF_CALM), (calm, GENERATE, FULL),
    ):  # fmt: skip
        assert fit(exact, photo).full(wish.colors) == full
        room = room_of(exact, photo, wish)
        container = embedded(exact, photo, sealed(room), wish=wish)
        assert unmask(header_of(exact, container)[0], PUBLIC)[1].first >= full.first
        assert read(exact, container) == payload(room - OVERHEAD)
        if wish == KEEP:
            assert changed(photo, container)[carriers(photo.rgb.shape, CODED_PHASES[:1])].any() == (
                full == FULL_IF_CALM
            )
        with pytest.raises(CapacityError) as error:
            embedded(exact, photo, sealed(2 * room), wish=wish)
        assert error.value.available == room


def test_the_pixels_of_a_small_load_are_all_over_the_phase(exact, host):
    where = changed(host, embedded(exact, host, sealed(OVERHEAD)))
    other = changed(host, embedded(exact, host, sealed(OVERHEAD, key=OTHER), OTHER))
    for pixels in (where, other):
        rows, columns = np.nonzero(pixels)
        assert np.ptp(rows) > 0.8 * host.rgb.shape[0]
        assert np.ptp(columns) > 0.8 * host.rgb.shape[1]
    assert (where & other).sum() < 0.4 * where.sum()  # which ones, the key says


def test_generate_leaves_no_colour_of_the_host(exact, host):
    rgb = host.rgb.copy()
    rgb[..., 1:] //= 4
    red = Photo(rgb)
    painted = embedded(exact, red, sealed(OVERHEAD), wish=GENERATE)
    base = ~carriers(rgb.shape)
    assert changed(red, painted)[base].mean() > 0.9
    assert painted.rgb[..., 0].mean() < rgb[..., 0].mean() - 20


@pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")
def test_a_gray_host_is_coloured_by_default():
    gray = np.repeat(photo("chelsea", 80, 90, 64, 70).luma[..., None], 3, axis=-1)
    container = conceal(gray, b"x")
    assert container.codec == "exact"
    assert container.colors == stego.measure(Source(gray)).colors == "generate"
    assert stegcinn.reveal(container) == b"x"
    assert changed(Photo(gray), Photo(np.asarray(container))).mean() > 0.9


def test_what_the_stream_leaves_is_filled_with_random_colours(exact, host, monkeypatch):
    salt = bytes(SALT_SIZE)  # nothing else is drawn of that size
    wish = Wish("keep", random=lambda n: salt if n == len(salt) else os.urandom(n))
    monkeypatch.setattr(codec, "loads", lambda *args: [FULL])
    stream = sealed(OVERHEAD)
    twins = [embedded(exact, host, stream, wish=wish) for _ in range(2)]
    assert changed(*twins)[used(exact, host)].mean() > 0.7
    assert read(exact, twins[0]) == read(exact, twins[1]) == payload(0)


def test_the_same_stream_twice_gives_unrelated_containers(exact, host, container, room):
    again = embedded(exact, host, sealed(room))
    assert changed(again, container)[used(exact, host)].mean() > 0.7
    stream = sealed(OVERHEAD + 5)
    twins = [embedded(exact, host, stream) for _ in range(2)]
    headers = [header_of(exact, twin) for twin in twins]
    assert not (headers[0][1] & ~headers[1][1]).all()
    where = headers[0][1] & headers[1][1]
    assert changed(*twins)[where].mean() > 0.5  # its pixels show another salt and mask, too


def header_of(exact: ExactCodec, container: Photo, key: keys.Keys = PUBLIC) -> tuple[bytes, np.ndarray]:
    """The masked header of a container, and the pixels that hold it."""
    header = Header(exact.model, container.rgb, container.luma, everywhere(container), key)
    pixels, data = np.zeros(container.luma.shape, bool), header.absorb(exact.model.tables(0, reach=REACH))
    phase = plane(pixels, *LAST_PHASE)
    phase[...] = header.used()
    return data, pixels


# -- the header


def test_the_header_is_what_was_written(exact, host, monkeypatch):
    written = []
    monkeypatch.setattr(codec, "mask", lambda *args: written.append(mask(*args)) or written[-1])
    for size in (OVERHEAD, 2000):
        container = embedded(exact, host, sealed(size))
        data, pixels = header_of(exact, container)
        assert data == written[-1]
        assert len(data) == HEADER_SIZE
        assert not (pixels & ~carriers(host.rgb.shape, (LAST_PHASE,))).any()
        salt, load, fitted = unmask(data, PUBLIC)
        assert salt == data[:SALT_SIZE]
        assert np.array_equal(fitted.shifts, fit(exact, host).calibration.shifts)
        assert load.first == (len(CODED_PHASES) - 1 if size == OVERHEAD else load.first)
    assert len({header[:SALT_SIZE] for header in written}) == len(written)


# -- wrong keys, clean photos, alterations


def test_another_key_and_a_clean_photo_reveal_nothing(exact, host, container):
    for image, key in ((container, OTHER), (host, PUBLIC), (host, OTHER)):
        with pytest.raises(RevealError):
            exact.extract(image, key, partial(envelope.stream_size, keys=key))


def test_whatever_a_clean_photos_header_reads_like_nothing_follows(exact, host, monkeypatch):
    rng = np.random.default_rng(1)
    for first in range(len(CODED_PHASES)):
        for share in (0, 5000, SHARES - 1):
            fitted = Calibration.from_bytes(rng.bytes(calibration.SIZE))
            told = bytes(SALT_SIZE), Load(first, share), fitted
            monkeypatch.setattr(codec, "unmask", lambda *args, told=told: told)
            with pytest.raises(RevealError):
                read(exact, host)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(64, 75), st.integers(64, 75), st.sampled_from([1, 8, 64, 255]))
def test_noise_reveals_nothing(exact, seed, height, width, step):
    rng = np.random.default_rng(seed)
    noise = (rng.integers(0, 256, (height, width, 3)) // step * step).astype(np.uint8)
    for salt in range(3):
        with pytest.raises(RevealError):
            read(exact, Photo(noise), keys.derive(None, bytes([salt]) * 32))


def other_colour(pixel: np.ndarray) -> np.ndarray:
    """A colour of the same luma, far from this one."""
    r, b = (a.ravel() for a in np.meshgrid(np.arange(256), np.arange(256)))
    y = int(luma_of(pixel))
    g = ((y << 16) - 19595 * r - 7471 * b + 38469) // 38470  # the only one, or one of two
    colours = np.stack([r, g, b], axis=-1)[(g >= 0) & (g <= 255)].astype(np.uint8)
    colours = colours[luma_of(colours) == y]
    return colours[np.abs(colours.astype(int) - pixel).sum(axis=-1).argmax()]


def with_another_colour(container: Photo, row: int, column: int) -> Photo:
    altered = container.rgb.copy()
    altered[row, column] = other_colour(altered[row, column])
    return container.with_rgb(altered)


def test_an_altered_pixel_is_noticed(exact, host, room, container):
    rows, columns = host.luma.shape
    places = [(4, 6), (rows // 8 * 4, columns // 8 * 4 + 2), (30, 40), (12, 8), (2, 2)]  # the last two: the host's own
    for row, column in places:
        altered = with_another_colour(container, row, column)
        assert np.array_equal(altered.luma, container.luma)
        assert changed(altered, container).sum() == 1
        with pytest.raises(RevealError):
            read(exact, altered)
    assert read(exact, container) == payload(room - OVERHEAD)


def test_an_altered_header_pixel_is_noticed(exact, host, container):
    header = Header(exact.model, container.rgb, container.luma, everywhere(container), PUBLIC)
    rows, columns = np.mgrid[: host.luma.shape[0], : host.luma.shape[1]]
    for place in header.places[:24:6]:  # of those that hold the last bytes, some are filling
        row, column = plane(rows, *LAST_PHASE).flat[place], plane(columns, *LAST_PHASE).flat[place]
        with pytest.raises(RevealError):
            read(exact, with_another_colour(container, row, column))


# -- capacity


@pytest.mark.slow
def test_capacity_is_kept_in_every_draw(exact):
    host = photo("chelsea", 60, 100, 64, 64)
    room = room_of(exact, host)
    assert 8 * room > 4 * host.pixels  # more than four bits per pixel
    for seed in range(20):
        container = embedded(exact, host, sealed(room, seed))
        if seed % 4 == 0:
            assert read(exact, container) == payload(room - OVERHEAD, seed)


def draw(exact: ExactCodec, host: Photo, stream: bytes, random: keys.RandomBytes) -> int:
    """Bytes that a full container settles."""
    fitted = fit(exact, host).calibration
    where = everywhere(host)
    return exact._paint(host.rgb.copy(), host.luma, where, stream, FULL, fitted, PUBLIC, random, silent)


def test_capacity_is_what_a_draw_carries_less_a_margin(exact, host, room):
    random = keys.Keystream(PUBLIC, "test")
    consumed = [draw(exact, host, b"", random) for _ in range(6)]
    margin = MARGIN * carriers(host.rgb.shape).sum() ** 0.5 / 8
    assert np.std(consumed) < margin / 3
    assert 0.5 * margin < np.mean(consumed) - room < 1.5 * margin


@pytest.mark.slow
@BOTH
def test_what_is_clearly_too_much_does_not_fit(exact, host, wish):
    room = room_of(exact, host, wish)
    for size in (int(1.2 * room) + 500, 20 * room):
        with pytest.raises(CapacityError) as error:
            embedded(exact, host, sealed(size), wish=wish)
        assert error.value.needed == size
        assert error.value.available == room


def test_what_is_too_much_is_told_in_bytes_of_payload(host, room):
    available = stegcinn.capacity(host.rgb, codec="exact").bytes
    assert available == room - OVERHEAD
    with pytest.raises(CapacityError) as error:
        stegcinn.hide(host.rgb, payload(2 * room).data, codec="exact")
    assert (error.value.needed, error.value.available) == (2 * room, available)


def test_available_is_less_than_needed_even_where_luck_decides(exact, host, monkeypatch):
    """All draws may fail for what is thought to fit: then less is promised than was asked for."""
    monkeypatch.setattr(ExactCodec, "_paint", lambda *args: 0)
    monkeypatch.setattr(ExactCodec, "_room", lambda *args: 1000)
    with pytest.raises(CapacityError) as error:
        embedded(exact, host, sealed(1000))
    assert (error.value.needed, error.value.available) == (1000, 999)


def test_a_full_load_drawn_again_is_another_draw(exact, host):
    """Else a stream that does not fit would never fit."""
    stream, random = np.random.default_rng(0).bytes(12 * host.pixels), keys.Keystream(PUBLIC, "test")
    settled = {draw(exact, host, stream, random) for _ in range(4)}
    assert len(settled) > 1


def test_capacity_is_the_same_every_time_and_of_the_whole_photo(exact, host, room):
    assert room_of(exact, host) == room
    assert room_of(exact, host, GENERATE) != room
    large = photo("coffee", 120, 200, 67, 188)
    assert room_of(exact, large) > 1.5 * room


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("flat", FLAT, ids=str)
def test_flat_images_are_told_as_they_are(exact, flat, wish):
    host = Photo(np.full((64, 66, 3), flat, np.uint8))
    room = room_of(exact, host, wish)
    assert 0 <= room < 4 * host.pixels // 8
    hidden = payload(max(0, room - OVERHEAD))
    if room >= OVERHEAD:
        container = embedded(exact, host, envelope.seal(envelope.pack(hidden), PUBLIC), wish=wish)
        assert np.array_equal(container.luma, host.luma)
        assert read(exact, container) == hidden


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one pixel", "half", "two levels", "stripes"])
def test_odd_hosts_carry_what_they_promise(exact, name):
    rng = np.random.default_rng(0)
    rgb = np.full((64, 96, 3), 255, np.uint8)
    if name == "one pixel":
        rgb[30, 30] = (255, 0, 0)
    elif name == "half":
        rgb[:, 48:] = rng.integers(0, 256, (64, 48, 3))
    elif name == "two levels":
        rgb *= rng.integers(0, 2, rgb.shape, np.uint8)
    else:
        rgb[::2] = (0, 60, 200)
    host = Photo(rgb)
    room = room_of(exact, host)
    assert room > OVERHEAD
    container = embedded(exact, host, sealed(room))
    assert np.array_equal(container.luma, host.luma)
    assert read(exact, container) == payload(room - OVERHEAD)


def test_without_room_for_a_header_there_is_no_capacity(exact, host, monkeypatch):
    def draw(self, tables, header, random):
        raise NoRoomError

    monkeypatch.setattr(Header, "draw", draw)
    assert room_of(exact, host) == 0
    with pytest.raises(CapacityError) as error:
        embedded(exact, host, sealed(OVERHEAD))
    assert error.value.available == 0


def test_a_header_that_finds_too_few_pixels_is_told(exact, monkeypatch):
    monkeypatch.setattr(header, "HEADER_PIXELS", 16)  # 18 bits in each at most
    noise = Photo(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    assert room_of(exact, noise) == 0
    with pytest.raises(RevealError):
        read(exact, noise)


# -- loads


def test_a_first_load_that_does_not_do_is_followed_by_a_larger_one(exact, host, monkeypatch):
    tried = []
    real = ExactCodec._paint

    def paint(self, rgb, luma, where, stream, load, *rest):
        tried.append(load)
        settled = real(self, rgb, luma, where, stream, load, *rest)
        return settled if len(tried) == 3 else len(stream) + SURE - 1

    monkeypatch.setattr(ExactCodec, "_paint", paint)
    container = embedded(exact, host, sealed(200))
    assert len(set(tried)) == 3
    assert tried[-1] == fit(exact, host).full("keep")
    assert read(exact, container) == payload(200 - OVERHEAD)


# -- the machinery does not show


@pytest.mark.slow
@BOTH
def test_the_number_of_threads_does_not_matter(exact, wish, monkeypatch):
    host = Photo(np.tile(crop("rocket", 64, 300, 300, 200), (1, 3, 1)))
    stream, results = sealed(9000), []
    for workers in (1, 4):
        random = keys.Keystream(OTHER, "threads")
        monkeypatch.setattr(networks, "WORKERS", workers)
        results.append(embedded(exact, host, stream, wish=replace(wish, random=random)))
        assert read(exact, results[-1]) == payload(9000 - OVERHEAD)
    assert not changed(*results).any()


def test_progress_rises_to_one(exact, host):
    for run in (
        lambda report: exact.embed(host, sealed(100), PUBLIC, GENERATE, report),
        lambda report: exact.capacity(host, KEEP, report),
    ):
        shares: list[float] = []
        run(shares.append)
        assert shares == sorted(shares)
        assert 0 < shares[0] < shares[-1] == 1


# -- what was released stays readable


def golden_host(height: int, width: int, depth: int, grain: int) -> np.ndarray:
    """Coloured waves under a texture, in integers only: the same on every machine, for ever."""
    y, x = np.mgrid[:height, :width]
    waves = [np.abs((3 * x + 2 * y) % 160 - 80), np.abs((x - 3 * y) % 190 - 95), np.abs((2 * x + 5 * y) % 240 - 120)]
    texture = [(x * x * 7 + y * y * 3 + x * y * 5 + c * (x + y)) // 3 % grain for c in range(3)]
    return np.stack([40 + w * depth // 10 + t for w, t in zip(waves, texture, strict=True)], axis=-1).astype(np.uint8)


# Made with the release exact-1 by `make_golden_container`. One is wider than a tile and rather full: the order of tiles
# is part of the format. The calm one is so full that every step carries.
GOLDEN_PASSWORD = "for ever and a day, 永遠"
GOLDEN = {
    "exact-1.png": ((64, 64, 10, 13), 300, "keep"),
    "exact-1-generated.png": ((65, 79, 10, 13), 500, "generate"),
    "exact-1-tiles.png": ((64, 283, 10, 13), 15000, "keep"),
    "exact-1-calm.png": ((70, 67, 3, 2), 2000, "keep"),
}


def golden_payload(size: int) -> bytes:
    return b"".join(hashlib.sha256(b"golden %d" % i).digest() for i in range(size // 32 + 1))[:size]


def make_golden_container(name: str) -> None:
    """For new ones. Those of a released format are never made again."""
    size, length, colors = GOLDEN[name]
    host, hidden = golden_host(*size), golden_payload(length)
    stegcinn.hide(host, hidden, password=GOLDEN_PASSWORD, codec="exact", colors=colors).save(VECTORS / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_containers_reveal_for_ever(name):
    size, length, _ = GOLDEN[name]
    with Image.open(VECTORS / name) as image:
        container = np.asarray(image)
    assert np.array_equal(luma_of(container), luma_of(golden_host(*size)))
    assert stegcinn.reveal(VECTORS / name, password=GOLDEN_PASSWORD) == golden_payload(length)
