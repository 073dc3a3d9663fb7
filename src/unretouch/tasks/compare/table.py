"""A comparison at the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from unretouch.metrics import Figure
from unretouch.tasks.compare.comparison import Comparison
from unretouch.tasks.compare.runs import differing_settings


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
    table = Table(
        title=f"Doing nothing costs {comparison.identity_error:.3f} grey levels",
        title_justify="left",
        caption="By the sum of the places in error, recovered and texture. Strength: the texture's "
        "beside the true one (1 is right); in place: its agreement with the true one; texture: "
        "the share of it that is back.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", justify="right")
    table.add_column("run", overflow="fold", min_width=12)
    for heading in ("error", "recovered", "texture", "strength", "in place", "time"):
        table.add_column(heading, justify="right")
    for one in comparison.runs:
        score, texture = one.score, one.score.texture
        table.add_row(
            str(one.places.overall),
            escape(one.record.name),
            f"{score.level_error:.3f}",
            _share(score.recovered_share),
            _share(texture.recovered),
            _ratio(texture.energy),
            _ratio(texture.coherence),
            _duration(one.record.elapsed_s),
        )
    return table


def settings_table(settings: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return what differs in the settings, a setting a row."""
    title = "What differs in the settings"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for run in next(iter(settings.values())):
        table.add_column(escape(run), justify="right", overflow="fold")
    for name, row in settings.items():
        table.add_row(name, *(escape(_value(value)) for value in row.values()))
    return table


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
    if value is None:
        return "-"
    return f"{value:.1%}" if abs(value) < 10 else f"{value:.0%}"


def _ratio(value: Figure) -> str:
    return "-" if value is None else f"{value:.2f}"


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if seconds >= 60 else f"{seconds:.0f} s"
