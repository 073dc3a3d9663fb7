"""One plain line at a terminal, broken between words."""

from __future__ import annotations

import os
from typing import TextIO

USUAL_COLUMNS = 80


def wrapped(line: str, columns: int) -> list[str]:
    """Return the line in parts of so many columns; only a longer word makes one longer."""
    from rich.cells import cell_len  # late: only for a terminal

    words = line.lstrip(" ").split(" ")
    indent = line[: len(line) - len(line.lstrip(" "))]
    parts = [indent + words[0]]
    for word in words[1:]:
        if cell_len(f"{parts[-1]} {word}") > columns:
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
