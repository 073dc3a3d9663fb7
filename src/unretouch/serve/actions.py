"""What the pages ask the app to do, answered in JSON: with pairs for a new run, and with runs."""

from __future__ import annotations

import asyncio
import json
import math
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from unretouch.base import names
from unretouch.base.errors import CheckpointError
from unretouch.base.messages import _
from unretouch.runs.folder import RunDir
from unretouch.serve.background import TELLING
from unretouch.serve.pages import test_folder
from unretouch.serve.refusals import (
    NO_CONFIG,
    NO_LENGTH,
    NOT_THERE,
    TOO_SLOW,
    WRONG_VALUE,
    Refused,
)
from unretouch.serve.runs import (
    MINUTES,
    continue_words,
    run_id,
    settings_of,
    start_words,
    within,
)
from unretouch.serve.state import AppState, run_of, state_of
from unretouch.serve.uploads import (
    SIDES,
    PairPlace,
    check_headers,
    name_sent,
    receive_picture,
    untouched_files,
    write_pairs,
    write_untouched,
)
from unretouch.serve.verifying import (
    HELDOUT,
    by_turns,
    heldout_of,
    kept_pairs,
    verdicts_of,
    verify_words,
)
from unretouch.settings.train import TrainSettings, load_asked
from unretouch.tasks.demo_pairs import is_demo

LONGEST_JSON = 10_000
LARGEST = 1e9
"""Of the numbers that are told apart: whole ones may be beyond what a float can be."""
PAIR_CHECK = "unretouch.serve.pair_check"
"""The program that looks at a pair, in a process of its own."""

Json = dict[str, Any]


def takes_json(
    act: Callable[[Request, Json], Response],
) -> Callable[[Request], Awaitable[Response]]:
    """Read the JSON in the body of a request; `act` answers in a thread, where it may wait."""

    async def answer(request: Request) -> Response:
        return await asyncio.to_thread(act, request, await read_json(request))

    return answer


async def read_json(request: Request) -> Json:
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
    try:
        async with asyncio.timeout(state_of(request).limits.read_s):
            value = await request.json()
    except TimeoutError:
        raise Refused(408, TOO_SLOW) from None
    except (ValueError, RecursionError):
        raise Refused(400, WRONG_VALUE) from None
    if not isinstance(value, dict):
        raise Refused(400, WRONG_VALUE)
    return value


def number(asked: Json, name: str, default: float | None = None) -> float:
    """Return the number `name` of a JSON object. Raises Refused 400."""
    value = asked.get(name, default)
    endless = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or endless:
        raise Refused(400, WRONG_VALUE)
    return float(max(-LARGEST, min(LARGEST, value)))  # who takes it says what is too large


# --- runs


def list_runs(request: Request) -> Response:
    """Every run, the newest first."""
    runs = state_of(request).runs
    return JSONResponse([runs.describe(run) for run in runs.all()])


def one_run(request: Request) -> Response:
    """One run, and which pairs were kept for checking."""
    run = run_of(request)
    told, settings = state_of(request).runs.describe(run), settings_of(run)
    demo = is_demo(settings.dataroot) if settings else False
    return JSONResponse({**told, "kept": kept_pairs(run, settings), "demo": demo})


@takes_json
def begin(request: Request, asked: Json) -> Response:
    """Make a run of a draft: write its pairs, those that are kept for checking apart, for other
    photos the untouched ones, and a photo that is watched, where they stay, and train. Or make one
    with the pairs of another run, where they are."""
    state = state_of(request)
    if "pairs_of" in asked:
        return _begin_with_pairs_of(state, asked)
    draft = state.drafts.get(str(asked.get("draft", "")))
    aim = str(asked.get("aim", "fit"))
    usable, untouched = draft.usable(), draft.usable(untouched=True)
    watched = [draft.pairs.get(number) for number in _numbers(asked, "test_photo")]
    photos = [place for place in untouched if place in watched]
    untouched = [place for place in untouched if place not in watched] if aim != "fit" else []
    kept = [draft.pairs.get(number) for number in _numbers(asked, "checking")]
    checking = [place for place in usable if place in kept]
    usable = [place for place in usable if place not in kept]
    preset, minutes = str(asked.get("preset", "")), number(asked, "minutes", 10.0)
    run = new_run(state, str(asked.get("name", "")))
    dataroot = names.inside(state.datasets, run.name)
    also = dataroot / "untouched" if untouched else None
    photo = dataroot / "test_photo" if photos else None
    photo_file = untouched_files(photos[:1], photo)[0] if photo else None
    words = start_words(
        preset,
        minutes,
        dataroot,
        run.name,
        state.checkpoints,
        "AtoB",
        aim,
        also,
        photo_file,
    )
    with state.runs.starting():
        if run.root.exists() or dataroot.exists():
            message = _(
                "There is already a run or a folder of pairs named {name}. Choose another name.",
                name=run.name,
            )
            raise Refused(409, message)
        if not usable:
            message = _("No pair is left to train on: keep fewer for checking.")
            raise Refused(409, message if checking else _("No pair is ready."))
        _require_strangers(usable, checking)
        write_pairs(usable, dataroot / "train")
        if checking:
            write_pairs(checking, dataroot / HELDOUT)
        if photo is not None:
            write_untouched(photos[:1], photo)
        if also is not None:
            write_untouched(untouched, also)
        state.runs.start(run, words)
    state.drafts.remove(draft)
    return JSONResponse({"id": run_id(run.name)}, 201)


def _require_strangers(usable: Sequence[PairPlace], checking: Sequence[PairPlace]) -> None:
    """Raise Refused 409 where a pair that is kept for checking is trained on, too."""
    trained = {place.found["pictures"]: place.name for place in usable if place.found}
    for place in checking:
        twin = trained.get(place.found["pictures"]) if place.found else None
        if twin is not None:
            message = _(
                "{name} is kept for checking, but {twin} shows the same two pictures. Take one of "
                "the two out.",
                name=place.name,
                twin=twin,
            )
            raise Refused(409, message)


def _numbers(asked: Json, name: str) -> list[int]:
    """Return the list of whole numbers `name` of a JSON object. Raises Refused 400."""
    found = asked.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, int) for one in found):
        raise Refused(400, WRONG_VALUE)
    return found


def _begin_with_pairs_of(state: AppState, asked: Json) -> Response:
    """Make a run for other photos of the pairs of another one, which stay where they are."""
    other = state.runs.get(str(asked["pairs_of"]))
    settings = _settings(other)
    base = other.name.rpartition("/")[2]
    names_tried = (f"{base}_others{number}" for number in ("", *(f"_{n}" for n in range(2, 1000))))
    run = next(run for name in names_tried if not (run := new_run(state, name)).root.exists())
    words = start_words(
        "fast",
        number(asked, "minutes", 10.0),
        Path(settings.dataroot),
        run.name,
        state.checkpoints,
        settings.direction,
        str(asked.get("aim", "restore")),
    )
    with state.runs.starting():
        state.runs.start(run, [*words, "--phase", settings.phase])
    return JSONResponse({"id": run_id(run.name)}, 201)


def new_run(state: AppState, name: str, parent: str = "") -> RunDir:
    """Return the folder of a run to be, in that of `parent`. Raises Refused 400 for a name that
    none can have here."""
    plain = names.without_spaces(unicodedata.normalize("NFC", name))
    problem = names.name_problem(plain)
    if "/" in plain:  # it might lie in another run, where nobody looks for one
        problem = _("it contains {characters}", characters="/")
    if problem is not None:
        raise Refused(400, _("This name cannot be used: {text}", text=problem))
    return RunDir(state.checkpoints, f"{parent}/{plain}" if parent else plain)


def stop(request: Request) -> Response:
    """Ask the training of a run to finish its step, save and end."""
    state_of(request).runs.stop(run_of(request))
    return JSONResponse({}, 202)


@takes_json
def go_on(request: Request, asked: Json) -> Response:
    """Train a run further, to its end or for `more` minutes or epochs beyond it."""
    state, run = state_of(request), run_of(request)
    more = number(asked, "more") if "more" in asked else None
    waiting = state.runs.queue.get(run.name)
    if waiting is not None and not run.config.is_file():
        words = waiting.words  # it has never begun
    else:
        words = continue_words(_settings(run), run.name, state.checkpoints, more)
    with state.runs.starting():
        state.runs.start(run, words)
    return JSONResponse({}, 202)


def _settings(run: RunDir) -> TrainSettings:
    try:
        return load_asked(run.config)
    except CheckpointError:
        raise Refused(409, NO_CONFIG) from None


# --- what came of a run: its test and its verification, which nobody has to wait for


def results(request: Request) -> Response:
    """What there is to be seen of a run, what is being done, and how far that is."""
    state, run = state_of(request), run_of(request)
    settings, told = settings_of(run), state.runs.describe(run)
    more, turns = 10, by_turns(state.runs.status(run))
    if settings is not None and settings.minutes is None:
        more = max(1, settings.n_epochs // 10)
    return JSONResponse(
        {
            **{name: told[name] for name in ("state", "budget", "has_weights", "left_s")},
            "more": more,
            "heldout": heldout_of(settings) is not None,
            "demo": is_demo(settings.dataroot) if settings else False,
            "tested": (test_folder(state, run) / "index.html").is_file(),
            "verified": (run.root / "verify" / "index.html").is_file(),
            "tasks": state.background.of(run.name),
            "turns": turns,
            "report": verdicts_of(run, settings, turns, state.background.since(run.name, "verify")),
        }
    )


async def test(request: Request) -> Response:
    """Apply a run to its own pairs and write the page of the results."""
    state = state_of(request)
    run = await asyncio.to_thread(run_of, request)
    settings = _settings(run)
    words = [
        *("test", "--model", "pix2pix", "--dataroot", settings.dataroot),
        *("--phase", settings.phase, "--name", run.name),
        *("--checkpoints_dir", str(state.checkpoints), "--results_dir", str(state.results)),
    ]
    state.background.start(run.name, "test", "unretouch", words)
    return JSONResponse({}, 202)


async def verify(request: Request) -> Response:
    """Verify a run and write its report; with `minutes`, by turns, which trains so long."""
    state, asked = state_of(request), await read_json(request)
    run = await asyncio.to_thread(run_of, request)
    turns, before = None, None
    if "minutes" in asked:
        turns, before = within(number(asked, "minutes"), MINUTES, _("Minutes")), state.runs.before
        await asyncio.to_thread(_require_several, state, run)
    heldout = heldout_of(settings_of(run))
    words = ["verify", *verify_words(run, state.checkpoints, heldout, turns)]
    state.background.start(run.name, "verify", TELLING, words, before=before)
    return JSONResponse({}, 202)


def _require_several(state: AppState, run: RunDir) -> None:
    """Raise Refused 409 where a test by turns can train nothing."""
    if not by_turns(state.runs.status(run)):
        raise Refused(409, _("By turns takes at least two pairs: one is left out each time."))


async def end_task(request: Request) -> Response:
    """End a test or a verification; an earlier report stays."""
    run = await asyncio.to_thread(run_of, request)
    kind = request.path_params["kind"]
    if kind not in ("test", "verify"):
        raise Refused(404, NOT_THERE)
    state_of(request).background.stop(run.name, kind)
    return JSONResponse({}, 202)


# --- pairs for a new run


async def new_draft(request: Request) -> Response:
    """Begin a set of pairs."""
    return JSONResponse({"draft": state_of(request).drafts.new().id}, 201)


async def add_side(request: Request) -> Response:
    """Take in a picture: a whole pair, its side a or b, an untouched photograph whose retouch is
    simulated, or one beside the pairs."""
    state, side = state_of(request), request.path_params["side"]
    if side not in SIDES:
        raise Refused(404, NOT_THERE)
    limits = state.limits
    check_headers(request, limits)
    place = state.drafts.place(request.path_params["draft"], request.path_params["pair"], side)
    for old in place.folder.glob(f"{side}.*"):
        old.unlink()
    place.names.pop(side, None)
    place.found, place.align = None, False
    held = 2 if side == "whole" else 1
    picture = await receive_picture(request, place.folder, side, limits, sides=held)
    place.names[side] = name_sent(request)
    return JSONResponse({"width": picture.width, "height": picture.height}, 201)


async def look_at(request: Request) -> Response:
    """Check a pair or an untouched photo; where it is to be a pair, simulate its retouch first.

    `swapped` and `align` say what is to be done to the pair from now on.
    """
    state, place = state_of(request), _pair(request)
    asked = await read_json(request)
    place.swapped = asked.get("swapped", place.swapped) is True
    place.align = asked.get("align", place.align) is True
    words = [str(place.folder), *(["swapped"] if place.swapped else [])]
    words += ["align"] if place.align else []
    async with state.worker.place():
        place.found = json.loads(await state.worker.run(request, words, PAIR_CHECK))
    return JSONResponse(place.found)


async def small_picture(request: Request) -> Response:
    """A small picture of one side of a pair, or one to look at closely."""
    kind, side = request.path_params["kind"], request.path_params["side"]
    path = _pair(request).folder / f"{kind}_{side}.png"
    if kind not in ("thumbnail", "view") or side not in ("a", "b") or not path.is_file():
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
