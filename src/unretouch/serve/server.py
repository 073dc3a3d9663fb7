"""The app: its table of routes, all below the token; listen, say where, and serve until Ctrl+C."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from unretouch.base.errors import ExitCode, UnretouchError, UsageError
from unretouch.serve import (
    actions,
    comparing,
    draft_actions,
    pages,
    restore_actions,
    run_actions,
)
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
    Route("/api/runs/{run}/results", actions.results, methods=["GET"]),
    Route("/api/runs/{run}/test", actions.test, methods=["POST"]),
    Route("/api/runs/{run}/verify", actions.verify, methods=["POST"]),
    Route("/api/runs/{run}/rename", run_actions.rename, methods=["POST"]),
    Route("/api/runs/{run}/note", run_actions.note, methods=["POST"]),
    Route("/api/runs/{run}/delete", run_actions.delete, methods=["POST"]),
    Route("/api/deleted", run_actions.deleted, methods=["GET"]),
    Route("/api/deleted/{deleted}/undo", run_actions.undo, methods=["POST"]),
    Route("/api/disk", run_actions.disk, methods=["GET"]),
    Route("/api/demo", run_actions.demo, methods=["POST"]),
    Route("/api/compare", comparing.compare, methods=["POST"]),
    Route("/api/compare", comparing.compared, methods=["GET"]),
    Route("/api/compare/{group}", comparing.cancel, methods=["DELETE"]),
    # photographs that a run restores
    Route("/api/runs/{run}/photos", restore_actions.list_photos, methods=["GET"]),
    Route("/api/runs/{run}/photos", restore_actions.add_photo, methods=["PUT"]),
    Route("/api/runs/{run}/photos", restore_actions.remove_all, methods=["DELETE"]),
    Route("/api/runs/{run}/photos.zip", restore_actions.all_files, methods=["GET"]),
    Route("/api/runs/{run}/photos/speed", restore_actions.measure, methods=["POST"]),
    Route("/api/runs/{run}/photos/{photo}", restore_actions.remove_photo, methods=["DELETE"]),
    Route("/api/runs/{run}/photos/{photo}/again", restore_actions.again, methods=["POST"]),
    Route("/api/runs/{run}/photos/{photo}/chosen", restore_actions.choose, methods=["POST"]),
    Route("/api/runs/{run}/photos/{photo}/painted", restore_actions.paint, methods=["PUT"]),
    Route("/api/runs/{run}/photos/{photo}/saved/{what}", restore_actions.save, methods=["POST"]),
    Route("/api/runs/{run}/photos/{photo}/saved/{what}", restore_actions.saved_file),
    Route("/api/runs/{run}/photos/{photo}/look/{what}", restore_actions.look),
    Route("/api/runs/{run}/photos/{photo}/part/{row:int}/{column:int}", restore_actions.part),
    Route("/api/runs/{run}/model/{epoch}/{kind}", restore_actions.export, methods=["POST"]),
    Route("/api/runs/{run}/model/{epoch}/{kind}", restore_actions.model_file),
    Route("/api/runs/{run}/{kind}", actions.end_task, methods=["DELETE"]),
    # pairs for a new run
    Route("/api/drafts", actions.new_draft, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}", actions.take_out, methods=["DELETE"]),
    Route("/api/drafts/{draft}/{pair:int}/check", actions.look_at, methods=["POST"]),
    Route("/api/drafts/{draft}", draft_actions.gathered, methods=["GET"]),
    Route("/api/drafts/{draft}", draft_actions.forget, methods=["DELETE"]),
    Route("/api/drafts/{draft}/partners", draft_actions.bring_together, methods=["POST"]),
    Route("/api/drafts/{draft}/pairs-of/{run}", draft_actions.take_pairs_of, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}/{kind}/{side}", actions.small_picture),
    Route("/api/drafts/{draft}/{pair:int}/{side}", actions.add_side, methods=["PUT"]),
)

CONNECTIONS = 64
GRACE_S = 3
"""For answers under way when the app ends."""
LINE_S = 2
"""Between two looks at whether the next training can begin."""


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
            if not settings.no_open and has_a_screen():
                # Apart: some browsers hold on to whoever starts them.
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

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
        line = asyncio.create_task(_keep_the_line(state))
        try:
            yield
        finally:
            line.cancel()
            state.close()

    app = Starlette(routes=list(ROUTES), lifespan=lifespan, exception_handlers=ANSWERS)
    app.state.unretouch = state
    return app


async def _keep_the_line(state: AppState) -> None:
    """Begin one waiting training after the other."""
    while True:
        try:
            await asyncio.to_thread(state.runs.start_next)
        except (UnretouchError, OSError) as error:  # a full disk: what waits stays listed
            print(f"unretouch: {error}", file=sys.stderr, flush=True)
        await asyncio.sleep(LINE_S)


class _Server(uvicorn.Server):
    """Calls `ready` once requests are answered and a signal ends it tidily, not before."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def has_a_screen() -> bool:
    """Return whether a browser can show itself here."""
    # Without a screen, Linux would open a browser of text, which takes over the terminal.
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


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
