"""Look at one pair that was dropped on the page: make it whole, and say what is doubtful.

PLACE holds `whole`, or `a` and `b`, or `photo` (untouched: its retouch is simulated), each with an
ending. Written are pair.png, A left and B right, and two small pictures for the page.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.base.errors import DataError
from unretouch.pixels import images, pair_check, spaces
from unretouch.pixels.pair_files import PairFiles
from unretouch.pixels.pairs import colour_doubts, sides
from unretouch.tasks.pair import simulate_pairs

THUMBNAIL = 480
"""Pixels of the longer side of the small pictures."""

Rgb = NDArray[np.uint8]


class _Misfit(Exception):
    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["code"])
        self.problem = problem


def report(place: Path) -> str:
    """Return JSON: {"problem": ...} or the figures of the pair with a list of `doubts`.

    A doubt or problem is {"code": a word of the pages, ...what fills it in}.
    """
    try:
        return json.dumps(_looked_at(place), ensure_ascii=False)
    except _Misfit as misfit:
        return json.dumps({"problem": misfit.problem}, ensure_ascii=False)
    except DataError as error:
        return json.dumps({"problem": _problem(error)}, ensure_ascii=False)


def _looked_at(place: Path) -> dict[str, Any]:
    notes: list[dict[str, Any]] = []
    if photo := _file(place, "photo"):
        a, b = _simulated(place, photo, notes)
    else:
        found = tuple(path for side in ("whole", "a", "b") if (path := _file(place, side)))
        pictures = [images.read(path) for path in found]
        _refuse_sizes([picture.rgb for picture in pictures])
        a, b = sides(PairFiles("pair", found), pictures)
        notes += [{"code": "doubt_other", "text": text} for text in colour_doubts(pictures)]
        images.write_png(place / "pair.png", np.concatenate([a, b], axis=1))
    for name, side in (("a", a), ("b", b)):
        images.write_png(place / f"thumbnail_{name}.png", _small(side))
    return {
        "width": a.shape[1],
        "height": a.shape[0],
        "difference": pair_check.mean_difference(a, b),
        "doubts": notes + _doubts(a, b),
    }


def _file(place: Path, stem: str) -> Path | None:
    return next(place.glob(f"{stem}.*"), None)


def _simulated(place: Path, photo: Path, notes: list[dict[str, Any]]) -> tuple[Rgb, Rgb]:
    made = simulate_pairs([photo], place / "simulated")
    if made.problems:
        raise made.problems[0]
    row = made.rows[0]
    row.file.replace(place / "pair.png")
    whole = images.read_rgb(place / "pair.png")
    a, b = whole[:, : row.width].copy(), whole[:, row.width :].copy()
    told = set(pair_check.warnings_for(a, b, "AtoB"))  # `_doubts` says these
    notes += [{"code": "doubt_other", "text": text} for text in row.warnings if text not in told]
    return a, b


def _doubts(a: Rgb, b: Rgb) -> list[dict[str, Any]]:
    """What pair_check.warnings_for warns of, as codes that the page words for its reader."""
    if np.array_equal(a, b):
        return [{"code": "doubt_same"}]
    moved = pair_check.shift(a, b)
    if moved is None and (alike := pair_check.likeness(a, b)) < pair_check.ALIKE:
        return [{"code": "doubt_unlike", "correlation": round(alike, 2)}]
    found: list[dict[str, Any]] = []
    if moved is not None and max(map(abs, moved)) >= pair_check.SHIFT_WARNED:
        found.append({"code": "doubt_shifted", "dx": round(moved[0], 1), "dy": round(moved[1], 1)})
    ratio = pair_check.detail_ratio(a, b)
    if ratio >= pair_check.SWAPPED:
        found.append({"code": "doubt_swapped", "ratio": round(min(ratio, 99.0), 2)})
    return found


def _refuse_sizes(pictures: list[Rgb]) -> None:
    """Raise _Misfit where sides of one size cannot be had: `sides` says so in English only."""
    height, width = pictures[0].shape[:2]
    if len(pictures) == 1 and width % 2:
        raise _Misfit({"code": "problem_odd", "width": width})
    if pictures[0].shape != pictures[-1].shape:
        other = f"{pictures[-1].shape[1]} × {pictures[-1].shape[0]}"
        raise _Misfit({"code": "problem_sizes", "a": f"{width} × {height}", "b": other})


def _problem(error: DataError) -> dict[str, Any]:
    # Where it lies is a file in the app's private folder, which says nothing to anybody.
    side = Path(error.where).stem.upper()
    text = f"{error.what}. {error.hint}" if error.hint else error.what
    return {"code": "problem_pair", "side": side if side in ("A", "B") else "", "text": text}


def _small(rgb: Rgb) -> Rgb:
    height, width = rgb.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    return spaces.resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))
