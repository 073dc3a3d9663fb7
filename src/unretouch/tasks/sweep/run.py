"""Sweep: train what is not trained yet, wherever the engine says, and compare what came out."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from unretouch.base import durable
from unretouch.base.errors import DiskError, ExitCode, UnretouchError
from unretouch.jobs.early_stop import learning_curve
from unretouch.jobs.engine import trainings
from unretouch.jobs.training import Ended, Training
from unretouch.pixels.pairs import PictureCache, load_pairs
from unretouch.report.console import say
from unretouch.settings.small_commands import SweepSettings
from unretouch.settings.train import FREE, Direction, TrainSettings
from unretouch.tasks.compare.comparison import compare
from unretouch.tasks.compare.output import write_comparison
from unretouch.tasks.compare.runs import read_run
from unretouch.tasks.compare.table import renderables
from unretouch.tasks.sweep.folder import SweepFolder
from unretouch.training import fast_fit
from unretouch.training.estimates import run_bytes
from unretouch.training.stopping import (
    StoppedNow,
    exit_code_of,
    is_hangup,
    leave_terminal,
    stop_signals,
)

_SHOWN_EVERY_S = 2.0
_SHOWN = 4
"""Runs whose progress has room in one line."""


@dataclass(frozen=True)
class Member:
    """One run of a sweep: its settings, and the words of `unretouch train` that ask for it."""

    settings: TrainSettings
    words: tuple[str, ...]


@dataclass(frozen=True)
class SweepRequest:
    """The runs of a sweep, and what was asked for besides."""

    name: str
    checkpoints: Path
    """folder of all runs, absolute"""
    members: Sequence[Member]
    asked: SweepSettings


@dataclass(frozen=True)
class _Sorted:
    todo: list[Training]
    over: list[Training]
    """finished, or given up"""
    lines: list[str]


def describe(request: SweepRequest) -> Iterator[str]:
    """Yield a line for each run, what a sweep would do with it, and what all ask for."""
    folder = SweepFolder(request.checkpoints, request.name)
    sorted_ = _sort(request, folder)
    yield from sorted_.lines
    names = {training.name for training in sorted_.todo}
    members = [member for member in request.members if member.settings.name in names]
    minutes = [member.settings.minutes for member in members]
    space = sum(_space(request, member.settings) for member in members)
    time = "time not known beforehand: it is given in epochs"
    if all(minute is not None for minute in minutes):
        time = f"{sum(minute or 0.0 for minute in minutes):g} minutes one after the other"
    yield (
        f"{len(members)} of {len(request.members)} runs to train; {time}; "
        f"disk: at most {durable.megabytes(space)} more"
    )


def sweep(request: SweepRequest, console: Console) -> int:
    """Train every member that is not finished, print what happens, and write the comparison.

    Returns the exit code: 0, or that of the first run that failed; 130 and 143 after Ctrl+C and
    SIGTERM, when every run has saved. Raises UnretouchError before anything is trained; DiskError
    also later.
    """
    folder = SweepFolder(request.checkpoints, request.name)
    for member in request.members:
        if member.settings.recipe == "fast":
            fast_fit.require_settings(member.settings)
    for where in {_data(member.settings): None for member in request.members}:
        load_pairs(*where, PictureCache(0))  # one by one: here they are only checked
    with folder.held():
        sorted_ = _sort(request, folder)
        for line in sorted_.lines:
            say(console, line)
        members = {member.settings.name: member for member in request.members}
        _require_room(request, [members[training.name].settings for training in sorted_.todo])
        try:
            failures = _train(request, sorted_, folder, console)
        except StoppedNow as stopped:
            say(console, "stopped; what was trained is saved, and the same command goes on")
            return stopped.exit_code
        return _compare(request, folder, failures, console)


def _data(settings: TrainSettings) -> tuple[str, str, Direction, float]:
    return settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size


def _sort(request: SweepRequest, folder: SweepFolder) -> _Sorted:
    """Tell the runs that are to be trained from those that are finished or were given up."""
    given_up = {} if request.asked.no_early_stop else folder.given_up()
    todo, over, lines = [], [], []
    for member in request.members:
        settings = member.settings
        training = Training(
            name=settings.name,
            checkpoints=request.checkpoints,
            words=member.words,
            folder=Path.cwd(),
            minutes=settings.minutes,
            epochs=settings.n_epochs + settings.n_epochs_decay,
        )
        if settings.name in given_up:
            at = given_up[settings.name]
            lines.append(f"{settings.name}: given up before, at {at}; --no_early_stop goes on")
            over.append(training)
        elif _finished(request, settings):
            lines.append(f"{settings.name}: finished before")
            over.append(training)
        else:
            lines.append(f"{settings.name}: to train")
            todo.append(training)
    return _Sorted(todo, over, lines)


def _finished(request: SweepRequest, settings: TrainSettings) -> bool:
    """Whether the run is finished as it is asked for now; anything else is left to `train`."""
    try:
        record = read_run(request.checkpoints, settings.name)
    except UnretouchError:
        return False
    if record.state != "finished" or not record.run.states():
        return False
    before, now = record.settings, settings
    if now.precision == "auto":
        now = dataclasses.replace(now, precision=before.precision)
    return all(
        getattr(before, field.name) == getattr(now, field.name)
        for field in dataclasses.fields(TrainSettings)
        if field.name not in FREE
    )


def _space(request: SweepRequest, settings: TrainSettings) -> int:
    """Return the bytes that a run still asks for."""
    root = request.checkpoints / settings.name
    there = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    return max(0, run_bytes(settings) - there)


def _require_room(request: SweepRequest, todo: Sequence[TrainSettings]) -> None:
    space = sum(_space(request, settings) for settings in todo)
    free = durable.free_bytes(request.checkpoints)
    if free < space:
        raise DiskError(
            f"not enough space for {len(todo)} runs: {durable.megabytes(space)} needed, "
            f"{durable.megabytes(free)} free",
            request.checkpoints,
            "Free some space, lower --keep_gb, or choose another disk by --checkpoints_dir",
        )


def _train(
    request: SweepRequest, sorted_: _Sorted, folder: SweepFolder, console: Console
) -> list[Ended]:
    todo = sorted_.todo
    if not todo:
        return []
    asked = request.asked
    ends = trainings(asked.engine, todo, asked.jobs, not asked.no_early_stop, sorted_.over)
    failures = []
    say(console, f"what they print: {request.checkpoints / request.name}/*/console.txt")
    with _signals_raise(), _progress(console, todo) as done, closing(ends):
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


def _compare(
    request: SweepRequest, folder: SweepFolder, failures: Sequence[Ended], console: Console
) -> int:
    code = failures[0].exit_code if failures else ExitCode.OK
    names = [member.settings.name for member in request.members]
    try:
        comparison = compare(
            names, request.checkpoints, folder.comparison, lambda line: say(console, line)
        )
    except UnretouchError:
        if failures:  # none came far enough: what failed is what matters
            return code
        raise
    page = write_comparison(comparison, folder.comparison)
    for shown in renderables(comparison):
        console.print(shown, highlight=False)
    say(console, f"page: {page}")
    return code


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


@contextmanager
def _progress(console: Console, todo: Sequence[Training]) -> Iterator[set[str]]:
    """Show at a terminal how far the runs are while entered; yield a set for the names of those
    that have ended."""
    ended: set[str] = set()
    if not console.is_terminal:
        yield ended
        return
    over = threading.Event()
    with console.status(Text("starting")) as status:

        def look() -> None:
            while not over.wait(_SHOWN_EVERY_S):
                status.update(Text(_progress_line(todo, ended)))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield ended
        finally:
            over.set()
            thread.join()


def _progress_line(todo: Sequence[Training], ended: set[str]) -> str:
    parts = [f"{len(ended)} of {len(todo)} done"]
    under_way = [one for one in todo if one.name not in ended and one.run.console.is_file()]
    for one in under_way[:_SHOWN]:
        curve = list(learning_curve(one))
        if curve:
            percent, error = curve[-1]
            parts.append(f"{one.name} {percent} %, {error:.2f} levels")
    return "; ".join(parts)
