"""The app: its table of routes, all below the token; listen, say where, and serve until Ctrl+C."""

from __future__ import annotations

import os
import secrets
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from unretouch.base.errors import ExitCode, UsageError
from unretouch.serve import actions, pages
from unretouch.serve.refusals import ANSWERS, Limits
from unretouch.serve.security import Guard
from unretouch.serve.state import AppState
from unretouch.settings.commands import ServeSettings, is_loopback

ROUTES = (
    # pages
    Route("/", pages.home),
    Route("/new/", pages.new),
    Route("/runs/{run}/", pages.watch),
    Route("/runs/{run}/status.js", pages.status),
    Route("/runs/{run}/images/{file}", pages.preview),
    Route("/runs/{run}/latest_net_G.pth", pages.weights),
    Route("/try/{run}/", pages.trial),
    Route("/outcome/{run}/", pages.outcome),
    # Before those of the app's own assets: a report brings its own.
    Route("/reports/compare/{path:path}", pages.comparison),
    Route("/reports/{kind}/{run}/{path:path}", pages.report),
    Route("/assets/{path:path}", pages.asset),
    Route("/new/assets/{path:path}", pages.asset),
    Route("/{page}/{run}/assets/{path:path}", pages.asset),
    # runs
    Route("/api/runs", actions.list_runs, methods=["GET"]),
    Route("/api/runs", actions.begin, methods=["POST"]),
    Route("/api/runs/{run}", actions.one_run, methods=["GET"]),
    Route("/api/runs/{run}/stop", actions.stop, methods=["POST"]),
    Route("/api/runs/{run}/continue", actions.go_on, methods=["POST"]),
    Route("/api/runs/{run}/apply", actions.restore, methods=["PUT"]),
    Route("/api/runs/{run}/results", actions.results, methods=["GET"]),
    Route("/api/runs/{run}/test", actions.test, methods=["POST"]),
    Route("/api/runs/{run}/verify", actions.verify, methods=["POST"]),
    Route("/api/runs/{run}/{kind}", actions.end_task, methods=["DELETE"]),
    Route("/api/compare", actions.compare, methods=["POST"]),
    # pairs for a new run
    Route("/api/drafts", actions.new_draft, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}", actions.take_out, methods=["DELETE"]),
    Route("/api/drafts/{draft}/{pair:int}/check", actions.look_at, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}/thumbnail/{side}", actions.thumbnail),
    Route("/api/drafts/{draft}/{pair:int}/{side}", actions.add_side, methods=["PUT"]),
)

CONNECTIONS = 64
GRACE_S = 3
"""For answers under way when the app ends."""


def serve(settings: ServeSettings, limits: Limits | None = None) -> int:
    """Serve the app until Ctrl+C or SIGTERM. Returns the exit code.

    Raises UsageError where it cannot listen.
    """
    listening = _listen(settings.host, settings.port)
    port = listening.getsockname()[1]
    state = AppState(settings, limits)
    token = settings.token or secrets.token_urlsafe(24)
    try:
        app = Guard(_app(state), token, hosts(settings.host, port))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{port}/{token}/"

        def told() -> None:
            print(f"open {address}", flush=True)
            print("Ctrl+C ends the app; a training goes on, and is found next time", flush=True)
            if settings.open:
                webbrowser.open(address)

        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=GRACE_S,
        )
        _Server(config, told).run(sockets=[listening])
    finally:
        state.close()
        listening.close()
    return ExitCode.OK


def hosts(host: str, port: int) -> frozenset[str]:
    """Return the values of the header Host that mean an app listening at `host` and `port`."""
    names = {host}
    if is_loopback(host):
        names |= {"127.0.0.1", "localhost", "::1"}
    written = {f"[{name}]" if ":" in name else name for name in names}
    bare = written if port == 80 else set()
    return frozenset({f"{name}:{port}".lower() for name in written} | bare)


def _app(state: AppState) -> Starlette:
    """Return the app, without its guard. It closes `state` when it ends."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            state.close()

    app = Starlette(routes=list(ROUTES), lifespan=lifespan, exception_handlers=ANSWERS)
    app.state.unretouch = state
    return app


class _Server(uvicorn.Server):
    """Calls `ready` once requests are answered and a signal ends it tidily, not before."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"{host!r} is no address here: {error.strerror}", "--host") from error
    try:
        return socket.create_server(address, family=family, backlog=128)
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        hint = "Another one may be running; --port 0 takes any free port"
        raise UsageError(f"cannot listen: {said}", f"{host}:{port}", hint) from error
