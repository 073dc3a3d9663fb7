"""What the list of runs asks: rename, delete and undo, notes, disk use, a demo."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from unretouch.base import durable, names
from unretouch.base.messages import _
from unretouch.runs.folder import RunDir
from unretouch.serve.actions import Json, new_run, takes_json
from unretouch.serve.refusals import WRONG_VALUE, Refused
from unretouch.serve.runs import LONGEST_NOTE, run_id
from unretouch.serve.state import AppState, run_of, state_of
from unretouch.settings.train import flag_words
from unretouch.tasks.demo_pairs import MINUTES, NAME, cut_demo_pairs


@takes_json
def rename(request: Request, asked: Json) -> Response:
    """Give a run another name, and its results with it."""
    state, run = state_of(request), run_of(request)
    parent, _slash, _last = run.name.rpartition("/")
    wanted = str(asked.get("name", ""))
    above, slash, last = wanted.rpartition("/")
    new = new_run(state, last if slash and above == parent else wanted, parent)
    with state.at_rest(run):
        if state.runs.queue.get(run.name) is not None:
            message = _("{name} has never begun. Delete it and begin a new run.", name=run.name)
            raise Refused(409, message)
        if new.root.exists() and not new.root.samefile(run.root):
            message = _("There is already a run named {name}. Choose another name.", name=new.name)
            raise Refused(409, message)
        durable.rename(run.root, new.root)
    _move_results(state, run, new)
    return JSONResponse({"id": run_id(new.name), "name": new.name})


def _move_results(state: AppState, run: RunDir, new: RunDir) -> None:
    old, there = (names.inside(state.results, *one.name.split("/")) for one in (run, new))
    if old.is_dir() and not there.exists():
        durable.rename(old, there)


@takes_json
def delete(request: Request, _asked: Json) -> Response:
    """Delete a run, so that it can be undone."""
    state, run = state_of(request), run_of(request)
    with state.at_rest(run):
        deleted = state.deleted.put(run)
    return JSONResponse({"deleted": deleted.id, "name": deleted.name})


def deleted(request: Request) -> Response:
    """What was deleted and can be had back, the newest first."""
    return JSONResponse(
        [{"id": one.id, "name": one.name} for one in state_of(request).deleted.all()]
    )


@takes_json
def undo(request: Request, _asked: Json) -> Response:
    """Bring a deleted run back."""
    run = state_of(request).deleted.undo(request.path_params["deleted"])
    return JSONResponse({"id": run_id(run.name), "name": run.name})


@takes_json
def note(request: Request, asked: Json) -> Response:
    """Keep what the person writes beside a run."""
    run, text = run_of(request), asked.get("note")
    if not isinstance(text, str) or len(text) > LONGEST_NOTE:
        raise Refused(400, WRONG_VALUE)
    if text.strip():
        durable.write_text(run.note, text)
    else:
        durable.remove(run.note)
    return JSONResponse({"note": text})


async def disk(request: Request) -> Response:
    """How many bytes each run takes, and how many are free."""
    state = state_of(request)
    return JSONResponse(await asyncio.to_thread(_disk_use, state))


def _disk_use(state: AppState) -> Json:
    runs = {run_id(run.name): _bytes_below(run.root) for run in state.runs.all()}
    return {"runs": runs, "free": durable.free_bytes(state.checkpoints)}


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _folders, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(parent, file)).st_size
            except OSError:  # it has just gone
                continue
    return total


@takes_json
def demo(request: Request, _asked: Json) -> Response:
    """Begin the run of `unretouch demo`: three crops of a portrait that comes with the program."""
    state = state_of(request)
    with state.runs.starting():
        run = _free_name(state, NAME)
        pairs = names.inside(state.datasets, run.name)
        cut_demo_pairs(pairs)
        settings: Json = {"dataroot": str(pairs), "name": run.name, "size": "s"}
        settings |= {"checkpoints_dir": str(state.checkpoints), "minutes": MINUTES}
        state.runs.start(run, ["train", *flag_words(settings)])
    return JSONResponse({"id": run_id(run.name)}, 201)


def _free_name(state: AppState, name: str) -> RunDir:
    number = 1
    while True:
        run = RunDir(state.checkpoints, name if number == 1 else f"{name}_{number}")
        if not run.root.exists() and not names.inside(state.datasets, run.name).exists():
            return run
        number += 1
