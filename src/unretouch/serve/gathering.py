"""Pairs as they are dropped on the page: taken in, looked at, shown, taken out."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from unretouch.serve.drafts import SIDES, PairPlace
from unretouch.serve.state import state_of
from unretouch.serve.uploads import Refused, check_headers, receive_picture

PAIR_CHECK = "unretouch.serve.pair_check"
"""The program that looks at a pair, in a process of its own."""


async def new_draft(request: Request) -> Response:
    """Begin a set of pairs."""
    return JSONResponse({"draft": state_of(request).drafts.new().id}, 201)


async def add_side(request: Request) -> Response:
    """Take in a picture: a whole pair, its side a or b, or an untouched photograph."""
    state, side = state_of(request), request.path_params["side"]
    if side not in SIDES:
        raise Refused(404, "refused_unknown")
    limits = state.limits
    check_headers(request, limits)
    place = state.drafts.place(request.path_params["draft"], request.path_params["pair"])
    for old in place.folder.glob(f"{side}.*"):
        old.unlink()
    place.found = None
    picture = await receive_picture(request, place.folder, side, limits)
    return JSONResponse({"width": picture.width, "height": picture.height}, 201)


async def look_at(request: Request) -> Response:
    """Check a pair; for a photograph, simulate its retouch first."""
    state, place = state_of(request), _pair(request)
    async with state.worker.place():
        ended = await state.worker.run(request, [str(place.folder)], PAIR_CHECK)
    if ended.code != 0:
        raise Refused(422, "refused_work", text=ended.errors.strip()[-300:])
    place.found = json.loads(ended.output)
    return JSONResponse(place.found)


async def thumbnail(request: Request) -> Response:
    """A small picture of one side of a pair."""
    side = request.path_params["side"]
    path = _pair(request).folder / f"thumbnail_{side}.png"
    if side not in ("a", "b") or not path.is_file():
        raise Refused(404, "refused_unknown")
    return FileResponse(path, media_type="image/png")


async def take_out(request: Request) -> Response:
    """Forget a pair."""
    params = request.path_params
    state_of(request).drafts.remove_pair(params["draft"], params["pair"])
    return Response(status_code=204)


def _pair(request: Request) -> PairPlace:
    params = request.path_params
    return state_of(request).drafts.pair(params["draft"], params["pair"])
