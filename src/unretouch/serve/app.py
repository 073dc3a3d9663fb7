"""The app as a table of routes. Everything that is asked for lies below the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from unretouch.serve import actions, pages
from unretouch.serve.refusals import ANSWERS
from unretouch.serve.state import AppState

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
    Route("/api/drafts", actions.new_draft, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}", actions.take_out, methods=["DELETE"]),
    Route("/api/drafts/{draft}/{pair:int}/check", actions.look_at, methods=["POST"]),
    Route("/api/drafts/{draft}/{pair:int}/thumbnail/{side}", actions.thumbnail),
    Route("/api/drafts/{draft}/{pair:int}/{side}", actions.add_side, methods=["PUT"]),
)


def make_app(state: AppState) -> Starlette:
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
