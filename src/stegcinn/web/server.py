"""Listen, announce the address, and serve the page until the end."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from stegcinn.errors import UsageError
from stegcinn.web.api import application
from stegcinn.web.guard import Guard

TOKEN_BYTES = 24
CLOSING_SECONDS = 2  # for answers under way when the end comes
MAX_CONNECTIONS = 64
REQUEST_SECONDS = 10.0  # for the head of a request to come


def serve(host: str, port: int, *, announce: Callable[[str], None], browser: bool, time_limit: float) -> None:
    """Serve the page at `host` until Ctrl-C, which comes back as KeyboardInterrupt; port 0 is any free one.

    `announce` is told the address, token included. `time_limit`: seconds for a job. UsageError if the server cannot
    listen there.
    """
    listener = listen(host, port)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    address = f"http://{_authority(host, listener.getsockname()[1])}/#{token}"
    server = server_for(guarded(application(warm=True, time_limit=time_limit), host, token))
    announce(address)
    if browser and _has_display():
        # The connection waits at the listening socket until the server is up.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    server.run(sockets=[listener])


def server_for(app: ASGIApp) -> uvicorn.Server:
    """The server of an application, silent unless STEGCINN_DEBUG is set."""
    level = "error" if os.environ.get("STEGCINN_DEBUG") else "critical"
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level=level,
            access_log=False,
            http=_Impatient,
            ws="none",
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=CLOSING_SECONDS,
        )
    )


class _Impatient(H11Protocol):
    """HTTP for clients that ask soon: uvicorn would wait for ever for a request that comes in part, or never."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_request(None)

    def on_response_complete(self) -> None:
        answered = self.cycle
        super().on_response_complete()  # may begin with a request that has come already
        self._await_request(answered)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _await_request(self, answered: RequestResponseCycle | None) -> None:
        if self._waiting:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(REQUEST_SECONDS, self._give_up, answered)

    def _give_up(self, answered: RequestResponseCycle | None) -> None:
        if self.cycle is answered:
            self.transport.close()


def guarded(app: ASGIApp, host: str, token: str) -> Guard:
    """The application behind its guard, which knows under what names it can be reached when listening at `host`."""
    names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}
    if not is_loopback(host):
        names.add(socket.gethostname())
    return Guard(app, token=token, names=names, any_address=not is_loopback(host))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; UsageError if there can be none."""
    if not 0 <= port < 1 << 16:
        raise UsageError(f"there is no port {port}; choose one from 1 to 65535, or 0 for any")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (")[0]  # there follows what is said here
        raise UsageError(f"cannot listen on {host} port {port} ({reason}); choose others") from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens at `host`."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _authority(host: str, port: int) -> str:
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    name = socket.gethostname() if everywhere else host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _has_display() -> bool:
    """Whether a browser would get a window; one that runs in a terminal would take this one over."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
