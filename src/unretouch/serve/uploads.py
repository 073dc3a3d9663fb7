"""Pictures that a browser sends, and the pairs for a new run that are gathered of them.

A picture is the raw body of a request, its size known beforehand, under a name of ours. No form, no
multipart, no file name: what a client calls its file makes no path here.
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

from PIL import Image, UnidentifiedImageError
from starlette.requests import ClientDisconnect, Request

from unretouch.base import durable
from unretouch.base.messages import Message, _
from unretouch.serve.refusals import NO_LENGTH, NOT_THERE, TOO_SLOW, Limits, Refused

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}

NO_PICTURE = _("This is not a PNG, JPEG or WebP picture.")
CUT_SHORT = _("The file did not arrive completely.")


@dataclass(frozen=True)
class Picture:
    """A picture that lies in a private folder, not decoded yet."""

    path: Path
    width: int
    height: int


async def receive_picture(request: Request, folder: Path, stem: str, limits: Limits) -> Picture:
    """Write the body of `request` to `folder`/`stem` + ending and return what its header says.

    Raises Refused: 411 without a length, 413 over the caps, 415 for what is no PNG, JPEG or WebP,
    408 when the body comes too slowly, 400 when it ends early. Nothing stays then.
    """
    kind, length = check_headers(request, limits)
    part = folder / f"{stem}-{secrets.token_hex(4)}.part"  # of this upload, if two come at once
    try:
        await _store(request, part, length, limits)
        width, height, found = await asyncio.to_thread(_look, part, kind, limits)
        path = folder / f"{stem}{ENDINGS[found]}"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Picture(path, width, height)


def check_headers(request: Request, limits: Limits) -> tuple[str, int]:
    """Return Pillow's name of the kind of picture announced, and its bytes. Raises Refused."""
    length = request.headers.get("content-length")
    if length is None or not (length.isascii() and length.isdigit()):
        raise Refused(411, NO_LENGTH)
    if int(length) > limits.upload_bytes:
        megabytes = limits.upload_bytes // 1_000_000
        raise Refused(413, _("The file is larger than {limit} MB.", limit=megabytes))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORMATS or int(length) == 0:
        raise Refused(415, NO_PICTURE)
    return FORMATS[kind], int(length)


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


def _look(path: Path, kind: str, limits: Limits) -> tuple[int, int, str]:
    """Read the header of the picture: no pixel is decoded here."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            # MPO: a camera's JPEG with a second view behind the picture.
            found = "JPEG" if image.format == "MPO" else str(image.format)
    except Image.DecompressionBombError:
        raise Refused(413, _too_large(limits)) from None
    except UnidentifiedImageError:
        raise Refused(415, NO_PICTURE) from None
    except Exception:  # decoders raise nearly everything on hostile bytes
        raise Refused(415, NO_PICTURE) from None
    if width * height > limits.pixels:
        raise Refused(413, _too_large(limits))
    if found != kind:
        raise Refused(415, NO_PICTURE)
    return width, height, found


def _too_large(limits: Limits) -> Message:
    megapixels = limits.pixels // 1_000_000
    return _("The picture has more than {limit} megapixels.", limit=megapixels)


# --- pairs that are being gathered for a new run


UNTOUCHED = "untouched"
SIDES = ("whole", "a", "b", "photo", UNTOUCHED)


@dataclass
class PairPlace:
    """One pair of a draft, or an untouched photo beside the pairs: its folder, and what was found
    when it was looked at."""

    folder: Path
    untouched: bool = False
    found: dict[str, Any] | None = None

    @property
    def usable(self) -> bool:
        return self.found is not None and "problem" not in self.found


@dataclass
class Draft:
    """Pairs and untouched photos by number, in the order they were dropped."""

    id: str
    folder: Path
    pairs: dict[int, PairPlace] = field(default_factory=dict)
    touched: float = field(default_factory=time.monotonic)

    def usable(self, untouched: bool = False) -> list[PairPlace]:
        """Return the pairs, or the untouched photos, that can be trained on, in their order."""
        places = [place for _, place in sorted(self.pairs.items()) if place.usable]
        return [place for place in places if place.untouched == untouched]


def write_pairs(pairs: Sequence[PairPlace], train: Path) -> None:
    """Write pairs as pair_01.png and so on, where they stay. Raises DiskError."""
    durable.make_folder(train)
    for number, place in enumerate(pairs, 1):
        data = (place.folder / "pair.png").read_bytes()
        durable.write_bytes(train / f"pair_{number:02d}.png", data)


def write_untouched(photos: Sequence[PairPlace], folder: Path) -> None:
    """Write untouched photos as photo_01.png and so on, where they stay: as pairs are, without what
    a file tells of its camera and its place. Raises DiskError."""
    durable.make_folder(folder)
    for number, place in enumerate(photos, 1):
        data = (place.folder / "plain.png").read_bytes()
        durable.write_bytes(folder / f"photo_{number:02d}.png", data)


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
