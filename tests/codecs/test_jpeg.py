"""The codec jpeg: what it changes in a file and what never, what it refuses, and what it promises."""

from __future__ import annotations

import functools
import io
import math
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import jpegs
from jpegs import File, Scan
from photos import crop
from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.making import UNIT
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import SAFE, Embedding, Wish, judge_disturbance
from stegcinn.codecs.jpeg import codec as codec_module
from stegcinn.codecs.jpeg import coefficients
from stegcinn.codecs.jpeg.codec import Chroma, JpegCodec
from stegcinn.coding import layered, layerheader
from stegcinn.errors import CapacityError, ImageError, RevealError, SelfCheckError
from stegcinn.sealing.keys import Keyring, Keys

CODEC: JpegCodec = load_codec("jpeg")
SIGMAS = 5.5  # chance passes a bound with p < 1e-7
KINDS = {
    "baseline": {},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "restart": {"restart_marker_blocks": 3},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
}
PHOTO = crop("chelsea", 290, 410)
BUSY = jpegs.picture(243, 179)


def opened(image: object, **wish: object) -> Chroma:
    return CODEC.host(Source(image), Wish(**wish))


def keys_of(chroma: Chroma) -> Keys:
    return Keyring(None)(CODEC.salt(chroma))


def most(host: Chroma) -> int:
    return CODEC.capacity(host, Wish(), lambda share: None).most


def embedded(host: Chroma, stream: bytes) -> Embedding[Chroma]:
    return CODEC.embed(host, stream, keys_of(host), Wish())


def revealed(data: bytes) -> bytes:
    carrier = CODEC.open(Source(data))
    return CODEC.extract(carrier, keys_of(carrier), lambda start: 0).stream


def outside(data: bytes) -> list[bytes]:
    """What is between the entropy-coded segments."""
    layout = JpegFile.read(data, "the image").layout
    stops = [0, *(scan.stop for scan in layout.scans)]
    starts = [*(scan.start for scan in layout.scans), len(data)]
    return [data[stop:start] for stop, start in zip(stops, starts, strict=True)]


def steps(host: Chroma, container: Chroma) -> np.ndarray:
    """By how much each chroma coefficient is another one, padding included."""
    pairs = zip(host.file.chroma, container.file.chroma, strict=True)
    return np.concatenate([(b.coefficients - a.coefficients).reshape(-1) for a, b in pairs])


def check_container(before: bytes, stream: bytes) -> bytes:
    """A container of the file `before`: all that must stay did. Its file."""
    host = opened(before)
    file = CODEC.encode(embedded(host, stream).carrier, ".jpg")
    container = CODEC.open(Source(file))
    CODEC.check(host, container)
    assert revealed(file) == stream
    assert outside(file) == outside(before)
    assert np.array_equal(host.file.luma.coefficients, container.file.luma.coefficients)
    assert np.abs(steps(host, container)).max() <= 1
    for a, b in zip(host.file.chroma, container.file.chroma, strict=True):
        assert np.array_equal(a.coefficients[a.visible_rows :], b.coefficients[a.visible_rows :])
        assert np.array_equal(a.coefficients[:, a.visible_columns :], b.coefficients[:, a.visible_columns :])
    return file


# -- files


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_what_is_promised_fits_and_all_else_stays(subsampling, kind):
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    data = jpegs.saved(BUSY, quality=88, subsampling=subsampling, exif=exif, comment=b"hello", **KINDS[kind])
    data += b"a second picture \xff\xd8\xff\xd9"
    size = most(opened(data))
    assert size > 300
    file = check_container(data, os.urandom(size))
    assert file.endswith(b"a second picture \xff\xd8\xff\xd9")
    with pytest.raises(CapacityError) as error:
        embedded(opened(data), bytes(size + 1))
    assert (error.value.needed, error.value.available) == (size + 1, size)


@pytest.mark.parametrize("sampling", [[(2, 1)] * 3, [(2, 2), (2, 1), (1, 2)], [(1, 1), (2, 2), (1, 1)]])
def test_blocks_that_only_pad_stay(sampling):
    """Chroma has some in samplings of a few encoders."""
    rng, blocks = np.random.default_rng(0), []
    for rows, columns, _, _ in jpegs.geometry(133, 117, sampling):
        plane = np.trunc(rng.laplace(0, 2, (rows, columns, 64)) / (1 + np.arange(64) / 12)).astype(np.int16)
        plane[..., 0] = rng.integers(-100, 100, (rows, columns))
        blocks.append(plane)
    data = jpegs.build(File(133, 117, sampling, blocks, [Scan([0, 1, 2])], full_tables=True))
    planes = JpegFile.read(data, "the image").chroma
    assert any(plane.visible.shape != plane.coefficients.shape for plane in planes)
    check_container(data, os.urandom(most(opened(data)) // 2))


def test_a_file_that_is_coded_anew_without_loss_reveals():
    """As jpegtran does it, for the web: from baseline to progressive, without metadata."""
    picture = JpegFile.read(jpegs.saved(jpegs.picture(150, 130), quality=90), "the image")
    sampling = [(plane.h, plane.v) for plane in picture.components]
    blocks = [plane.coefficients for plane in picture.components]
    full = {"full_tables": True}
    data = jpegs.build(File(150, 130, sampling, blocks, [Scan([0, 1, 2])], **full, head=jpegs.segment(0xFE, b"hello")))
    stream = os.urandom(most(opened(data)) // 2)
    file = CODEC.encode(embedded(opened(data), stream).carrier, ".jpg")
    blocks = [plane.coefficients for plane in JpegFile.read(file, "the image").components]
    scans = [Scan([0, 1, 2], 0, 0, 0, 1), *(Scan([plane], 1, 63, 0, 1) for plane in range(3))]
    scans += [*(Scan([plane], 1, 63, 1, 0) for plane in range(3)), Scan([0, 1, 2], 0, 0, 1, 0)]
    again = jpegs.build(File(150, 130, sampling, blocks, scans, progressive=True))
    assert again != file
    assert revealed(again) == stream


@pytest.mark.parametrize(("data", "reason"), [
    (jpegs.saved(BUSY, quality=99), "quality 99, where any change can be proved; halve it"),
    (jpegs.saved(BUSY, quality=100), "quality 100, where any change can be proved"),
    (jpegs.saved(BUSY, quality=20), "quality 20, which leaves no colours"),
    (jpegs.saved(BUSY[..., 0], quality=90), "is a gray JPEG"),
    (jpegs.saved(BUSY, quality=90)[:300], "cut short"),
])  # fmt: skip
def test_files_that_will_not_do_are_refused(data, reason):
    with pytest.raises(ImageError, match=reason):
        opened(data)


def test_cmyk_is_refused():
    buffer = io.BytesIO()
    Image.fromarray(BUSY).convert("CMYK").save(buffer, "JPEG", quality=90)
    for opening in (opened, lambda data: CODEC.open(Source(data))):
        with pytest.raises(ImageError, match="CMYK"):
            opening(buffer.getvalue())


@pytest.mark.parametrize("quality", [30, 98])
def test_qualities_at_the_ends_will_do(quality):
    assert opened(jpegs.saved(BUSY, quality=quality)).file.quality[0] == quality


@pytest.mark.parametrize("side", [1, 8, 16, 40])
def test_what_is_small_takes_nothing_and_reveals_nothing(side):
    host = opened(jpegs.saved(jpegs.picture(side, side), quality=90))
    assert most(host) == 0
    assert CODEC.disturbance(host, 0) is None
    for stream in (b"", b"x"):
        with pytest.raises(CapacityError):
            embedded(host, stream)
    with pytest.raises(RevealError):
        revealed(host.file.data)


def test_a_clean_file_is_done_with_soon(monkeypatch):
    """Only the coefficients of a header are looked at."""
    drawn, real = [], coefficients.order
    monkeypatch.setattr(coefficients, "order", lambda *a: (drawn.append(1) or piece for piece in real(*a)))
    monkeypatch.setattr(layered, "read", lambda *a: pytest.fail("more than a header was read"))
    with pytest.raises(RevealError):
        revealed(jpegs.saved(PHOTO, quality=90))
    assert 0 < len(drawn) <= coefficients.MODES // 2


def test_a_jpeg_is_for_no_other_codec_but_what_survives_in_it(monkeypatch):
    data = jpegs.saved(BUSY, quality=90)
    for codec in map(load_codec, set(CODECS) - {"jpeg", "robust"}):
        with pytest.raises(ImageError, match="is a JPEG, which keeps no pixel"):
            codec.open(Source(data))
        monkeypatch.setattr(codec, "salt", lambda *a: pytest.fail("another codec was asked"))
    with pytest.raises(RevealError):
        stego.uncover(Source(data))


def test_changed_coefficients_reveal_nothing_else():
    host = opened(jpegs.saved(BUSY, quality=90))
    stream = os.urandom(200)
    container = embedded(host, stream).carrier
    rng = np.random.default_rng(0)
    for share in (0.001, 0.1):
        plane = container.file.components[1]
        changed = plane.coefficients + (rng.random(plane.coefficients.shape) < share).astype(np.int16)
        altered = Chroma(container.file.with_coefficients({1: changed}))
        try:
            found = CODEC.extract(altered, keys_of(altered), lambda start: 0).stream
        except RevealError:
            continue
        assert found != stream  # which the envelope tells


# -- what must not have changed


def with_plane(host: Chroma, index: int, by: int) -> Chroma:
    changed = host.file.components[index].coefficients.copy()
    changed[1, 2, 3] += by
    return Chroma(host.file.with_coefficients({index: changed}))


def test_the_check_tells_what_never_changes():
    host = opened(jpegs.saved(BUSY, quality=90, subsampling=0))
    for fine in (host, with_plane(host, 1, 1), with_plane(host, 2, -1)):
        CODEC.check(host, fine)
    for index, by, reason in ((0, 1, "luma"), (1, 2, "colours"), (2, -2, "colours")):
        with pytest.raises(SelfCheckError, match=reason):
            CODEC.check(host, with_plane(host, index, by))


@pytest.mark.parametrize("options", [{"subsampling": 2}, {"subsampling": 1}, {"quality": 91}])
def test_other_samplings_and_tables_are_told(options):
    """Even where luma is the same."""
    rgb = jpegs.picture(160, 128)  # whole MCUs
    host = opened(jpegs.saved(rgb, quality=90, subsampling=0))
    with pytest.raises(SelfCheckError, match="luma"):
        CODEC.check(host, opened(jpegs.saved(rgb, **{"quality": 90, "subsampling": 0, **options})))


# -- how it is done


def test_steps_up_and_down_are_balanced():
    """Where they cost the same, as most do: to prefer one of them would be seen at once."""
    host = opened(jpegs.saved(PHOTO, quality=90, subsampling=0))
    step = steps(host, embedded(host, os.urandom(most(host) // 2)).carrier)
    values = np.concatenate([plane.coefficients.reshape(-1) for plane in host.file.chroma])
    for label in range(coefficients.LABELS):  # of a label, as what is preferred depends on its bits
        ours = step[coefficients.labels(values) == label]
        count = np.count_nonzero(ours)
        assert count > 50
        assert abs(int(ours.sum())) < SIGMAS * math.sqrt(count)


def test_what_is_safe_is_judged_safe():
    host = opened(jpegs.saved(PHOTO, quality=90, subsampling=0))
    room = CODEC.capacity(host, Wish(), lambda share: None)
    assert 0 < room.safe < room.most
    for size, verdict in ((room.safe, "safe"), (min(2 * room.safe, room.most), "noticeable")):
        embedding = embedded(host, os.urandom(size))
        assert CODEC.disturbance(host, size) == pytest.approx(embedding.disturbance)
        assert (embedding.disturbance <= SAFE) == (verdict == "safe")
        assert judge_disturbance(CODEC.evidence(host), embedding.disturbance).verdict == verdict


def test_where_codes_lack_together_less_changes(monkeypatch):
    """Tables that were made for a file have the codes that it needs, and few more."""
    found, real = [], JpegFile.missing_symbols
    monkeypatch.setattr(JpegFile, "missing_symbols", lambda jpeg: found.append(real(jpeg)) or found[-1])
    told: list[float] = []
    for seed in range(30):
        found.clear()
        host = opened(jpegs.saved(jpegs.picture(200, 160, seed), quality=90, optimize=True))
        stream = os.urandom(most(host))
        embedding = CODEC.embed(host, stream, keys_of(host), Wish(), told.append)
        if len(found) > 1:
            break
        told.clear()
    assert found[0].symbols
    assert not found[-1].symbols
    assert told == sorted(told)
    assert told[-1] == 1
    assert revealed(CODEC.encode(embedding.carrier, ".jpg")) == stream


def test_where_nearly_every_block_lacks_codes_what_is_promised_fits():
    """As in noise, of which each block has many changes; whole blocks that stay would leave too little room."""
    noise = np.random.default_rng(0).integers(0, 256, (85, 77, 3), np.uint8)
    host = opened(jpegs.saved(noise, quality=50, subsampling=0, progressive=True, restart_marker_blocks=3))
    for _ in range(8):
        stream = os.urandom(most(host))
        assert revealed(CODEC.encode(embedded(host, stream).carrier, ".jpg")) == stream


def test_codes_that_lack_are_soon_avoided_in_a_large_file(monkeypatch):
    """As all else stays as it was the time before."""
    monkeypatch.setattr(codec_module, "RECODINGS", 12)
    host = opened(jpegs.saved(jpegs.picture(1200, 900), quality=88, optimize=True))
    stream = os.urandom(most(host))
    assert revealed(CODEC.encode(embedded(host, stream).carrier, ".jpg")) == stream


def test_where_codes_lack_again_and_again_it_does_not_fit(monkeypatch):
    host = opened(jpegs.saved(BUSY, quality=90))
    lacking = codec_module.JpegFile.missing_symbols(host.file)
    always = type(lacking)(np.array([[1, 0, 0]], np.int32), ((1, "AC", 1),))
    monkeypatch.setattr(JpegFile, "missing_symbols", lambda jpeg: always)
    with pytest.raises(CapacityError):
        embedded(host, bytes(100))


# -- files that it makes


@pytest.mark.parametrize("load", [0.2, 0.8])
def test_changes_go_where_rounding_came_from(load):
    """The sender of a file that was made here knows what rounding lost: most changes take some of it back."""
    host = opened(PHOTO, convert=True)
    container = embedded(host, os.urandom(int(load * most(host)))).carrier
    step = steps(host, container)
    errors = np.concatenate([each.reshape(-1) for each in host.errors]).astype(int)
    changed = step != 0
    towards = np.sign(errors[changed]) == step[changed]
    assert towards.mean() > 0.9
    assert np.abs(errors[changed]).mean() > 1.3 * np.abs(errors).mean()
    blind = Chroma(host.file)
    assert CODEC.salt(blind) == CODEC.salt(host)
    step = steps(blind, embedded(blind, os.urandom(int(load * most(blind)))).carrier)
    assert 0.4 < (np.sign(errors[step != 0]) == step[step != 0]).mean() < 0.6


def test_flat_blocks_stay_wherever_rounding_came_from():
    """A coefficient halfway between two steps would cost nothing, were it not forbidden."""
    rng = np.random.default_rng(0)
    flat = np.kron(rng.integers(60, 200, (20, 24, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    rgb = np.concatenate([jpegs.picture(384, 192), flat])
    made = opened(rgb, convert=True)
    host = replace(made, errors=tuple(np.full_like(each, UNIT // 2) for each in made.errors))
    rows = 192 // 16
    for _ in range(3):
        container = embedded(host, os.urandom(most(host) // 2)).carrier
        for a, b in zip(host.file.chroma, container.file.chroma, strict=True):
            assert np.array_equal(a.coefficients[rows:], b.coefficients[rows:])
            assert not np.array_equal(a.coefficients, b.coefficients)


@pytest.mark.parametrize(("quality", "expected"), [(80, 80), (93, 93), (50, 75), (98, 95)])
def test_a_halved_jpeg_keeps_its_quality(quality, expected):
    half = Source(jpegs.saved(PHOTO, quality=quality)).halved(exact=True)
    assert half.quality == expected
    assert CODEC.host(half, Wish(convert=True)).file.quality == (expected, True)
    assert CODEC.host(half, Wish(convert=True, quality=70)).file.quality == (70, True)


def test_other_photos_are_made_only_where_it_is_wished():
    assert opened(PHOTO, convert=True).file.quality == (90, True)
    with pytest.raises(ImageError, match="give the JPEG file itself"):
        opened(PHOTO)
    with pytest.raises(ImageError, match="is a JPEG already"):
        opened(jpegs.saved(PHOTO, quality=90), convert=True, quality=80)


def test_metadata_goes_where_it_is_wished():
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)})
    data = jpegs.saved(BUSY, quality=90, exif=exif)
    (note,) = CODEC.losses(opened(data), ".jpg")
    assert "GPS" in note
    assert "--strip-metadata" in note
    bare = opened(data, strip_metadata=True)
    assert CODEC.losses(bare, ".jpg") == []
    file = CODEC.encode(embedded(bare, bytes(50)).carrier, ".jpg")
    assert b"Exif" in data
    assert b"Exif" not in file
    assert revealed(file) == bytes(50)


def test_a_forged_header_asks_for_no_more_than_there_is(monkeypatch):
    """Whatever length it tells."""
    host, real = opened(jpegs.saved(BUSY, quality=90)), layerheader.masked
    key = keys_of(host)
    for length in (2**32 - 1, sum(plane.visible.size for plane in host.file.chroma) // 4):
        told = functools.partial(lambda length, salt, codec, *_: real(salt, codec, length, (255,), key), length)
        monkeypatch.setattr(layerheader, "masked", told)
        lying = CODEC.embed(host, bytes(20), key, Wish()).carrier
        with pytest.raises(RevealError):
            CODEC.extract(lying, key, lambda start: 0)


def test_keys_depend_on_size_tables_and_luma():
    data = jpegs.saved(BUSY, quality=90)
    host = opened(data)
    salts = {CODEC.salt(each) for each in (host, with_plane(host, 0, 1), opened(jpegs.saved(BUSY, quality=91)))}
    at = data.index(b"\xff\xc0") + 5
    height, width = struct.unpack_from(">HH", data, at)
    lower = data[:at] + struct.pack(">HH", height - 1, width) + data[at + 4 :]
    assert len(salts | {CODEC.salt(CODEC.open(Source(lower)))}) == 4
    assert CODEC.salt(with_plane(host, 1, 1)) == CODEC.salt(host)
