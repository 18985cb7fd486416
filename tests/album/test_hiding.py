"""Albums in memory: hidden and revealed, whatever is lost, turned around or put beside."""

from __future__ import annotations

import hashlib
import io
import random
import warnings

import numpy as np
import pytest
from PIL import Image

import stegcinn
from fakes import pixels
from jpegs import picture, saved
from photos import crop
from stegcinn import (
    Album,
    CapacityError,
    Container,
    ImageError,
    MachineError,
    RevealError,
    SharesError,
    StegcinnWarning,
    UsageError,
    hide_album,
    reveal_album,
    stego,
)  # fmt: skip
from stegcinn.album import hiding, revealing, working
from stegcinn.codecs.jpeg import codec as jpeg_codec
from stegcinn.sealing import keys
from stegcinn.sealing.envelope import OVERHEAD

pytestmark = pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")
ADDED = OVERHEAD + 11  # bytes of a stream that are none of the payload's: here two numbers have two bytes, three one
PAYLOAD = np.random.default_rng(7).bytes(1500)
PHOTOS = [pixels(seed) for seed in range(6)]


def made(album: Album) -> list[Container]:
    return [container for container in album.containers if container]


@pytest.fixture
def album() -> Album:
    return hide_album(PHOTOS, PAYLOAD, spare=2)


def test_any_enough_containers_give_the_payload_back_in_any_order(album):
    containers = made(album)
    assert len(containers) == len([size for size in album.bytes if size]) > 3
    assert album.spare >= 2
    for seed in range(10):
        kept = random.Random(seed).sample(containers, len(containers) - album.spare)
        assert reveal_album(kept) == PAYLOAD
    largest = sorted(containers, key=lambda c: album.bytes[album.containers.index(c)])
    with pytest.raises(SharesError, match=f"{len(containers) - album.spare - 1} of {len(containers)} shares"):
        reveal_album(largest[: len(containers) - album.spare - 1])


def test_one_image_of_an_album_says_so(album):
    for read in (stegcinn.reveal, stegcinn.open_payload):
        with pytest.raises(SharesError, match=r"this is one of .* give all its photos at once, or their folder"):
            read(made(album)[0])
    assert SharesError.exit_code == RevealError.exit_code


def test_what_fits_in_one_photo_is_revealed_from_it():
    containers = made(hide_album(PHOTOS, b"meet me at noon"))
    assert len(containers) == 1
    assert stegcinn.reveal(containers[0]) == b"meet me at noon"
    assert reveal_album(containers) == b"meet me at noon"


def test_other_files_do_not_matter(album):
    other = made(hide_album([pixels(seed) for seed in range(20, 24)], PAYLOAD[::-1]))
    damaged = bytearray(made(album)[0].file)
    damaged[200] ^= 1
    beside = [b"no photo", bytes(damaged), pixels(9), made(album)[1].file, other[0].file]
    assert reveal_album([*beside, *made(album)]) == PAYLOAD


def test_several_payloads_are_told_apart(album):
    alone = stegcinn.hide(pixels(10), b"alone")
    assert reveal_album([alone, pixels(11)]) == b"alone"
    assert reveal_album([alone, alone.file]) == b"alone"
    assert reveal_album([alone, made(album)[0]]) == b"alone"  # one share is nothing yet
    for others in ([alone], made(hide_album(PHOTOS, PAYLOAD))):
        with pytest.raises(UsageError, match="hold 2 payloads"):
            reveal_album([*made(album), *others])


def test_the_same_payload_twice_is_two_sets(album):
    again = made(hide_album(PHOTOS, PAYLOAD, spare=2))
    with pytest.raises(SharesError):
        reveal_album([made(album)[0], made(album)[1], again[2]])


def test_nothing_is_revealed_under_another_password(monkeypatch):
    monkeypatch.setattr(keys, "_stretch", lambda password, salt, *_: hashlib.sha256(password + salt).digest())
    containers = made(hide_album(PHOTOS, PAYLOAD, password="p"))
    assert reveal_album(containers, password="p") == PAYLOAD
    for password in (None, "q"):
        with pytest.raises(RevealError) as error:
            reveal_album(containers, password=password)
        assert str(error.value) == str(RevealError())
    with pytest.raises(RevealError):
        reveal_album([])


def test_jpeg_files_stay_jpeg_files():
    hosts = [saved(picture(400, 300, seed), quality=90, subsampling=0) for seed in range(3)] + PHOTOS[:3]
    album = hide_album(hosts, PAYLOAD[:1200], full=True)
    assert [each and each.suffix for each in album.containers[:3]] == [".jpg"] * 3
    assert {each.suffix for each in album.containers[3:] if each} == {".png"}
    assert reveal_album(made(album)) == PAYLOAD[:1200]


def test_what_is_told_of_an_album():
    with pytest.warns(StegcinnWarning) as caught:
        album = hide_album(PHOTOS, PAYLOAD)
    disturbances = [6 * (size + ADDED) / 1152 for size in album.bytes if size]
    assert album.disturbance == pytest.approx(np.sqrt(np.square(disturbances).sum()))
    assert album.level == pytest.approx(max(disturbances))
    assert album.judgement.verdict == "safe"
    assert album.needed == len(PAYLOAD) + 9
    assert {str(each.message) for each in caught} == set(album.notes)
    together = f"whoever examines these {len(made(album))} photos together may notice (disturbance"
    assert any(note.startswith(together) for note in album.notes)
    assert any("without a password" in note for note in album.notes)
    loud = hide_album(PHOTOS[:2], PAYLOAD)
    assert loud.judgement.verdict == "noticeable"
    assert loud.judgement.reason in loud.notes


def test_safe_refuses_and_full_fills():
    with pytest.raises(CapacityError) as error:
        hide_album(PHOTOS[:2], PAYLOAD, safe=True)
    assert error.value.needed == 1500
    assert error.value.available == pytest.approx(2 * (576 - ADDED) - 9, abs=6)
    full = hide_album(PHOTOS, PAYLOAD, full=True)
    assert len(made(full)) == 6
    assert full.spare == 3
    with pytest.raises(UsageError, match="both safe and full"):
        hide_album(PHOTOS, PAYLOAD, safe=True, full=True)


def test_the_error_counts_as_stored():
    with pytest.raises(
        CapacityError, match=r"needs \d+ bytes \(100,000 before compression\) and these 0 photos take 0"
    ):
        hide_album([], PAYLOAD[:300] * 333 + bytes(100))
    with pytest.raises(CapacityError, match="these 6 photos take"):
        hide_album(PHOTOS, np.random.default_rng(0).bytes(10_000))


def test_photos_that_prove_any_change_are_the_last_to_be_used():
    calm = (90 + crop("coffee", 128, 128) // 4).astype(np.uint8)
    proof = np.asarray(Image.open(io.BytesIO(saved(calm, quality=90))))
    assert stegcinn.capacity(proof).decoded
    assert hide_album([proof, *PHOTOS[:3]], PAYLOAD).bytes[0] == 0
    more = np.random.default_rng(0).bytes(3500)
    assert hide_album([proof, *PHOTOS[:3]], more).judgement.verdict == "provable"
    with pytest.raises(CapacityError):
        hide_album([proof, *PHOTOS[:3]], more, safe=True)


def test_a_codec_that_cannot_tell_fills_all_photos_alike():
    album = hide_album(PHOTOS, PAYLOAD, codec="exact")
    assert {each.codec for each in made(album)} == {"exact"}
    assert (album.level, album.disturbance, album.judgement.verdict) == (None, None, "noticeable")
    assert reveal_album(made(album)) == PAYLOAD
    with pytest.raises(UsageError, match="codec exact cannot tell what is safe"):
        hide_album(PHOTOS, PAYLOAD, codec="exact", safe=True)


def test_hosts_are_anything_that_can_be_hidden_in(tmp_path):
    file = io.BytesIO()
    Image.fromarray(PHOTOS[0]).save(file, "PNG")
    (tmp_path / "0.png").write_bytes(file.getvalue())
    opened = io.BytesIO(file.getvalue())
    hosts = [
        tmp_path / "0.png",
        str(tmp_path / "0.png"),
        file.getvalue(),
        opened,
        Image.fromarray(PHOTOS[0]),
        PHOTOS[0],
    ]
    album = hide_album(iter(hosts), PAYLOAD, full=True)
    assert len(made(album)) == len(hosts)
    files = [io.BytesIO(made(album)[0].file), *made(album)[1:]]
    assert reveal_album(iter(files)) == PAYLOAD


def test_what_else_a_jpeg_tells_stays_or_goes():
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)})
    host = saved(picture(400, 300), quality=90, subsampling=0, exif=exif)
    told = hide_album([host], b"x")
    assert jpeg_codec.GPS in told.notes
    assert b"Exif" in made(told)[0].file
    bare = hide_album([host], b"x", strip_metadata=True)
    assert jpeg_codec.GPS not in bare.notes
    assert b"Exif" not in made(bare)[0].file
    assert reveal_album(made(bare)) == b"x"


def test_hosts_may_be_a_folder(tmp_path):
    for number, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    (tmp_path / "text.txt").write_text("no photo")
    left_out = {}
    album = hide_album(tmp_path, PAYLOAD, skipped=lambda host, reason: left_out.update({host.name: reason}))
    assert list(left_out) == ["text.txt"]
    out = tmp_path / "out"
    out.mkdir()
    for number, container in enumerate(made(album)):
        container.save(out / f"{number}.png")
    assert reveal_album(out) == reveal_album(str(out)) == PAYLOAD


def test_progress_rises():
    shares: list[float] = []
    album = hide_album(PHOTOS, PAYLOAD, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    shares.clear()
    reveal_album(made(album), progress=shares.append)
    assert len(shares) == len(made(album))
    assert shares[-1] == 1.0


@pytest.mark.parametrize(("options", "word"), [
    ({"codec": "none"}, "unknown codec"), ({"spare": "x"}, "spare"), ({"jobs": 0}, "at least one process"),
])  # fmt: skip
def test_refusals(options, word):
    with pytest.raises(UsageError, match=word):
        hide_album(PHOTOS, PAYLOAD, **options)
    with pytest.raises(UsageError, match="must be bytes, not str"):
        hide_album(PHOTOS, "text")


def test_a_host_that_changed_meanwhile_is_refused(tmp_path, monkeypatch):
    for number, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    cut = hiding.Plan.shares.fget

    def shares(plan):
        Image.fromarray(pixels(77)).save(tmp_path / "3.png")
        return cut(plan)

    monkeypatch.setattr(hiding.Plan, "shares", property(shares))
    with pytest.raises(ImageError, match=r"3\.png has changed meanwhile"):
        hide_album(tmp_path, PAYLOAD, full=True)


def test_forged_shares_are_ignored(monkeypatch, album):
    """As far as what is left is enough, of another set or malformed."""
    found = working.found
    monkeypatch.setattr(
        working, "found", lambda task: stegcinn.Payload(b"x" * 30, share=True) if task.image is None else found(task)
    )
    images = [each.file for each in made(album)]
    assert revealing.uncovered([None, *images]).payload.data == PAYLOAD


def test_a_machine_that_cannot_look_everywhere(album, monkeypatch):
    """It is told only where nothing is found."""
    real = stego.find

    def find(source, *args, **kwargs):
        if source.file == b"foreign":
            raise MachineError("cannot run")
        return real(source, *args, **kwargs)

    monkeypatch.setattr(stego, "find", find)
    assert reveal_album([b"foreign", *made(album)]) == PAYLOAD
    with pytest.raises(MachineError, match="cannot run"):
        reveal_album([b"foreign", pixels(3)])


@pytest.mark.slow
def test_processes_side_by_side():
    """With the codecs that ship; errors come through."""
    hosts = [crop(name, 128, 128) for name in ("astronaut", "chelsea", "coffee")]
    hosts += [
        np.clip(host + np.random.default_rng(0).normal(0, 4, host.shape), 0, 255).astype(np.uint8) for host in hosts
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        album = hide_album(hosts, PAYLOAD[:900], spare=1, jobs=2)
    assert reveal_album(made(album)[1:], jobs=2) == PAYLOAD[:900]
    task = working.Hiding(hosts[0], "stealth", ".png", "another", b"", None)
    with pytest.raises(ImageError, match="has changed meanwhile"):
        list(working.each_of(working.hidden, [task] * 3, 2))
