"""The classic train.py: its words in, one call of training_run out."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from unretouch.base.errors import UsageError
from unretouch.cli import run_program
from unretouch.compat import stand_ins
from unretouch.compat.filling import fill
from unretouch.compat.names_of_runs import check_epoch, full_name
from unretouch.compat.option_files import option_text
from unretouch.compat.options import ClassicTrainOptions, classic_names, elsewhere
from unretouch.settings.parser import build, read_flags, show_help, wants_help
from unretouch.settings.train import TrainSettings
from unretouch.training.launching import is_first, layout

if TYPE_CHECKING:
    from rich.console import Console

    from unretouch.tasks.train import Continuation

PROG = "train.py"


def start() -> int:
    """Run train.py on sys.argv and return the exit code."""
    return run_program(main)


def main(argv: list[str], prog: str = PROG) -> int:
    """Train as the classic words `argv` say. Returns the exit code. Raises UnretouchError."""
    options, notes = read(argv, prog)
    for note in notes if is_first() else ():
        print(f"note: {note}", file=sys.stderr)
    return launch(
        options,
        continue_train=options.continue_train,
        allow_changed_data=options.allow_changed_data,
        load_epoch=f"iter_{options.load_iter}" if options.load_iter else options.epoch,
        epoch_count=options.epoch_count,
    )


def launch(
    options: TrainSettings,
    *,
    continue_train: bool,
    allow_changed_data: bool,
    load_epoch: str = "latest",
    epoch_count: int | None = None,
) -> int:
    """Train by the settings that `options` extend. Returns the exit code.

    Raises UnretouchError.
    """
    from rich.console import Console  # late, as the next line: imports torch

    from unretouch.tasks.train import Continuation

    how = Continuation(
        continue_train=continue_train,
        load_epoch=load_epoch,
        epoch_count=epoch_count,
        allow_changed_data=allow_changed_data,
    )
    return begin(_settings(options), how, Console(), option_text(options))


def begin(
    settings: TrainSettings,
    how: Continuation,
    console: Console,
    options_text: str | None = None,
    report: bool = True,
) -> int:
    """Train in this process, or together with the others that the settings ask for.

    Returns the exit code. Raises UnretouchError.
    """
    if plan := layout(settings):
        from unretouch.tasks.together import run_together  # late: imports torch

        return run_together(settings, plan, how, console, options_text)
    from unretouch.tasks.train import train_run  # late: imports torch

    return train_run(settings, how, console, options_text, report)


def read(argv: list[str], prog: str = PROG) -> tuple[ClassicTrainOptions, list[str]]:
    """Return the options that `argv` gives, and lines about flags that do nothing here.

    Raises UsageError; leaves by SystemExit(0) after printing the help.
    """
    schema = ClassicTrainOptions
    if wants_help(argv):
        show_help(schema, prog)
    reading = read_flags(schema, argv, first=classic_names(schema), elsewhere=elsewhere(schema))
    reading, notes = stand_ins.stand_in(reading, stand_ins.TRAIN)
    reading, filled = fill(reading)
    notes += filled
    options = build(schema, reading, prog)
    _check(options)
    if not options.continue_train:
        idle = [f"--{name}" for name in ("epoch", "load_iter") if name in reading.flags]
        if idle:
            notes.append(f"{', '.join(idle)}: used only with --continue_train")
    return dataclasses.replace(options, name=full_name(options)), notes


def _settings(options: TrainSettings) -> TrainSettings:
    """Return the part of `options` that decides how a run trains."""
    names = [field.name for field in dataclasses.fields(TrainSettings)]
    return TrainSettings(**{name: getattr(options, name) for name in names})


def _check(options: ClassicTrainOptions) -> None:
    check_epoch(options.epoch)
    if options.load_iter < 0:
        raise UsageError(f"{options.load_iter} is not zero or more", "--load_iter")
    first = options.epoch_count
    last = options.n_epochs + options.n_epochs_decay
    if first is not None and first < 1:
        raise UsageError(f"{first} is not one or more", "--epoch_count")
    if first is not None and first > last and options.minutes is None:
        raise UsageError(
            f"{first} is beyond the last epoch, {last}",
            "--epoch_count",
            "Raise --n_epochs or --n_epochs_decay: they count from the first epoch of the run",
        )
