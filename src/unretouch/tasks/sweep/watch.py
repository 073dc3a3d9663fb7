"""What a person at a terminal sees while a sweep trains: how far each run is that moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from unretouch.jobs.course import course
from unretouch.jobs.training import Training

EVERY_S = 2.0
_SHOWN = 4


@contextmanager
def watching(console: Console, trainings: Sequence[Training]) -> Iterator[set[str]]:
    """Keep a line up to date while entered; names put into the set that is given have ended."""
    ended: set[str] = set()
    if not console.is_terminal:
        yield ended
        return
    over = threading.Event()
    with console.status(Text("starting")) as status:

        def look() -> None:
            while not over.wait(EVERY_S):
                status.update(Text(_line(trainings, ended)))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield ended
        finally:
            over.set()
            thread.join()


def _line(trainings: Sequence[Training], ended: set[str]) -> str:
    parts = [f"{len(ended)} of {len(trainings)} done"]
    moving = [one for one in trainings if one.name not in ended and one.run.console.is_file()]
    for one in moving[:_SHOWN]:
        points = list(course(one))
        if points:
            percent, error = points[-1]
            parts.append(f"{one.name} {percent} %, {error:.2f} levels")
    return "; ".join(parts)
