"""A training as a job: the ordinary command in a process of its own, begun anew when killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from unretouch.base import durable, locks
from unretouch.base.errors import ExitCode
from unretouch.runs.folder import RunDir

RESTARTS = 3
"""Times that a killed process is begun anew: one that is killed for want of memory would be so
for ever."""
PATIENCE_S = 10.0
"""For a process that was left behind to save and let go of the run."""
_SAID_LINES = 3


@dataclass(frozen=True)
class Training:
    """A run to be trained by `unretouch train`, or to go on."""

    name: str
    checkpoints: Path
    """folder of all runs, absolute"""
    words: tuple[str, ...]
    """of the command, `train` first; paths in them count from `folder`"""
    folder: Path
    minutes: float | None
    """its time budget, or None where `epochs` count"""
    epochs: int

    @property
    def run(self) -> RunDir:
        return RunDir(self.checkpoints, self.name)


@dataclass(frozen=True)
class Ended:
    """How a training ended; `hopeless` where the engine stopped it for the sake of others."""

    exit_code: int
    said: str = ""
    """the last lines it printed, where it failed"""
    hopeless: bool = False


class TrainingProcess:
    """The process of a training; begun at once."""

    def __init__(self, training: Training, threads: int | None = None) -> None:
        """Begin on so many processor threads; None: on all. Raises DiskError."""
        self._training, self._threads = training, threads
        self._restarts = 0
        wait_until_free(training.run)
        self._process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        run = self._training.run
        durable.make_folder(run.root)
        try:
            with run.console.open("ab") as console:
                return self._open(console)
        except OSError as error:
            raise durable.disk_error(error, run.console) from error

    def _open(self, console: BinaryIO) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        if self._threads is not None:
            environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), f"{self._threads}")
        # -P: no file in the working folder is taken for a module of ours.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "unretouch.jobs.kept", *self._training.words],
            stdin=subprocess.PIPE,
            stdout=console,
            stderr=console,
            cwd=self._training.folder,
            env=environment,
            **_apart(),
        )

    def poll(self) -> Ended | None:
        """Return how it ended, or None while it runs. A killed one is begun anew. Raises
        DiskError."""
        code = self._process.poll()
        if code is None:
            return None
        if _was_killed(code) and self._restarts < RESTARTS:
            self._restarts += 1
            self._process = self._begin()
            return None
        if _was_killed(code):
            return Ended(ExitCode.PROCESS_LOST, f"killed {RESTARTS + 1} times over")
        failed = code not in (ExitCode.OK, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
        return Ended(code, last_words(self._training.run) if failed else "")

    def ask_to_stop(self) -> None:
        """Ask it to finish its step, save and end."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def stop(self) -> None:
        """Ask it to stop, and return when it has."""
        self.ask_to_stop()
        self._process.wait()


def threads_asked() -> int | None:
    """Return the threads that the person asked for by OMP_NUM_THREADS, which wins over a share."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else None


def wait_until_free(run: RunDir, seconds: float = PATIENCE_S) -> None:
    """Wait for whoever trains the run, but not longer than so many seconds.

    A process whose engine was killed notices that, but saves before it ends.
    """
    end = time.monotonic() + seconds
    while run.lock.is_file() and locks.is_held(run.lock) and time.monotonic() < end:
        time.sleep(0.1)


def last_words(run: RunDir) -> str:
    """Return what the training last printed as an error, in one line."""
    try:
        lines = run.console.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    marked = [line.removeprefix("unretouch: ") for line in lines if line.startswith("unretouch: ")]
    return " ".join((marked or [line.strip() for line in lines if line.strip()])[-_SAID_LINES:])


def _was_killed(code: int) -> bool:
    # A signal, as Popen tells it and as a shell or a container does. Windows tells none apart.
    return code < 0 or code == 137


def _apart() -> dict[str, Any]:
    """Return what keeps the terminal's Ctrl+C from the child: it is asked once, by its stdin."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"process_group": 0}
