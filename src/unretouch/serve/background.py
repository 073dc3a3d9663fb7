"""What is done with a run while nobody has to wait: its test and its verification.

Each is a process of its own, one at a time, without a deadline; any page may ask how far it is. It
ends with the app.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from unretouch.base.messages import Message, _
from unretouch.jobs import child
from unretouch.serve.refusals import Refused, did_not_work

Kind = Literal["test", "verify"]


class Task:
    """One test or verification, from its place in the queue to its end."""

    def __init__(self, module: str, words: Sequence[str]) -> None:
        self.module, self.words = module, list(words)
        self.began: float | None = None
        self.doing = _("Waiting for its turn").record()
        self.left_s: float | None = None
        self.failed: Message | None = None
        self.work: asyncio.Task[None] | None = None
        self._told = 0.0

    @property
    def over(self) -> bool:
        return self.work is not None and self.work.done()

    def tell(self, line: bytes) -> None:
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
    """The tests and verifications of this app, by run and kind."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the app's private one."""
        self._folder = folder
        self._turn = asyncio.Lock()
        self._tasks: dict[tuple[str, Kind], Task] = {}

    def of(self, run: str) -> dict[str, dict[str, Any] | None]:
        """Return how far each kind is for a run; None for what is not under way."""
        return {kind: task.record() for (name, kind), task in self._tasks.items() if name == run}

    def busy(self, run: str) -> bool:
        """Whether anything is under way, or waits, for a run."""
        return any(name == run and not task.over for (name, _kind), task in self._tasks.items())

    def start(self, run: str, kind: Kind, module: str, words: Sequence[str]) -> None:
        """Begin `module` with `words`, when it is its turn. Raises Refused 409 where that is under
        way for this run. To be called in the loop of the app."""
        before = self._tasks.get((run, kind))
        if before is not None and not before.over:
            raise Refused(409, _("This is being done already."))
        task = self._tasks[run, kind] = Task(module, words)
        task.work = asyncio.get_running_loop().create_task(self._do(task))

    def stop(self, run: str, kind: Kind) -> None:
        """End it, wherever it is; what was there before stays."""
        task = self._tasks.pop((run, kind), None)
        if task is not None and task.work is not None:
            task.work.cancel()

    def close(self) -> None:
        """End all."""
        for run, kind in list(self._tasks):
            self.stop(run, kind)

    async def _do(self, task: Task) -> None:
        async with self._turn:
            task.began = time.monotonic()
            task.doing = _("Starting").record()
            # What it makes for itself, such as the runs of a test by turns, goes with it.
            place = tempfile.mkdtemp(prefix="job-", dir=self._folder)
            try:
                await self._run(task, place)
            except OSError as error:
                task.failed = did_not_work(error.strerror or "it could not be started")
            finally:
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _run(self, task: Task, place: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *child.command(task.module, task.words, "ends", remove=self._folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child.environment(TMPDIR=place, TEMP=place, TMP=place),
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        try:
            async for line in process.stdout:
                task.tell(line)
            code = await process.wait()
            said = child.error_in((await errors).decode("utf-8", "replace"))
        finally:
            errors.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0:
            task.failed = did_not_work(said or f"it ended with the code {code}")
