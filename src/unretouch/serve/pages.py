"""The pages of the app, and the files they and the reports need."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from unretouch.base import names
from unretouch.base.errors import DataError
from unretouch.base.terminal import typed
from unretouch.pixels import images
from unretouch.pixels.file_kind import HEIC, RAW
from unretouch.report.pages import environment, words_script
from unretouch.report.run_display import status_script
from unretouch.runs.folder import RunDir
from unretouch.runs.status import standing
from unretouch.serve.refusals import NO_MODEL, NOT_THERE, Refused
from unretouch.serve.runs import MINUTES, picture, run_id, settings_of
from unretouch.serve.security import POLICY, REPORT_POLICY
from unretouch.serve.state import AppState, run_of, state_of
from unretouch.serve.verifying import heldout_of, verify_words
from unretouch.settings.train import GUIDE, TrainSettings, load_bounds, preset
from unretouch.tasks.demo_pairs import FIRST_TASTE

TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".png": "image/png",
    ".jpg": "image/jpeg", ".webp": "image/webp", ".svg": "image/svg+xml",
    ".json": "application/json",
}  # fmt: skip
"""Endings of files that are served, and what browsers are told they are."""
PACKAGES = ("unretouch.report", "unretouch.serve")
"""Where what lies in `static` comes from."""


# In a page itself the last part has no meaning; browsers complain of it.
_POLICY = POLICY.partition("; frame-ancestors")[0]


def _page(template: str, **values: Any) -> HTMLResponse:
    templates = environment(_POLICY, "unretouch.serve")
    values |= {"endings": " ".join(sorted(images.EXTENSIONS)), "raw": " ".join(sorted(RAW))}
    values["name_bytes"] = names.LONGEST_SEGMENT
    lacking = [*HEIC] if find_spec("pi_heif") is None else []
    lacking += [*RAW] if find_spec("rawpy") is None else []
    values["lacking"] = " ".join(sorted(lacking))
    return HTMLResponse(templates.get_template(template).render(**values))


async def home(request: Request) -> Response:
    """All runs."""
    return _page("home.html", up="")


async def new(request: Request) -> Response:
    """Make a run."""
    limits = state_of(request).limits
    guide = {name: preset(name) for name in GUIDE}
    reads_photoshop = find_spec("psd_tools") is not None
    return _page(
        "new.html", up="../", guide=guide, limits=limits, minutes=MINUTES,
        reads_photoshop=reads_photoshop,
    )  # fmt: skip


def _run_page(run: RunDir, here: str, **values: Any) -> Response:
    return _page(
        f"{here}.html",
        up="../../",
        here=here,
        name=run.name,
        run=run_id(run.name),
        previews=(),
        first_taste=FIRST_TASTE,
        **values,
    )


def watch(request: Request) -> Response:
    """One run while it trains, and after."""
    run = run_of(request)
    return _run_page(
        run, "watch", starting=state_of(request).runs.condition(run).state == "starting"
    )


def trial(request: Request) -> Response:
    """Restore a photograph with a run."""
    run, state = run_of(request), state_of(request)
    settings, stands = settings_of(run), standing(state.runs.status(run) or {})
    memorises = _memorises(run, settings)
    only_skin = settings is not None and load_bounds(run.config)[1]
    mask = "skin" if memorises or only_skin else "everywhere"
    guesses = settings is not None and "guess" in settings.head
    return _run_page(
        run, "trial", limits=state.limits, mask=mask, memorises=memorises, guesses=guesses,
        pairs_known=settings is not None, stands=stands,
    )  # fmt: skip


def _memorises(run: RunDir, settings: TrainSettings | None) -> bool:
    # The classic program, whose folders hold no settings of ours, does nothing else.
    return settings.aim == "fit" if settings else not run.config.exists()


def outcome(request: Request) -> Response:
    """What came of a run: tests, its model, the same in a terminal."""
    state, run = state_of(request), run_of(request)
    weights, settings = run.weights("latest"), settings_of(run)
    kept = heldout_of(settings)
    there = ("--checkpoints_dir", str(state.checkpoints))
    skin = ("--mask", "skin") if _memorises(run, settings) else ()  # as Restore begins
    return _run_page(
        run,
        "outcome",
        minutes=MINUTES,
        size=weights.stat().st_size if weights.is_file() else None,
        commands=[
            typed(["unretouch", "apply", run.name, "photo.jpg", *skin, *there]),
            typed(
                (
                    *("unretouch", "test", "--model", "pix2pix", "--name", run.name),
                    *("--dataroot", settings.dataroot if settings else "PAIRS", *there),
                )
            ),
            typed(["unretouch", "verify", *verify_words(run, state.checkpoints, kept, None)]),
        ],
    )


def status(request: Request) -> Response:
    """status.js of a run, made anew: what stands in the file is data here, never a script."""
    runs, run = state_of(request).runs, run_of(request)
    record = runs.status(run)
    if record is None:
        return Response("", media_type="text/javascript")  # nothing is known yet
    condition = runs.condition(run)
    record = {**record, "state": condition.state}
    if condition.active or condition.reason in ("gone", "failed", "waiting"):
        record["stop_reason"] = condition.reason
    return Response(status_script(record), media_type="text/javascript")


def preview(request: Request) -> Response:
    """A preview picture of a run."""
    found = picture(run_of(request), request.path_params["file"])
    return FileResponse(found, media_type="image/png")


def weights(request: Request) -> Response:
    """The weights of a run, to be kept."""
    path = run_of(request).weights("latest")
    if not path.is_file():
        raise Refused(404, NO_MODEL)
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


def report(request: Request) -> Response:
    """A file of a report: of a test or of verify."""
    run, kind = run_of(request), request.path_params["kind"]
    if kind == "test":
        return _report_file(test_folder(state_of(request), run), request, run)
    if kind == "verify":
        return _report_file(run.root / "verify", request, run)
    raise Refused(404, NOT_THERE)


def comparison(request: Request) -> Response:
    """A file of the comparison."""
    return _report_file(state_of(request).comparison, request)


def test_folder(state: AppState, run: RunDir) -> Path:
    """Return where the results of a test on the run's own pairs lie."""
    settings = settings_of(run)
    phase = settings.phase if settings else "train"
    return state.results.joinpath(*run.name.split("/"), names.file_stem(f"{phase}_latest"))


def _report_file(folder: Path, request: Request, run: RunDir | None = None) -> Response:
    """Return a file of a report; its page with ways back, to all runs and to `run`."""
    wanted = request.path_params["path"] or "index.html"
    parts = wanted.split("/")
    if any(part in ("", ".", "..") or not part.isprintable() or "\\" in part for part in parts):
        raise Refused(404, NOT_THERE)
    try:
        path = names.inside(folder, *parts)
        found = path.is_file()
    except (DataError, OSError, ValueError):
        raise Refused(404, NOT_THERE) from None
    if not found or path.suffix not in TYPES:
        raise Refused(404, NOT_THERE)
    headers = {"Content-Security-Policy": REPORT_POLICY}
    if path.suffix == ".html":
        text = path.read_text("utf-8", errors="replace")
        return HTMLResponse(_with_ways_back(text, request, run), headers=headers)
    return FileResponse(path, media_type=TYPES[path.suffix], headers=headers)


def _with_ways_back(text: str, request: Request, run: RunDir | None) -> str:
    """Return a page that was written for the disk, with links into the app at its head."""
    at = re.search("<main[^>]*>", text) or re.search("<body[^>]*>", text)
    if at is None:
        return text
    up = "../" * request.url.path.split("/reports/", 1)[1].count("/") + "../"
    template = environment(_POLICY, "unretouch.serve").get_template("ways_back.html")
    links = template.render(up=up, run=run and run_id(run.name), name=run and run.name)
    return f"{text[: at.end()]}\n{links}\n{text[at.end() :]}"


async def asset(request: Request) -> Response:
    """A style, script or table of words that comes with the program."""
    wanted = request.path_params["path"]
    if wanted == "words.js":
        return Response(words_script(), media_type="text/javascript")
    found = _assets().get(wanted)
    if found is None:
        raise Refused(404, NOT_THERE)
    return FileResponse(found, media_type=TYPES[found.suffix])


@cache
def _assets() -> dict[str, Path]:
    """Every file that may be had under assets/, by its path: nothing else can be asked for."""
    folders = [Path(str(files(package))) / "static" for package in PACKAGES]
    return {
        path.relative_to(folder).as_posix(): path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in TYPES
    }
