"""`unretouch compare`: runs side by side, which to take, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from unretouch.base.errors import ExitCode
from unretouch.metrics import Figure
from unretouch.report.console import NO_VALUE, duration, number, percent, say, table
from unretouch.settings.commands import CompareSettings
from unretouch.tasks.compare.comparison import Comparison, compare
from unretouch.tasks.compare.output import write_comparison
from unretouch.tasks.compare.runs import differing_settings, setting_text


def main(settings: CompareSettings, console: Console | None = None) -> int:
    """Compare, and show it on `console`. Returns the exit code. Raises UnretouchError."""
    shown_on = console or Console()
    comparison = compare(
        settings.runs, settings.checkpoints_dir, settings.out, lambda line: say(shown_on, line)
    )
    page = write_comparison(comparison, settings.out)
    for shown in renderables(comparison):
        shown_on.print(shown, highlight=False)
    say(shown_on, f"page: {page}")
    return ExitCode.OK


def renderables(comparison: Comparison) -> Iterator[RenderableType]:
    """Yield what to print on a rich console, in order."""
    yield ranking_table(comparison)
    yield Text(comparison.why_not_weighted().english() + "\n")
    settings = differing_settings([one.record for one in comparison.runs])
    if settings:
        yield settings_table(settings)
    yield advice_text(comparison)
    for one in comparison.left_out:
        yield Text(f"left out: {one.name}: {one.reason.english()}")
    yield Text(comparison.take().english(), style="bold")


def ranking_table(comparison: Comparison) -> Table:
    """Return the runs, best first."""
    rows = [
        (
            str(one.places.overall),
            one.record.name,
            number(one.score.mean.level_error),
            _share(one.score.mean.recovered_share),
            _share(one.score.texture.recovered),
            number(one.score.texture.energy, 2),
            number(one.score.texture.coherence, 2),
            duration(one.record.elapsed_s),
        )
        for one in comparison.runs
    ]
    return table(
        f"Doing nothing costs {comparison.identity_error:.3f} grey levels",
        ("", "run"),
        ("error", "recovered", "texture", "strength", "in place", "time"),
        rows,
        "By the sum of the places in error, recovered and texture. Strength: the texture's "
        "beside the true one (1 is right); in place: its agreement with the true one; texture: "
        "the share of it that is back.",
    )


def settings_table(settings: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return what differs in the settings, a setting a row."""
    rows = [
        (name, *(setting_text(value, NO_VALUE) for value in row.values()))
        for name, row in settings.items()
    ]
    runs = tuple(next(iter(settings.values())))
    return table("What differs in the settings", ("",), runs, rows)


def advice_text(comparison: Comparison) -> Group:
    """Return what to do next with each run, each advice with the figures behind it."""
    lines: list[RenderableType] = []
    for one in comparison.runs:
        lines.append(Text(one.record.name, style="bold"))
        for advice in one.advice:
            lines.append(_indented(advice.sentence.english(), 2))
            lines += [_indented(reason.english(), 4) for reason in advice.because]
            if advice.flags:
                lines.append(_indented(advice.flags, 4))
        lines += [_indented(f"Note: {note.english()}", 2) for note in one.notes]
    return Group(*lines, Text())


def _indented(line: str, columns: int) -> Padding:
    return Padding(Text(line), (0, 0, 0, columns))


def _share(value: Figure) -> str:
    return percent(value, 0 if value is not None and abs(value) >= 10 else 1)
