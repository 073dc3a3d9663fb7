"""What is said at the terminal: lines, tables of one look, and how figures are written there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import wrap

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from unretouch.base.messages import Message, _, untranslated
from unretouch.base.terminal import wrapped, wrapped_command
from unretouch.runs.status import SAME, PlainFigures

BESIDE_THE_RETOUCH = (
    "Besides the retouch the files differ by noise or compression, which no model can undo"
)
TIMES_FROM = 2.0
"""A ratio from which on it is told as so many times, and no longer in per cent."""
NO_VALUE = "-"
"""Stands for a figure that has no meaning, or is not known."""


def say(console: Console, line: str, style: str = "") -> None:
    """Print one plain line, whatever brackets and numbers are in it.

    A terminal breaks it between words; in a file it stays one line.
    """
    _print(console, wrapped(line, console.width) if console.is_terminal else [line], style)


def say_command(console: Console, command: str, indent: int = 2) -> None:
    """Print a command of `typed` below the line that speaks of it, to be pasted as it stands."""
    columns = console.width if console.is_terminal else sys.maxsize
    _print(console, wrapped_command(command, columns, " " * indent))


def _print(console: Console, parts: Iterable[str], style: str = "") -> None:
    for part in parts:
        console.print(part, markup=False, highlight=False, soft_wrap=True, style=style)


@dataclass(frozen=True)
class FittedTable:
    """A table in which nothing breaks inside a word or a cell, however narrow the terminal is.

    Long words are shortened in the middle, and numbers that find no room come in a further table
    below.
    """

    title: str
    words: Sequence[str]
    numbers: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [list(column) for column in zip(*self.rows, strict=True)]
        columns = columns or [[] for _ in (*self.words, *self.numbers)]
        words, numbers = columns[: len(self.words)], columns[len(self.words) :]
        natural = [_widest([h, *c]) for h, c in zip(self.words, words, strict=True)]
        headings = [shortened(heading, LONGEST_HEADING) for heading in self.numbers]
        needed = [_widest([*h.split(), *c]) for h, c in zip(headings, numbers, strict=True)]
        least = sum(min(width, SHORTEST) for width in natural) + GAP * len(natural)
        parts = list(_parts(needed, options.max_width - least))
        if self.title:
            yield Text(self.title, style="bold")
        for part in parts:
            taken = sum(needed[index] + GAP for index in part) - GAP
            widths = _narrowed(natural, options.max_width - taken - GAP * len(natural))
            made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
            for heading in self.words:
                made.add_column(Text(heading), no_wrap=True)
            full = sum(widths) + GAP * len(widths) - GAP
            room = options.max_width - full
            whole = room >= sum(_widest([headings[i], *numbers[i]]) + GAP for i in part)
            for index in part:
                heading = headings[index]
                # Where all find room, headings stand in one line.
                lines = [heading] if whole else wrap(heading, needed[index], break_long_words=False)
                made.add_column(Text("\n".join(lines)), justify="right", no_wrap=True)
            for row in self.rows:
                shown = [shortened(cell, w) for cell, w in zip(row, widths, strict=False)]
                cells = [*shown, *(row[len(widths) + index] for index in part)]
                made.add_row(*(Text(cell) for cell in cells))
            yield made
            if part is not parts[-1]:
                yield Text()
        if self.caption:
            told = [wrapped(line, options.max_width) for line in self.caption.split("\n")]
            yield Text("\n".join(chain(*told)), style="dim italic", no_wrap=True)


SHORTEST = 16
"""Columns that are left at least of a long name."""
LONGEST_HEADING = 24
GAP = 2
"""Columns between two columns of a table."""


def _widest(texts: Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _parts(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Yield which columns of these `widths` go into one table each, in their order."""
    part: list[int] = []
    for index, width in enumerate(widths):
        if part and sum(widths[i] + GAP for i in part) + width > room:
            yield part
            part = []
        part.append(index)
    yield part


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Return the widths, the widest made narrower until all find `room`, none below SHORTEST."""
    found = list(widths)
    while sum(found) > room and max(found, default=0) > SHORTEST:
        found[found.index(max(found))] -= 1
    return found


def shortened(text: str, width: int) -> str:
    """Return the text within so many columns, the middle of a longer one left out: `kim_0…_03`."""
    if cell_len(text) <= width:
        return text
    head: list[str] = list(text)
    tail: list[str] = []
    while head and cell_len("".join(head)) > width // 2:
        head.pop()
    for character in reversed(text[len(head) :]):
        if cell_len("".join([*head, "…", character, *tail])) > width:
            break
        tail.insert(0, character)
    return "".join([*head, "…", *tail])


def table(
    title: str,
    words: Sequence[str],
    numbers: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str = "",
) -> FittedTable:
    """Return a table with columns of `words`, then of `numbers`, each under its heading.

    All texts are shown as they are: square brackets in a name are no markup.
    """
    return FittedTable(title, words, numbers, [tuple(row) for row in rows], caption)


def error_table(title: str, groups: Mapping[str, Sequence[PlainFigures]]) -> FittedTable:
    """Return the honest table: each pair's error beside that of doing nothing, by group.

    Estimates have a ~ before them.
    """
    rows, told = [], []
    grouped = len(groups) > 1
    for group, pairs in groups.items():
        for pair in pairs:
            about = "~" if pair.estimated else ""
            rows.append(
                (
                    *([group] if grouped else []),
                    pair.name,
                    percent(pair.told_share, before=about),
                    f"{about}{pair.level_error:.3f}",
                    f"{pair.identity_error:.3f}",
                    percent(pair.exact_pixels),
                )
            )
            if pair.nearly_exact:
                told.append(nearly(pair.name, pair.nearly_exact))
    numbers = ("recovered", "error", "doing nothing", "exact pixels")
    every = [pair for pairs in groups.values() for pair in pairs]
    caption = ["Errors in grey levels, 0 to 255.", *beside_the_retouch(every), *told]
    words = ("", "pair") if grouped else ("pair",)
    return table(title, words, numbers, rows, "\n".join(caption))


def nearly(name: str, shares: tuple[float, float]) -> str:
    """Return how near a prediction comes to an answer of 16 bits: see PlainFigures.nearly_exact."""
    level, step = map(percent, shares)
    return (
        f"{name}: {level} of the pixels are within one level of 8 bits of the answer, {step} "
        "within one step of 16."
    )


def beside_the_retouch(pairs: Iterable[PlainFigures]) -> list[str]:
    """Return what the sides of pairs differ by beside the retouch; nothing of lossless ones."""
    told = ", ".join(f"{pair.name} by {pair.left_out:.3f}" for pair in pairs if pair.left_out)
    return [f"{BESIDE_THE_RETOUCH}: {told}."] if told else []


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure with so many digits after its point."""
    # Adding 0 turns a rounded -0.0 into 0.0.
    return NO_VALUE if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def percent(value: float | None, digits: int = 1, before: str = "") -> str:
    """Return a share as percent, after the text `before`; where several times of it is lost, not
    how much: the figures beside it tell that."""
    if value is not None and value < -1:
        return "< -100%"
    # As above: nothing gained is no -0.0 %.
    return NO_VALUE if value is None else f"{before}{round(value, digits + 2) + 0.0:.{digits}%}"


def percent_recovered(share: float | None, digits: int = 1) -> str:
    """Return a recovered share for a sentence: so near to 0 that nothing is gained or lost, it is
    0%. Tables show what was measured."""
    return percent(0.0 if share is not None and abs(share) <= SAME else share, digits)


def times_or_percent(ratio: float) -> Message:
    """Return a ratio for a sentence: 85%, and from twice on 82 times."""
    if ratio < TIMES_FROM:
        return untranslated(percent(ratio, 0))
    return _("{number} times", number=f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}")


def duration(seconds: float) -> str:
    """Return a time as a person says it: 1 h 05 min, 4 min 30 s or 12 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
