"""What the page of a new run asks of its draft as a whole: what is there, which pictures belong
together, the pairs of an earlier run."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from unretouch.base.errors import UnretouchError
from unretouch.base.messages import _
from unretouch.pixels import images
from unretouch.pixels.pair_files import PairFiles, find_pairs
from unretouch.serve.actions import Json, read_json
from unretouch.serve.refusals import NO_CONFIG, WRONG_VALUE, Refused
from unretouch.serve.runs import settings_of
from unretouch.serve.state import run_of, state_of
from unretouch.serve.uploads import UNTOUCHED
from unretouch.serve.verifying import heldout_of
from unretouch.settings.train import TrainSettings

KINDS = ("whole", "two", "photo")
"""What a picture may be that is dropped for a pair."""


def gathered(request: Request) -> Response:
    """What of a draft has arrived, for a page that is loaded again."""
    return JSONResponse(state_of(request).drafts.get(request.path_params["draft"]).record())


async def forget(request: Request) -> Response:
    """Forget a draft."""
    drafts = state_of(request).drafts
    drafts.remove(drafts.get(request.path_params["draft"]))
    return Response(status_code=204)


async def bring_together(request: Request) -> Response:
    """Make pairs of the single pictures whose names belong together; `kind` first says what such
    pictures are. Answers what there is then."""
    draft = state_of(request).drafts.get(request.path_params["draft"])
    kind = (await read_json(request)).get("kind")
    if kind is not None:
        if kind not in KINDS:
            raise Refused(400, WRONG_VALUE)
        draft.recast(kind)
    draft.bring_together()
    return JSONResponse(draft.record())


async def take_pairs_of(request: Request) -> Response:
    """Add the pairs of a run to a draft, as they lie in its folder; none is looked at. The answer
    names those that were kept for checking. With `all`, the photos beside the pairs come as well,
    and the answer says which is the test photo, and what was chosen for the run."""
    asked = await read_json(request)
    state, draft_id = state_of(request), request.path_params["draft"]
    run = await asyncio.to_thread(run_of, request)
    settings = settings_of(run)
    if settings is None:
        raise Refused(409, NO_CONFIG)
    pairs, checking = await asyncio.to_thread(_pairs_of, settings)
    first = time.time_ns() // 1_000_000  # as the page numbers what is dropped
    for number, files in enumerate((*pairs, *checking), first):
        sides = ("whole",) if len(files.files) == 1 else ("a", "b")
        place = state.drafts.place(draft_id, number)
        for side, path in zip(sides, files.files, strict=True):
            copy = place.folder / f"{side}{path.suffix.lower()}"
            await asyncio.to_thread(shutil.copyfile, path, copy)
            place.names[side] = path.name
        place.swapped = settings.direction == "BtoA"
    last = first + len(pairs) + len(checking)
    marks: Json = {"kept": list(range(first + len(pairs), last))}
    if asked.get("all") is True:
        watched, untouched = await asyncio.to_thread(_photos_of, settings)
        for number, path in enumerate((*watched, *untouched), last):
            place = state.drafts.place(draft_id, number, UNTOUCHED)
            copy = place.folder / f"{UNTOUCHED}{path.suffix.lower()}"
            await asyncio.to_thread(shutil.copyfile, path, copy)
            place.names[UNTOUCHED] = path.name
        marks |= {"watched": last if watched else None}
        marks |= {"aim": settings.aim, "minutes": settings.minutes}
    return JSONResponse(marks)


def _photos_of(settings: TrainSettings) -> tuple[Sequence[Path], Sequence[Path]]:
    """Return the test photo of a run, and the untouched ones, as far as they are still there."""
    watched, untouched = Path(settings.test_photo), Path(settings.also)
    return (
        [watched] if settings.test_photo and watched.is_file() else [],
        images.list_images(untouched) if settings.also and untouched.is_dir() else [],
    )


def _pairs_of(settings: TrainSettings) -> tuple[Sequence[PairFiles], Sequence[PairFiles]]:
    """Return the pairs that are trained on, and those kept for checking. Raises Refused 409."""
    heldout = heldout_of(settings)
    try:
        trained_on = find_pairs(Path(settings.dataroot), settings.phase).pairs
        return trained_on, find_pairs(heldout, "").pairs if heldout else ()
    except UnretouchError:
        message = _(
            "The pairs of this run are not where they were: {place}", place=settings.dataroot
        )
        raise Refused(409, message) from None
