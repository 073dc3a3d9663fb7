"""The app as a table of routes. Everything that is asked for lies below the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from unretouch.base.errors import UnretouchError
from unretouch.serve import actions, gathering, pages
from unretouch.serve.jobs import RETRY_AFTER_S, ClientGone
from unretouch.serve.state import AppState
from unretouch.serve.uploads import Refused

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
    Route("/api/runs/{run}/test", actions.test, methods=["POST"]),
    Route("/api/runs/{run}/verify", actions.verify, methods=["POST"]),
    Route("/api/compare", actions.compare, methods=["POST"]),
    # pairs for a new run
    Route("/api/drafts", gathering.new_draft, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}", gathering.take_out, methods=["DELETE"]),
    Route("/api/drafts/{draft}/{pair:int}/check", gathering.look_at, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}/thumbnail/{side}", gathering.thumbnail),
    Route("/api/drafts/{draft}/{pair:int}/{side}", gathering.add_side, methods=["PUT"]),
)

_CUT_OFF = (400, 408, 411, 413)
"""After these the connection closes: what else the client sends is not read."""


def make_app(state: AppState) -> Starlette:
    """Return the app, without its guard. It closes `state` when it ends."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            state.close()

    app = Starlette(
        routes=list(ROUTES),
        lifespan=lifespan,
        exception_handlers={
            Refused: _refused,
            ClientGone: _client_gone,
            UnretouchError: _mended_by_a_person,
            OSError: _disk,
            HTTPException: _http,
        },
    )
    app.state.unretouch = state
    return app


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {}
    if error.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if error.status in _CUT_OFF:
        headers["Connection"] = "close"
    return JSONResponse({"code": error.code, "values": error.values}, error.status, headers)


def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


def _mended_by_a_person(_: Request, error: Exception) -> Response:
    return JSONResponse({"code": "refused_work", "values": {"text": str(error)}}, 422)


def _disk(_: Request, error: Exception) -> Response:
    # Without its path: that of a private folder says nothing to anybody.
    text = str(getattr(error, "strerror", None) or "the disk failed")
    return JSONResponse({"code": "refused_work", "values": {"text": text}}, 507)


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code)
