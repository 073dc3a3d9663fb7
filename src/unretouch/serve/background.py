"""What is done with runs while nobody has to wait: tests, verifications, comparisons.

Each is a process of its own, one at a time, without a deadline; any page may ask how far it is. It
ends with the app. One that trains, a test by turns, waits in line with the trainings.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from unretouch.base import durable
from unretouch.base.messages import Message, _
from unretouch.serve.refusals import Refused, did_not_work
from unretouch.serve.worker import work

Kind = Literal["test", "verify", "compare"]
TELLING = "unretouch.serve.telling"
"""The program that verifies and compares, in a process of its own."""
UNDER_WAY = _("This is being done already.")
LOOK_S = 1.0
"""Between two looks at whether what is trained before has ended."""
Before = Callable[[float], Message | None]
"""Return what is waited for, of all that was asked for before a time in Unix seconds."""


class Task:
    """One of them, from its place in the queue to its end."""

    def __init__(
        self, runs: Collection[str], module: str, words: Sequence[str], before: Before | None
    ) -> None:
        self.runs, self.module, self.words = runs, module, words
        self.before = before
        self.since = time.time()
        self.began: float | None = None
        self.doing = _("Waiting for its turn").record()
        self.left_s: float | None = None
        self.failed: Message | None = None
        self.work: asyncio.Task[None] | None = None
        self._told = 0.0

    @property
    def over(self) -> bool:
        return self.work is not None and self.work.done()

    def tell(self, line: str) -> None:
        """Take note of a line that the process printed; what is no stage is let pass."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            self.doing, self.left_s = told["doing"], told["left_s"]
            self._told = time.monotonic()

    def record(self) -> dict[str, Any] | None:
        """Return how far it is, as JSON has it; None where it is over and did not fail."""
        if self.over:
            return {"failed": self.failed.record()} if self.failed else None
        now = time.monotonic()
        elapsed = None if self.began is None else now - self.began
        left = None if self.left_s is None else max(0.0, self.left_s - (now - self._told))
        return {"doing": self.doing, "elapsed_s": elapsed, "left_s": left}


class Background:
    """What this app does so, by kind and by what it is done with: the name of a run, or what stands
    for several."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the app's private one."""
        self._folder = folder
        self._turn = asyncio.Lock()
        self._tasks: dict[tuple[str, Kind], Task] = {}

    def of(self, subject: str) -> dict[Kind, dict[str, Any] | None]:
        """Return how far each kind is for a subject; None for what is over."""
        return {kind: task.record() for (name, kind), task in self._tasks.items()
                if name == subject}  # fmt: skip

    def busy(self, run: str) -> bool:
        """Whether anything is under way, or waits, for a run."""
        return any(run in task.runs and not task.over for task in self._tasks.values())

    def trains_since(self) -> float | None:
        """Return since when, Unix seconds, something that trains is under way, or waits; None where
        nothing is."""
        since = [task.since for task in list(self._tasks.values()) if task.before and not task.over]
        return min(since, default=None)

    def since(self, subject: str, kind: Kind) -> float | None:
        """Return since when, Unix seconds, this is under way, or waits; None where it is not."""
        task = self._tasks.get((subject, kind))
        return task.since if task is not None and not task.over else None

    def under_way(self, subject: str, kind: Kind) -> bool:
        """Whether this is under way, or waits."""
        return self.since(subject, kind) is not None

    def start(
        self,
        subject: str,
        kind: Kind,
        module: str,
        words: Sequence[str],
        runs: Collection[str] | None = None,
        before: Before | None = None,
    ) -> None:
        """Begin `module` with `words`, when it is its turn, for `runs` (None: the run `subject`).

        What trains says what it waits for, `before`. Raises Refused 409 where that is under way.
        To be called in the loop of the app.
        """
        if self.under_way(subject, kind):
            raise Refused(409, UNDER_WAY)
        task = self._tasks[subject, kind] = Task(runs or (subject,), module, words, before)
        task.work = asyncio.get_running_loop().create_task(self._do(task))

    def stop(self, subject: str, kind: Kind) -> None:
        """End it, wherever it is; what was there before stays."""
        task = self._tasks.pop((subject, kind), None)
        if task is not None and task.work is not None:
            task.work.cancel()

    def close(self) -> None:
        """End all."""
        for subject, kind in list(self._tasks):
            self.stop(subject, kind)

    async def _do(self, task: Task) -> None:
        while task.before and (waits := await asyncio.to_thread(task.before, task.since)):
            task.doing = waits.record()
            await asyncio.sleep(LOOK_S)
        async with self._turn:
            task.began = time.monotonic()
            task.doing = _("Starting").record()
            # What it makes for itself, such as the runs of a test by turns, goes with it.
            place = tempfile.mkdtemp(prefix="job-", dir=self._folder)
            own = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), place)
            try:
                await work(task.module, task.words, self._folder, tell=task.tell, environ=own)
            except Refused as refused:
                task.failed = refused.message
            except OSError as error:
                task.failed = did_not_work(durable.reason_of(error))
            finally:
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
