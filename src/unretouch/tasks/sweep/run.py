"""Sweep: train what is not trained yet, wherever the engine says, and compare what came out."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from unretouch import jobs as engines
from unretouch.base import durable
from unretouch.base.errors import DiskError, ExitCode, UnretouchError
from unretouch.jobs.training import Ended, Training
from unretouch.pixels.pairs import PictureCache, load_pairs
from unretouch.report.console import say
from unretouch.settings.train import FREE, Direction, TrainSettings
from unretouch.tasks.compare.comparison import compare
from unretouch.tasks.compare.output import write_comparison
from unretouch.tasks.compare.runs import read_run
from unretouch.tasks.compare.table import renderables
from unretouch.tasks.doctor.disk import needed
from unretouch.tasks.sweep.notebook import Notebook
from unretouch.tasks.sweep.watch import watching
from unretouch.training import fast_fit
from unretouch.training.stopping import (
    StoppedNow,
    exit_code_of,
    is_hangup,
    leave_terminal,
    stop_signals,
)


@dataclass(frozen=True)
class Member:
    """One run of a sweep: its settings, and the words of `unretouch train` that ask for it."""

    settings: TrainSettings
    words: tuple[str, ...]


@dataclass(frozen=True)
class SweepRequest:
    """What is asked of `sweep`."""

    name: str
    checkpoints: Path
    """folder of all runs, absolute"""
    members: Sequence[Member]
    engine: engines.EngineName = "local"
    at_once: int | None = None
    early_stop: bool = True


@dataclass(frozen=True)
class _Sorted:
    todo: list[Training]
    over: list[Training]
    """finished, or given up"""
    lines: list[str]


def describe(request: SweepRequest) -> Iterator[str]:
    """Yield a line for each run, what a sweep would do with it, and what all ask for."""
    notebook = Notebook(request.checkpoints, request.name)
    sorted_ = _sort(request, notebook)
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
    notebook = Notebook(request.checkpoints, request.name)
    for member in request.members:
        if member.settings.recipe == "fast":
            fast_fit.require_settings(member.settings)
    for where in {_data(member.settings): None for member in request.members}:
        load_pairs(*where, PictureCache(0))  # one by one: here they are only checked
    with notebook.held():
        sorted_ = _sort(request, notebook)
        for line in sorted_.lines:
            say(console, line)
        members = {member.settings.name: member for member in request.members}
        _require_room(request, [members[training.name].settings for training in sorted_.todo])
        try:
            failures = _train(request, sorted_, notebook, console)
        except StoppedNow as stopped:
            say(console, "stopped; what was trained is saved, and the same command goes on")
            return stopped.exit_code
        return _compare(request, notebook, failures, console)


def _data(settings: TrainSettings) -> tuple[str, str, Direction, float]:
    return settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size


def _sort(request: SweepRequest, notebook: Notebook) -> _Sorted:
    """Tell the runs that are to be trained from those that are finished or were given up."""
    given_up = notebook.given_up() if request.early_stop else {}
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
    return max(0, needed(settings) - there)


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
    request: SweepRequest, sorted_: _Sorted, notebook: Notebook, console: Console
) -> list[Ended]:
    todo = sorted_.todo
    if not todo:
        return []
    engine = engines.trainings(request.engine, request.at_once, request.early_stop, sorted_.over)
    failures = []
    say(console, f"what they print: {request.checkpoints / request.name}/*/console.txt")
    with _signals_raise(), watching(console, todo) as done:
        try:
            for training in todo:
                engine.submit(training)
            for training, ended in engine.wait():
                done.add(training.name)
                say(console, f"{training.name}: {_told(ended)}")
                if ended.hopeless:
                    notebook.give_up(training.name, ended.said)
                elif ended.exit_code != ExitCode.OK:
                    failures.append(ended)
                if ended.exit_code == ExitCode.DISK:
                    raise DiskError("a run could not be saved", training.run.root, ended.said)
        finally:
            engine.cancel()
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
    request: SweepRequest, notebook: Notebook, failures: Sequence[Ended], console: Console
) -> int:
    code = failures[0].exit_code if failures else ExitCode.OK
    names = [member.settings.name for member in request.members]
    try:
        comparison = compare(
            names, request.checkpoints, notebook.comparison, lambda line: say(console, line)
        )
    except UnretouchError:
        if failures:  # none came far enough: what failed is what matters
            return code
        raise
    page = write_comparison(comparison, notebook.comparison)
    for shown in renderables(comparison):
        console.print(shown, highlight=False)
    say(console, f"page: {page}")
    return code


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Make the signals that ask to stop raise StoppedNow with their exit code while entered."""
    hung_up = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal hung_up
        if is_hangup(number):
            leave_terminal()
            if hung_up:  # told once by the shell and once by the kernel
                return
            hung_up = True
        raise StoppedNow(exit_code_of(number))

    before = {number: signal.signal(number, stop) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
