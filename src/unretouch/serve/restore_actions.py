"""What the Restore page asks for: photographs in and out, looks, masks, files of the model."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from unretouch.base.messages import _
from unretouch.model.load import weights_of
from unretouch.runs.folder import RunDir
from unretouch.serve import photo_looks
from unretouch.serve.actions import Json, read_json
from unretouch.serve.photo_files import (
    LAYERED,
    LEFT_AS_IT_IS,
    MADE,
    SHOWN,
    THUMBNAIL,
    WHOLE,
    change_in,
    mask_file,
    painted_file,
)
from unretouch.serve.refusals import NOT_THERE, WRONG_VALUE, Refused
from unretouch.serve.restoring import EPOCH, WORK, Card, Restoring, chosen_of
from unretouch.serve.state import run_of, state_of
from unretouch.serve.uploads import receive_picture
from unretouch.serve.zip_stream import zipped

UNITS = "Unretouch-Units"
"""Header of a part of a photograph: its units as JSON; see photo_looks."""
KINDS = {"onnx": ("onnx", "onnxruntime", "onnxscript"), "safetensors": ("safetensors",)}
"""What a model is exported as, and the packages that needs."""
_BUSY = _("It is being restored. Wait until that is done.")
_LAYERS = ("psd_tools", "psdtags")


async def _asked(request: Request) -> tuple[RunDir, Card]:
    """Return the run and the photograph that the address names. Raises Refused 404."""
    run = await asyncio.to_thread(run_of, request)
    return run, state_of(request).restoring.card(run, request.path_params["photo"])


def _is_there(packages: tuple[str, ...]) -> bool:
    return all(find_spec(package) is not None for package in packages)


# --- photographs


async def list_photos(request: Request) -> Response:
    """Every photograph that was sent to a run, and how far the work is."""
    run = await asyncio.to_thread(run_of, request)
    told = state_of(request).restoring.describe(run)
    kinds = {kind: _is_there(packages) for kind, packages in KINDS.items()}
    return JSONResponse({**told, "layers": _is_there(_LAYERS), "kinds": kinds})


async def measure(request: Request) -> Response:
    """Find out how fast the run's model is, where that is not known."""
    run = await asyncio.to_thread(run_of, request)
    await read_json(request)
    if run.weights("latest").is_file():
        state_of(request).restoring.measure(run)
    return JSONResponse({}, 202)


async def add_photo(request: Request) -> Response:
    """Take in the photograph in the body; it is restored when it is its turn."""
    state = state_of(request)
    restoring = state.restoring
    run = await asyncio.to_thread(run_of, request)
    query = request.query_params
    try:
        chosen = chosen_of(json.loads(query.get("chosen", "{}")))
    except (ValueError, RecursionError, AttributeError):
        raise Refused(400, WRONG_VALUE) from None
    async with state.worker.place():
        card = restoring.new(run, query.get("name", "photo"), query.get("epoch", "latest"), chosen)
        folder = restoring.folder(run, card)
        try:
            picture = await receive_picture(request, folder, "photo", state.limits, photo=True)
            card.width, card.height = picture.width or 0, picture.height or 0
            restoring.add(run, card)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return JSONResponse(restoring.describe_card(run, card), 201)


async def again(request: Request) -> Response:
    """Restore a photograph once more, that failed or was left in the middle."""
    run, card = await _asked(request)
    await read_json(request)
    if card.state in ("waiting", "working"):
        raise Refused(409, _BUSY)
    state_of(request).restoring.add(run, card)
    return JSONResponse({}, 202)


async def remove_photo(request: Request) -> Response:
    """Forget a photograph, and what was made of it."""
    run, card = await _asked(request)
    state_of(request).restoring.remove(run, card)
    return Response(status_code=204)


async def remove_all(request: Request) -> Response:
    """Forget all photographs of a run, or those that still wait."""
    run = await asyncio.to_thread(run_of, request)
    restoring = state_of(request).restoring
    waiting = request.query_params.get("which") == "unfinished"
    for card in restoring.cards(run):
        if not waiting or card.state in ("waiting", "working"):
            restoring.remove(run, card)
    return Response(status_code=204)


async def choose(request: Request) -> Response:
    """Note how a photograph is to be restored, when it is saved next."""
    run, card = await _asked(request)
    card.chosen = chosen_of(await read_json(request))
    state_of(request).restoring.keep(run, card)
    return Response(status_code=204)


async def save(request: Request) -> Response:
    """Make a file of a photograph as it is chosen now, the picture or the one with layers. Where
    the network has spoken, without it."""
    run, card = await _asked(request)
    await read_json(request)
    layered = request.path_params["what"] == LAYERED
    restoring = state_of(request).restoring
    if card.state in ("waiting", "working"):
        raise Refused(409, _BUSY)
    async with state_of(request).worker.place(), restoring.lock(card):
        if card.made != card.chosen or card.look is None:
            card.take(card.chosen, await _work(request, run, card, "restore"))
        if layered and not card.layers:
            card.layers = str((await _work(request, run, card, LAYERED))["file"])
        card.state = "done"
        restoring.keep(run, card)
    return JSONResponse(restoring.describe_card(run, card))


async def _work(request: Request, run: RunDir, card: Card, what: str) -> Json:
    """Do `what` with a photograph; return what the program told at its end, if anything."""
    state = state_of(request)
    words, called = state.restoring.words(run, card, what), state.restoring.called(run, card)
    printed = await state.worker.run(request, words, WORK, called)
    told: Json = json.loads(printed.splitlines()[-1]) if printed else {}
    return told


async def saved_file(request: Request) -> Response:
    """The file that was made of a photograph, named by its settings."""
    run, card = await _asked(request)
    layered = request.path_params["what"] == LAYERED
    name = card.layers if layered else card.file
    path = state_of(request).restoring.file(run, card, LAYERED if layered else MADE, name)
    shown = card.file_name(name, LAYERED if layered else MADE)
    return FileResponse(path, media_type="application/octet-stream", filename=shown)


async def all_files(request: Request) -> Response:
    """The files of all photographs of a run as one ZIP, in the folders they came in."""
    run = await asyncio.to_thread(run_of, request)
    files = list(_named(state_of(request).restoring, run))
    if not files:
        raise Refused(404, NOT_THERE)
    name = f"{PurePosixPath(run.name).name}_{MADE}.zip"
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
    return StreamingResponse(zipped(files), media_type="application/zip", headers=headers)


def _named(restoring: Restoring, run: RunDir) -> Iterator[tuple[str, Path]]:
    taken: set[str] = set()
    for card in restoring.cards(run):
        if not card.file:
            continue
        plain = PurePosixPath(card.name).with_name(card.file_name(card.file))
        name, number = plain, 1
        while str(name).casefold() in taken:
            number += 1
            name = plain.with_name(f"{plain.stem} ({number}){plain.suffix}")
        taken.add(str(name).casefold())
        yield str(name), restoring.folder(run, card) / MADE / card.file


# --- how they look


async def look(request: Request) -> Response:
    """A picture of a photograph for the page: whole, small, or one of its masks."""
    run, card = await _asked(request)
    restoring, what = state_of(request).restoring, request.path_params["what"]
    folder = restoring.folder(run, card)
    pictures = {
        "whole": WHOLE,
        "thumbnail": THUMBNAIL,
        "skin": mask_file(folder, "skin").name,
        "learnt": mask_file(folder, "learnt").name,
        "painted": painted_file(folder, card.chosen.painted).name,
    }
    if what == "learnt" and not mask_file(folder, "learnt").is_file():
        async with state_of(request).worker.place(), restoring.lock(card):
            await _work(request, run, card, "learnt")
    path = restoring.file(run, card, "", pictures.get(what, ""))
    return FileResponse(path, media_type="image/png")


async def part(request: Request) -> Response:
    """A part of a photograph at full size, by its row and column."""
    run, card = await _asked(request)
    folder = state_of(request).restoring.folder(run, card)
    row, column = (request.path_params[name] * photo_looks.TILE for name in ("row", "column"))
    shown, change = folder / SHOWN, change_in(folder)
    left = card.look is not None and card.look["change"] == LEFT_AS_IT_IS
    if (
        (change is None and not left)
        or not shown.is_file()
        or row >= card.height
        or column >= card.width
    ):
        raise Refused(404, NOT_THERE)
    data, units = await asyncio.to_thread(_part, shown, change, row, column)
    return Response(data, headers={UNITS: json.dumps(units)}, media_type="image/png")


def _part(shown: Path, change: Path | None, row: int, column: int) -> tuple[bytes, list[float]]:
    shown.touch()  # looked at last, so removed last
    picture = np.load(shown, mmap_mode="r")
    rows = slice(row, min(picture.shape[0], row + photo_looks.TILE))
    columns = slice(column, min(picture.shape[1], column + photo_looks.TILE))
    made = photo_looks.NO_CHANGE if change is None else np.load(change, mmap_mode="r")
    return photo_looks.of_part(picture, made, rows, columns)


async def paint(request: Request) -> Response:
    """Take in a mask that somebody painted; it counts once it is chosen."""
    run, card = await _asked(request)
    restoring, painted = state_of(request).restoring, secrets.token_hex(8)
    path = painted_file(restoring.folder(run, card), painted)
    picture = await receive_picture(request, path.parent, path.stem, state_of(request).limits)
    if picture.path != path:
        picture.path.unlink()
        raise Refused(415, WRONG_VALUE)
    in_use = {painted, card.chosen.painted, card.made.painted if card.made else ""}
    for other in path.parent.glob(painted_file(path.parent, "*").name):
        if other not in {painted_file(path.parent, name) for name in in_use}:
            other.unlink(missing_ok=True)
    return JSONResponse({"painted": painted}, 201)


# --- the model


async def export(request: Request) -> Response:
    """Make the model as a file for other programs, checked, as `unretouch export` does."""
    run, weights, path = await _model(request)
    await read_json(request)
    if not path.is_file() or path.stat().st_mtime_ns < weights.stat().st_mtime_ns:
        worker, kind = state_of(request).worker, path.suffix.lstrip(".")
        words = ["export", "--weights", str(weights), "--to", kind, "--out", str(path)]
        async with worker.place():
            await worker.run(request, words)
    return JSONResponse({"name": _model_name(run, path)})


async def model_file(request: Request) -> Response:
    """The model as a file."""
    run, _weights, path = await _model(request)
    if not path.is_file():
        raise Refused(404, NOT_THERE)
    name = _model_name(run, path)
    return FileResponse(path, media_type="application/octet-stream", filename=name)


def _model_name(run: RunDir, path: Path) -> str:
    return f"{PurePosixPath(run.name).name}_{path.name}"


async def _model(request: Request) -> tuple[RunDir, Path, Path]:
    """Return the run, its weights of the epoch asked for, and what they are exported to."""
    run = await asyncio.to_thread(run_of, request)
    kind, epoch = request.path_params["kind"], request.path_params["epoch"]
    if kind not in KINDS or not EPOCH.fullmatch(epoch):
        raise Refused(404, NOT_THERE)
    weights = weights_of(run, epoch)
    return run, weights, weights.with_suffix(f".{kind}")
