"""What all requests share: settings, a private folder, the drafts, the worker, the runs."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import portalocker
from starlette.exceptions import HTTPException
from starlette.requests import Request

from unretouch.base.messages import _
from unretouch.jobs import child
from unretouch.runs.folder import RunDir
from unretouch.serve.background import Background
from unretouch.serve.deleted import DeletedRuns
from unretouch.serve.left_behind import LOCK, remove_left_behind
from unretouch.serve.refusals import Limits, Refused, did_not_work
from unretouch.serve.runs import Runs
from unretouch.serve.uploads import Drafts
from unretouch.settings.commands import ServeSettings

AT_WORK = _("A photo or a report is being made. Try again when that is done.")
_PRIVATE = "unretouch-serve-"
"""How the names of private folders begin."""


class AppState:
    """One for the life of the app. `close` ends it.

    `folder` takes pictures on their way, and only this user can look into it. It is gone when the
    app ends, however that is: `close` removes it with all in it, and one that a killed app left is
    removed by the next app: its lock is free then.
    """

    def __init__(self, settings: ServeSettings, limits: Limits | None = None) -> None:
        self.limits = limits or Limits(queue=settings.queue, work_s=settings.deadline)
        # Absolute: a run that goes on later may do so from another folder.
        self.checkpoints = settings.checkpoints_dir.resolve()
        self.datasets = settings.datasets_dir.resolve()
        self.results = settings.results_dir.resolve()
        self.comparison = self.results / "comparison"
        remove_left_behind(Path(tempfile.gettempdir()), _PRIVATE)
        self.folder = Path(tempfile.mkdtemp(prefix=_PRIVATE))
        self._lock = portalocker.Lock(self.folder / LOCK, mode="a", timeout=0)
        self._lock.acquire()
        self.runs = Runs(self.checkpoints)
        self.deleted = DeletedRuns(self.checkpoints)
        self.drafts = Drafts(self.folder, self.limits)
        self.worker = Worker(self.folder, self.limits)
        self.background = Background(self.folder)

    @contextlib.contextmanager
    def at_rest(self, run: RunDir) -> Iterator[None]:
        """Nothing is done with the folder of `run` meanwhile. Raises Refused 409 where something
        is: see Runs.at_rest."""
        if self.worker.busy or self.background.busy(run.name):
            raise Refused(409, AT_WORK)
        with self.runs.at_rest(run):
            yield

    def close(self) -> None:
        """End what is done in the background, and remove the private folder."""
        self.background.close()
        self.deleted.close()
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def state_of(request: Request) -> AppState:
    """Return the state of the app that a request came to."""
    found: AppState = request.app.state.unretouch
    return found


def run_of(request: Request) -> RunDir:
    """Return the run that the address names by its id. Raises Refused 404."""
    return state_of(request).runs.get(request.path_params["run"])


# --- the worker
#
# What is done with a picture while somebody waits for it is done in a process of its own: it can be
# ended at any moment, and a picture that makes a decoder fail cannot take the app along.


class Worker:
    """Runs one process at a time; `limits.queue` more may wait."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._turn = asyncio.Lock()
        self._taken = 0

    @property
    def busy(self) -> bool:
        """Whether anything is done, or waits for it."""
        return self._taken > 0 or self._turn.locked()

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take a place in the queue, to be held from before the upload to the end of the work.

        Raises Refused 503 where none is free.
        """
        if self._taken > self._limits.queue:
            raise Refused(503, _("Too many photos are waiting. Try again in a moment."))
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def run(self, request: Request, words: Sequence[str], module: str = "unretouch") -> str:
        """Run `module` with `words` when it is our turn; return what it printed. Needs a place.

        The process does not outlive the app, nor does the app's private folder then.

        Raises Refused 422 where it failed, 504 after `limits.work_s` seconds of work, HTTPException
        when the client has gone; the process has ended in any case.
        """
        work = asyncio.create_task(self._in_turn(module, words, self._limits.work_s))
        gone = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise HTTPException(499, "the client has gone")  # nobody reads it
            return work.result()
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def alone(self, words: Sequence[str], module: str, tell: Callable[[str], None]) -> None:
        """Run `module` with `words` when it is our turn, for nobody who waits and however long it
        takes. `tell` gets every line it prints. Where this is cancelled the process has ended.

        Raises Refused 422 where it failed.
        """
        await self._in_turn(module, words, None, tell)

    async def _in_turn(
        self,
        module: str,
        words: Sequence[str],
        limit_s: float | None,
        tell: Callable[[str], None] | None = None,
    ) -> str:
        async with self._turn:
            process = await asyncio.create_subprocess_exec(
                *child.command(module, words, "ends", remove=self._folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=child.environment(),
            )
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                async with asyncio.timeout(limit_s):
                    # Not communicate: it may close stdin, which ends the process.
                    printed = await asyncio.gather(
                        _printed(process.stdout, tell), process.stderr.read()
                    )
                    code = await process.wait()
            except TimeoutError:
                raise Refused(504, _("It took too long and was stopped.")) from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        output, errors = (part.decode("utf-8", "replace") for part in printed)
        if code != 0:
            said = child.error_in(errors) or f"it ended with the code {code}"
            raise Refused(422, did_not_work(self._without_places(said)))
        return output

    def _without_places(self, text: str) -> str:
        """Return `text` without files of the private folder, which say nothing to anybody."""
        return re.sub(re.escape(str(self._folder)) + r"[^\s:]*(: )?", "", text)


async def _printed(stream: asyncio.StreamReader, tell: Callable[[str], None] | None) -> bytes:
    """Return all that comes, or give it to `tell` line by line."""
    if tell is None:
        return await stream.read()
    async for line in stream:
        tell(line.decode("utf-8", "replace"))
    return b""


async def _until_gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.25)
