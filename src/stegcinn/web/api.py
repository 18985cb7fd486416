"""The HTTP API: uploads come in, jobs are ordered, asked after, and fetched. openapi.py describes it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stegcinn import __version__
from stegcinn.carriers.photo import MAX_PIXELS, MIN_SIDE
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import COLORS
from stegcinn.codecs.robust.channels import channels
from stegcinn.errors import describe
from stegcinn.web import albums, openapi, orders, work
from stegcinn.web.guard import refusal
from stegcinn.web.jobs import BusyError, Job, Pool, Work
from stegcinn.web.orders import RefusedError
from stegcinn.web.shelf import Shelf

MAX_UPLOAD = 256 << 20  # bytes of one file
MAX_REQUEST = 64 << 10  # bytes of JSON
UPLOADS_AT_ONCE = 4
MAX_SHELF = 1 << 30  # bytes of uploads, and of results, before the oldest go
MAX_JOBS = 64
MAX_ALBUM = 200  # photos at once
MAX_ALBUM_BYTES = 512 << 20  # of them together
MAX_UPLOADS = 2 * MAX_ALBUM + 64
SHELF_SECONDS = 600.0  # browsers let a page in the background ask once a minute
TRIM_SECONDS = 30.0
QUICK = 1  # processes for what takes a moment
MEASURING = 1  # processes that measure capacity
HEAVY = 2  # processes that hide and reveal; a large photo takes gigabytes
MAX_WAITING = 8  # jobs in line for each
STALLED_SECONDS = 20.0  # after which an upload that does not go on is given up
UPLOAD_SECONDS = 600.0  # after which one that does is

SCRIPTS = ("album", "api", "app", "compare", "dom", "hide", "photos", "result", "reveal", "room", "strength")
PAGE = {*(f"{name}.js" for name in SCRIPTS), "style.css", "icon.svg"}
_MEDIA_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}

T = TypeVar("T")


def application(
    prepare: Callable[[], None] | None = None, *, warm: bool = False, time_limit: float = math.inf
) -> Starlette:
    """The page and its API, without the guard. `prepare`: see jobs.Pool. `warm`: start some processes early.

    `time_limit`: seconds for a job.
    """
    desk = _Desk(prepare, warm, time_limit)
    routes = [
        *(Route(f"/{name}", _page(name)) for name in PAGE),
        Route("/", _page("index.html")),
        Route("/openapi.json", _openapi),
        Route("/api/options", _options),
        Route("/api/uploads", desk.upload, methods=["POST"]),
        Route("/api/uploads/{id}", desk.drop_upload, methods=["DELETE"]),
        Route("/api/look", desk.order(orders.OfPhoto, work.look, desk.quick), methods=["POST"]),
        Route("/api/measure", desk.order(orders.Measure, work.measure, desk.measuring), methods=["POST"]),
        Route("/api/chart", desk.order(orders.OfPhoto, work.chart, desk.heavy), methods=["POST"]),
        Route("/api/weigh", desk.order(orders.Weigh, work.weigh, desk.quick), methods=["POST"]),
        Route("/api/survey", desk.order(orders.OfPhoto, albums.survey, desk.measuring), methods=["POST"]),
        Route("/api/hide_album", desk.order(orders.HideAlbum, albums.hide_album, desk.heavy), methods=["POST"]),
        Route("/api/reveal_album", desk.order(orders.RevealAlbum, albums.reveal_album, desk.heavy), methods=["POST"]),
        Route("/api/hide", desk.order(orders.Hide, work.hide, desk.heavy), methods=["POST"]),
        Route("/api/reveal", desk.order(orders.Reveal, work.reveal, desk.heavy), methods=["POST"]),
        Route("/api/jobs/{id}", desk.job, methods=["GET"]),
        Route("/api/jobs/{id}", desk.drop_job, methods=["DELETE"]),
        Route("/api/jobs/{id}/files/{file}", desk.file, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=desk.lifespan,
        exception_handlers={RefusedError: _refused, HTTPException: _http_error, Exception: _unexpected},
    )
    app.router.redirect_slashes = False
    return app


class _Desk:
    """What the server has at hand: uploads, jobs, and the processes for them."""

    def __init__(self, prepare: Callable[[], None] | None, warm: bool, time_limit: float) -> None:
        self.uploads: Shelf[bytes] = Shelf(len, limit=MAX_SHELF, count=MAX_UPLOADS, discard=lambda data: None)
        self.jobs: Shelf[Job] = Shelf(lambda job: job.size, limit=MAX_SHELF, count=MAX_JOBS, discard=Job.cancel)
        self.quick = Pool(QUICK, MAX_WAITING, prepare, seconds=time_limit)
        self.measuring = Pool(MEASURING, MAX_WAITING, prepare, seconds=time_limit)
        self.heavy = Pool(HEAVY, MAX_WAITING, prepare, seconds=time_limit)
        self.warm = warm
        self.receiving = asyncio.Semaphore(UPLOADS_AT_ONCE)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Tidy up from time to time, and at the end."""
        tidying = asyncio.create_task(self._tidy())
        if self.warm:  # what the first photo needs, before it comes
            self.quick.submit(Job(work.warm_up, {}))
            self.measuring.submit(Job(work.warm_up, {}))
        try:
            yield
        finally:
            tidying.cancel()
            for pool in (self.quick, self.measuring, self.heavy):
                pool.close()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            self.uploads.trim(SHELF_SECONDS)
            self.jobs.trim(SHELF_SECONDS)

    async def upload(self, request: Request) -> Response:
        _expect(request, "application/octet-stream")
        async with self.receiving:
            data = await _body(request, MAX_UPLOAD, f"the file is larger than {MAX_UPLOAD} bytes: use the shell for it")
        name = secrets.token_urlsafe(16)
        self.uploads.put(name, data)
        return JSONResponse({"id": name, "bytes": len(data)}, 201)

    async def drop_upload(self, request: Request) -> Response:
        if not self.uploads.drop(request.path_params["id"]):
            raise RefusedError(404, "no such upload")
        return Response(status_code=204)

    def order(self, kind: type[Any], function: Work, pool: Pool) -> Callable[[Request], Any]:
        """An endpoint that takes orders of one kind."""

        async def endpoint(request: Request) -> Response:
            arguments = dataclasses.asdict(await _order(request, kind))
            for field in orders.UPLOADED & set(arguments):
                named = arguments[field]
                arguments[field] = self._all(named) if isinstance(named, list) else self._one(named)
            job = Job(function, arguments)
            try:
                pool.submit(job)
            except BusyError:
                raise RefusedError(503, "too much is waiting already; try again when something is done") from None
            self.jobs.put(job.id, job)
            return JSONResponse(_told(job), 202)

        return endpoint

    def _one(self, name: str) -> bytes:
        if (data := self.uploads.get(name)) is None:
            raise RefusedError(404, "no such upload")
        return data

    def _all(self, names: list[str]) -> list[bytes]:
        if not 1 <= len(names) <= MAX_ALBUM:
            raise RefusedError(400, f"1 to {MAX_ALBUM} photos at once, not {len(names)}: use the shell for more")
        found = [self._one(name) for name in names]
        if sum(map(len, found)) > MAX_ALBUM_BYTES:
            raise RefusedError(400, f"the photos have more than {MAX_ALBUM_BYTES} bytes in all: use the shell for them")
        return found

    async def job(self, request: Request) -> Response:
        return JSONResponse(_told(self._job(request)))

    async def drop_job(self, request: Request) -> Response:
        self._job(request)
        self.jobs.drop(request.path_params["id"])
        return Response(status_code=204)

    async def file(self, request: Request) -> Response:
        job = self._job(request)
        data = job.outcome.files.get(request.path_params["file"]) if job.outcome else None
        if data is None:
            raise RefusedError(404, "no such file")
        # Never as what it claims to be: a revealed page or drawing would run as ours.
        return Response(data, media_type="application/octet-stream", headers={"content-disposition": "attachment"})

    def _job(self, request: Request) -> Job:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            raise RefusedError(404, "no such job")
        return job


def _told(job: Job) -> dict[str, Any]:
    error = {"message": job.error[0], "code": job.error[1]} if job.error else None
    outcome = job.outcome
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "progress": job.progress,
        "error": error,
        "facts": outcome.facts if outcome else None,
        "files": sorted(outcome.files) if outcome else [],
    }


# requests


async def _order(request: Request, kind: type[T]) -> T:
    """Read an order from the body of a request."""
    _expect(request, "application/json")
    return orders.parse(await _body(request, MAX_REQUEST, f"the request is larger than {MAX_REQUEST} bytes"), kind)


def _expect(request: Request, media_type: str) -> None:
    # Another page could send a simple form or text without asking first; neither has these types.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise RefusedError(415, f"the request must be {media_type}")


async def _body(request: Request, limit: int, too_large: str) -> bytes:
    """Read a body, at most `limit` bytes, into memory: what is to be hidden has no business on a disk."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise RefusedError(413, too_large)
    data, chunks, due = bytearray(), request.stream(), time.monotonic() + UPLOAD_SECONDS
    try:
        while True:
            async with asyncio.timeout(min(STALLED_SECONDS, due - time.monotonic())):
                data += await anext(chunks)
            if len(data) > limit:
                raise RefusedError(413, too_large)
    except StopAsyncIteration:
        return bytes(data)
    except TimeoutError:
        raise RefusedError(408, "the upload did not go on, or took too long; try again") from None
    except ClientDisconnect:
        raise RefusedError(400, "the request was cut short") from None


# answers


def _page(name: str) -> Callable[[Request], Any]:
    """An endpoint for one file of the page, read once: no path of a request ever reaches the file system."""
    data = (files("stegcinn") / "web" / "page" / name).read_bytes()
    media_type = _MEDIA_TYPES[name.rpartition(".")[2]]

    async def endpoint(request: Request) -> Response:
        return Response(data, media_type=media_type)

    return endpoint


async def _options(request: Request) -> Response:
    return JSONResponse(
        {
            "version": __version__,
            "codecs": CODECS,
            "labels": {name: load_codec(name).label for name in CODECS},
            "colors": COLORS,
            "formats": orders.choices()["format"],
            "channels": {each.name: each.label for each in channels()},
            "max_upload": MAX_UPLOAD,
            "max_album": MAX_ALBUM,
            "max_album_bytes": MAX_ALBUM_BYTES,
            "min_side": MIN_SIDE,
            "max_pixels": MAX_PIXELS,
        }
    )


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi.document(orders.choices(), max_upload=MAX_UPLOAD, max_album=MAX_ALBUM))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    response = refusal(str(error), error.status)
    if error.status == 408:
        response.headers["connection"] = "close"  # or it would wait for the rest
    return response


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = refusal(error.detail, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _unexpected(request: Request, error: Exception) -> Response:
    return refusal(describe(error), 500, code=1)
