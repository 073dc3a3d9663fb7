"""One worker for everything that is done with a picture while somebody waits for it.

Work is done in a process of its own: it can be ended at any moment, and a picture that makes a
decoder fail cannot take the app along.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from unretouch.base.messages import _
from unretouch.jobs import child
from unretouch.serve.refusals import ClientGone, Limits, Refused

_LONGEST_OUTPUT = 1_000_000


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it printed."""

    code: int
    output: str
    errors: str


class Worker:
    """Runs one process at a time; `limits.queue` more may wait."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._turn = asyncio.Lock()
        self._taken = 0

    @property
    def busy(self) -> int:
        """How many work or wait."""
        return self._taken

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

    async def run(self, request: Request, words: Sequence[str], module: str = "unretouch") -> Ended:
        """Run `module` with `words` when it is our turn. Needs a place.

        The process does not outlive the app, nor does the app's private folder then.

        Raises Refused 504 after `limits.work_s` seconds of work, ClientGone when the client has
        gone; the process has ended in any case.
        """
        work = asyncio.create_task(self._in_turn(module, words))
        gone = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientGone
            return work.result()
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _in_turn(self, module: str, words: Sequence[str]) -> Ended:
        async with self._turn:
            process = await asyncio.create_subprocess_exec(
                *child.command(module, words, "ends", remove=self._folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=child.environment(),
            )
            try:
                async with asyncio.timeout(self._limits.work_s):
                    output, errors = await asyncio.gather(
                        _read(process.stdout), _read(process.stderr)
                    )
                    code = await process.wait()
            except TimeoutError:
                raise Refused(504, _("It took too long and was stopped.")) from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            return Ended(code, output, errors)


async def _until_gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.25)


async def _read(stream: asyncio.StreamReader | None) -> str:
    """Return what comes, the newest of it where it is too much."""
    kept = b""
    while stream is not None and (part := await stream.read(65536)):
        kept = (kept + part)[-_LONGEST_OUTPUT:]
    return kept.decode("utf-8", "replace")
