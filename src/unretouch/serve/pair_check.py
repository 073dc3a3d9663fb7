"""Look at one pair that was dropped on the page: make it whole, and say what is doubtful.

    python -m unretouch.serve.pair_check PLACE [swapped] [align]    prints what `report` returns

PLACE holds `whole`, or `a` and `b`, or `photo` (untouched: its retouch is simulated), each with an
ending. Written are pair.png, A left and B right, and of each side a small picture for the page and
one to look at closely. Or it holds `untouched`, a photo beside the pairs, of which are written
plain.png, its pixels alone, and such pictures. `swapped` changes the sides, `align` moves A onto B.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from unretouch.base.errors import DataError
from unretouch.base.messages import Message, _
from unretouch.pixels import images, pair_check
from unretouch.pixels.alignment import UNLIKE, alignable, placed
from unretouch.pixels.movement import LENSES
from unretouch.pixels.pair_files import PairFiles
from unretouch.pixels.pairs import pictures_of, sides
from unretouch.pixels.retouch import LITTLE_SKIN, skin_mask
from unretouch.pixels.spaces import Rgb, at_most, eight
from unretouch.tasks.pair import simulated

SMALL = {"thumbnail": 480, "view": 1600}
"""Pictures of a side for the page, and the pixels of their longer side."""


def report(place: Path, swapped: bool = False, align: bool = False) -> str:
    """Return JSON: {"problem": ...} or the figures of the pair with a list of `doubts`.

    A doubt or problem is a message as the page takes it. `alignable` tells that `align` would bring
    the sides together, `pictures` is a digest of both, `pictured` that there are small pictures,
    `unlike` that it is one picture whose halves are no pair, or hardly one.
    """
    try:
        told = _looked_at(place, swapped, align)
    except DataError as error:
        told = _problem(_told(error))
    told["pictured"] = (place / "thumbnail_b.png").is_file()
    return json.dumps(told, ensure_ascii=False)


def _looked_at(place: Path, swapped: bool, align: bool) -> dict[str, Any]:
    if untouched := _file(place, "untouched"):
        return _photo_looked_at(place, untouched)
    notes: list[Message] = []
    halves = _file(place, "whole") is not None
    if photo := _file(place, "photo"):
        a, b, told = simulated(photo, "photo")
    else:
        found = tuple(path for side in ("whole", "a", "b") if (path := _file(place, side)))
        files = PairFiles("pair", found)
        pictures = pictures_of(files)
        told = pair_check.conversions(pictures)
        if problem := _unhalved(pictures):
            return {**_problem(problem), "unlike": True}
        a, b = sides(files, pictures, of_one_size=False)
        if swapped:
            a, b = b, a
        _write_small(place, a=a, b=b)
        if align:
            both = pair_check.brought_together(a, b, "")
            a, b = both.a, both.b
            notes.append(_("Aligned: A was moved onto B, and both were cut to what both show."))
        elif a.shape != b.shape:
            return _unequal(a, b)
    doubts = pair_check.doubts(a, b, "AtoB")
    _write_small(place, a=a, b=b)
    if problem := _no_pair(doubts, halves):
        return {**_problem(problem), "unlike": problem is UNLIKE_HALVES}
    images.write_png(place / "pair.png", np.concatenate([a, b], axis=1))
    hardly = halves and doubts.correlation is not None
    said = [*notes, *told, *_said(doubts), *([OF_THEIR_OWN] if hardly else [])]
    return {
        "width": a.shape[1],
        "height": a.shape[0],
        "difference": pair_check.mean_difference(a, b),
        "doubts": [message.record() for message in said],
        "swapped": doubts.detail_ratio is not None,
        "alignable": bool(doubts.misplaced) and _alignable(a, b),
        "unlike": hardly,
        "pictures": hashlib.sha256(a.data).hexdigest() + hashlib.sha256(b.data).hexdigest(),
    }


def _write_small(place: Path, **sides: Rgb) -> None:
    for name, side in sides.items():
        for kind, size in SMALL.items():
            images.write_png(place / f"{kind}_{name}.png", eight(at_most(side, size)), effort=1)


def _photo_looked_at(place: Path, file: Path) -> dict[str, Any]:
    picture = images.read(file)
    images.write_png(place / "plain.png", picture.rgb)
    _write_small(place, b=picture.rgb)
    said = [*picture.notes]
    if skin_mask(eight(at_most(picture.rgb, SMALL["thumbnail"]))).mean() < LITTLE_SKIN:
        said.append(_("No skin was found. Is it like the portraits that are to be restored?"))
    height, width = picture.rgb.shape[:2]
    doubts = [message.record() for message in said]
    return {"width": width, "height": height, "doubts": doubts}


def _file(place: Path, stem: str) -> Path | None:
    return next(place.glob(f"{stem}.*"), None)


WAYS_ROUND = {
    "mirrored": _("B is mirrored against A. Export both the same way round."),
    "upside down": _("B is upside down against A. Export both the same way round."),
    "turned by a quarter to the left": _(
        "B is turned by a quarter to the left against A. Export both the same way round."
    ),
    "turned by a quarter to the right": _(
        "B is turned by a quarter to the right against A. Export both the same way round."
    ),
}
"""What the page says of each of pair_check.WAYS_ROUND."""


def _said(doubts: pair_check.Doubts) -> list[Message]:
    """Return what the page says of the doubts: pair_check.warnings_for speaks of flags."""
    if doubts.correlation is not None:
        correlation = round(doubts.correlation, 2)
        return [
            _(
                "A and B are hardly the same picture (correlation {correlation}). Is it a pair?",
                correlation=correlation,
            )
        ]
    said = []
    if doubts.colourless is not None:
        said.append(
            _(
                "{side} is black and white, and the other side has colours. Export both in colour, "
                "or both in black and white.",
                side=doubts.colourless,
            )
        )
    if doubts.shift is not None:
        dx, dy = (round(pixels, 1) for pixels in doubts.shift)
        said.append(
            _(
                "B is shifted by {dx}, {dy} pixels against A. Align the two, or it learns to move "
                "the picture.",
                dx=dx,
                dy=dy,
            )
        )
    if doubts.grade is not None:
        levels, difference = round(doubts.grade.levels, 1), round(doubts.grade.difference, 1)
        said.append(
            _(
                "One side has a colour grade: {levels} of the {difference} grey levels between A "
                "and B. To memorise, it is learnt, too; for other photos it is left out.",
                levels=levels,
                difference=difference,
            )
        )
    if doubts.resized is not None:
        percent = round(abs(doubts.resized), 1)
        said.append(
            _(
                "A is larger than B by {percent}%. Export both again, with the same crop and "
                "size, or it learns to move the picture.",
                percent=percent,
            )
            if doubts.resized > 0
            else _(
                "A is smaller than B by {percent}%. Export both again, with the same crop and "
                "size, or it learns to move the picture.",
                percent=percent,
            )
        )
    if doubts.turned is not None:
        said.append(
            _(
                "B is turned by {degrees} degrees against A. Export both again, straightened "
                "alike, or it learns to move the picture.",
                degrees=round(doubts.turned, 2),
            )
        )
    if doubts.liquified is not None:
        share, most = round(100 * doubts.liquified[0]), round(doubts.liquified[1], 1)
        said.append(
            _(
                "Much of the picture ({share}%) was moved, by up to {most} pixels: it looks like a "
                "lens correction. Export both sides with the same one.",
                share=share,
                most=most,
            )
            if doubts.liquified[0] > LENSES
            else _(
                "Liquify: a part of the picture ({share}%) was moved by up to {most} pixels. A "
                "network cannot undo that. “Fast” leaves it out; the other methods learn to move "
                "the picture.",
                share=share,
                most=most,
            )
        )
    if doubts.detail_ratio is not None:
        ratio = round(min(doubts.detail_ratio, 99.0), 2)
        said.append(
            _("A has {ratio} times the fine detail of B. Are the sides swapped?", ratio=ratio)
        )
    return said


OF_THEIR_OWN = _("Are both sides files of their own? Then choose “Pairs in two pictures”.")
UNLIKE_HALVES = _(
    "Its left and right half are not the same picture. Are both sides files of their own? Then "
    "choose “Pairs in two pictures”."
)


def _no_pair(doubts: pair_check.Doubts, halves: bool) -> Message | None:
    """Return why nothing can be learnt from two sides, whoever brought them together; `halves` are
    those of one picture."""
    if doubts.same:
        return _("A and B are the same picture: there is nothing to learn from it.")
    if halves and (doubts.way_round is not None or pair_check.no_pair(doubts)):
        # Not how one lies against the other: a face that is cut in half mirrors itself.
        return UNLIKE_HALVES
    if doubts.way_round is not None:
        return WAYS_ROUND[doubts.way_round]
    if doubts.correlation is not None and pair_check.no_pair(doubts):
        return _(
            "A and B are two different pictures (correlation {correlation}), so they are no pair.",
            correlation=round(doubts.correlation, 2),
        )
    return None


def _unhalved(pictures: list[images.Picture]) -> Message | None:
    """Return why a picture does not halve: `sides` says so for a terminal only."""
    width = pictures[0].rgb.shape[1]
    if len(pictures) == 1 and width % 2:
        return _(
            "It is {width} pixels wide, which does not halve into A and B. Are both sides files of "
            "their own? Then choose “Pairs in two pictures”.",
            width=width,
        )
    return None


def _unequal(a: Rgb, b: Rgb) -> dict[str, Any]:
    sizes = {side: f"{rgb.shape[1]} × {rgb.shape[0]}" for side, rgb in (("a", a), ("b", b))}
    if _alignable(a, b):
        align = _(
            "A is {a}, B is {b}. Align them: what only one of them shows is cut off.", **sizes
        )
        return {**_problem(align), "alignable": True}
    return _problem(_("A is {a}, B is {b}: both must have one size.", **sizes))


def _alignable(a: Rgb, b: Rgb) -> bool:
    lies = placed(a, b)
    return lies is not None and lies.agreement >= UNLIKE and alignable(lies.straight)


def _problem(message: Message) -> dict[str, Any]:
    return {"problem": message.record()}


def _told(error: DataError) -> Message:
    # Where it lies is a file in the app's private folder, which says nothing to anybody.
    side = Path(error.where).stem.upper()
    if side not in ("A", "B"):
        return error.message
    return _("{side} {problem}", side=side, problem=error.message)


if __name__ == "__main__":
    print(report(Path(sys.argv[1]), "swapped" in sys.argv[2:], "align" in sys.argv[2:]))
