"""What the pages ask the app to do, answered in JSON: with pairs for a new run, and with runs."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from unretouch.base import names
from unretouch.base.errors import UnretouchError
from unretouch.base.messages import Message, _
from unretouch.runs.folder import RunDir
from unretouch.serve import runs, trainings
from unretouch.serve.draft_pairs import SIDES, PairPlace, write_pairs
from unretouch.serve.refusals import (
    NO_CONFIG,
    NO_LENGTH,
    NO_MODEL,
    NOT_THERE,
    TOO_SLOW,
    WRONG_VALUE,
    Refused,
    did_not_work,
)
from unretouch.serve.state import AppState, describe, state_of
from unretouch.serve.uploads import check_headers, receive_picture, without_metadata
from unretouch.serve.worker import Ended
from unretouch.settings.train import Direction

LONGEST_JSON = 10_000
STRONGEST = 1.5
MASKS = ("everywhere", "skin", "learnt")
PAIR_CHECK = "unretouch.serve.pair_check"
"""The program that looks at a pair, in a process of its own."""


async def list_runs(request: Request) -> Response:
    """Every run, the newest first."""
    state = state_of(request)

    def look() -> list[dict[str, Any]]:
        return [describe(state, run) for run in state.runs()]

    return JSONResponse(await asyncio.to_thread(look))


async def one_run(request: Request) -> Response:
    """One run."""
    state = state_of(request)
    run = await asyncio.to_thread(state.run, request)
    return JSONResponse(await asyncio.to_thread(describe, state, run))


async def begin(request: Request) -> Response:
    """Make a run of a draft: write its pairs where they stay, and train."""
    state, asked = state_of(request), await read_json(request)
    draft = state.drafts.get(str(asked.get("draft", "")))
    usable = draft.usable()
    preset, minutes = str(asked.get("preset", "")), number(asked, "minutes", 10.0)
    direction: Direction = "BtoA" if asked.get("swapped") is True else "AtoB"

    def start() -> RunDir:
        run = _new_run(state, str(asked.get("name", "")))
        dataroot = names.inside(state.datasets, run.name)
        words = trainings.start_words(
            preset, minutes, dataroot, run.name, state.checkpoints, direction
        )
        with state.starting:
            if run.root.exists() or dataroot.exists():
                raise Refused(409, _taken(run.name))
            _require_rest(state)
            if not usable:
                raise Refused(409, _("No pair is ready."))
            write_pairs(usable, dataroot / "train")
            state.trainings.start(run, words)
        return run

    run = await asyncio.to_thread(start)
    state.drafts.remove(draft)
    return JSONResponse({"id": runs.run_id(run.name)}, 201)


def _new_run(state: AppState, name: str) -> RunDir:
    """Return the folder of a run to be. Raises Refused 400 for a name that none can have here."""
    try:
        run = RunDir(state.checkpoints, name)
    except UnretouchError as error:
        raise Refused(400, _wrong_name(str(error))) from None
    if "/" in run.name:  # it might lie in another run, where nobody looks for one
        raise Refused(400, _wrong_name(f"{name}: '/' is for runs made in a terminal"))
    return run


def _taken(name: str) -> Message:
    return _(
        "There is already a run or a folder of pairs named {name}. Choose another name.", name=name
    )


def _wrong_name(text: str) -> Message:
    return _("This name cannot be used: {text}", text=text)


async def stop(request: Request) -> Response:
    """Ask the training of a run to finish its step, save and end."""
    state = state_of(request)
    run = await asyncio.to_thread(state.run, request)
    await asyncio.to_thread(state.trainings.stop, run)
    return JSONResponse({}, 202)


async def go_on(request: Request) -> Response:
    """Train a run further, to its end or for `more` minutes or epochs beyond it."""
    state, asked = state_of(request), await read_json(request)
    more = number(asked, "more") if "more" in asked else None

    def start() -> None:
        run = state.run(request)
        settings = runs.settings_of(run)
        if settings is None:
            raise Refused(409, NO_CONFIG)
        words = trainings.continue_words(settings, run.name, state.checkpoints, more)
        with state.starting:
            _require_rest(state)
            state.trainings.start(run, words)

    await asyncio.to_thread(start)
    return JSONResponse({}, 202)


def _require_rest(state: AppState) -> None:
    active = state.trainings.any_active(state.runs())
    if active is not None:
        message = _(
            "{name} is being trained. Stop it first: two at once only slow each other down.",
            name=active.name,
        )
        raise Refused(409, message)


async def restore(request: Request) -> Response:
    """Restore the photograph in the body at its full size; the answer is a PNG."""
    state = state_of(request)
    run = await asyncio.to_thread(state.run, request)
    query = request.query_params
    mask = query.get("mask", "everywhere")
    try:
        strength = float(query.get("strength", "1"))
    except ValueError:
        raise Refused(400, WRONG_VALUE) from None
    if not 0 <= strength <= STRONGEST or mask not in MASKS:
        raise Refused(400, WRONG_VALUE)
    if not run.weights("latest").is_file():
        raise Refused(409, NO_MODEL)
    async with state.worker.place():
        with state.job_folder() as folder:
            picture = await receive_picture(request, folder, "photo", state.limits)
            out = folder / "out"
            words = [
                *("apply", str(run.root), str(picture.path), "--out", str(out)),
                *("--format", "png", "--strength", f"{strength:g}"),
                *(() if mask == "everywhere" else ("--mask", mask)),
            ]
            ended = await state.worker.run(request, words)
            made = list(out.glob("*.png"))
            if ended.code != 0 or len(made) != 1:
                raise Refused(422, did_not_work(_said(ended, folder)))
            data = await asyncio.to_thread(made[0].read_bytes)
    return Response(without_metadata(data), media_type="image/png")


async def test(request: Request) -> Response:
    """Apply a run to its own pairs and write the page of the results."""
    state = state_of(request)
    run = await asyncio.to_thread(state.run, request)
    settings = runs.settings_of(run)
    if settings is None:
        raise Refused(409, NO_CONFIG)
    words = [
        *("test", "--model", "pix2pix", "--dataroot", settings.dataroot),
        *("--phase", settings.phase, "--name", run.name),
        *("--checkpoints_dir", str(state.checkpoints), "--results_dir", str(state.results)),
    ]
    return await _command(request, words, f"reports/test/{request.path_params['run']}/")


async def verify(request: Request) -> Response:
    """Verify a run and write its report."""
    state = state_of(request)
    run = await asyncio.to_thread(state.run, request)
    words = ["verify", run.name, "--checkpoints_dir", str(state.checkpoints)]
    return await _command(request, words, f"reports/verify/{request.path_params['run']}/")


async def compare(request: Request) -> Response:
    """Compare all runs and write the page of the comparison."""
    state = state_of(request)
    words = [
        *("compare", "--checkpoints_dir", str(state.checkpoints)),
        *("--out", str(comparison_folder(state))),
    ]
    return await _command(request, words, "reports/compare/")


def comparison_folder(state: AppState) -> Path:
    """Return where the page of the comparison is written."""
    return state.results / "comparison"


async def _command(request: Request, words: list[str], page: str) -> Response:
    state = state_of(request)
    async with state.worker.place():
        await read_json(request)
        ended = await state.worker.run(request, words)
    if ended.code != 0:
        raise Refused(422, did_not_work(_said(ended, state.private.path)))
    return JSONResponse({"page": page})


def _said(ended: Ended, folder: Path) -> str:
    """Return what the command printed as its error, without our private paths."""
    lines = [line.removeprefix("unretouch: ") for line in ended.errors.splitlines()[-3:]]
    text = " ".join(lines) or f"it ended with the code {ended.code}"
    for name in ("photo.png", "photo.jpg", "photo.webp"):
        text = text.replace(f"{folder / name}: ", "")
    return text.replace(str(folder), "")


async def new_draft(request: Request) -> Response:
    """Begin a set of pairs."""
    return JSONResponse({"draft": state_of(request).drafts.new().id}, 201)


async def add_side(request: Request) -> Response:
    """Take in a picture: a whole pair, its side a or b, or an untouched photograph."""
    state, side = state_of(request), request.path_params["side"]
    if side not in SIDES:
        raise Refused(404, NOT_THERE)
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
        raise Refused(422, did_not_work(ended.errors.strip()[-300:]))
    place.found = json.loads(ended.output)
    return JSONResponse(place.found)


async def thumbnail(request: Request) -> Response:
    """A small picture of one side of a pair."""
    side = request.path_params["side"]
    path = _pair(request).folder / f"thumbnail_{side}.png"
    if side not in ("a", "b") or not path.is_file():
        raise Refused(404, NOT_THERE)
    return FileResponse(path, media_type="image/png")


async def take_out(request: Request) -> Response:
    """Forget a pair."""
    params = request.path_params
    state_of(request).drafts.remove_pair(params["draft"], params["pair"])
    return Response(status_code=204)


def _pair(request: Request) -> PairPlace:
    params = request.path_params
    return state_of(request).drafts.pair(params["draft"], params["pair"])


async def read_json(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is {}. Raises Refused."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or "transfer-encoding" in request.headers:
        raise Refused(411, NO_LENGTH)
    if int(length) > LONGEST_JSON:
        raise Refused(413, WRONG_VALUE)
    if length == "0":
        return {}
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refused(415, WRONG_VALUE)
    limits = state_of(request).limits
    try:
        async with asyncio.timeout(limits.read_s):
            body = await request.body()
        value = json.loads(body)
    except TimeoutError:
        raise Refused(408, TOO_SLOW) from None
    except (ValueError, RecursionError):
        raise Refused(400, WRONG_VALUE) from None
    if not isinstance(value, dict):
        raise Refused(400, WRONG_VALUE)
    return value


def number(asked: dict[str, Any], name: str, default: float | None = None) -> float:
    """Return the number `name` of a JSON object. Raises Refused 400."""
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused(400, WRONG_VALUE)
    return float(value)
