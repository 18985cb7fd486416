"""A server for the tests of the page: the real one on a free port, over a codec that takes no time."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from fakes import GradedLsbCodec, LsbCodec
from stegcinn import candidates
from stegcinn.album import working
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Codec, Embedding, Grades, Progress, Room, Wish, silent
from stegcinn.runtime.arrays import Float32
from stegcinn.sealing.keys import Keys
from stegcinn.web import api, server

TOKEN = "the-token-of-the-tests"
OWN = "the client's own token"
SLOW, CRASHING, STARVING = 97, 98, 99  # widths of photos that make the codec take a minute, die, want memory
PATIENCE = 60.0  # seconds

forbid_writing = False  # in this process; in those of the server it always is


class PageCodec(LsbCodec):
    """LsbCodec, with trouble at hand."""

    def __init__(self, name: str) -> None:
        self.name, self.auto = name, name not in ("cinn", "robust")

    def refusal(self, wish: Wish) -> str | None:
        if wish.channel is not None:
            return "nothing of it survives"
        return "it keeps the colours" if self.name == "stealth" and wish.colors == "generate" else None

    def capacity(self, photo: Photo, wish: Wish, progress: Progress) -> Room:
        self._trouble(photo, progress)
        return super().capacity(photo, wish, progress)

    def embed(self, photo: Photo, stream: bytes, keys: Keys, wish: Wish, progress: Progress) -> Embedding[Photo]:
        self._trouble(photo, progress)
        return super().embed(photo, stream, keys, wish, progress)

    def noisiness(self, photo: Photo, progress: Progress) -> Float32 | None:
        return None if photo.is_gray else np.full(photo.luma.shape, 4, np.float32)

    def _trouble(self, photo: Photo, progress: Progress) -> None:
        width = photo.rgb.shape[1]
        if width == SLOW:
            for step in range(600):
                progress(step / 600)
                time.sleep(0.1)
        elif width == CRASHING:
            os.kill(os.getpid(), signal.SIGKILL)
        elif width == STARVING:
            raise MemoryError


class GradedPageCodec(PageCodec, GradedLsbCodec):
    """One that albums are made with."""

    def grades(self, photo: Photo, progress: Progress = silent) -> Grades | None:
        self._trouble(photo, progress)
        return super().grades(photo, progress)


def load_page(name: str) -> Codec[Any]:
    """PageCodec in the place of the codec called `name`; JPEG files keep theirs."""
    if name in ("jpeg", "robust"):
        return load_codec(name)
    return GradedPageCodec(name) if name == "stealth" else PageCodec(name)


def install() -> None:
    """Put the codec in place, in a process of the server, and let it write no file from here on."""
    global forbid_writing
    candidates.load_codec = working.load_codec = load_page
    sys.dont_write_bytecode = True
    Image.init()  # loads its plugins, some of which open what they find
    forbid_writing = True
    sys.addaudithook(refuse_writing)


def refuse_writing(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook that lets no file be opened for writing, while `forbid_writing` is set."""
    if forbid_writing and event == "open":
        path, mode, flags = arguments
        if path != os.devnull and (set(mode or "") & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR)):
            raise PermissionError(f"writes {path!r}")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and message of a refusal, which has one line and nothing else."""
        error = self.json["error"]
        assert set(self.json) == {"error"}
        assert set(error) == {"message", "code"}
        assert "\n" not in error["message"]
        return self.status, error["message"]


@dataclass(frozen=True)
class Client:
    port: int
    token: str = TOKEN

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, /, token: str | None = OWN, **headers: str) -> Answer:
        """One request; a body that is not bytes goes as JSON. Header names have _ for -."""
        token = self.token if token == OWN else token
        sent = {"authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            sent["content-type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def upload(self, data: bytes) -> str:
        answer = self.ask("POST", "/api/uploads", data)
        assert answer.status == 201, answer
        assert answer.json["bytes"] == len(data)
        return str(answer.json["id"])

    def order(self, kind: str, **fields: Any) -> str:
        answer = self.ask("POST", f"/api/{kind}", fields)
        assert answer.status == 202, answer
        return str(answer.json["id"])

    def job(self, name: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/api/jobs/{name}")
        assert answer.status == 200, answer
        return dict(answer.json)

    def wait(self, name: str, until: Callable[[dict[str, Any]], bool] | None = None) -> dict[str, Any]:
        """The job, when it has ended, or when `until` says so."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            job = self.job(name)
            if until(job) if until else job["state"] not in ("waiting", "running"):
                return job
            time.sleep(0.02)
        raise TimeoutError(job)

    def done(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Order a job and wait for its success."""
        job = self.wait(self.order(kind, **fields))
        assert (job["state"], job["error"], job["progress"]) == ("done", None, 1.0), job
        return job

    def failure(self, kind: str, **fields: Any) -> tuple[str, int]:
        """Order a job and wait for its failure: message and exit code."""
        job = self.wait(self.order(kind, **fields))
        assert (job["state"], job["facts"], job["files"]) == ("failed", None, []), job
        return job["error"]["message"], job["error"]["code"]

    def file(self, job: dict[str, Any], name: str) -> bytes:
        answer = self.ask("GET", f"/api/jobs/{job['id']}/files/{name}")
        assert answer.status == 200, answer
        return answer.body


@contextlib.contextmanager
def running(
    prepare: Callable[[], None] | None = install, host: str = "127.0.0.1", time_limit: float = PATIENCE
) -> Iterator[Client]:
    """A server in a thread of its own."""
    listener = server.listen("127.0.0.1", 0)
    instance = server.server_for(server.guarded(api.application(prepare, time_limit=time_limit), host, TOKEN))
    thread = threading.Thread(target=instance.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Client(listener.getsockname()[1])
    finally:
        instance.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def png(width: int = 96, height: int = 96, seed: int = 0, mode: str = "RGB") -> bytes:
    """A photo that the codec of the tests takes."""
    rgb = np.random.default_rng(seed).integers(90, 160, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()
