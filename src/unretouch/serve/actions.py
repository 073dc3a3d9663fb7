"""What a run is asked from the pages: begin, stop, go on, restore a photograph, test, compare."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from unretouch.base import names
from unretouch.base.errors import UnretouchError
from unretouch.runs.folder import RunDir
from unretouch.serve import presets, runs
from unretouch.serve.drafts import write_pairs
from unretouch.serve.jobs import Ended
from unretouch.serve.plain_png import without_metadata
from unretouch.serve.state import AppState, describe, state_of, tools
from unretouch.serve.uploads import Refused, receive_picture
from unretouch.settings.train import Direction

LONGEST_JSON = 10_000
STRONGEST = 1.5
MASKS = ("everywhere", "skin", "learnt")


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
        words = presets.start_words(
            preset, minutes, dataroot, run.name, state.checkpoints, direction
        )
        with state.starting:
            if run.root.exists() or dataroot.exists():
                raise Refused(409, "refused_taken", name=run.name)
            _require_rest(state)
            if not usable:
                raise Refused(409, "refused_no_pairs")
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
        raise Refused(400, "refused_name", text=str(error)) from None
    if "/" in run.name:  # it might lie in another run, where nobody looks for one
        raise Refused(400, "refused_name", text=f"{name}: '/' is for runs made in a terminal")
    return run


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
            raise Refused(409, "refused_foreign")
        words = presets.continue_words(settings, run.name, state.checkpoints, more)
        with state.starting:
            _require_rest(state)
            state.trainings.start(run, words)

    await asyncio.to_thread(start)
    return JSONResponse({}, 202)


def _require_rest(state: AppState) -> None:
    active = state.trainings.any_active(state.runs())
    if active is not None:
        raise Refused(409, "refused_other_running", name=active.name)


async def restore(request: Request) -> Response:
    """Restore the photograph in the body at its full size; the answer is a PNG."""
    state = state_of(request)
    run = await asyncio.to_thread(state.run, request)
    query = request.query_params
    mask = query.get("mask", "everywhere")
    try:
        strength = float(query.get("strength", "1"))
    except ValueError:
        raise Refused(400, "refused_value") from None
    if not 0 <= strength <= STRONGEST or mask not in MASKS:
        raise Refused(400, "refused_value")
    if not run.weights("latest").is_file():
        raise Refused(409, "refused_no_weights")
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
                raise Refused(422, "refused_work", text=_said(ended, folder))
            data = await asyncio.to_thread(made[0].read_bytes)
    return Response(without_metadata(data), media_type="image/png")


async def test(request: Request) -> Response:
    """Apply a run to its own pairs and write the page of the results."""
    state = state_of(request)
    run = await asyncio.to_thread(state.run, request)
    settings = runs.settings_of(run)
    if settings is None:
        raise Refused(409, "refused_foreign")
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
    if "verify" not in tools():
        raise Refused(404, "refused_unknown")
    words = ["verify", run.name, "--checkpoints_dir", str(state.checkpoints)]
    return await _command(request, words, f"reports/verify/{request.path_params['run']}/")


async def compare(request: Request) -> Response:
    """Compare all runs and write the page of the comparison."""
    state = state_of(request)
    if "compare" not in tools():
        raise Refused(404, "refused_unknown")
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
        raise Refused(422, "refused_work", text=_said(ended, state.private.path))
    return JSONResponse({"page": page})


def _said(ended: Ended, folder: Path) -> str:
    """Return what the command printed as its error, without our private paths."""
    lines = [line.removeprefix("unretouch: ") for line in ended.errors.splitlines()[-3:]]
    text = " ".join(lines) or f"it ended with the code {ended.code}"
    for name in ("photo.png", "photo.jpg", "photo.webp"):
        text = text.replace(f"{folder / name}: ", "")
    return text.replace(str(folder), "")


async def read_json(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is {}. Raises Refused."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or "transfer-encoding" in request.headers:
        raise Refused(411, "refused_length")
    if int(length) > LONGEST_JSON:
        raise Refused(413, "refused_value")
    if length == "0":
        return {}
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refused(415, "refused_value")
    limits = state_of(request).limits
    try:
        async with asyncio.timeout(limits.read_s):
            body = await request.body()
        value = json.loads(body)
    except TimeoutError:
        raise Refused(408, "refused_slow") from None
    except (ValueError, RecursionError):
        raise Refused(400, "refused_value") from None
    if not isinstance(value, dict):
        raise Refused(400, "refused_value")
    return value


def number(asked: dict[str, Any], name: str, default: float | None = None) -> float:
    """Return the number `name` of a JSON object. Raises Refused 400."""
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused(400, "refused_value")
    return float(value)
