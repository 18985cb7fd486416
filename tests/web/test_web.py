"""The server of the page: the way through it, its limits, cancelling, and trouble in its processes."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import multiprocessing
import os
import socket
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import pytest
import web_server
from PIL import Image
from web_server import CRASHING, SLOW, STARVING, Client, png, running

from stegcinn import candidates, stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.evidence.search import as_decoded
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import COLORS, judge, judge_disturbance
from stegcinn.sealing.envelope import Payload
from stegcinn.web import api, orders, work

pytest.importorskip("starlette")

SECRET = bytes(range(256)) * 2
BOMB_SIDE = 8000  # 64 megapixels
GONE = 10.0  # seconds within which a process must have ended


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running() as client:
        yield client


def hidden(client: Client, payload: bytes = SECRET, **options: Any) -> dict[str, Any]:
    return client.done("hide", host=client.upload(png()), payload=client.upload(payload), **options)


# the way through


def test_hide_and_reveal(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = hidden(client, name="report.pdf", password="correct horse")
    facts, container = job["facts"], client.file(job, "container")
    assert (facts["width"], facts["height"], facts["bytes"]) == (96, 96, len(SECRET))
    assert (facts["same_gray"], facts["raw_accuracy"], facts["notes"]) == (1.0, 1.0, [])
    assert facts["bpp"] == pytest.approx(8 * len(SECRET) / 96**2)
    changed = (np.asarray(Image.open(io.BytesIO(container))) != np.asarray(Image.open(io.BytesIO(png())))).any(axis=2)
    assert facts["changed_pixels"] == pytest.approx(changed.mean())

    revealed = client.done("reveal", image=client.upload(container), password="correct horse")
    assert revealed["facts"] == {
        "name": "report.pdf", "bytes": len(SECRET), "preview": {"kind": "none"}, "notes": [],
    }  # fmt: skip
    assert client.file(revealed, "payload") == SECRET

    monkeypatch.setattr(candidates, "load_codec", web_server.load_page)
    assert stego.uncover(Source(container), password="correct horse") == Payload(SECRET, "report.pdf")


def test_the_server_reveals_what_the_library_hid(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "load_codec", web_server.load_page)
    container = stego.conceal(Source(png()), Payload(b"meet me at noon"), suffix=".webp").file
    job = client.done("reveal", image=client.upload(container))
    assert job["facts"]["name"] is None
    assert job["facts"]["preview"] == {"kind": "text", "text": "meet me at noon", "whole": True}


def test_look_and_measure_and_weigh(client: Client) -> None:
    photo = client.upload(png(200, 100))
    look = client.done("look", photo=photo)
    assert look["facts"] == {
        "width": 200,
        "height": 100,
        "gray": False,
        "jpeg": False,
        "too_large": False,
        "format": "png",
        "notes": [],
    }
    assert Image.open(io.BytesIO(client.file(look, "thumbnail"))).size == (200, 100)
    room = client.done("measure", photo=photo, colors="generate")["facts"]
    assert (room["codec"], room["colors"]) == ("exact", "generate")
    assert room["per_codec"] == {"exact": room["bytes"]}
    assert room["bpp"] == pytest.approx(8 * room["bytes"] / 200 / 100)

    for data in (os.urandom(room["bytes"]), b"a" * 100_000):  # what is compressed may be larger than the room
        assert client.done("weigh", payload=client.upload(data))["facts"]["needed"] <= room["bytes"]
        client.done("hide", host=photo, payload=client.upload(data))
    over = client.upload(os.urandom(room["bytes"] + 1))
    assert client.done("weigh", payload=over)["facts"] == {"bytes": room["bytes"] + 1, "needed": room["bytes"] + 1}


def test_payloads_are_judged_before_and_after_in_the_words_of_the_library(client: Client) -> None:
    photo = client.upload(png())
    room = client.done("measure", photo=photo)["facts"]
    assert 0 < room["safe_bytes"] < room["bytes"]
    assert (room["decoded"], room["evidence"], set(room["per_codec"])) == (False, None, {"stealth", "exact"})
    assert room["judgements"] == [
        {"up_to": room["safe_bytes"], **asdict(judge(None, safe=True))},
        {"up_to": room["bytes"], **asdict(judge(None, safe=False))},
    ]
    facts = hidden(client, password="p")["facts"]
    assert facts["judgement"] == asdict(judge_disturbance(None, facts["disturbance"])) == asdict(judge(None, safe=True))
    assert facts["notes"] == []


def test_a_photo_as_a_decoder_left_it_is_told(client: Client) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(100, 150, (96, 96, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", quality=50)
    photo = client.upload(buffer.getvalue())
    room = client.done("measure", photo=photo)["facts"]
    assert (room["decoded"], room["evidence"], room["safe_bytes"]) == (True, as_decoded("JPEG"), 0)
    assert room["judgements"] == [{"up_to": room["bytes"], "verdict": "provable", "reason": as_decoded("JPEG")}]
    job = client.done("hide", host=photo, payload=client.upload(SECRET), password="p")
    assert job["facts"]["judgement"] == {"verdict": "provable", "reason": as_decoded("JPEG")}
    assert job["facts"]["notes"] == []


def test_a_photo_that_takes_nothing_has_nothing_to_judge(client: Client) -> None:
    black = io.BytesIO()
    Image.new("RGB", (96, 96)).save(black, "PNG")
    room = client.done("measure", photo=client.upload(black.getvalue()))["facts"]
    assert (room["bytes"], room["safe_bytes"], room["judgements"]) == (0, 0, [])


def test_what_pillow_thinks_of_metadata_is_not_told(client: Client) -> None:
    """Though tests make errors of warnings: the processes of the page have filters of their own."""
    buffer = io.BytesIO()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0"
    Image.fromarray(np.asarray(Image.open(io.BytesIO(png())))).save(buffer, "JPEG", exif=exif)
    assert client.done("look", photo=client.upload(buffer.getvalue()))["facts"]["notes"] == []


def test_options_are_the_libraries(client: Client) -> None:
    options = client.ask("GET", "/api/options").json
    assert options["codecs"] == list(CODECS)
    assert options["colors"] == list(COLORS)
    assert options["labels"] == {name: load_codec(name).label for name in CODECS}
    assert [f".{name}" for name in options["formats"]] == list(candidates.suffixes())


@pytest.mark.parametrize("kind", orders.choices()["format"])
def test_every_format_is_written(client: Client, kind: str) -> None:
    job = hidden(client, b"x", format=kind)
    names = {"tif": "TIFF", "jpg": "JPEG"}
    assert Image.open(io.BytesIO(client.file(job, "container"))).format == names.get(kind, kind.upper())


def test_notes_are_the_command_lines(client: Client) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((96, 96), 30_000, np.uint16)).save(buffer, "PNG")
    photo = client.upload(buffer.getvalue())
    deep = "the image has more than 8 bits per channel and is reduced to 8 bits"
    assert client.done("look", photo=photo)["facts"]["notes"] == [deep]
    room = client.done("measure", photo=photo)["facts"]["bytes"]
    job = client.done("hide", host=photo, payload=client.upload(os.urandom(room)), name="a.bin")
    assert job["facts"]["notes"] == [
        deep,
        "the name a.bin was left out to make the payload fit",
        stego.COLOURED,
    ]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/passwd", "passwd"), ("C:\\boot.ini", "boot.ini"), (".bashrc", "bashrc"),
     ("a\u202etxt.exe", "atxt.exe"),
     ("con", "_con"), ("<b>.html", "b.html"), ("\ud800", None), ("/", None)],
)  # fmt: skip
def test_names_are_made_safe(client: Client, name: str, safe: str | None) -> None:
    container = client.file(hidden(client, name=name), "container")
    assert client.done("reveal", image=client.upload(container))["facts"]["name"] == safe


@pytest.mark.parametrize(
    "payload", [b"<script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-"]
)
def test_a_payload_never_comes_as_what_it_claims_to_be(client: Client, payload: bytes) -> None:
    container = client.file(hidden(client, payload, name="page.html"), "container")
    job = client.done("reveal", image=client.upload(container))
    assert job["facts"]["preview"] == {"kind": "text", "text": payload.decode(), "whole": True}
    answer = client.ask("GET", f"/api/jobs/{job['id']}/files/payload")
    assert answer.body == payload
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
def test_nothing_is_written_to_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes may not either, see web_server.install; a large upload is what a form parser would spool."""
    sys.addaudithook(web_server.refuse_writing)
    monkeypatch.setattr(web_server, "forbid_writing", True)
    with pytest.raises(PermissionError):  # else the test would prove nothing
        open("/nowhere/at-all", "w")  # noqa: PTH123, SIM115
    photo = client.upload(png(1600, 1200))
    job = client.done("hide", host=photo, payload=client.upload(os.urandom(100_000)), name="a", password="b")
    client.done("reveal", image=client.upload(client.file(job, "container")), password="b")


# errors


def test_errors_are_the_command_lines(client: Client) -> None:
    photo, secret = client.upload(png()), client.upload(SECRET)
    room = client.done("measure", photo=photo)["facts"]["bytes"]
    assert client.failure("hide", host=photo, payload=client.upload(os.urandom(room + 1))) == (
        f"the payload does not fit: it needs {room + 1:,} bytes and this photo takes {room:,}; "
        "use a larger or more colourful photo, or a smaller file", 3,
    )  # fmt: skip
    nothing = ("no payload found: there is none, the password is wrong, or the image was altered", 4)
    assert client.failure("reveal", image=photo) == nothing
    container = client.file(client.done("hide", host=photo, payload=secret, password="right"), "container")
    for password in ("wrong", None):
        assert client.failure("reveal", image=client.upload(container), password=password) == nothing
    lossy = io.BytesIO()
    Image.open(io.BytesIO(container)).save(lossy, "JPEG", quality=95)
    assert client.failure("reveal", image=client.upload(lossy.getvalue()), password="right") == nothing

    for data, words in (
        (b"", "the image is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a photo in a known format"),
        (png()[:-200], "is damaged or cut short"),
        (png(63), "63"),
    ):
        for kind, field in (("look", "photo"), ("measure", "photo"), ("reveal", "image")):
            message, code = client.failure(kind, **{field: client.upload(data)})
            assert words in message
            assert code == 5
    message, code = client.failure("hide", host=photo, payload=secret, password="")
    assert "the password is empty" in message
    assert code == 2
    assert "nothing but blanks" in client.failure("hide", host=photo, payload=secret, password=" \u3000")[0]


def test_too_many_pixels_are_refused_before_they_are_decoded(client: Client) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((1 + 3 * BOMB_SIDE) * BOMB_SIDE), 1)
    for kind, field, side in (
        ("measure", "photo", BOMB_SIDE),
        ("reveal", "image", BOMB_SIDE),
        ("look", "photo", 16000),
    ):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
        message, code = client.failure(kind, **{field: client.upload(bomb)})
        assert code == 5
        assert "more than 50,000,000 pixels; to hide in it, halve it (--halve)" in message


def test_a_payload_too_large_for_the_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MAX_REVEALED", 1000)
    monkeypatch.setattr(stego, "uncover", lambda source, **options: Payload(bytes(1001)))
    with pytest.raises(stego.UsageError, match="1,001 bytes, too many for the page"):
        work.reveal(lambda share: None, image=png(), password=None, thorough=False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "payload is missing"),
        ({"payload": "x", "more": 1}, "unknown field 'more'"),
        ({"payload": None}, "payload must be text"),
        ({"payload": "x", "name": 7}, "name must be text"),
        ({"payload": "x", "codec": "rot13"}, "unknown codec 'rot13'; choose one of"),
        ({"payload": "x", "format": "gif"}, "unknown format 'gif'; choose one of jpg"),
        ({"payload": "x", "format": None}, "format must be text"),
        ({"payload": "x", "halve": "yes"}, "halve must be true or false"),
        ({"payload": "x", "halve": 1}, "halve must be true or false"),
    ],
)
def test_bad_orders(client: Client, fields: dict[str, Any], words: str) -> None:
    status, message = client.ask("POST", "/api/hide", {"host": client.upload(png()), **fields}).error
    assert status == 400
    assert words in message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 60_000])
def test_bodies_that_are_no_orders(client: Client, body: bytes) -> None:
    assert client.ask("POST", "/api/look", body, content_type="application/json").error[0] == 400


def test_unknown_things(client: Client) -> None:
    for method, path, body in (
        ("POST", "/api/look", {"photo": "unknown"}),
        ("GET", "/api/jobs/unknown", None),
        ("DELETE", "/api/jobs/unknown", None),
        ("GET", "/api/jobs/unknown/files/payload", None),
        ("DELETE", "/api/uploads/unknown", None),
        ("GET", "/api/../../../../etc/passwd", None),
        ("GET", "/..%2f..%2fapi.py", None),
        ("GET", "/api/options/", None),
    ):
        assert client.ask(method, path, body).error[0] == 404, path
    job = client.done("look", photo=client.upload(png()))
    assert client.ask("GET", f"/api/jobs/{job['id']}/files/unknown").error == (404, "no such file")
    answer = client.ask("PUT", "/api/options")
    assert (answer.error[0], set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


# limits


def test_uploads_have_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_UPLOAD", 1000)
    client.upload(bytes(1000))
    assert client.ask("POST", "/api/uploads", bytes(1001)).error[0] == 413
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)) as connection:
        headers = {"Authorization": f"Bearer {web_server.TOKEN}", "Content-Type": "application/octet-stream"}
        connection.request("POST", "/api/uploads", iter([bytes(600), bytes(600)]), headers, encode_chunked=True)
        assert connection.getresponse().status == 413


def test_a_huge_upload_is_refused_before_it_is_sent(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(
            f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {web_server.TOKEN}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {1 << 40}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_an_upload_that_breaks_off_leaves_nothing(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(
            f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {web_server.TOKEN}\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nabc".encode()
        )
    assert client.ask("GET", "/api/options").status == 200


def test_orders_have_a_limit(client: Client) -> None:
    assert client.ask("POST", "/api/look", {"photo": "x" * api.MAX_REQUEST}).error[0] == 413


def test_a_forgotten_upload_is_gone(client: Client) -> None:
    name = client.upload(png())
    assert client.ask("DELETE", f"/api/uploads/{name}").status == 204
    assert client.ask("POST", "/api/look", {"photo": name}).error == (404, "no such upload")


# cancelling, and many at once


def children() -> set[int]:
    return {process.pid for process in multiprocessing.active_children() if process.pid}


def gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + GONE
    while time.monotonic() < deadline:
        if not pids & children():
            return True
        time.sleep(0.02)
    return False


def slow(client: Client, kind: str = "hide") -> str:
    photo = client.upload(png(SLOW))
    if kind == "measure":
        return client.order("measure", photo=photo)
    return client.order("hide", host=photo, payload=client.upload(SECRET))


def test_cancelling_ends_the_process_and_the_next_job_is_done() -> None:
    before = children()
    with running() as client:
        names = [slow(client) for _ in range(api.HEAVY)]
        for name in names:
            client.wait(name, lambda job: job["progress"] > 0)
        busy = children() - before
        waiting = slow(client)
        assert client.job(waiting)["state"] == "waiting"
        for name in (waiting, *names):
            assert client.ask("DELETE", f"/api/jobs/{name}").status == 204
            assert client.ask("GET", f"/api/jobs/{name}").status == 404
        assert len(busy) == api.HEAVY
        assert gone(busy)
        hidden(client)
        slow(client)
        rest = children() - before
    assert rest
    assert gone(rest)  # the end of the server is the end of them all


def test_a_process_that_another_thread_sees_end_first_takes_no_worker_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a process asks after all others: who has just ended one may find its end told to that one."""
    real, closed = BaseProcess.close, []

    def close(process: BaseProcess) -> None:
        closed.append(process)
        if len(closed) == 1:
            raise ValueError("Cannot close a process while it is still running.")
        real(process)

    monkeypatch.setattr(BaseProcess, "close", close)
    with running() as client:
        for _ in range(api.HEAVY):
            name = slow(client)
            client.wait(name, lambda job: job["progress"] > 0)
            assert client.ask("DELETE", f"/api/jobs/{name}").status == 204
            hidden(client)
    assert len(closed) > 1


def test_a_job_that_takes_too_long_is_ended_and_the_next_is_done() -> None:
    before = children()
    with running(time_limit=3) as client:
        name = slow(client)
        client.wait(name, lambda job: job["progress"] > 0)
        busy = children() - before
        job = client.wait(name)
        assert (job["state"], job["files"], job["error"]["code"]) == ("failed", [], 1)
        assert "took more than 3 seconds" in job["error"]["message"]
        assert "--time-limit" in job["error"]["message"]
        assert gone(busy)
        hidden(client)


def test_an_upload_that_stalls_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for stalled, whole in ((0.5, 60.0), (60.0, 0.5)):
        monkeypatch.setattr(api, "STALLED_SECONDS", stalled)
        monkeypatch.setattr(api, "UPLOAD_SECONDS", whole)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)) as connection:
            connection.putrequest("POST", "/api/uploads")
            connection.putheader("authorization", f"Bearer {web_server.TOKEN}")
            connection.putheader("content-type", "application/octet-stream")
            connection.putheader("content-length", "1000")
            connection.endheaders(b"begun")
            response = connection.getresponse()
            assert (response.status, response.headers["connection"]) == (408, "close")
            assert "did not go on" in json.loads(response.read())["error"]["message"]
            assert connection.sock is None  # it is closed


def test_quick_jobs_do_not_wait_for_slow_ones() -> None:
    with running() as client:
        for _ in range(api.HEAVY):
            client.wait(slow(client), lambda job: job["state"] == "running")
        client.done("measure", photo=client.upload(png()))


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_WAITING", 2)
    with running() as client:
        client.wait(slow(client, "measure"), lambda job: job["state"] == "running")
        names = [slow(client, "measure") for _ in range(2)]
        photo = client.upload(png())
        assert client.ask("POST", "/api/measure", {"photo": photo}).error[0] == 503
        client.ask("DELETE", f"/api/jobs/{names[0]}")
        assert client.ask("POST", "/api/measure", {"photo": photo}).status == 202


def test_jobs_side_by_side(client: Client) -> None:
    payloads = [os.urandom(500) for _ in range(6)]
    photo = client.upload(png())
    names = [client.order("hide", host=photo, payload=client.upload(payload)) for payload in payloads]
    for name, payload in zip(names, payloads, strict=True):
        container = client.file(client.wait(name), "container")
        revealed = client.done("reveal", image=client.upload(container))
        assert client.file(revealed, "payload") == payload


def test_progress_only_grows(client: Client) -> None:
    name = slow(client)
    seen: list[float] = []
    client.wait(name, lambda job: seen.append(job["progress"]) or job["progress"] > 0.001)  # type: ignore[func-returns-value]
    client.ask("DELETE", f"/api/jobs/{name}")
    assert seen == sorted(seen)


@pytest.mark.slow
def test_a_process_that_dies_takes_only_its_job(client: Client) -> None:
    message = "the system ended the work, most likely for lack of memory; use a smaller photo or file"
    for _ in range(3):
        assert client.failure("measure", photo=client.upload(png(CRASHING))) == (message, 1)
    client.done("measure", photo=client.upload(png()))


def test_lack_of_memory_is_told(client: Client) -> None:
    expected = ("not enough memory; use a smaller photo or file", 1)
    assert client.failure("measure", photo=client.upload(png(STARVING))) == expected


# what is kept, and for how long


def test_what_nobody_asks_for_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "TRIM_SECONDS", 0.05)
    monkeypatch.setattr(api, "SHELF_SECONDS", 1.0)
    before = children()
    with running() as client:
        upload, name = client.upload(png()), slow(client)
        client.wait(name, lambda job: job["progress"] > 0)
        busy = children() - before
        assert gone(busy)  # a page that has gone needs no work done
        assert client.ask("GET", f"/api/jobs/{name}").status == 404
        assert client.ask("POST", "/api/look", {"photo": upload}).status == 404
