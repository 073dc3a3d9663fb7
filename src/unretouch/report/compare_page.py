"""The page of a comparison: runs side by side, complete in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from unretouch.base import durable
from unretouch.report.rendering import PICTURE_ASSETS, copy_assets, render, script_json

_ASSETS = (
    *PICTURE_ASSETS,
    "charts.js",
    "compare.js",
    "compare.css",
    "vendor/uplot/uPlot.iife.min.js",
    "vendor/uplot/uPlot.min.css",
    "vendor/uplot/LICENSE",
)

COLOURS = 6
"""Colours of curves in compare.css; further runs share them, dashed."""


@dataclass(frozen=True)
class ComparedCurve:
    """The error while a run trained, in grey levels; columns of one length."""

    run: str
    steps: list[float]
    elapsed_s: list[float]
    level_error: list[float]


@dataclass(frozen=True)
class ComparedPicture:
    """What one run makes of a pair. Files are named relative to the page's folder."""

    run: str
    prediction: str
    error_map: str
    level_error: float
    recovered_share: float | None


@dataclass(frozen=True)
class ComparedPair:
    """One pair as every run shows it; all pictures are of one size.

    `x` and `y`, 0 to 1, are where the loupe looks first. `crop` is (left, top, width, height) in
    pixels of a frame of `size` (width, height), None where the pictures are whole.
    """

    name: str
    source: str
    target: str
    identity_error: float
    x: float
    y: float
    crop: tuple[int, int, int, int] | None
    size: tuple[int, int]
    runs: list[ComparedPicture]


def write_compare_page(
    folder: Path,
    record: dict[str, Any],
    curves: Sequence[ComparedCurve],
    pairs: Sequence[ComparedPair],
) -> Path:
    """Write index.html into `folder`, where the pictures lie, and return its path.

    `record` is a comparison as comparison.json holds it (docs/compare.md), its runs best first;
    curves and pictures are in the same order. Raises DiskError.
    """
    durable.make_folder(folder)
    copy_assets(folder / "assets", _ASSETS)
    data = {
        "identity": record["identity_error"],
        "colours": COLOURS,
        "curves": [asdict(curve) for curve in curves],
        "pairs": [asdict(pair) for pair in pairs],
    }
    page = render(
        "compare_page.html",
        record=record,
        best=record["runs"][0],
        marks=_marks(record["runs"]),
        pairs=pairs,
        duration=_duration,
        setting=_setting,
        flags=_flags,
        colours=COLOURS,
        data=Markup(script_json(data)),  # escaped for a script tag
    )
    index = folder / "index.html"
    durable.write_text(index, page)
    return index


def _marks(runs: Sequence[dict[str, Any]]) -> list[set[str]]:
    """Return for each run which of its figures are the best of all, where there is a choice."""
    if len(runs) < 2:
        return [set() for _ in runs]
    return [
        {name for name in ("error", "recovered", "texture") if run["places"][name] == 1}
        for run in runs
    ]


def _setting(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flags(text: str) -> list[str]:
    """Return each flag with its value: a line may end between two of them only."""
    return ["--" + flag for flag in text.removeprefix("--").split(" --")]


def _duration(seconds: float) -> str:
    """Return a duration for readers without JavaScript."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
