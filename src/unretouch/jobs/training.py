"""A training as a job: the ordinary command in a process of its own, restarted when killed."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unretouch.base import durable, locks
from unretouch.base.errors import ExitCode
from unretouch.jobs import child
from unretouch.runs.folder import RunDir
from unretouch.runs.history import Record, read_records

RESTARTS = 3
"""Times that a killed process is restarted: one that is killed because it needs more memory than
there is would be so for ever."""
PATIENCE_S = 10.0
"""For a process that was left behind to save and let go of the run."""


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


def start_training(
    run: RunDir,
    words: Sequence[str],
    without_parent: child.WithoutParent,
    folder: Path | None = None,
    threads: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `unretouch` with `words` in `folder`; what it prints goes to the run's console.txt.

    A pipe would end with this process, and the training with it. Raises DiskError.
    """
    durable.make_folder(run.root)
    environ = child.environment(threads)
    try:
        with run.console.open("ab") as console:
            return child.start(
                "unretouch", words, without_parent, console, folder=folder, environ=environ
            )
    except OSError as error:
        raise durable.disk_error(error, run.console) from error


class TrainingProcess:
    """The process of a training; begun at once. It saves and ends when we die."""

    def __init__(self, training: Training, threads: int | None = None) -> None:
        """Begin on so many processor threads; None: on all. Raises DiskError."""
        self._training, self._threads = training, threads
        self._restarts = 0
        wait_until_free(training.run)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        training = self._training
        return start_training(training.run, training.words, "saves", training.folder, self._threads)

    def poll(self) -> Ended | None:
        """Return how it ended, or None while it runs. A killed one is restarted. Raises
        DiskError."""
        code = self._process.poll()
        if code is None:
            return None
        if child.was_killed(code):
            if self._restarts == RESTARTS:
                return Ended(ExitCode.PROCESS_LOST, f"killed {RESTARTS + 1} times over")
            self._restarts += 1
            self._process = self._start()
            return None
        return Ended(code, "" if code in child.NO_FAILURE else last_error(self._training.run))

    def ask_to_stop(self) -> None:
        """Ask it to finish its step, save and end."""
        child.let_go(self._process)

    def stop(self) -> None:
        """Ask it to stop, and return when it has."""
        self.ask_to_stop()
        self._process.wait()


def wait_until_free(run: RunDir, seconds: float = PATIENCE_S) -> None:
    """Wait for whoever trains the run, but not longer than so many seconds.

    A process whose engine was killed notices that, but saves before it ends.
    """
    end = time.monotonic() + seconds
    while run.lock.is_file() and locks.is_held(run.lock) and time.monotonic() < end:
        time.sleep(0.1)


def last_error(run: RunDir) -> str:
    """Return in one line what the training last printed as an error."""
    try:
        return child.error_in(run.console.read_text("utf-8", errors="replace"))
    except OSError:
        return ""


# --- how far it is ----------------------------------------------------------------------------

_LAST = 99
"""Percent: the last of a curve. An end is told by the process."""


def learning_curve(training: Training) -> Iterator[tuple[int, float]]:
    """Yield percents of the schedule, rising, and the mean plain error there, in grey levels.

    The error of a percent is the mean over its log lines: one line may be of one pair.
    """
    here = 0
    errors: list[float] = []
    for record in read_records(training.run.metrics).records:
        percent, error = _percent(training, record), record.get("level_error")
        if percent is None or not isinstance(error, int | float) or not math.isfinite(error):
            continue
        if percent > here:
            if errors and here:
                yield here, sum(errors) / len(errors)
            here, errors = percent, []
        errors.append(float(error))
    if errors and here:
        yield here, sum(errors) / len(errors)


def _percent(training: Training, record: Record) -> int | None:
    try:
        if training.minutes is not None:
            share = float(record["elapsed_s"]) / (training.minutes * 60)
        else:
            share = (int(record["epoch"]) - 1) / training.epochs
        return max(0, min(_LAST, int(100 * share)))
    except (KeyError, TypeError, ValueError):
        return None
