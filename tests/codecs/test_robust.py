"""What the codec `robust` promises beside the contract: that payloads come through what is done to photos."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stegcinn
from photos import resized
from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import psnr
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.making import make
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Wish
from stegcinn.codecs.robust import choosing, codec, grid, lattice, load, lumaprint, places, reading, recolouring
from stegcinn.codecs.robust.channels import Channel, channels, parse
from stegcinn.codecs.robust.code import Header, plan
from stegcinn.codecs.robust.places import Places
from stegcinn.errors import CapacityError, RevealError, SelfCheckError, StegcinnWarning, UsageError
from stegcinn.sealing.keys import Keyring, Keys

pytestmark = pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")

HOST = resized("rocket", 600, 900)
PAYLOAD = bytes(range(60))
KEYS = Keys(bytes(range(32)))


def hidden(channel: str, format: str = "jpg") -> stegcinn.Container:
    return stegcinn.hide(HOST, PAYLOAD, channel=channel, format=format)


def saved(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def arrives(image: Image.Image, kind: str = "JPEG", **options) -> bool:
    try:
        return stegcinn.reveal(saved(image, kind, **options)) == PAYLOAD
    except RevealError:
        return False


@pytest.fixture(scope="module")
def known() -> stegcinn.Container:
    with pytest.warns(StegcinnWarning):
        return hidden("long-edge=1600,quality=70")


@pytest.fixture(scope="module")
def pixels() -> stegcinn.Container:
    with pytest.warns(StegcinnWarning):
        return hidden("quality>=62", "png")


@pytest.fixture(scope="module")
def strong() -> stegcinn.Container:
    with pytest.warns(StegcinnWarning):
        return hidden("resize=0.7,quality>=80")


# -- what it comes through


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 67}, {"quality": 70}, {"quality": 70, "optimize": True, "progressive": True}, {"quality": 85},
        {"quality": 75, "subsampling": 0}, {"quality": 75, "subsampling": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_known_channel_is_survived(known, options):
    assert arrives(known.image, **options)


@pytest.mark.parametrize("quality", [62, 66, 73, 81, 90, 95])
def test_any_better_quality_is_survived(pixels, quality):
    assert arrives(pixels.image, quality=quality)


def test_webp_is_survived():
    container = hidden("webp>=80")
    assert arrives(container.image, "WEBP", quality=80)
    assert arrives(container.image, "JPEG", quality=75)


def test_what_is_saved_twice_or_as_another_format_is_survived(known, pixels):
    once = Image.open(io.BytesIO(saved(pixels.image, quality=85)))
    assert arrives(once, quality=75)
    assert arrives(known.image, "PNG")
    assert arrives(known.image, "BMP")


@pytest.mark.parametrize("scale", [0.7, 0.77, 0.9, 1.1, 1.3])
def test_scaling_is_survived(strong, scale):
    size = round(strong.image.width * scale), round(strong.image.height * scale)
    for kernel in (Image.Resampling.LANCZOS, Image.Resampling.BILINEAR):
        assert arrives(strong.image.resize(size, kernel), quality=80)


@pytest.mark.parametrize("way", list(Image.Transpose))
def test_turning_and_mirroring_is_survived(strong, way):
    assert arrives(strong.image.transpose(way), quality=75)


@pytest.mark.parametrize("box", [(0, 0, 880, 590), (16, 0, 900, 600), (48, 64, 900, 584), (160, 32, 800, 600)])
def test_crops_of_whole_blocks_are_survived(strong, box):
    assert arrives(strong.image.crop(box), quality=80)


@pytest.mark.parametrize("box", [(1, 0, 900, 600), (0, 8, 890, 600), (5, 3, 900, 600), (46, 77, 860, 571)])
def test_other_crops_are_survived(strong, box):
    assert arrives(strong.image.crop(box), quality=80)


def test_damage_in_one_place_is_survived(pixels):
    image = pixels.image.copy()
    image.paste((250, 240, 10), (30, 40, 230, 200))
    assert arrives(image, quality=75)


def test_a_known_channel_may_leave_a_small_mark(known):
    image = known.image.copy()
    image.paste((250, 240, 10), (860, 580, 890, 590))
    assert arrives(image, quality=75)


@pytest.mark.parametrize("way", list(Image.Transpose))
def test_what_came_whole_may_be_turned_and_mirrored(known, way):
    assert arrives(known.image.transpose(way), quality=90)


def test_what_came_whole_may_have_been_made_smaller():
    container = stegcinn.hide(resized("rocket", 854, 1280), PAYLOAD, channel="quality=60")
    assert arrives(container.image.resize((1100, 734), Image.Resampling.LANCZOS), quality=95)


def test_a_channel_that_is_too_coarse_is_not(known):
    assert not arrives(known.image, quality=20)


# -- what is told


def test_what_is_survived_is_told_and_the_opposite_is_not(known):
    assert known.survival in known.notes
    assert "quality 67 to 85 at 900x600" in known.survival
    assert known.advice == ()
    assert stegcinn.hide(HOST, PAYLOAD, codec="stealth").survival is None


def test_what_does_not_come_through_is_not_handed_out(monkeypatch):
    monkeypatch.setattr(codec, "comes_through", lambda *_: False)
    with pytest.raises(SelfCheckError, match="does not surely survive quality=70"):
        hidden("quality=70")


def test_what_does_not_come_through_by_chance_is_tried_at_other_places(monkeypatch):
    """Of a full photo one draw of places in some thousand does not."""
    nonces, real = [], codec.new_nonce
    monkeypatch.setattr(codec, "new_nonce", lambda random: nonces.append(real(random)) or nonces[-1])
    room = stegcinn.capacity(HOST, channel="quality=70").bytes
    monkeypatch.setattr(codec, "comes_through", lambda *_: False)
    with pytest.raises(SelfCheckError):
        stegcinn.hide(HOST, bytes(room), channel="quality=70")
    tried = len(nonces)
    assert tried % (1 + codec.AGAIN) == 0
    answers = iter([False] * (tried // (1 + codec.AGAIN)) + [True])
    monkeypatch.setattr(codec, "comes_through", lambda *_: next(answers))
    stegcinn.hide(HOST, bytes(room), channel="quality=70")
    assert len(nonces) == len(set(nonces))


@pytest.mark.parametrize("channel", ["webp=50", "resize=0.9,quality>=40"])
def test_a_channel_that_leaves_one_strength_takes_what_is_promised(channel, monkeypatch):
    monkeypatch.setattr(choosing, "MOST_CHANGE", 30.0)
    assert len(choosing.strengths(parse(channel))) == 1
    room = stegcinn.capacity(HOST, channel=channel).bytes
    assert room > 100
    assert stegcinn.reveal(stegcinn.hide(HOST, bytes(room), channel=channel).file) == bytes(room)


def test_a_container_is_read_behind_every_trip(monkeypatch):
    trips = []
    real = choosing.sent
    monkeypatch.setattr(choosing, "sent", lambda image, kind, *trip: trips.append(trip) or real(image, kind, *trip))
    hidden("resize=0.7,quality>=80")
    tried = parse("resize=0.7,quality>=80").trips
    assert set(tried) == set(trips)
    assert tuple(trips[-len(tried) :]) == tried  # the last ones are of the container


def test_most_is_within_the_change_that_is_promised():
    room = stegcinn.capacity(HOST, channel="quality=75")
    assert room.codec == "robust"
    container = stegcinn.hide(HOST, np.random.default_rng(0).bytes(room.bytes), channel="quality=75")
    innocent = Image.open(io.BytesIO(make(Photo(HOST), 75).file.write()))
    assert psnr(np.asarray(container.image), np.asarray(innocent)) > choosing.MOST_CHANGE - 0.2
    with pytest.raises(CapacityError):
        stegcinn.hide(HOST, np.random.default_rng(0).bytes(room.bytes + 200), channel="quality=75")


@pytest.mark.parametrize("less", [0.0, 0.01])
def test_all_that_is_shorter_than_the_longest_has_a_choice(less):
    """As a trial of a photo was; some lengths just miss one rate, and are too long for the next."""
    information = np.array([0.36, 0.34, 0.37, 0.57, 0.58, 0.40, 0.39]) - less
    change = np.array([0.95, 1.01, 1.40, 1.62, 1.58, 1.76, 1.71])
    trial = choosing.Trial(Places(Keys(bytes(32)), 25, 25), 75, information, change)
    lengths = range(1, trial.most() + 1)
    assert any(trial.choice(length) is None for length in lengths)
    assert all(choosing.usable([trial], length) for length in lengths)
    assert not choosing.usable([trial], trial.most() + 1)


def test_a_small_photo_has_no_room():
    assert stegcinn.capacity(HOST[:200, :200], codec="robust").bytes == 0
    with pytest.raises(CapacityError):
        stegcinn.hide(HOST[:200, :200], b"x", codec="robust")


def test_nobody_is_taken_for_a_sender():
    for file in (saved(Image.fromarray(HOST), quality=75), saved(Image.fromarray(HOST), "PNG")):
        with pytest.raises(RevealError):
            stegcinn.reveal(file)


def test_another_password_reveals_nothing(known):
    with pytest.raises(RevealError):
        stegcinn.reveal(known, password="p")


# -- what stays


def test_luma_coefficients_are_those_of_an_innocent_file(known):
    innocent = make(Photo(HOST), 70).file
    file = JpegFile.read(known.file, "the container")
    assert np.array_equal(file.luma.coefficients, innocent.luma.coefficients)
    assert all(
        np.array_equal(a.quantisation, b.quantisation)
        for a, b in zip(file.components, innocent.components, strict=True)
    )
    pairs = zip(file.chroma, innocent.chroma, strict=True)
    assert not any(np.array_equal(a.coefficients, b.coefficients) for a, b in pairs)


def test_luma_of_every_pixel_stays(pixels):
    assert np.array_equal(luma_of(np.asarray(pixels.image)), luma_of(HOST))


def test_a_photo_is_scaled_down_to_the_channel_and_never_up():
    assert hidden("long-edge=720,quality=70").image.size == (720, 480)
    assert hidden("long-edge=1600,quality=70").image.size == (900, 600)


def test_pixels_show_no_lattice_to_who_has_no_key(pixels):
    """Where coefficients lie within a step of the strength in use is as uniform as in the host."""

    def spread(rgb):
        values = grid.of_rgb(rgb)[..., :2].reshape(-1)
        step = lattice.steps(62)[0]
        values = values[np.abs(values) > 2 * step]  # where natural coefficients have no peak
        return np.abs(np.mean(np.exp(2j * np.pi * values / step))) * np.sqrt(len(values))

    assert spread(np.asarray(pixels.image)) < 4


# -- prints


def test_containers_of_one_password_say_nothing_at_the_same_places(known):
    other = stegcinn.hide(resized("coffee", 600, 900), PAYLOAD, channel="quality=70")
    keys = Keyring(None)(codec.SALT, shared=True)
    views = [load().open(Source(each.file)) for each in (known, other)]
    prints = [lumaprint.of(lumaprint.thumbnail(each.photo.rgb)) for each in views]
    for view, own in zip(views, prints, strict=True):
        for seen in (*prints, None):
            found = reading.syncs(view.view().coefficients, Places(keys, *view.blocks, seen=seen))
            assert bool(found) == (seen == own)


def test_what_may_be_cropped_is_not_printed(strong):
    keys = Keyring(None)(codec.SALT, shared=True)
    picture = load().open(Source(strong.file))
    assert reading.syncs(picture.view().coefficients, Places(keys, *picture.blocks))


def test_a_print_stays_when_a_picture_is_saved_anew_or_scaled():
    seen = lumaprint.of(lumaprint.thumbnail(HOST))
    assert seen.bit_length() <= len(lumaprint.BITS) == 27
    assert seen != lumaprint.of(lumaprint.thumbnail(resized("coffee", 600, 900)))
    for scale in (0.5, 0.77, 1.0, 1.31):
        small = Image.fromarray(HOST).resize((round(900 * scale), round(600 * scale)), Image.Resampling.BICUBIC)
        with Image.open(io.BytesIO(saved(small, quality=50))) as again:
            assert seen in lumaprint.likely(lumaprint.thumbnail(np.asarray(again)), lumaprint.SURE)


@pytest.mark.parametrize("shape", [(64, 80), (67, 81), (200, 64)])
def test_a_thumbnail_has_means_of_areas(shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    fine = luma_of(rgb).astype(np.float64).repeat(16, axis=0).repeat(16, axis=1)  # parts of whole pixels
    means = fine.reshape(16, shape[0], 16, shape[1]).mean(axis=(1, 3))
    assert np.allclose(lumaprint.thumbnail(rgb), means, atol=1e-4)


def test_prints_near_what_is_seen_are_tried_in_order_of_doubt():
    seen = lumaprint.thumbnail(HOST)
    prints = lumaprint.likely(seen, lumaprint.TRIED)
    assert len(set(prints)) == lumaprint.TRIED
    assert [(prints[0] ^ each).bit_count() for each in prints[:3]] == [0, 1, 1]
    assert prints[0] == lumaprint.of(seen)
    assert lumaprint.likely(seen, 8) == prints[:8]


def test_a_plain_photo_takes_nothing_that_must_arrive_whole():
    plain = np.random.default_rng(0).integers(125, 132, (600, 900, 3)).astype(np.uint8)
    assert stegcinn.capacity(plain, channel="quality=70").bytes == 0
    assert stegcinn.capacity(plain, channel="quality>=70").bytes > 0
    with pytest.raises(SelfCheckError, match="too plain"):
        stegcinn.hide(plain, PAYLOAD, channel="quality=70")


def test_a_photo_that_loses_its_print_on_some_trip_takes_nothing(monkeypatch):
    asked, real = [], lumaprint.likely

    def likely(seen, number):
        asked.append(number)
        return [] if asked.count(lumaprint.SURE // 2) == 3 else real(seen, number)

    monkeypatch.setattr(lumaprint, "likely", likely)
    assert stegcinn.capacity(HOST, channel="quality=70").bytes == 0
    asked.clear()
    with pytest.raises(SelfCheckError, match="too plain"):
        hidden("quality=70")


def test_what_loses_its_print_on_the_way_is_not_handed_out(monkeypatch):
    monkeypatch.setattr(codec, "print_of", lambda *_: 1)
    with pytest.raises(SelfCheckError, match="the payload does not surely survive"):
        hidden("quality=70")


# -- channels


def test_the_shipped_channels_say_where_they_come_from():
    assert {"signal", "signal-hd", "whatsapp", "telegram", "telegram-hd", "generic-q75"} <= {c.name for c in channels()}
    for channel in stegcinn.channels():
        assert channel.label
        assert channel.source
        assert channel.date
        assert parse(channel.name) == channel


def test_a_channel_is_said_by_what_it_does():
    assert parse("long-edge=1600,quality=70").trips == tuple((q, 1.0) for q in (67, 70, 75, 80, 85))
    assert parse("quality>=62").trips[0] == (62, 1.0)
    assert (parse("webp=80").kind, parse("webp>=80").known) == ("webp", False)
    whole = {
        text: parse(text).whole for text in ("signal", "quality=70", "webp=80", "webp>=80", "resize=0.6,quality=75")
    }
    assert list(whole.values()) == [True, True, True, False, False]
    assert [scale for _, scale in parse("resize=0.6,quality>=75").trips][::3] == [0.6, 1.3]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "quality=10", "quality=70,webp=80", "long-edge=1600", "quality=70,quality=75",
     "long-edge=10,quality=70", "resize=0.1,quality=75", "missing.toml#x"],
)  # fmt: skip
def test_what_is_no_channel_is_refused_in_a_line(text):
    with pytest.raises(UsageError) as error:
        parse(text)
    assert len(str(error.value).splitlines()) == 1


def test_channels_of_ones_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        '[forum]\nlong_edge = 1000\nquality = 80\nlabel = "the forum"\n[bad]\nqualty = 3\n'
        "[board]\nquality = 80\nwhole = false\n[shrinks]\nquality = 80\nresize = 0.5\n"
    )
    assert parse(f"{file}#forum") == Channel("forum", 80, 1000, label="the forum")
    assert [parse(f"{file}#{name}").whole for name in ("forum", "board", "shrinks")] == [True, False, False]
    for name in ("bad", "other"):
        with pytest.raises(UsageError):
            parse(f"{file}#{name}")
    (tmp_path / "no.toml").write_text("[")
    with pytest.raises(UsageError):
        parse(f"{tmp_path / 'no.toml'}#a")


def test_others_do_not_hide_for_a_channel():
    for name in ("jpeg", "stealth", "exact", "cinn"):
        with pytest.raises(UsageError, match="does not survive a channel"):
            stegcinn.hide(HOST, b"x", codec=name, channel="quality=70")


# -- parts


def test_a_header_comes_back():
    header = Header(60_000, 30, 95, 65_500, 64, 65_535)
    assert Header.decoded((1 - 2.0 * header.encoded()).astype(np.float32)) == header
    for wrong in (Header(1, 31, 95, 1, 1, 1), Header(1, 0, 14, 1, 1, 1)):
        with pytest.raises(RevealError):
            Header.decoded((1 - 2.0 * wrong.encoded()).astype(np.float32))


def test_what_the_key_says_of_a_block_does_not_depend_on_the_size():
    large, small = Places(KEYS, 50, 60), Places(KEYS, 40, 30, (50, 60))
    assert np.array_equal(large.dither[:40, :30], small.dither)
    assert np.array_equal(large.zone[:40, :30], small.zone)
    assert small.blocks == 2 * 40 * 30
    first = large.first(40, 30, (50, 60))
    assert np.array_equal(first.zone, small.zone)
    assert np.array_equal(first.dither, small.dither)


def test_places_are_each_used_once():
    every = Places(KEYS, 40, 30)
    body = every.body(every.room, 7)
    both = np.concatenate([every.head, body])
    assert np.array_equal(np.sort(both), np.arange(every.blocks * places.SLOTS))
    with pytest.raises(ValueError, match="more than there are"):
        every.body(every.room + 1, 7)
    assert not np.array_equal(every.body(100, 7), every.body(100, 8))


@pytest.mark.parametrize(("rows", "columns"), [(20, 16), (34, 30), (40, 60), (70, 70)])  # zones of every sparseness
def test_what_is_planned_fits_under_any_keys(rows, columns):
    rooms = [Places(Keys(bytes([n]) * 32), rows, columns).room for n in range(100)]
    sure = Places(Keys(bytes(32)), rows, columns).sure_room
    assert sure <= min(rooms)
    assert sure >= max(rooms) - 16 * np.sqrt(2 * rows * columns)
    information, change = np.ones(7), np.full(7, 1e-4)  # a channel that leaves all of what changes next to nothing
    trial = choosing.Trial(Places(Keys(bytes(32)), rows, columns), 75, information, change)
    used = [plan(trial.most(), choice.rate).used for choice in choosing.usable([trial], trial.most())]
    assert 0.9 * min(rooms) < max(used) <= min(rooms)


def test_slots_are_their_own_inverse():
    values = np.random.default_rng(0).normal(0, 9, (40, 30, 2, 7)).astype(np.float32)
    every = Places(KEYS, 40, 30)
    assert not np.array_equal(every.slotted(values), values)
    assert np.array_equal(every.slotted(every.slotted(values)), values)


def test_coefficients_of_pixels_are_those_of_a_jpeg_file():
    made = make(Photo(HOST[:593, :895]), 95).file
    exact = grid.of_rgb(HOST[:593, :895])
    quantised = grid.of_jpeg(made)
    assert exact.shape == quantised.shape
    assert np.abs(exact - quantised)[:-1, :-1].max() < 3  # half a step of quality 95, and the rounding of pixels
    planes = grid.planes_of(exact, 297, 448)
    assert np.allclose(grid.of_planes(planes)[:-1, :-1], exact[:-1, :-1], atol=1e-3)
    assert grid.of_jpeg(make(Photo(HOST), 90, (1, 1)).file) is None


def test_recoloured_pixels_keep_their_luma_whatever_is_added():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (67, 71, 3)).astype(np.uint8)
    rgb[:4], rgb[4:8] = 0, 255
    planes = rng.normal(0, 60, (2, 34, 36)).astype(np.float32)
    found = recolouring.recoloured(rgb, planes)
    assert np.array_equal(luma_of(found), luma_of(rgb))
    assert (found != rgb).any(axis=2).mean() > 0.8
    gentle = recolouring.recoloured(rgb, planes / 60)
    moved = grid.chroma(gentle)[:, 4:-1, :-1] - grid.chroma(rgb)[:, 4:-1, :-1]
    assert np.corrcoef(moved.ravel(), planes[:, 4:-1, :-1].ravel())[0, 1] > 0.8
    assert np.array_equal(recolouring.recoloured(rgb, np.zeros_like(planes)), rgb)
    with pytest.raises(ValueError, match="does not belong"):
        recolouring.recoloured(rgb, planes[:, 1:])


def test_a_host_is_opened_as_what_it_is_sent_as():
    robust = load()
    assert robust.host(Source(HOST), Wish(suffix=".png")).file is None
    assert robust.host(Source(HOST), Wish(suffix=".jpg", quality=80)).file.quality[0] == 80
    assert robust.host(Source(HOST), Wish(channel="whatsapp")).file.quality[0] == 62


def test_the_command_line_names_channels(tmp_path, monkeypatch, capsys):
    from stegcinn.cli.main import main

    monkeypatch.chdir(tmp_path)
    Image.fromarray(HOST).save("host.png")
    assert main(["hide", "host.png", "-m", "hello", "-o", "o.jpg", "--for", "signal"]) == 0
    assert "survives Signal" in capsys.readouterr().err
    assert main(["reveal", "o.jpg"]) == 0
    assert capsys.readouterr().out == "hello"
    assert main(["capacity", "host.png", "--survive", "quality=75", "--json"]) == 0
    assert '"codec": "robust"' in capsys.readouterr().out
    assert main(["hide", "host.png", "-m", "x", "-o", "p.jpg", "--for", "pigeon"]) == 2
    assert "unknown channel" in capsys.readouterr().err
    assert not Path("p.jpg").exists()


def test_that_it_is_seen_is_told_at_any_size(known):
    """Before and after: to hide less would be no help."""
    room = stego.measure(Source(HOST), codec="robust", wish=Wish(channel="quality=75"))
    for judgement in (room.judge(1), known.judgement):
        assert judgement.verdict == "noticeable"
        assert judgement.reason.startswith("a trained attacker notices nearly always")
