"""Pictures that a browser sends, and the pairs for a new run that are gathered of them.

A picture is the raw body of a request, its size known beforehand, under a name of ours: no form, no
multipart. What a person calls a file comes beside it, is kept as a word, and only its ending takes
part in a path, where it is one of those known. What a picture tells beside its pixels does not go
back.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request

from unretouch.base import durable, names
from unretouch.base.errors import DataError
from unretouch.base.messages import Message, _
from unretouch.pixels import heif, images, photos, psd
from unretouch.pixels.file_kind import kind_of
from unretouch.pixels.pair_files import match_heap, match_names, side_told
from unretouch.serve.refusals import NO_LENGTH, NOT_THERE, TOO_SLOW, Limits, Refused

LONGEST_NAME = 255
"""Characters of a file's name that are kept."""

NO_PICTURE = _("This is not a picture that can be read. Save it as PNG, JPEG or TIFF.")
CUT_SHORT = _("The file did not arrive completely.")
RAW_PAIR = _("RAW is not taken for pairs. Save it as TIFF or PNG.")
PHOTOSHOP = _("A Photoshop file is taken for pairs only. Save it as TIFF or PNG.")


@dataclass(frozen=True)
class Picture:
    """A picture that lies in a private folder, not decoded yet."""

    path: Path
    width: int | None
    height: int | None
    """None where only its decoder can tell, as of RAW"""


async def receive_picture(
    request: Request,
    folder: Path,
    stem: str,
    limits: Limits,
    *,
    photo: bool = False,
    sides: int = 1,
) -> Picture:
    """Write the body of `request` to `folder`/`stem` + ending and return what its header says.

    `photo` takes RAW, as photographs may be and pairs may not, and no Photoshop files, which may be
    pairs. `sides` is 2 for a picture that holds both sides of a pair. Raises Refused: 411 without a
    length, 413 over the caps, 415 for what cannot be read, 408 when the body comes too slowly, 400
    when it ends early. Nothing stays then.
    """
    length = check_headers(request, limits)
    named = Path(name_sent(request)).suffix.lower()
    # Of this upload, if two come at once. Of RAW the ending tells what the bytes do not.
    ending = named if named in photos.EXTENSIONS else ""
    part = folder / f"{stem}-{secrets.token_hex(4)}.part{ending}"
    try:
        await _store(request, part, length, limits)
        size, found = await asyncio.to_thread(_look, part, limits, photo, sides)
        path = folder / f"{stem}{found}"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Picture(path, *size)


def check_headers(request: Request, limits: Limits) -> int:
    """Return the bytes of the picture announced. Raises Refused."""
    length = request.headers.get("content-length")
    if length is None or not (length.isascii() and length.isdigit()):
        raise Refused(411, NO_LENGTH)
    if int(length) > limits.upload_bytes:
        megabytes = limits.upload_bytes // 1_000_000
        raise Refused(413, _("The file is larger than {limit} MB.", limit=megabytes))
    if int(length) == 0:
        raise Refused(415, NO_PICTURE)
    return int(length)


def name_sent(request: Request) -> str:
    """Return what the person calls the file that is sent; empty where that is not said."""
    name = request.query_params.get("name", "")[:LONGEST_NAME]
    return name.replace("\\", "/").rpartition("/")[2]


async def _store(request: Request, path: Path, length: int, limits: Limits) -> None:
    got = 0
    stream = request.stream()
    with path.open("xb") as file:
        try:
            async with asyncio.timeout(limits.upload_s):
                while True:
                    # Not wait_for: in Python 3.11 it forgets that the time for the whole upload is
                    # over when a chunk comes in the same turn of the loop.
                    async with asyncio.timeout(limits.read_s):
                        chunk = await anext(stream, None)
                    if chunk is None:
                        break
                    got += len(chunk)
                    await asyncio.to_thread(file.write, chunk)
        except TimeoutError:
            raise Refused(408, TOO_SLOW) from None
        except ClientDisconnect:
            raise Refused(400, CUT_SHORT) from None
    if got != length:
        raise Refused(400, CUT_SHORT)


def _look(
    path: Path, limits: Limits, photo: bool, sides: int
) -> tuple[tuple[int | None, int | None], str]:
    """Return the size and the ending of a picture by its header: pixels are decoded only of a JPEG
    without the mark of its end, to see whether more is missing."""
    kind = kind_of(path)
    if kind == "raw":
        if not photo:
            raise Refused(415, RAW_PAIR)
        return (None, None), path.suffix
    if kind in ("heic", "avif"):
        # Not by its decoder, which runs in processes of its own.
        told = heif.boxes_of(path).size
        if told is not None and told[0] * told[1] > sides * limits.pixels:
            raise Refused(413, _too_large(limits, sides))
        return told or (None, None), f".{kind}"
    if layered := psd.header_of(path):
        if photo:
            raise Refused(415, PHOTOSHOP)
        if layered.width * layered.height > sides * limits.pixels:
            raise Refused(413, _too_large(limits, sides))
        return (layered.width, layered.height), psd.ENDING
    try:
        with images.opened(path, sides * limits.pixels) as image:
            # MPO: a camera's JPEG with a second view behind the picture.
            ending = {"JPEG": "jpg", "MPO": "jpg"}.get(str(image.format), str(image.format))
            size = image.size
            images.require_its_end(path)
    except images.TooManyPixelsError:
        raise Refused(413, _too_large(limits, sides)) from None
    except DataError as error:
        if error.what == images.NO_PICTURE:
            raise Refused(415, NO_PICTURE) from None
        raise Refused(415, error.message) from None
    return size, f".{ending.lower()}"


def _too_large(limits: Limits, sides: int) -> Message:
    megapixels = sides * limits.pixels // 1_000_000
    return _("The picture has more than {limit} megapixels. Export it smaller.", limit=megapixels)


# --- pairs that are being gathered for a new run


UNTOUCHED = "untouched"
SIDES = ("whole", "a", "b", "photo", UNTOUCHED)


@dataclass
class PairPlace:
    """One pair of a draft, or an untouched photo beside the pairs: its folder, what the person
    calls its files, what is to be done to it, and what was found when it was looked at."""

    folder: Path
    untouched: bool = False
    names: dict[str, str] = field(default_factory=dict)
    """what is called how, by side"""
    swapped: bool = False
    """whether A and B change places"""
    align: bool = False
    """whether A is moved onto B"""
    moved: bool = False
    """whether it is what it is by `Draft.recast`, and was dropped as something else"""
    side: str = ""
    """a or b, where its only file was that last before it became something else"""
    found: dict[str, Any] | None = None

    @property
    def usable(self) -> bool:
        return self.found is not None and "problem" not in self.found

    @property
    def waits_for(self) -> str:
        """The side, a or b, that is missing; empty where none is."""
        sides = self.names.keys() & {"a", "b"}
        return {"a": "b", "b": "a"}[sides.pop()] if len(sides) == 1 else ""

    @property
    def lone(self) -> bool:
        """Whether it is a single picture that may be a side of a pair: one waits for the other, or
        its halves are no pair, or hardly one."""
        halves_are_none = self.found is not None and self.found.get("unlike", False)
        return bool(self.waits_for) or halves_are_none or (self.moved and "photo" in self.names)

    @property
    def name(self) -> str:
        """What to call it: as its only file, or as A."""
        named = sorted(self.names.items(), reverse=self.swapped)
        return next(iter(named), ("", ""))[1]

    def become(self, side: str) -> None:
        """Let its only file be that `side` from now on, or a whole pair, or an untouched photo."""
        (before,) = self.names
        if before in ("a", "b"):
            self.side = before
        if file := self.file(before):
            file.replace(file.with_name(f"{side}{file.suffix}"))
        self.names = {side: self.names[before]}
        self.found, self.swapped, self.align = None, False, False

    def file(self, side: str) -> Path | None:
        """Return the file of a side, if there is one."""
        return next(self.folder.glob(f"{side}.*"), None)

    def record(self) -> dict[str, Any]:
        """Return it as the page takes it."""
        return {
            "names": self.names, "swapped": self.swapped, "align": self.align, "found": self.found,
        }  # fmt: skip


@dataclass
class Draft:
    """Pairs and untouched photos by number, in the order they were dropped."""

    id: str
    folder: Path
    pairs: dict[int, PairPlace] = field(default_factory=dict)
    touched: float = field(default_factory=time.monotonic)

    def usable(self, untouched: bool = False) -> list[PairPlace]:
        """Return the pairs, or the untouched photos, that can be trained on, in their order."""
        places = [place for _number, place in sorted(self.pairs.items()) if place.usable]
        return [place for place in places if place.untouched == untouched]

    def record(self) -> dict[int, dict[str, Any]]:
        """Return what of it has arrived, by number, as the page takes it."""
        return {number: place.record() for number, place in self.pairs.items() if place.names}

    def recast(self, kind: str) -> None:
        """Take single pictures that are no pair by themselves as what `kind` says: whole pairs,
        sides of `two` pictures or untouched photos. Nothing else changes."""
        for place in self.pairs.values():
            side = place.side or side_told(place.name) or "a" if kind == "two" else kind
            if place.lone and not (kind == "two" and place.waits_for) and side not in place.names:
                place.become(side)
                place.moved = True

    def bring_together(self) -> list[tuple[int, int]]:
        """Make pairs of single pictures whose names belong together, by the rule of the terminal:
        those of A with those of B first, then all of them. One A and one B, where there is nothing
        else in two pictures, are a pair by any names.

        Returns the numbers of A and of B; B has moved to the place of A.
        """
        waiting: dict[str, dict[str, int]] = {"a": {}, "b": {}}
        lone: dict[str, int] = {}
        for number, place in sorted(self.pairs.items()):
            if place.lone and place.name:
                (side,) = place.names
                lone.setdefault(place.name, number)
                waiting.get(side, {}).setdefault(place.name, number)
        matching = match_names(waiting["a"], waiting["b"])
        alone = not any({"a", "b"} <= {*place.names} for place in self.pairs.values())
        if alone and len(waiting["a"]) == len(waiting["b"]) == 1:
            matching = list(zip(waiting["a"], waiting["b"], strict=True))
        met = [(waiting["a"][a], waiting["b"][b]) for a, b in matching]
        known = {number for pair in met for number in pair}
        heap = {name: number for name, number in lone.items() if number not in known}
        met += [(heap[a], heap[b]) for a, b in match_heap(heap)]
        for a, b in met:
            self._join(a, b)
        return met

    def _join(self, a: int, b: int) -> None:
        one, other = self.pairs[a], self.pairs.pop(b)
        one.become("a")
        other.become("b")
        if file := other.file("b"):
            file.replace(one.folder / file.name)
        one.names |= other.names
        shutil.rmtree(other.folder, ignore_errors=True)


def _stems(places: Sequence[PairPlace], otherwise: str) -> list[str]:
    """Return the names of the files of places, without ending and fit for any disk, each another;
    `otherwise` and a number where a file came without one."""
    return names.unique_stems(
        [Path(place.name or f"{otherwise}_{at:02d}") for at, place in enumerate(places, 1)]
    )


def write_pairs(pairs: Sequence[PairPlace], train: Path) -> None:
    """Write pairs as PNG under the names they came with, where they stay. Raises DiskError."""
    durable.make_folder(train)
    for name, place in zip(_stems(pairs, "pair"), pairs, strict=True):
        durable.write_bytes(train / f"{name}.png", (place.folder / "pair.png").read_bytes())


def untouched_files(photos: Sequence[PairPlace], folder: Path) -> list[Path]:
    """Return where `write_untouched` writes each of the photos."""
    return [folder / f"{name}.png" for name in _stems(photos, "photo")]


def write_untouched(photos: Sequence[PairPlace], folder: Path) -> None:
    """Write untouched photos as PNG under the names they came with, where they stay: as pairs are,
    without what a file tells of its camera and its place. Raises DiskError."""
    durable.make_folder(folder)
    for path, place in zip(untouched_files(photos, folder), photos, strict=True):
        durable.write_bytes(path, (place.folder / "plain.png").read_bytes())


class Drafts:
    """The drafts of this app, known by random ids."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._drafts: dict[str, Draft] = {}

    def new(self) -> Draft:
        """Return a new draft; the one untouched for longest goes where there are too many."""
        while len(self._drafts) >= self._limits.drafts:
            self.remove(min(self._drafts.values(), key=lambda draft: draft.touched))
        draft_id = secrets.token_hex(8)
        draft = Draft(draft_id, self._folder / f"draft-{draft_id}")
        draft.folder.mkdir()
        self._drafts[draft_id] = draft
        return draft

    def get(self, draft_id: str) -> Draft:
        """Return the draft. Raises Refused 404."""
        draft = self._drafts.get(draft_id)
        if draft is None:
            raise Refused(404, NOT_THERE)
        draft.touched = time.monotonic()
        return draft

    def pair(self, draft_id: str, number: int) -> PairPlace:
        """Return the pair. Raises Refused 404."""
        place = self.get(draft_id).pairs.get(number)
        if place is None:
            raise Refused(404, NOT_THERE)
        return place

    def place(self, draft_id: str, number: int, side: str = "whole") -> PairPlace:
        """Return the pair that `side` belongs to, or the untouched photo, made where it is new.
        Raises Refused 404, and 413 for too many."""
        draft, untouched, limit = self.get(draft_id), side == UNTOUCHED, self._limits.pairs
        if number not in draft.pairs:
            if sum(place.untouched == untouched for place in draft.pairs.values()) >= limit:
                raise Refused(
                    413,
                    _("More than {limit} untouched photos.", limit=limit)
                    if untouched
                    else _("More than {limit} pairs.", limit=limit),
                )
            folder = draft.folder / f"{number:04d}"
            folder.mkdir(exist_ok=True)
            draft.pairs[number] = PairPlace(folder, untouched)
        if draft.pairs[number].untouched != untouched:
            raise Refused(404, NOT_THERE)
        return draft.pairs[number]

    def remove_pair(self, draft_id: str, number: int) -> None:
        """Forget a pair and its files."""
        place = self.get(draft_id).pairs.pop(number, None)
        if place is not None:
            shutil.rmtree(place.folder, ignore_errors=True)

    def remove(self, draft: Draft) -> None:
        """Forget a draft and its files."""
        self._drafts.pop(draft.id, None)
        shutil.rmtree(draft.folder, ignore_errors=True)
