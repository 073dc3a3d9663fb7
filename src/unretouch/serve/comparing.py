"""Runs that were chosen, compared: one page for each set of pairs that several of them share."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from unretouch.base.messages import _
from unretouch.runs.folder import RunDir
from unretouch.serve.actions import read_json
from unretouch.serve.background import TELLING, UNDER_WAY
from unretouch.serve.refusals import WRONG_VALUE, Refused
from unretouch.serve.runs import settings_of
from unretouch.serve.state import state_of
from unretouch.training.training_pairs import sizing


async def compare(request: Request) -> Response:
    """Compare the runs of these ids, or all that have a model, which nobody has to wait for."""
    state, ids = state_of(request), (await read_json(request)).get("runs")
    if ids is not None and not isinstance(ids, list):
        raise Refused(400, WRONG_VALUE)
    runs = await asyncio.to_thread(
        lambda: state.runs.all() if ids is None else [state.runs.get(str(one)) for one in ids]
    )
    groups = await asyncio.to_thread(_groups, runs)
    if not any(len(names) > 1 for names in groups.values()):
        raise Refused(
            409,
            _(
                "No two of these runs were trained on the same pairs. Make another run with the "
                "pairs of one (⋯), then compare the two."
            ),
        )
    if any(state.background.under_way(key, "compare") for key in state.compared):
        raise Refused(409, UNDER_WAY)
    state.compared = groups
    for key, names in groups.items():
        if len(names) > 1:
            words = ["compare", *names, "--checkpoints_dir", str(state.checkpoints)]
            words += ["--out", str(state.comparison / key)]
            state.background.start(key, "compare", TELLING, words, names)
    return JSONResponse({}, 202)


async def compared(request: Request) -> Response:
    """What was compared last, or is: for each group of runs on the same pairs its page, or how far
    it is, or what went wrong; and the runs that are alone with theirs, since nothing is ranked of
    one. Nothing is told of a group with a run that is renamed or deleted since."""
    state = state_of(request)
    there = {run.name for run in state.runs.all()}
    shown = {key: names for key, names in state.compared.items() if there.issuperset(names)}
    groups: list[dict[str, Any]] = []
    for key, names in shown.items():
        if len(names) > 1:
            task = state.background.of(key).get("compare")
            page = None if task else f"reports/compare/{key}/index.html"
            groups.append({"id": key, "runs": names, "task": task, "page": page})
    alone = [name for names in shown.values() if len(names) == 1 for name in names]
    return JSONResponse({"groups": groups, "alone": alone})


async def cancel(request: Request) -> Response:
    """End the comparison of a group; an earlier page of it stays where it is."""
    state, key = state_of(request), request.path_params["group"]
    state.background.stop(key, "compare")
    state.compared.pop(key, None)
    return JSONResponse({}, 202)


def _groups(runs: list[RunDir]) -> dict[str, list[str]]:
    """Return the names of runs with a model, by what stands for their pairs as they see them."""
    found = defaultdict[str, list[str]](list)
    for run in runs:
        if run.weights("latest").is_file():
            found[hashlib.sha256(repr(_pairs_of(run)).encode()).hexdigest()[:16]].append(run.name)
    return found


def _pairs_of(run: RunDir) -> Any:
    settings = settings_of(run)
    if settings is None:
        return run.name
    try:
        lines = json.loads(run.data_manifest.read_text("utf-8"))
        files: Any = sorted(str(line["sha256"]) for line in lines)
    except (OSError, ValueError, KeyError, TypeError):
        files = settings.dataroot, settings.phase, settings.max_dataset_size
    seen = settings.direction, sizing(settings), settings.input_nc, settings.output_nc
    return files, seen
