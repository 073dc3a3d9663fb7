"""One run over several processes: start those of this machine, lead or follow, end them all.

Run as a module (`python -m unretouch.tasks.together`) it is one of the processes that another one
started: the settings come on stdin, which stays open as long as that other process lives.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console

import unretouch
from unretouch.base.errors import (
    DiskError,
    ExitCode,
    ProcessLostError,
    UnretouchError,
)
from unretouch.pixels.pairs import PictureCache, load_pairs
from unretouch.report.console import say
from unretouch.settings.train import TrainSettings, settings_from
from unretouch.tasks.train import Continuation, train_run
from unretouch.training import following
from unretouch.training.launching import Layout, layout
from unretouch.training.stopping import StoppedNow
from unretouch.training.team import Processes, join
from unretouch.training.training_pairs import cache_bytes, prepared_pairs

LAST_WORDS_S = 5.0
"""How long a process that is lost, or done, may take to end."""


def run_together(
    settings: TrainSettings,
    plan: Layout,
    continuation: Continuation,
    console: Console,
    options_text: str | None = None,
) -> ExitCode:
    """Train with all processes of `plan`, as `train_run` does with one. Only the first one speaks.

    Raises what train_run raises, and ProcessLostError saying who is lost, where that is known.
    """
    lines = following.require_split(settings, plan.processes)
    settings = dataclasses.replace(settings, devices=plan.devices, num_nodes=plan.num_nodes)
    with _others(settings, plan) as others:
        try:
            with closing(join(settings, plan)) as team:
                if not team.first:
                    return _follow(settings, team)
                for line in lines:
                    say(console, line)
                code = _lead(settings, team, continuation, console, options_text)
                others.wait()
        except ProcessLostError as error:
            raise others.explained(error) from error
    return code


def _lead(
    settings: TrainSettings,
    team: Processes,
    continuation: Continuation,
    console: Console,
    options_text: str | None,
) -> ExitCode:
    try:
        code = train_run(settings, continuation, console, options_text, team=team)
    except UnretouchError as error:
        with suppress(ProcessLostError):
            # Where the others wait: for the beginning, or for the word to go on after a save.
            if team.waits_for_beginning or isinstance(error, DiskError):
                team.excuse(error.exit_code)
        raise
    if team.waits_for_beginning:
        team.excuse(code)
    return code


def _follow(settings: TrainSettings, team: Processes) -> ExitCode:
    loaded = load_pairs(
        Path(settings.dataroot),
        settings.phase,
        settings.direction,
        settings.max_dataset_size,
        PictureCache(cache_bytes(settings)),
    )
    return following.follow(settings, prepared_pairs(settings, loaded.pairs), team)


# --- the processes of this machine ------------------------------------------------------------


@dataclass(frozen=True)
class _Other:
    rank: int
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    """its stderr"""

    def last_words(self) -> str:
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("unretouch: ") if lines else ""


class _Others:
    def __init__(self, started: list[_Other]) -> None:
        self._started = started

    def wait(self) -> None:
        for other in self._started:
            with suppress(subprocess.TimeoutExpired):
                other.process.wait(LAST_WORDS_S)

    def explained(self, error: ProcessLostError) -> ProcessLostError:
        """Return `error`, saying which process ended how, where it is one of this machine."""
        for _ in range(int(LAST_WORDS_S * 10)):
            ended = [
                o for o in self._started if o.process.poll() not in (None, ExitCode.PROCESS_LOST)
            ]
            if ended or not self._started:
                break
            with suppress(subprocess.TimeoutExpired):
                self._started[0].process.wait(0.1)
        if not ended:
            return error
        code, words = ended[0].process.returncode, ended[0].last_words()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ProcessLostError(
            f"process {ended[0].rank + 1} of this run {how}{f' ({words})' if words else ''}",
            hint="What was trained is saved; --continue_train goes on from there",
        )

    def end(self) -> None:
        for other in self._started:
            other.process.kill()
            other.process.wait()
            other.said.close()


@contextmanager
def _others(settings: TrainSettings, plan: Layout) -> Iterator[_Others]:
    """Start the other processes of this machine where no launcher has; end those that are left."""
    started: list[_Other] = []
    before = dict(os.environ)
    try:
        if not plan.launcher and "LOCAL_RANK" not in os.environ:
            _announce(plan)
            first = int(os.environ["NODE_RANK"]) * plan.devices
            for number in range(1, plan.devices):
                started.append(_started(settings, number, first + number))
        yield _Others(started)
    finally:
        _Others(started).end()
        os.environ.clear()
        os.environ.update(before)


def _announce(plan: Layout) -> None:
    """Set, where nobody did, the variables by which the processes find each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in (
        ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", port),
        ("NODE_RANK", 0),
        ("LOCAL_RANK", 0),
        ("WORLD_SIZE", plan.processes),
    ):
        os.environ.setdefault(name, str(value))


def _started(settings: TrainSettings, local_rank: int, rank: int) -> _Other:
    source = str(Path(unretouch.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    said = tempfile.TemporaryFile()  # noqa: SIM115, closed by end()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=said,
        env={**os.environ, "LOCAL_RANK": str(local_rank), "PYTHONPATH": path},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(settings.to_dict()).encode() + b"\n")
    process.stdin.flush()
    return _Other(rank, process, said)


def main() -> ExitCode:
    """Be one of the processes that another one started. Returns the exit code."""
    settings = settings_from(json.loads(sys.stdin.readline()), "settings of the first process")
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    plan = layout(settings)
    assert plan is not None
    try:
        return _follow(settings, join(settings, plan))
    except UnretouchError as error:
        print(f"unretouch: {error}", file=sys.stderr)
        return error.exit_code
    except StoppedNow as stopped:
        return stopped.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _end_with_the_first() -> None:
    sys.stdin.read()  # ends when the process that started this one is gone
    os._exit(ExitCode.PROCESS_LOST)


if __name__ == "__main__":
    # Nothing is left to save or to say: the connections need no ceremony.
    os._exit(main())
