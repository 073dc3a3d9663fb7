"""Look at one pair that was dropped on the page: make it whole, and say what is doubtful.

    python -m unretouch.serve.pair_check PLACE    prints what `report` returns

PLACE holds `whole`, or `a` and `b`, or `photo` (untouched: its retouch is simulated), each with an
ending. Written are pair.png, A left and B right, and two small pictures for the page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.base.errors import DataError
from unretouch.base.messages import Message, _
from unretouch.pixels import images, pair_check, spaces
from unretouch.pixels.pair_files import PairFiles
from unretouch.pixels.pairs import sides
from unretouch.tasks.pair import simulate_pairs

THUMBNAIL = 480
"""Pixels of the longer side of the small pictures."""

Rgb = NDArray[np.uint8]


class _Misfit(Exception):
    def __init__(self, problem: Message) -> None:
        super().__init__(str(problem))
        self.problem = problem


def report(place: Path) -> str:
    """Return JSON: {"problem": ...} or the figures of the pair with a list of `doubts`.

    A doubt or problem is a message as the page takes it.
    """
    try:
        return json.dumps(_looked_at(place), ensure_ascii=False)
    except _Misfit as misfit:
        return json.dumps({"problem": misfit.problem.record()}, ensure_ascii=False)
    except DataError as error:
        return json.dumps({"problem": _problem(error).record()}, ensure_ascii=False)


def _looked_at(place: Path) -> dict[str, Any]:
    notes: list[str] = []
    if photo := _file(place, "photo"):
        a, b = _simulated(place, photo, notes)
    else:
        found = tuple(path for side in ("whole", "a", "b") if (path := _file(place, side)))
        pictures = [images.read(path) for path in found]
        _refuse_sizes([picture.rgb for picture in pictures])
        a, b = sides(PairFiles("pair", found), pictures)
        notes += pair_check.colour_doubts(pictures)
        images.write_png(place / "pair.png", np.concatenate([a, b], axis=1))
    for name, side in (("a", a), ("b", b)):
        images.write_png(place / f"thumbnail_{name}.png", _small(side))
    doubts = pair_check.doubts(a, b, "AtoB")
    said = [_plain(note) for note in notes] + _said(doubts)
    return {
        "width": a.shape[1],
        "height": a.shape[0],
        "difference": pair_check.mean_difference(a, b),
        "doubts": [message.record() for message in said],
        "swapped": doubts.detail_ratio is not None,
    }


def _file(place: Path, stem: str) -> Path | None:
    return next(place.glob(f"{stem}.*"), None)


def _simulated(place: Path, photo: Path, notes: list[str]) -> tuple[Rgb, Rgb]:
    made = simulate_pairs([photo], place / "simulated")
    if made.problems:
        raise made.problems[0]
    row = made.rows[0]
    row.file.replace(place / "pair.png")
    whole = images.read_rgb(place / "pair.png")
    a, b = whole[:, : row.width].copy(), whole[:, row.width :].copy()
    told = set(pair_check.warnings_for(a, b, "AtoB"))  # `_said` says these
    notes += [text for text in row.warnings if text not in told]
    return a, b


def _said(doubts: pair_check.Doubts) -> list[Message]:
    """Return what the page says of the doubts: pair_check.warnings_for speaks of flags."""
    if doubts.same:
        return [_("A and B are the same picture: there is nothing to learn from it.")]
    if doubts.correlation is not None:
        correlation = round(doubts.correlation, 2)
        return [
            _(
                "A and B are hardly the same picture (correlation {correlation}). Is it a pair?",
                correlation=correlation,
            )
        ]
    said = []
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
    if doubts.detail_ratio is not None:
        ratio = round(min(doubts.detail_ratio, 99.0), 2)
        said.append(
            _("A has {ratio} times the fine detail of B. Are the sides swapped?", ratio=ratio)
        )
    return said


def _refuse_sizes(pictures: list[Rgb]) -> None:
    """Raise _Misfit where sides of one size cannot be had: `sides` says so in English only."""
    width = pictures[0].shape[1]
    if len(pictures) == 1 and width % 2:
        raise _Misfit(
            _("It is {width} pixels wide, which does not halve into A and B.", width=width)
        )
    if pictures[0].shape != pictures[-1].shape:
        a, b = (f"{picture.shape[1]} × {picture.shape[0]}" for picture in pictures)
        raise _Misfit(_("A is {a}, B is {b}: both must have one size.", a=a, b=b))


def _problem(error: DataError) -> Message:
    # Where it lies is a file in the app's private folder, which says nothing to anybody.
    side = Path(error.where).stem.upper()
    text = f"{error.what}. {error.hint}" if error.hint else error.what
    return _plain(f"{side} {text}" if side in ("A", "B") else text)


def _plain(text: str) -> Message:
    """Return what is said in English only."""
    return Message("{text}", {"text": text})


def _small(rgb: Rgb) -> Rgb:
    height, width = rgb.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    return spaces.resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))


if __name__ == "__main__":
    print(report(Path(sys.argv[1])))
