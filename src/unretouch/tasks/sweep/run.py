"""Sweep: train what is not trained yet, wherever the engine says, and compare what came out."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from unretouch.base import durable, locks
from unretouch.base.errors import CheckpointError, DataError, DiskError, ExitCode, UnretouchError
from unretouch.base.terminal import counted
from unretouch.jobs.engine import trainings
from unretouch.jobs.training import Ended, Training, learning_curve
from unretouch.pixels.pairs import PictureCache, load_pairs, load_untouched
from unretouch.report.console import say
from unretouch.runs.folder import RunDir, find_runs
from unretouch.runs.history import condition_of
from unretouch.settings.commands import CompareSettings, SweepSettings
from unretouch.settings.train import Direction, TrainSettings, load_settings
from unretouch.tasks.compare.command import main as compare
from unretouch.training import fast_fit
from unretouch.training.estimates import run_bytes
from unretouch.training.stopping import (
    StoppedNow,
    exit_code_of,
    is_hangup,
    leave_terminal,
    stop_signals,
)

SCHEMA = 1
"""Of sweep.json."""

_SHOWN_EVERY_S = 2.0
_SHOWN = 4
"""Runs whose progress has room in one line."""


class SweepFolder:
    """The sweep's own files beside its runs: which process sweeps, and which runs were given up."""

    def __init__(self, checkpoints: Path, name: str) -> None:
        """`checkpoints` is the folder of all runs, absolute. Raises DataError where a run has that
        name."""
        folder = RunDir(checkpoints, name)
        if folder.config.exists():
            raise DataError("is a run, not a sweep", folder.root, "Give the sweep another --name")
        self.name, self.checkpoints, self.root = name, checkpoints, folder.root
        self.comparison = self.root / "comparison"
        self._file = self.root / "sweep.json"
        self._lock = self.root / "sweep.lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one that sweeps here. Raises DataError naming who does, DiskError."""
        durable.make_folder(self.root)
        with locks.held(self._lock, self._taken) as file:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _taken(self) -> DataError:
        return DataError(
            f"another process sweeps here (process {self._holder()})",
            self.root,
            "Wait for it, stop it, or give this sweep another --name",
        )

    def _holder(self) -> str:
        try:
            return self._lock.read_text("utf-8").strip() or "that has just begun"
        except OSError:  # Windows lets nobody read it
            return "unknown"

    def given_up(self) -> dict[str, str]:
        """Return where runs stood when they were stopped for the sake of others, by name.

        Raises CheckpointError for a damaged file.
        """
        try:
            record = json.loads(self._file.read_text("utf-8"))
            return {str(name): str(at) for name, at in record["given_up"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "Move it away: runs that were given up will then be taken up again"
            raise CheckpointError(f"cannot be read: {error}", self._file, hint) from error

    def give_up(self, name: str, at: str) -> None:
        """Remember that a run was stopped. Raises DiskError."""
        record = {"schema": SCHEMA, "given_up": {**self.given_up(), name: at}}
        durable.write_json(self._file, record)


class Member:
    """One run of a sweep: its settings, and the training that is asked for."""

    def __init__(
        self, folder: SweepFolder, settings: TrainSettings, words: tuple[str, ...]
    ) -> None:
        """`words` are those of `unretouch train` that mean the settings."""
        self.settings = settings
        self.training = Training(
            name=settings.name,
            checkpoints=folder.checkpoints,
            words=words,
            folder=Path.cwd(),
            minutes=settings.minutes,
            epochs=settings.n_epochs + settings.n_epochs_decay,
        )

    def finished(self) -> bool:
        """Whether it is finished as it is asked for now; anything else is left to `train`."""
        run, now = self.training.run, self.settings
        try:
            before = load_settings(run.config)
        except UnretouchError:
            return False
        if condition_of(run).state != "finished" or not run.states():
            return False
        if now.precision == "auto":
            now = dataclasses.replace(now, precision=before.precision)
        return before.deciding() == now.deciding()

    def space(self) -> int:
        """Return the bytes that it still asks for."""
        files = (path for path in self.training.run.root.rglob("*") if path.is_file())
        return max(0, run_bytes(self.settings) - sum(path.stat().st_size for path in files))


@dataclass(frozen=True)
class _Sorted:
    todo: list[Member]
    over: list[Training]
    """finished, or given up"""
    lines: list[str]


def describe(folder: SweepFolder, members: Sequence[Member], asked: SweepSettings) -> Iterator[str]:
    """Yield a line for each run, what a sweep would do with it, and what all ask for."""
    found = _sort(folder, members, asked)
    yield from found.lines
    minutes = [member.settings.minutes for member in found.todo]
    time = "time not known beforehand: it is given in epochs"
    if all(minute is not None for minute in minutes):
        time = counted(sum(minute or 0.0 for minute in minutes), "minute") + " one after the other"
    space = sum(member.space() for member in found.todo)
    yield (
        f"{len(found.todo)} of {counted(len(members), 'run')} to train; {time}; "
        f"disk: at most {durable.megabytes(space)} more"
    )


def sweep(
    folder: SweepFolder, members: Sequence[Member], asked: SweepSettings, console: Console
) -> int:
    """Train every member that is not finished, print what happens, and write the comparison.

    Returns the exit code: 0, or that of the first run that failed; 130 and 143 after Ctrl+C and
    SIGTERM, when every run has saved. Raises UnretouchError before anything is trained; DiskError
    also later.
    """
    for member in members:
        if member.settings.recipe == "fast":
            fast_fit.require_settings(member.settings)
    for where, also in {(_data(m.settings), m.settings.also): None for m in members}:
        loaded = load_pairs(*where, PictureCache(0))  # one by one: here they are only checked
        if also:
            load_untouched(Path(also), loaded)
    with folder.held():
        found = _sort(folder, members, asked)
        for line in found.lines:
            say(console, line)
        _require_room(folder.checkpoints, found.todo)
        try:
            failures = _train(folder, found, asked, console)
        except StoppedNow as stopped:
            say(console, "stopped; what was trained is saved, and the same command goes on")
            return stopped.exit_code
        code = failures[0].exit_code if failures else ExitCode.OK
        there = {run.name for run in find_runs(folder.checkpoints)}
        names = tuple(m.settings.name for m in members if m.settings.name in there)
        if not names:
            return code  # what failed was told
        try:
            compare(
                CompareSettings(
                    runs=names, checkpoints_dir=folder.checkpoints, out=folder.comparison
                ),
                console,
            )
        except DataError:
            if not failures:
                raise
            # None came far enough to compare: what failed is what matters.
        return code


def _data(settings: TrainSettings) -> tuple[str, str, Direction, float]:
    return settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size


def _sort(folder: SweepFolder, members: Sequence[Member], asked: SweepSettings) -> _Sorted:
    """Tell the runs that are to be trained from those that are finished or were given up."""
    given_up = {} if asked.no_early_stop else folder.given_up()
    found = _Sorted([], [], [])
    for member in members:
        name = member.settings.name
        if name in given_up:
            said = f"given up before, at {given_up[name]}; --no_early_stop goes on"
            found.over.append(member.training)
        elif member.finished():
            said = "finished before"
            found.over.append(member.training)
        else:
            said = "to train"
            found.todo.append(member)
        found.lines.append(f"{name}: {said}")
    return found


def _require_room(checkpoints: Path, todo: Sequence[Member]) -> None:
    space, free = sum(member.space() for member in todo), durable.free_bytes(checkpoints)
    if free < space:
        raise DiskError(
            f"not enough space for {counted(len(todo), 'run')}: {durable.megabytes(space)} needed, "
            f"{durable.megabytes(free)} free",
            checkpoints,
            "Free some space, lower --keep_gb, or choose another disk by --checkpoints_dir",
        )


def _train(
    folder: SweepFolder, found: _Sorted, asked: SweepSettings, console: Console
) -> list[Ended]:
    """Train what is to be trained; return how those ended that failed."""
    todo = [member.training for member in found.todo]
    if not todo:
        return []
    ends = trainings(asked.engine, todo, asked.jobs, not asked.no_early_stop, found.over)
    failures: list[Ended] = []
    done: set[str] = set()
    say(console, f"what they print: {folder.root}/*/console.txt")
    progress = Live(
        console=console,
        get_renderable=lambda: Text(_progress_line(todo, done)),
        refresh_per_second=1 / _SHOWN_EVERY_S,
        auto_refresh=console.is_terminal,
        transient=True,
    )
    with _signals_raise(), progress, closing(ends):
        for training, ended in ends:
            done.add(training.name)
            say(console, f"{training.name}: {_told(ended)}")
            if ended.hopeless:
                folder.give_up(training.name, ended.said)
            elif ended.exit_code != ExitCode.OK:
                failures.append(ended)
            if ended.exit_code == ExitCode.DISK:
                raise DiskError("a run could not be saved", training.run.root, ended.said)
    return failures


def _told(ended: Ended) -> str:
    if ended.hopeless:
        return f"given up as hopeless beside the others, at {ended.said}"
    if ended.exit_code == ExitCode.OK:
        return "done"
    if ended.exit_code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        return "was stopped; the same command goes on"
    return f"failed (exit {int(ended.exit_code)}): {ended.said}"


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Make the signals that ask to stop raise StoppedNow with their exit code while entered."""
    asked: int | None = None

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if is_hangup(number):
            leave_terminal()
            if asked == number:  # told once by the shell and once by the kernel
                return
        asked = number
        raise StoppedNow(exit_code_of(number))

    before = {number: signal.signal(number, stop) for number in stop_signals()}
    try:
        yield
    except KeyboardInterrupt as error:
        if asked is None or isinstance(error, StoppedNow):
            raise
        # Where it lands in a call of Ray, that raises an error of its own instead.
        raise StoppedNow(exit_code_of(asked)) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress_line(todo: Sequence[Training], ended: set[str]) -> str:
    parts = [f"{len(ended)} of {len(todo)} done"]
    under_way = [one for one in todo if one.name not in ended and one.run.console.is_file()]
    for one in under_way[:_SHOWN]:
        curve = list(learning_curve(one))
        if curve:
            percent, error = curve[-1]
            parts.append(f"{one.name} {percent} %, {error:.2f} levels")
    return "; ".join(parts)
