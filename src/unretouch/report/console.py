"""What is said at the terminal: lines, tables of one look, and how figures are written there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unretouch.runs.status import PlainFigures

NO_VALUE = "-"
"""Stands for a figure that has no meaning, or is not known."""


def say(console: Console, line: str) -> None:
    """Print one plain line, whatever brackets and numbers are in it."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def table(
    title: str,
    words: Sequence[str],
    numbers: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str = "",
) -> Table:
    """Return a table with columns of `words`, then of `numbers`, each under its heading.

    All texts are shown as they are: square brackets in a name are no markup.
    """
    made = Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        caption=Text(caption, style="dim italic") if caption else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in words:
        made.add_column(Text(heading), overflow="fold", min_width=4 if heading else None)
    for heading in numbers:
        made.add_column(Text(heading), overflow="fold", justify="right")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def error_table(title: str, groups: Mapping[str, Sequence[PlainFigures]]) -> Table:
    """Return the honest table: each pair's error beside that of doing nothing, by group.

    Estimates have a ~ before them.
    """
    rows = []
    for group, pairs in groups.items():
        for pair in pairs:
            about = "~" if pair.estimated else ""
            rows.append(
                (
                    group,
                    pair.name,
                    doing_nothing(pair.identity_error, pair.identity_parts),
                    f"{about}{pair.level_error:.3f}",
                    percent(pair.recovered_share, before=about),
                    percent(pair.exact_pixels),
                )
            )
    numbers = ("doing nothing", "error (levels)", "recovered", "exact pixels")
    return table(title, ("", "pair"), numbers, rows)


def doing_nothing(error: float, parts: tuple[float, float] | None, digits: int = 3) -> str:
    """Return the error of doing nothing, of two files compressed apart with what it consists of."""
    text = f"{error:.{digits}f}"
    if parts is None:
        return text
    retouch, noise = (f"{part:.{digits}f}" for part in parts)
    return f"{text}: {retouch} retouch, {noise} compression"


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure with so many digits after its point."""
    # Adding 0 turns a rounded -0.0 into 0.0.
    return NO_VALUE if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def percent(value: float | None, digits: int = 1, before: str = "") -> str:
    """Return a share as percent, after the text `before`."""
    # As above: nothing gained is no -0.0 %.
    return NO_VALUE if value is None else f"{before}{round(value, digits + 2) + 0.0:.{digits}%}"


def duration(seconds: float) -> str:
    """Return a time as a person says it: 1 h 05 min, 4 min 30 s or 12 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
