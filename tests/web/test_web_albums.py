"""Several photos on the page: one payload in all of them, as a ZIP archive, and put together again."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import web_server
from PIL import Image
from web_server import SLOW, Client, png, running

import jpegs
from stegcinn import candidates, reveal_album, stego
from stegcinn.album import working
from stegcinn.codecs.base import SAFE
from stegcinn.sealing import envelope
from stegcinn.web import api, orders

pytest.importorskip("starlette")

NAMES = ["a.png", "b.webp", "A.png", "../c.png"]
OUTPUTS = ["a.png", "b.png", "A-2.png", "c.png"]
SECRET = np.random.default_rng(0).bytes(900)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running() as client:
        yield client


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codecs of the server in this process, too."""
    monkeypatch.setattr(candidates, "load_codec", web_server.load_page)
    monkeypatch.setattr(working, "load_codec", web_server.load_page)


def hidden(
    client: Client, photos: list[bytes] | None = None, **options: Any
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The job and what is in its archive."""
    photos = photos or [png(seed=seed) for seed in range(4)]
    names = options.pop("names", NAMES[: len(photos)])
    hosts = [client.upload(photo) for photo in photos]
    job = client.done("hide_album", hosts=hosts, names=names, payload=client.upload(SECRET), **options)
    with zipfile.ZipFile(io.BytesIO(client.file(job, "album"))) as archive:
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # no time is told
        return job, {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.usefixtures("_here")
@pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")
def test_an_album_is_hidden_and_revealed(client: Client) -> None:
    job, files = hidden(client, name="report.pdf", password="correct horse", spare="1")
    facts = job["facts"]
    assert list(files) == OUTPUTS == [photo["name"] for photo in facts["photos"]]
    assert [len(file) for file in files.values()] == [photo["file_bytes"] for photo in facts["photos"]]
    used = [photo["name"] for photo in facts["photos"] if photo["bytes"]]
    assert len(used) > 2
    assert (facts["bytes"], facts["spare"] >= 1, facts["encrypted"], facts["left_out"]) == (900, True, True, [])
    assert facts["judgement"]["verdict"] == "safe"
    assert not any("send this file" in note for note in facts["notes"])  # the page says so anyway
    assert reveal_album(list(files.values()), password="correct horse") == SECRET

    kept = [client.upload(files[name]) for name in reversed(used[1:])]
    revealed = client.done("reveal_album", images=[*kept, client.upload(png(seed=9))], password="correct horse")
    assert client.file(revealed, "payload") == SECRET
    told = {key: revealed["facts"][key] for key in ("name", "bytes", "shares", "of", "notes")}
    assert told == {"name": "report.pdf", "bytes": 900, "shares": len(used) - 1, "of": len(used), "notes": []}


def test_too_few_photos_say_so_in_words_of_their_own(client: Client) -> None:
    job, files = hidden(client)
    used = [photo["name"] for photo in job["facts"]["photos"] if photo["bytes"]]
    count = len(used)
    some = [client.upload(files[name]) for name in used[: count - 1]]
    message, code = client.failure("reveal_album", images=some)
    assert message.startswith(f"these are {count - 1} of the {count} photos of an album, too few: ")
    assert message.endswith(" bytes are still missing; drop more of its photos here, all at once")
    assert code == 4
    alone, _ = client.failure("reveal", image=some[0])
    assert alone.startswith(f"this is one of the {count} photos of an album, too few: ")
    nothing, code = client.failure("reveal_album", images=[client.upload(png(seed=5)), client.upload(b"no photo")])
    assert (nothing.partition(":")[0], code) == ("no payload found", 4)


@pytest.mark.parametrize("names", [[], ["a.png"], ["a.png", "b.png", "c.png"]])
def test_photos_without_a_name_get_one(client: Client, names: list[str]) -> None:
    files = hidden(client, [png(), png(seed=1)], names=names, spare="1")[1]
    assert list(files) == [*names, "photo.png", "photo-2.png"][:2]


def test_a_whole_payload_among_several_is_found(client: Client) -> None:
    container = client.done("hide", host=client.upload(png()), payload=client.upload(b"whole"))
    images = [client.upload(client.file(container, "container")), client.upload(png(seed=1))]
    job = client.done("reveal_album", images=images)
    assert client.file(job, "payload") == b"whole"
    assert (job["facts"]["shares"], job["facts"]["of"]) == (0, 0)


def test_photos_that_carry_nothing_come_back_as_they_were(client: Client) -> None:
    gray = png(mode="L")
    job, files = hidden(client, [png(400, 400), gray, b"no photo"], names=["a.png", "gray.png", "notes.png"])
    assert list(files) == ["a.png", "gray.png"]
    assert files["gray.png"] == gray
    assert job["facts"]["left_out"] == ["notes.png"]
    assert [photo["bytes"] > 0 for photo in job["facts"]["photos"]] == [True, False]


def test_metadata_are_left_out_where_that_is_wished(client: Client) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    gray = jpegs.saved(np.repeat(jpegs.picture(96, 96)[..., :1], 3, axis=2), quality=85, exif=exif)
    photos, names = [png(400, 400), gray], ["a.png", "gray.jpg"]
    assert b"a maker" in hidden(client, photos, names=names)[1]["gray.jpg"]
    assert b"a maker" not in hidden(client, photos, names=names, strip_metadata=True)[1]["gray.jpg"]


@pytest.mark.usefixtures("_here")
def test_a_photo_is_surveyed_as_albums_measure_it(client: Client) -> None:
    job = client.done("survey", photo=client.upload(png(300, 200)))
    grades = web_server.load_page("stealth").grades(stego.Source(png(300, 200)).photo())  # type: ignore[attr-defined]
    assert job["facts"] == {
        "width": 300, "height": 200, "takes": True, "evidence": None,
        "safe_bytes": int(grades.size_at(SAFE)) - envelope.OVERHEAD,
    }  # fmt: skip
    assert Image.open(io.BytesIO(client.file(job, "thumbnail"))).size == (128, 85)
    black = io.BytesIO()
    Image.new("RGB", (96, 96)).save(black, "PNG")
    nothing = client.done("survey", photo=client.upload(black.getvalue()))["facts"]
    assert (nothing["takes"], nothing["safe_bytes"]) == (False, 0)
    proved = client.done("survey", photo=client.upload(jpegs.saved(jpegs.picture(96, 96), quality=100)))["facts"]
    assert proved["safe_bytes"] == 0
    assert "not a photo" in client.failure("survey", photo=client.upload(b"no photo"))[0]


def test_an_album_can_be_cancelled(client: Client) -> None:
    hosts = [client.upload(png(SLOW)), client.upload(png())]
    job = client.order("hide_album", hosts=hosts, names=["a", "b"], payload=client.upload(SECRET))
    client.wait(job, lambda told: told["state"] == "running" and told["kind"] == "hide_album")
    start = time.monotonic()
    assert client.ask("DELETE", f"/api/jobs/{job}").status == 204
    hidden(client)  # there are processes for it
    assert time.monotonic() - start < 30


def test_progress_is_told_and_time_is_limited(client: Client) -> None:
    with running(time_limit=2) as hurried:
        hosts = [hurried.upload(png(SLOW)), hurried.upload(png())]
        message, code = hurried.failure("hide_album", hosts=hosts, names=["a", "b"], payload=hurried.upload(SECRET))
        assert (message.startswith("the work took more than 2 seconds"), code) == (True, 1)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"names": ["a", 1]}, "names must be a list of texts"),
        ({"hosts": []}, "1 to 200 photos at once, not 0"),
        ({"hosts": "a"}, "hosts must be a list of texts"),
        ({"hosts": [1, 2]}, "hosts must be a list of texts"),
        ({"spare": 1}, "spare must be text"),
        ({"channel": "signal"}, "unknown field 'channel'"),
    ],
)  # fmt: skip
def test_wrong_orders_are_refused(client: Client, fields: dict[str, Any], problem: str) -> None:
    photo = client.upload(png())
    order = {"hosts": [photo, photo], "names": ["a", "b"], "payload": client.upload(b"x"), **fields}
    status, message = client.ask("POST", "/api/hide_album", order).error
    assert (status, problem in message) == (400, True), message


def test_limits(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = client.upload(png())
    lost = client.ask("POST", "/api/reveal_album", {"images": [photo, "x" * 22]}).error
    assert lost == (404, "no such upload")
    monkeypatch.setattr(api, "MAX_ALBUM_BYTES", 2 * len(png()) - 1)
    status, message = client.ask("POST", "/api/reveal_album", {"images": [photo, photo]}).error
    assert (status, "use the shell for them" in message) == (400, True)
    monkeypatch.setattr(api, "MAX_ALBUM", 1)
    status, message = client.ask("POST", "/api/reveal_album", {"images": [photo, photo]}).error
    assert (status, message) == (400, "1 to 1 photos at once, not 2: use the shell for more")
    bad = client.failure("hide_album", hosts=[photo], names=["a"], payload=photo, spare="many")
    assert bad == ("the spare is a number of photos or a part of them such as 20%, not 'many'", 2)


def test_as_many_photos_as_may_be_are_kept(client: Client) -> None:
    """None has gone when the last has come, and all their names fit into an order."""
    names = [f"{number:03}-{'x' * 240}.png" for number in range(api.MAX_ALBUM)]
    hosts = [client.upload(b"no photo") for _ in names]
    message, code = client.failure("hide_album", hosts=hosts, names=names, payload=client.upload(b"x"))
    assert (message.startswith("the payload does not fit"), code) == (True, 3)


def test_channels_are_named_and_nothing_else(client: Client) -> None:
    """Others may name files of this machine."""
    assert client.ask("GET", "/api/options").json["channels"]["signal"] == "Signal, standard quality"
    assert "signal" in orders.choices()["channel"]
    for channel in ("/etc/passwd#root", "quality>=62"):
        order = {"photo": client.upload(png()), "channel": channel, "format": "jpg"}
        status, message = client.ask("POST", "/api/measure", order).error
        assert (status, message.startswith("unknown channel")) == (400, True)


def test_a_payload_goes_through_a_channel(client: Client) -> None:
    photo = client.upload(jpegs.saved(jpegs.picture(640, 480), quality=90))
    room = client.done("measure", photo=photo, channel="generic-q75", format="jpg")["facts"]
    assert (room["codec"], room["per_codec"]) == ("robust", {"robust": room["bytes"]})
    payload = os.urandom(20)
    job = client.done("hide", host=photo, payload=client.upload(payload), channel="generic-q75", format="jpg")
    assert "JPEG of quality 72 to 90" in job["facts"]["survival"]
    sent = io.BytesIO()
    Image.open(io.BytesIO(client.file(job, "container"))).save(sent, "JPEG", quality=75)
    assert client.file(client.done("reveal", image=client.upload(sent.getvalue())), "payload") == payload
