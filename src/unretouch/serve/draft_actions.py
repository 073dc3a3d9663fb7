"""What the page of a new run asks of its draft as a whole: what is there, which pictures belong
together, the pairs of an earlier run."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from unretouch.base.errors import DataError, UnretouchError
from unretouch.base.messages import Message, _
from unretouch.pixels import images
from unretouch.pixels.pair_files import PairFiles, find_pairs
from unretouch.serve.actions import Json, read_json
from unretouch.serve.refusals import NO_CONFIG, WRONG_VALUE, Refused
from unretouch.serve.runs import settings_of
from unretouch.serve.state import run_of, state_of
from unretouch.serve.uploads import UNTOUCHED, Drafts, PairPlace
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
    """Add the pairs of a run to a draft, as they lie in its folder; none is looked at. With `all`,
    the photos beside the pairs come as well.

    The answer tells which pairs were kept for checking, with `all` which is the test photo and what
    was chosen for the run, and says what could not be taken: the rest is there even so.
    """
    asked = await read_json(request)
    state, draft_id = state_of(request), request.path_params["draft"]
    run = await asyncio.to_thread(run_of, request)
    settings = settings_of(run)
    if settings is None:
        raise Refused(409, NO_CONFIG)
    everything = asked.get("all") is True
    pairs, checking = await asyncio.to_thread(_pairs_of, settings)
    # The test photo first: where there is room for one, it is that.
    watched, untouched = await asyncio.to_thread(_photos_of, settings) if everything else ((), ())
    numbers = itertools.count(time.time_ns() // 1_000_000)  # as the page numbers what is dropped
    taken: dict[str, list[int]] = {}
    too_many, lost = 0, list[str]()
    for kind, of_kind in (
        ("pairs", [pair.files for pair in pairs]),
        ("kept", [pair.files for pair in checking]),
        ("watched", [(path,) for path in watched]),
        (UNTOUCHED, [(path,) for path in untouched]),
    ):
        taken[kind] = []
        beside, swapped = kind in ("watched", UNTOUCHED), settings.direction == "BtoA"
        for files, number in zip(of_kind, numbers, strict=False):
            try:
                place = await _copied(state.drafts, draft_id, number, files, beside)
            except OSError:
                lost.append(files[0].name)
            except Refused as refused:
                if refused.status != 413:
                    raise
                too_many += 1
            else:
                place.swapped = swapped and not beside
                taken[kind].append(number)
    marks: Json = {"kept": taken["kept"]}
    if everything:
        marks |= {"watched": next(iter(taken["watched"]), None)}
        marks |= {"aim": settings.aim, "minutes": settings.minutes}
    said = _left_out(too_many, state.limits.pairs, lost)
    return JSONResponse({**marks, "said": [message.record() for message in said]})


async def _copied(
    drafts: Drafts, draft_id: str, number: int, files: Sequence[Path], beside: bool
) -> PairPlace:
    """Copy the files of a pair, or of a photo `beside` the pairs, into a draft. Raises Refused 413
    for too many, and OSError, after which nothing of it is there."""
    sides = (UNTOUCHED,) if beside else ("whole",) if len(files) == 1 else ("a", "b")
    place = drafts.place(draft_id, number, sides[0])
    try:
        for side, path in zip(sides, files, strict=True):
            copy = place.folder / f"{side}{path.suffix.lower()}"
            await asyncio.to_thread(shutil.copyfile, path, copy)
            place.names[side] = path.name
    except OSError:
        drafts.remove_pair(draft_id, number)
        raise
    return place


def _left_out(too_many: int, limit: int, lost: Sequence[str]) -> list[Message]:
    """Return what is said of pairs and photos of a run that were not taken."""
    said = []
    if too_many:
        said.append(
            _(
                "At most {limit} are taken; {count} of these files were left out.",
                limit=limit,
                count=too_many,
            )
        )
    if lost:
        said.append(_("These could not be copied: {names}.", names=", ".join(lost)))
    return said


def _photos_of(settings: TrainSettings) -> tuple[Sequence[Path], Sequence[Path]]:
    """Return the test photo of a run, and the untouched ones, as far as they are still there."""
    watched, untouched = Path(settings.test_photo), Path(settings.also)
    there: Sequence[Path] = ()
    if settings.also and untouched.is_dir():
        with contextlib.suppress(DataError):  # a folder that cannot be read is none
            there = images.list_images(untouched)
    return [watched] if settings.test_photo and watched.is_file() else [], there


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
