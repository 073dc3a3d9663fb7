"""What the app has done in processes of its own: each can be ended at any moment, and a picture
that makes a decoder fail cannot take the app along."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from unretouch.base.messages import Message, Words, _
from unretouch.jobs import child
from unretouch.serve.refusals import Limits, Refused, did_not_work, located

Tell = Callable[[str], None]
"""Gets every line that a process prints."""


async def work(
    module: str,
    words: Sequence[str],
    folder: Path,
    *,
    tell: Tell | None = None,
    limit_s: float | None = None,
    called: Mapping[Path, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Run `module` with `words`; return what it printed, of which `tell` gets the lines instead.

    The process does not outlive the app, nor does `folder`, the app's private one, then; where this
    is cancelled, the process has ended. In what it says, files of that folder are not named, and
    those below a folder of `called` by what they are to people.

    What it ended with is its last line of errors that is a message as JSON, with the place `where`,
    by `child.tell_error`, without the name of a flag; else what a terminal would say, in English.

    `environ` is what its environment has besides. Raises Refused 422 where it failed, 504 after
    `limit_s` seconds, OSError where it does not start.
    """
    process = await asyncio.create_subprocess_exec(
        *child.command(module, words, "ends", remove=folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**child.environment(), **(environ or {})},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(limit_s):
            # Not communicate: it may close stdin, which ends the process.
            printed = await asyncio.gather(_printed(process.stdout, tell), process.stderr.read())
            code = await process.wait()
    except TimeoutError:
        raise Refused(504, _("It took too long and was stopped.")) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output, errors = (part.decode("utf-8", "replace") for part in printed)
    if code != 0:
        raise Refused(422, did_not_work(_why(errors, code, {folder: "", **(called or {})})))
    return output


def _why(errors: str, code: int, called: Mapping[Path, str]) -> Words:
    """Return why a process failed, by what it printed as errors."""
    for line in reversed(errors.splitlines()):
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and told.keys() >= {"where", "message", "values"}:
                where = _for_people(re.sub(r"^--\w+ ?", "", told["where"]), called)
                return located(where, _message(told, called))
    said = child.error_in(errors)
    return _for_people(said, called) if said else _("it ended with the code {code}", code=code)


def _message(record: Any, called: Mapping[Path, str]) -> Message:
    """Return the message of a record, with names for people in its values."""

    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return _message(value, called)
        return _for_people(value, called) if isinstance(value, str) else value

    values = {name: shown(value) for name, value in record["values"].items()}
    return Message(record["message"], values)


def _for_people(text: str, called: Mapping[Path, str]) -> str:
    """Return `text` with the names of `called` for files below those folders; where the name is
    empty, without them."""
    for folder, name in called.items():

        def shown(found: re.Match[str], name: str = name) -> str:
            return f"{name}{found[1] or ''}" if name else ""

        text = re.sub(re.escape(str(folder)) + r"[^\s:]*(: )?", shown, text)
    return text


async def _printed(stream: asyncio.StreamReader, tell: Tell | None) -> bytes:
    """Return all that comes, or give it to `tell` line by line."""
    if tell is None:
        return await stream.read()
    async for line in stream:
        tell(line.decode("utf-8", "replace"))
    return b""


class Worker:
    """Works on pictures while somebody waits: one process at a time; `limits.queue` more may
    wait."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        """`folder` is the app's private one."""
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

    async def run(
        self,
        request: Request,
        words: Sequence[str],
        module: str = "unretouch",
        called: Mapping[Path, str] | None = None,
    ) -> str:
        """Do the `work` when it is our turn; return what it printed. Needs a place.

        Raises as `work` does, Refused 504 after `limits.work_s` seconds, HTTPException when the
        client has gone; the process has ended in any case.
        """
        done = asyncio.create_task(
            self._in_turn(module, words, called=called, limit_s=self._limits.work_s)
        )
        gone = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({done, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise HTTPException(499, "the client has gone")  # nobody reads it
            return done.result()
        finally:
            for task in (done, gone):
                task.cancel()
            await asyncio.gather(done, gone, return_exceptions=True)

    async def alone(
        self,
        words: Sequence[str],
        module: str,
        tell: Tell,
        called: Mapping[Path, str] | None = None,
    ) -> None:
        """Do the `work` when it is our turn, for nobody who waits and however long it takes.

        Raises as `work` does.
        """
        await self._in_turn(module, words, called=called, tell=tell)

    async def _in_turn(
        self,
        module: str,
        words: Sequence[str],
        *,
        called: Mapping[Path, str] | None,
        tell: Tell | None = None,
        limit_s: float | None = None,
    ) -> str:
        async with self._turn:
            return await work(
                module, words, self._folder, tell=tell, limit_s=limit_s, called=called
            )


async def _until_gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.25)
