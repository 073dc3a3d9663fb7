"""Who may ask, and what a browser may do with the answer. Stands before every route.

A local address is not private: any page that is open in the same browser can send requests to it
(cross-site requests), and a foreign name can be made to point to it (DNS rebinding). So the app
answers to its own names only, its addresses begin with a token that no other page knows, and what
changes anything must come from its own pages. There is no cookie that a browser would add.
"""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unretouch.base.messages import _
from unretouch.serve.error_page import error_page, wants_page

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups allow-downloads; default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""For pages that lie on the disk, which somebody else may have made: they run apart from the app,
as a stranger to it, and cannot send anything."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",  # portraits
}
READING = ("GET", "HEAD")
NEW_ADDRESS = _(
    "The app has been started anew, and its address is another one. Open the address that "
    "“unretouch serve” printed when it started."
)


class Guard:
    """Lets requests through to `app` whose first path segment is `token`, which it takes off."""

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str]) -> None:
        self._app = app
        self._prefix = f"/{token}"
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSocket is spoken here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        # Routes look at the path below `root_path`.
        await self._app({**scope, "root_path": self._prefix}, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse("this app does not answer to that name", 421)
        first = "/" + scope["path"].lstrip("/").partition("/")[0]
        if not secrets.compare_digest(first.encode(), self._prefix.encode()):
            if wants_page(scope["method"], scope["path"], headers):
                return error_page(NEW_ADDRESS, 403)
            return PlainTextResponse(str(NEW_ADDRESS), 403)
        if scope["method"] not in READING and not _own_page(headers):
            return PlainTextResponse("this request did not come from the app's own page", 403)
        return None


def _own_page(headers: Headers) -> bool:
    """Return whether a write comes from our page, or from no browser at all."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    return origin is None or origin.lower() == f"http://{headers['host'].lower()}"
