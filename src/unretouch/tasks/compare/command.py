"""`unretouch compare`: runs side by side, which to take, and what to do next."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import ExitCode
from unretouch.metrics import weighted_l1
from unretouch.pixels.pair_pictures import REAL, Kind, Make, picture_files, write_pictures
from unretouch.pixels.pairs import Pair
from unretouch.report.console import (
    NO_VALUE,
    FittedTable,
    duration,
    number,
    percent,
    say,
    say_command,
    table,
)
from unretouch.report.pages import write_page
from unretouch.runs.status import of_whole_pictures, thin_curves
from unretouch.settings.commands import CompareSettings
from unretouch.tasks.compare import measuring
from unretouch.tasks.compare.comparison import Compared, Comparison, compare
from unretouch.tasks.compare.runs import Curve, differing_settings, setting_text
from unretouch.tasks.progress import Tell, tell_nobody


def main(
    settings: CompareSettings, console: Console | None = None, tell: Tell = tell_nobody
) -> int:
    """Compare, and show it on `console`; `tell` hears how far it is. Returns the exit code. Raises
    UnretouchError."""
    shown_on = console or Console()

    def said(line: str) -> None:
        say(shown_on, line)

    comparison = compare(settings.runs, settings.checkpoints_dir, settings.out, said, tell)
    page = write_comparison(comparison, settings.out)
    show(comparison, shown_on)
    say(shown_on, f"page: {page}")
    return ExitCode.OK


def show(comparison: Comparison, console: Console) -> None:
    """Print the figures, what differs, and what to do next."""
    console.print(ranking_table(comparison))
    say(console, "")
    if comparison.weighted:
        say(console, comparison.why_not_weighted().english())
        say(console, "")
    settings = differing_settings([one.record for one in comparison.runs])
    if settings:
        console.print(settings_table(settings))
        say(console, "")
    for one in comparison.runs:
        _say_advice(one, console)
    say(console, "")
    for left in comparison.left_out:
        say(console, f"left out: {left.name}: {left.reason.english()}")
    say(console, comparison.take().english(), style="bold")
    if caution := comparison.caution():
        say(console, caution.english())


_BEST_FIRST = "The best run comes first: error, recovered and texture back count alike. "


def ranking_table(comparison: Comparison) -> FittedTable:
    """Return the figures of the runs, best first."""
    ranked = len(comparison.runs) > 1
    rows = [
        (
            *([str(one.places.overall)] if ranked else []),
            one.record.name,
            number(one.score.mean.level_error),
            percent(one.score.mean.told_share),
            percent(one.score.texture.recovered),
            number(one.score.texture.energy, 2),
            number(one.score.texture.coherence, 2),
            duration(one.record.elapsed_s),
        )
        for one in comparison.runs
    ]
    return table(
        f"Doing nothing is off by {comparison.identity_error:.3f} grey levels",
        ("", "run") if ranked else ("run",),
        ("error", "recovered", "texture back", "strength", "in place", "time"),
        rows,
        (_BEST_FIRST if ranked else "")
        + "Strength of the texture: 1 is right, less is smooth, more is noise. In place: 1 is "
        "every pore where it was, 0 is grain.",
    )


def settings_table(settings: Mapping[str, Mapping[str, Any]]) -> FittedTable:
    """Return what differs in the settings, a setting a row."""
    rows = [
        (name, *(setting_text(name, value, NO_VALUE) for value in row.values()))
        for name, row in settings.items()
    ]
    runs = tuple(next(iter(settings.values())))
    return table("What differs in the settings", ("",), runs, rows)


def _say_advice(one: Compared, console: Console) -> None:
    """Print what to do next with a run, each advice with the figures behind it."""
    say(console, one.record.name, style="bold")
    for advice in one.advice:
        say(console, f"  {advice.sentence.english()}")
        for reason in advice.because:
            say(console, f"    {reason.english()}")
        if advice.command:
            say_command(console, advice.command, indent=4)
    for note in one.notes:
        say(console, f"  Note: {note.english()}")


# --- the files: comparison.json, the pictures of its page, and what old ones left


SCHEMA = 1
"""Raised by one when a reader of comparison.json would have to change; new keys do not raise it."""
COLOURS = 6
"""Colours of curves in compare.css; further runs share them, dashed."""


def write_comparison(comparison: Comparison, out: Path) -> Path:
    """Write comparison.json and the page into `out`; return the page. Raises DiskError."""
    record = report(comparison)
    durable.make_folder(out / "pairs")
    durable.write_json(out / "comparison.json", record)
    shown = [
        _shown(comparison, number, pair, out)
        for number, pair in enumerate(comparison.pairs[: measuring.MOST_PICTURES])
    ]
    whole = record["identity_error"]
    curves = [_curve(one.record.name, one.record.curve, whole) for one in comparison.runs]
    page = write_page(
        out,
        "compare",
        {"identity": whole, "colours": COLOURS, "curves": curves, "pairs": shown},
        record=record,
        best=record["runs"][0],
        weighted=comparison.weighted,
        marks=_marks(record["runs"]),
        pairs=shown,
        duration=duration,
        setting=lambda name, value: setting_text(name, value, "–"),
        parts_of=_parts,
        colours=COLOURS,
    )
    _remove_old(comparison, shown, out)
    return page


def report(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON can hold it; docs/compare.md describes the schema."""
    caution = comparison.caution()
    return {
        "schema": SCHEMA,
        "program": "unretouch",
        "version": __version__,
        "ranked_by": ["level_error", "recovered_share", "texture_recovered"],
        "not_ranked_by_G_L1": comparison.why_not_weighted().record(),
        "take": comparison.take().record(),
        "caution": caution.record() if caution else None,
        "identity_error": comparison.identity_error,
        "pairs": [pair.name for pair in comparison.pairs],
        "runs": [_run(one) for one in comparison.runs],
        "settings": differing_settings([one.record for one in comparison.runs]),
        "left_out": [
            {"name": one.name, "reason": one.reason.record()} for one in comparison.left_out
        ],
    }


def _run(one: Compared) -> dict[str, Any]:
    record, mean = one.record, one.score.mean
    return {
        "name": record.name,
        "places": asdict(one.places),
        "state": record.state,
        "step": record.step,
        "epoch": record.epoch,
        "elapsed_s": record.elapsed_s,
        "lambda_L1": record.settings.lambda_L1,
        "G_L1": weighted_l1(mean.level_error, record.settings.lambda_L1),
        "level_error": mean.level_error,
        "recovered_share": mean.recovered_share,
        "told_share": mean.told_share,
        "exact_pixels": mean.exact_pixels,
        "texture": asdict(one.score.texture),
        "trend": None
        if one.trend is None
        else {**asdict(one.trend), "fall": one.trend.fall, "falling": one.trend.falling},
        "advice": [advice.record() for advice in one.advice],
        "notes": [note.record() for note in one.notes],
        "weights": {"file": record.run.weights("latest").name, "sha256": one.score.weights_sha256},
        "pairs": [pair.record() for pair in one.score.pairs],
    }


def _shown(comparison: Comparison, number: int, pair: Pair, out: Path) -> dict[str, Any]:
    """Write input and answer of a pair once, and say where everything of it lies.

    `x` and `y`, 0 to 1, are where the loupe looks first. `crop` is (left, top, width, height) in
    pixels of a frame of `size` (width, height), None where the pictures are whole.
    """
    crop = measuring.crop_of(pair)
    height, width = pair.source.shape[:2]
    digest = measuring.pair_digest(pair)[:16]
    scores = [one.score.pairs[number] for one in comparison.runs]
    files = picture_files(f"pairs/{digest}")
    pictures: dict[Kind, Make] = {
        "real_A": lambda: crop.cut(pair.source), "real_B": lambda: crop.cut(pair.target),
    }  # fmt: skip
    write_pictures(out, files, pictures, once=REAL)
    whole = crop.width == width and crop.height == height
    return {
        "name": pair.name,
        "source": files["real_A"],
        "target": files["real_B"],
        "identity_error": scores[0].identity_error,
        "x": crop.x,
        "y": crop.y,
        "crop": None if whole else (crop.left, crop.top, crop.width, crop.height),
        "size": (width, height),
        "runs": [
            {
                "run": one.record.name,
                "prediction": one.score.picture(number, "fake_B"),
                "error_map": one.score.picture(number, "error"),
                "level_error": score.level_error,
                "recovered_share": score.recovered_share,
            }
            for one, score in zip(comparison.runs, scores, strict=True)
        ],
    }


def _curve(name: str, curve: Curve, whole: float) -> dict[str, Any]:
    """Return the error while a run trained, in grey levels; columns of one length."""
    # A column named `step` keeps the last of the points that one stands for, as time should.
    by_step, by_time = thin_curves(curve), thin_curves({"step": curve["elapsed_s"]})
    errors = of_whole_pictures(by_step["level_error"], by_step["identity_error"], whole)
    return {
        "run": name,
        "steps": by_step["step"],
        "elapsed_s": by_time["step"],
        "level_error": errors,
    }


def _marks(runs: Sequence[dict[str, Any]]) -> list[set[str]]:
    """Return for each run which of its figures are the best of all, where there is a choice."""
    if len(runs) < 2:
        return [set() for _ in runs]
    return [
        {name for name in ("error", "recovered", "texture") if run["places"][name] == 1}
        for run in runs
    ]


def _parts(command: str) -> list[str]:
    """Return a command and each flag with its value: a line may end between two of them only."""
    first, *flags = command.split(" --")
    return [first, *(f"--{flag}" for flag in flags)]


def _remove_old(comparison: Comparison, shown: list[dict[str, Any]], out: Path) -> None:
    """Remove pictures that no run of this comparison can ask for again.

    What was measured of runs that are not compared this time stays, for the next time.
    """
    used = {one.score.key for one in comparison.runs}
    names = {one.record.name for one in comparison.runs}
    for figures in (out / "runs").glob("*/figures.json"):
        if figures.parent.name not in used and _run_name(figures) in names:
            durable.remove(figures)  # first: without it the pictures are not trusted
            shutil.rmtree(figures.parent, ignore_errors=True)
    pictures = {out / file for pair in shown for file in (pair["source"], pair["target"])}
    for picture in (out / "pairs").glob("*_real_?.png"):
        if picture not in pictures:
            durable.remove(picture)


def _run_name(figures: Path) -> str | None:
    try:
        return str(json.loads(figures.read_text("utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
