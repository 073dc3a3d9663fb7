"""`unretouch sweep`: one run for every combination of settings, and the page that compares them."""

from __future__ import annotations

import sys
from pathlib import Path

from unretouch.base.errors import ExitCode, UsageError
from unretouch.base.names import run_name
from unretouch.base.terminal import tell
from unretouch.settings.commands import SweepSettings
from unretouch.settings.fields import flags_of
from unretouch.settings.parser import build, read, show_help_if_asked, values
from unretouch.settings.train import TrainOptions
from unretouch.tasks import classic_commands
from unretouch.tasks.classic_commands import FIRST, elsewhere
from unretouch.tasks.sweep import grid
from unretouch.tasks.sweep.grid import Settings, Value

PROG = "unretouch sweep"
TRAINING = flags_of(TrainOptions)

BEGINNINGS = ("epoch", "epoch_count", "load_iter", "suffix")
"""Flags of a training that say where one run begins or how one is called."""
ONE_FOR_ALL = ("name", "checkpoints_dir", "allow_changed_data")
"""Flags of a training that are the sweep's own."""


def main(argv: list[str]) -> int:
    """Sweep. Returns the exit code. Raises UnretouchError."""
    own = flags_of(SweepSettings)
    show_help_if_asked(argv, SweepSettings, PROG)
    words = read(
        {**TRAINING, **own}, argv, first=FIRST, elsewhere=elsewhere(TRAINING), several=True
    )
    several = next((name for name in own if len(words.get(name, ())) > 1), None)
    if several:
        raise UsageError("takes one value", f"--{several}")
    settings = build(SweepSettings, values(own, words), PROG)
    plan = grid.from_flags({k: v for k, v in words.items() if k not in own})
    if settings.file is not None:
        plan = grid.merged(grid.from_file(settings.file, TRAINING), plan)
    return _sweep(settings, plan)


def _sweep(asked: SweepSettings, plan: grid.Plan) -> int:
    _check(plan)
    common = dict(plan.common)
    name = run_name(_one(common.pop("name", ("experiment_name",)), "name"))
    ordinary = TRAINING["checkpoints_dir"].default
    checkpoints = Path(_one(common.get("checkpoints_dir", (ordinary,)), "checkpoints_dir"))
    common.pop("continue_train", None)  # the guide's commands carry it; a sweep always goes on
    found = grid.combinations(grid.Plan(common, plan.axes, plan.rows))
    words = [_words(f"{name}/{segment}", one) for segment, one in found.items()]
    settings = [classic_commands.asked(list(each[1:])) for each in words]

    from rich.console import Console  # late, as the next lines: imports torch

    from unretouch.tasks.sweep.run import Member, SweepFolder, describe, sweep

    folder = SweepFolder(checkpoints.absolute(), name)
    members = [Member(folder, *each) for each in zip(settings, words, strict=True)]
    if asked.dry_run:
        for line in describe(folder, members, asked):
            tell(line, sys.stdout)
        return ExitCode.OK
    return sweep(folder, members, asked, Console())


def _check(plan: grid.Plan) -> None:
    varied = [*plan.axes, *(name for row in plan.rows for name in row.settings)]
    for name in (*plan.common, *varied):
        if name in BEGINNINGS:
            raise UsageError("is for a single run, a sweep has many", f"--{name}")
    for name in varied:
        if name in (*ONE_FOR_ALL, "continue_train"):
            raise UsageError("is one for the whole sweep", f"--{name}", "Give it one value")


def _one(value: Value, name: str) -> str:
    if not value:
        raise UsageError("needs a text", f"--{name}")
    return value[0]


def _words(name: str, settings: Settings) -> tuple[str, ...]:
    """Return the words of the training `name` with these settings, with `train` first."""
    words = ["train"]
    for flag, value in {**settings, "name": (name,)}.items():
        if value is not None:
            words.append("=".join((f"--{flag}", *value)))
    return (*words, "--continue_train")
