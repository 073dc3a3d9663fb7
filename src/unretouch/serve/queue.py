"""Trainings that wait for their turn: one line each in a file beside the runs, so that they are
still listed, and begun, by the next app."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import portalocker

from unretouch.base import durable

PATIENCE_S = 10
"""For another app on the same runs to write its line."""


@dataclass(frozen=True)
class Waiting:
    """A training that is to begin, or to go on, when no other is under way."""

    name: str
    """of the run"""
    words: list[str]
    """of the command"""
    since: float
    """Unix seconds"""
    held: bool = False
    """taken out of the line; the words of a run that has never begun are kept"""


class Queue:
    """The line of the runs below one folder, in its file `queue.json`."""

    def __init__(self, checkpoints: Path) -> None:
        self._file = checkpoints / "queue.json"
        self._guard = threading.Lock()

    def line(self) -> list[Waiting]:
        """Return who waits, the next first."""
        return [waiting for waiting in self._read() if not waiting.held]

    def get(self, name: str) -> Waiting | None:
        """Return what is kept of the run `name`, held or not."""
        return next((waiting for waiting in self._read() if waiting.name == name), None)

    def put(self, name: str, words: list[str]) -> None:
        """Let a run wait at the end of the line. Raises DiskError."""
        with self._changing() as all_:
            all_[:] = [*(w for w in all_ if w.name != name), Waiting(name, words, time.time())]

    def hold(self, name: str) -> None:
        """Take a run out of the line, and keep its words. Raises DiskError."""
        with self._changing() as all_:
            all_[:] = [replace(w, held=True) if w.name == name else w for w in all_]

    def take(self, name: str) -> Waiting | None:
        """Take what is kept of a run; None where somebody was quicker. Raises DiskError."""
        with self._changing() as all_:
            taken = next((w for w in all_ if w.name == name), None)
            all_[:] = [w for w in all_ if w.name != name]
        return taken

    @contextmanager
    def _changing(self) -> Iterator[list[Waiting]]:
        durable.make_folder(self._file.parent)
        lock = portalocker.Lock(self._file.with_suffix(".lock"), mode="a", timeout=PATIENCE_S)
        with self._guard, lock:
            known = self._read()
            changed = list(known)
            yield changed
            if changed != known:
                durable.write_json(self._file, [asdict(waiting) for waiting in changed])

    def _read(self) -> list[Waiting]:
        try:
            found = [Waiting(**line) for line in json.loads(self._file.read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return []
        # Whatever stands there, nothing but a training is begun.
        return [w for w in found if isinstance(w.name, str) and w.words[:1] == ["train"]]
