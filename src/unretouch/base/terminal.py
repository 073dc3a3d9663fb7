"""One plain line at a terminal, broken between words."""

from __future__ import annotations

import os
import unicodedata
from typing import TextIO

USUAL_COLUMNS = 80


def cells(text: str) -> int:
    """Return how many columns a text takes: a Korean letter takes two, an accent none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def wrapped(line: str, columns: int) -> list[str]:
    """Return the line in parts of so many columns; only a longer word makes one longer."""
    words = line.lstrip(" ").split(" ")
    indent = line[: len(line) - len(line.lstrip(" "))]
    parts = [indent + words[0]]
    for word in words[1:]:
        if cells(f"{parts[-1]} {word}") > columns:
            parts.append(indent + word)
        else:
            parts[-1] += f" {word}"
    return parts


def tell(line: str, stream: TextIO) -> None:
    """Print one plain line. A terminal breaks it between words; in a file it stays one line."""
    for part in wrapped(line, _columns(stream)) if stream.isatty() else [line]:
        print(part, file=stream, flush=True)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except OSError:  # it says it is a terminal and is none
        return USUAL_COLUMNS
