"""One plain line at a terminal, broken between words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TextIO

USUAL_COLUMNS = 80


def wrapped(line: str, columns: int, hang: str = "") -> list[str]:
    """Return the line in parts of so many columns, all but the first behind `hang`; only a longer
    word makes one longer."""
    indent = line[: len(line) - len(line.lstrip(" "))]
    return _packed(line.lstrip(" ").split(" "), columns, indent, hang)


def _packed(words: Sequence[str], columns: int, indent: str, hang: str = "") -> list[str]:
    from rich.cells import cell_len  # late: only for a terminal

    parts = [indent + words[0]]
    for word in words[1:]:
        if cell_len(f"{parts[-1]} {word}") <= columns:
            parts[-1] += f" {word}"
        elif cell_len(indent + hang + word) <= columns:
            parts.append(indent + hang + word)
        else:
            parts.append(word)  # a long path finds more room at the margin
    return parts


def wrapped_command(command: str, columns: int, indent: str = "") -> list[str]:
    """Return a command of `typed` in lines of so many columns that can be pasted as one."""
    import shlex  # late: most commands print none

    if os.name == "nt":  # its shells do not agree on how a line goes on
        return [indent + command]
    flags: list[str] = []
    for word in map(shlex.quote, shlex.split(command)):
        if flags and flags[-1].startswith("--") and not word.startswith("--"):
            flags[-1] += f" {word}"  # a flag and its value stay together
        else:
            flags.append(word)
    *lines, last = _packed(flags, columns - len(" \\"), indent, "  ")
    return [*(f"{line} \\" for line in lines), last]


def counted(number: float, thing: str, things: str = "") -> str:
    """Return how many there are of a thing: 1 pair, 3 pairs."""
    return f"{number:g} {thing if number == 1 else things or f'{thing}s'}"


MOST_LISTED = 3
"""Of more names it is only said how many there are."""


def listed(names: Sequence[str], between: str = ", ") -> str:
    """Return names in a sentence, only the first of many: a, b, c and 2 more."""
    more = len(names) - MOST_LISTED
    first = between.join(names[:MOST_LISTED])
    return first if more <= 0 else f"{first}{between.replace(',', '')}and {more} more"


def typed(words: Iterable[str]) -> str:
    """Return a command as a terminal takes it: a folder's name may hold any character."""
    import shlex  # late: most commands print none
    import subprocess

    words = list(words)
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def tell(line: str, stream: TextIO) -> None:
    """Print one plain line. A terminal breaks it between words; in a file it stays one line."""
    for part in wrapped(line, _columns(stream)) if stream.isatty() else [line]:
        print(part, file=stream, flush=True)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except OSError:  # it says it is a terminal and is none
        return USUAL_COLUMNS
