"""Who may ask, and what a browser may do with the answers.

The server is for one person at one machine, but every page that their browser shows can send requests to it, and
everyone on the machine can connect. The gates, each for its own attack:

- Host: must be this machine's own. A name that a stranger's DNS points here (rebinding) is none.
- Origin and Sec-Fetch-Site: a request that a page caused must come from our page.
- Token: drawn at every start, known only from the address that is printed; for everything below /api.
- A request that is refused is not read, but for a little: who closes at once is not heard by who is still sending.
- Answers forbid scripts, styles, frames and connections of any other origin, and to be embedded or cached.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stegcinn.errors import UsageError

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # no text becomes HTML or code, even by mistake
        "trusted-types 'none'",
    )
)
ANSWER_HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
MAX_UNASKED = 64 << 10  # bytes that are read of a request that is refused
UNASKED_SECONDS = 1.0
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?", re.IGNORECASE)


def refusal(message: str, status: int, code: int = UsageError.exit_code) -> JSONResponse:
    """An error as the API tells it: one line, and the exit code the command line has for it."""
    headers = {"www-authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": {"message": message, "code": code}}, status, headers)


class Guard:
    """The gates in front of an application."""

    def __init__(self, app: ASGIApp, *, token: str, names: Iterable[str], any_address: bool = False) -> None:
        """`names`: what a Host header may say before its port. `any_address`: or any IP address at all.

        Ports may differ: ours may be forwarded. An address cannot be rebound, only a name can.
        """
        self._app = app
        self._token = token
        self._names = {name.lower() for name in names}
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ANSWER_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        refused = self._refused(scope["path"], headers)
        if refused and not await _ends_soon(receive, headers):
            refused.headers["connection"] = "close"
        await (refused or self._app)(scope, receive, send_with_headers)

    def _refused(self, path: str, headers: Headers) -> JSONResponse | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return refusal("this server answers only to its own address", 421)
        # A sandboxed or file:// page has the Origin "null", which is not ours either.
        if any(origin != f"http://{hosts[0]}" for origin in headers.getlist("origin")):
            return refusal("another page's requests are not answered", 403)
        if path == "/api" or path.startswith("/api/"):
            if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                return refusal("another page's requests are not answered", 403)
            # As bytes: compare_digest takes no text beyond ASCII, which a header may hold.
            given = headers.get("authorization", "").encode()
            if not secrets.compare_digest(given, f"Bearer {self._token}".encode()):
                return refusal("open the address that stegcinn serve printed: it carries the token of this server", 401)
        return None

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if not match:
            return False
        name = match["name"].lower()
        if name in self._names:
            return True
        if self._any_address:
            try:
                ipaddress.ip_address(name.strip("[]"))
                return True
            except ValueError:
                pass
        return False


async def _ends_soon(receive: Receive, headers: Headers) -> bool:
    """Read what a refused request brings along, if that is little; False if it is not, and is to be cut off."""
    declared = headers.get("content-length", "0")
    if "expect" in headers or not declared.isdecimal() or int(declared) > MAX_UNASKED:
        return False
    size, more = 0, True
    try:
        async with asyncio.timeout(UNASKED_SECONDS):
            while more and size <= MAX_UNASKED:
                message = await receive()
                size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    except TimeoutError:
        return False
    return not more
