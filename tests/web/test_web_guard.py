"""Who may ask the server of the page, what comes with its answers, and how it is started."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
import web_server
from web_server import Answer, Client, png, running

from fakes import RELEASED
from stegcinn.cli import main
from stegcinn.web import api, server

PAGE = files("stegcinn") / "web" / "page"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running() as client:
        yield client


@pytest.fixture(scope="module")
def open_client() -> Iterator[Client]:
    """A server that believes to listen on all addresses."""
    with running(host="0.0.0.0") as client:
        yield client


def raw(client: Client, *headers: str, path: str = "/api/options") -> Answer:
    """A request with exactly these headers, and the token."""
    lines = (f"GET {path} HTTP/1.1", f"Authorization: Bearer {web_server.TOKEN}", *headers, "Connection: close")
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    return Answer(int(head.split()[1]), None, body)  # type: ignore[arg-type]


# Host: rebinding


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost:1", "LOCALHOST", "[::1]:5"])
def test_own_hosts(client: Client, host: str) -> None:
    assert raw(client, f"Host: {host}").status == 200


STRANGERS = [
    "evil.example", "127.0.0.1.evil.example", "evil.example:127", "localhost.evil.example", "127.0.0.1@evil.example",
    "127.0.0.1:80:80", "localhost/", "localhost#", "", "[::1", "0x7f000001", "2130706433",
]  # fmt: skip


@pytest.mark.parametrize("host", STRANGERS)
@pytest.mark.parametrize("path", ["/", "/app.js", "/openapi.json", "/api/options"])
def test_strange_hosts(client: Client, open_client: Client, host: str, path: str) -> None:
    assert raw(client, f"Host: {host}", path=path).status == 421
    assert raw(open_client, f"Host: {host}", path=path).status == 421


def test_two_hosts_or_none(client: Client) -> None:
    assert raw(client, "Host: localhost", "Host: localhost").status in (400, 421)
    assert raw(client).status in (400, 421)


def test_other_addresses_only_where_it_listens_there(client: Client, open_client: Client) -> None:
    for host in ("192.168.1.7:8000", "[fe80::1]", "0.0.0.0"):
        assert raw(client, f"Host: {host}").status == 421
        assert raw(open_client, f"Host: {host}").status == 200
    assert raw(open_client, f"Host: {socket.gethostname()}").status == 200


# Origin: other pages


def test_own_origin(client: Client) -> None:
    assert client.ask("GET", "/api/options", origin=client.address, sec_fetch_site="same-origin").status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1", ""])
def test_cross_origin_posts(client: Client, origin: str) -> None:
    own = client.ask("POST", "/api/uploads", png(), origin=client.address)
    assert own.status == 201
    assert client.ask("POST", "/api/uploads", png(), origin=origin).error[0] == 403
    assert client.ask("DELETE", f"/api/uploads/{own.json['id']}", origin=origin).error[0] == 403
    assert client.ask("DELETE", f"/api/uploads/{own.json['id']}").status == 204


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites(client: Client, site: str) -> None:
    assert client.ask("GET", "/api/options", sec_fetch_site=site).error[0] == 403
    assert client.ask("GET", "/", sec_fetch_site=site).status == 200  # a link may lead to the page


def test_preflights_are_refused(client: Client) -> None:
    answer = client.ask(
        "OPTIONS", "/api/uploads", None, token=None, origin="http://evil.example",
        access_control_request_method="POST", access_control_request_headers="authorization",
    )  # fmt: skip
    assert answer.status == 403
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_simple_forms_are_refused(client: Client, kind: str) -> None:
    for path in ("/api/uploads", "/api/hide"):
        assert client.ask("POST", path, b"{}", content_type=kind).error[0] == 415


# token


@pytest.mark.parametrize("token", [None, "", "x", web_server.TOKEN[:-1], web_server.TOKEN + "x", "\xe9\xff"])
def test_wrong_tokens(client: Client, token: str | None) -> None:
    for method, path, body in (
        ("GET", "/api/options", None),
        ("GET", "/api", None),
        ("GET", "/api/jobs/x", None),
        ("POST", "/api/uploads", b"data"),
        ("POST", "/api/hide", {}),
    ):
        answer = client.ask(method, path, body, token=token)
        assert answer.error[0] == 401
        assert answer.headers["www-authenticate"] == "Bearer"


def test_other_schemes(client: Client) -> None:
    for value in (web_server.TOKEN, f"Basic {web_server.TOKEN}", f"bearer {web_server.TOKEN}"):
        assert client.ask("GET", "/api/options", None, token=None, authorization=value).status == 401


def test_a_path_does_not_get_round_the_token(client: Client) -> None:
    for path in ("//api/options", "/./api/options", "/%61pi/options", "/API/options", "/api%2Foptions"):
        assert client.ask("GET", path, None, token=None).status in (401, 404), path


# requests that come in part, or never


def answer_of(client: Client, head: str, seconds: float = 5.0) -> bytes:
    """All that the server says to the beginning of a request until it closes; TimeoutError if it waits for more."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=seconds) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("more", ["Content-Length: 200000000", "Transfer-Encoding: chunked", "Content-Length: 9",
                                  "Content-Length: 9\nExpect: 100-continue"])  # fmt: skip
def test_who_has_no_token_is_cut_off_before_their_body(client: Client, more: str) -> None:
    for host, status in (("localhost", b"401"), ("evil.example", b"421")):
        answer = answer_of(client, f"POST /api/uploads HTTP/1.1\nHost: {host}\n{more}\n\n")
        assert answer.split()[1] == status
        assert b"connection: close" in answer
        assert b"100 Continue" not in answer


def test_who_has_no_token_and_goes_on_sending_is_not_listened_to(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(b"POST /api/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000000\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 200_000_000:
                sent += connection.send(bytes(65536))
    assert sent < 50_000_000  # what buffers of the system take


def test_a_short_refused_request_costs_no_connection(client: Client) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)) as connection:
        for _ in range(2):
            connection.request("POST", "/api/uploads", b"data")
            response = connection.getresponse()
            assert (response.status, response.headers["connection"]) == (401, None)
            response.read()
            assert connection.sock is not None


def test_a_request_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.5)
    with running() as client:
        assert answer_of(client, "") == b""
        assert answer_of(client, "GET / HTTP/1.1\nHost: local") == b""
        with socket.create_connection(("127.0.0.1", client.port), timeout=5) as connection:
            connection.sendall(b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            told = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(1 << 20):
                    told += chunk
                    connection.sendall(b"GET")  # and no more of the second request
            assert told.startswith(b"HTTP/1.1 200")
        assert client.ask("GET", "/", None, token=None).status == 200
        hidden = client.done("look", photo=client.upload(png()))  # takes longer, and is waited for
        assert hidden["state"] == "done"


# answers


def test_every_answer_is_restricted(client: Client) -> None:
    job = client.done("look", photo=client.upload(png()))
    for path in ("/", "/app.js", "/none", "/api/options", "/api/none", f"/api/jobs/{job['id']}/files/thumbnail"):
        for token in (web_server.TOKEN, None):
            headers = client.ask("GET", path, None, token=token).headers
            policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
            assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
            assert policy["require-trusted-types-for"] == "'script'"
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert "server" not in headers


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text_of: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags:
            self.text_of[self.tags[-1][0]] = self.text_of.get(self.tags[-1][0], "") + data


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(client: Client) -> None:
    parser = _Tags()
    parser.feed(client.ask("GET", "/", None, token=None).body.decode())
    assert not parser.text_of.get("script", "").strip()
    assert not any(tag == "style" for tag, _ in parser.tags)
    for _, attributes in parser.tags:
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            if attributes.get(name):
                assert client.ask("GET", f"/{attributes[name]}", None, token=None).status == 200
    identifiers = [attributes["id"] for _, attributes in parser.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for _, attributes in parser.tags:
        for name in ("for", "aria-controls", "aria-describedby", "aria-labelledby"):
            assert set((attributes.get(name) or "").split()) <= set(identifiers), attributes
    for name in (*api.PAGE, "index.html"):
        text = (PAGE / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|innerHTML|insertAdjacentHTML|document\.write|eval\(", text), name


def test_scripts_find_the_elements_they_ask_for() -> None:
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    for name in api.PAGE:
        if name.endswith(".js"):
            for found in re.findall(r'\$\("([a-z-]+)"\)', (PAGE / name).read_text(encoding="utf-8")):
                assert f'id="{found}"' in page, (name, found)


def test_every_file_of_the_page_is_served() -> None:
    assert {path.name for path in PAGE.iterdir()} == {*api.PAGE, "index.html"}


# starting


def test_listening_elsewhere_is_noted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def serve(host: str, port: int, *, announce: Callable[[str], None], browser: bool, time_limit: float) -> None:
        asked.append((host, port, browser, time_limit))
        announce("http://there/")

    monkeypatch.setattr(server, "serve", serve)
    assert main.main(["serve", "--host", "0.0.0.0", "--port", "8000", "--no-browser"]) == 0
    note, ready = capsys.readouterr().err.splitlines()
    assert note.startswith("stegcinn: note: 0.0.0.0 can be reached by others, ")
    assert main.main(["serve", "--time-limit", "60"]) == 0
    assert capsys.readouterr().err == f"{ready}\n"
    assert asked == [("0.0.0.0", 8000, False, 1800), ("127.0.0.1", 0, True, 60)]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("LocalHost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.0.1", False),
     ("example.org", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert server.is_loopback(host) == loopback


def test_ports_that_cannot_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for wrong, words in ((port, "cannot listen on 127.0.0.1 port"), (70000, "no port"), (-1, "no port")):
            assert main.main(["serve", "--no-browser", "--port", str(wrong)]) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith("stegcinn: ")
            assert words in err
            assert str(wrong) in err
            assert "attempting" not in err  # what Python says would say the same twice
            assert err.count("\n") == 1
    assert main.main(["serve", "--no-browser", "--host", "256.256.256.256"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("stegcinn: cannot listen on 256.256.256.256 port 0 (")
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(not RELEASED, reason="the weights are not there")
def test_the_command_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    """Compiled libraries neither, whose doings no audit hook sees: ONNX Runtime reports to its makers unless told."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    environment.pop("CI", None)  # it is silent there, too
    home = tmp_path / "home"
    home.mkdir()
    environment |= {
        "HOME": str(home), "XDG_CACHE_HOME": "", "TMPDIR": str(home), "NUMBA_CACHE_DIR": str(tmp_path / "code"),
    }  # fmt: skip
    command = [sys.executable, "-m", "stegcinn", "serve", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdout is not None
    try:
        address, _, token = process.stdout.readline().strip().partition("/#")
        client = Client(int(address.rpartition(":")[2]), token)
        job = client.done("hide", host=client.upload(png()), payload=client.upload(b"secret"), password="password")
        client.done("reveal", image=client.upload(client.file(job, "container")), password="password")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    # selftest.py notes that this machine computes as it must, which tells nothing of what it computed
    assert [path for path in home.rglob("*") if path.is_file() and path.parent.name != "stegcinn"] == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(end: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stegcinn", "serve", "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "DISPLAY": ""},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#([\w-]{32})", address)
        assert match
        client = Client(int(match[1]))
        assert client.ask("GET", "/", None, token=None).status == 200
        assert client.ask("GET", "/api/options", None, token=None).status == 401
        options = client.ask("GET", "/api/options", None, token=match[2])
        assert options.status == 200
        process.send_signal(end)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert out == ""
    assert err == "stegcinn: hide and reveal at this address; it is good until Ctrl-C ends the server\n"
    assert process.returncode == 0


def test_tokens_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[str] = []

    class Server:
        def run(self, sockets: list[socket.socket]) -> None:
            sockets[0].close()

    monkeypatch.setattr(server, "server_for", lambda app: Server())
    for _ in range(2):
        server.serve("127.0.0.1", 0, announce=addresses.append, browser=False, time_limit=60)
    assert len({address.partition("#")[2] for address in addresses}) == 2


def test_a_browser_is_opened_only_where_there_is_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not server._has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert server._has_display()
