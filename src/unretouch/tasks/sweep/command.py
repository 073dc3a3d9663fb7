"""`unretouch sweep`: one run for every combination of settings, and the page that compares them."""

from __future__ import annotations

from pathlib import Path

from unretouch.base.errors import ExitCode, UsageError
from unretouch.base.names import run_name
from unretouch.settings.fields import flags_of
from unretouch.settings.parser import Reading, build, read, show_help, values, wants_help
from unretouch.settings.small_commands import SweepSettings
from unretouch.settings.train import TrainOptions
from unretouch.tasks import classic_commands
from unretouch.tasks.classic_commands import FIRST, elsewhere
from unretouch.tasks.sweep import grid
from unretouch.tasks.sweep.grid import Combination, Settings, Value

PROG = "unretouch sweep"
TRAINING = flags_of(TrainOptions)

BEGINNINGS = ("epoch", "epoch_count", "load_iter", "suffix")
"""Flags of a training that say where one run begins or how one is called."""
ONE_FOR_ALL = ("name", "checkpoints_dir", "allow_changed_data")
"""Flags of a training that are the sweep's own."""


def main(argv: list[str]) -> int:
    """Sweep. Returns the exit code. Raises UnretouchError."""
    own = flags_of(SweepSettings)
    if wants_help(argv):
        show_help(SweepSettings, PROG)
    reading = read(
        {**TRAINING, **own}, argv, first=FIRST, elsewhere=elsewhere(TRAINING), several=True
    )
    several = next((name for name in own if len(reading.flags.get(name, ())) > 1), None)
    if several:
        raise UsageError("takes one value", f"--{several}")
    settings = build(SweepSettings, values(own, Reading(reading.flags)), PROG)
    plan = grid.from_flags({k: v for k, v in reading.flags.items() if k not in own})
    if settings.file is not None:
        switches = [flag.name for flag in TRAINING.values() if flag.is_switch]
        plan = grid.merged(grid.from_file(settings.file, switches, TRAINING), plan)
    return _sweep(settings, plan)


def _sweep(asked: SweepSettings, plan: grid.Plan) -> int:
    _check(plan)
    common = dict(plan.common)
    name = run_name(_one(common.pop("name", ("experiment_name",)), "name"))
    ordinary = TRAINING["checkpoints_dir"].default
    checkpoints = _one(common.get("checkpoints_dir", (ordinary,)), "checkpoints_dir")
    common.pop("continue_train", None)  # the guide's commands carry it; a sweep always goes on
    found = grid.combinations(grid.Plan(common, plan.axes, plan.rows))
    words = [_words(name, one) for one in found]
    settings = [classic_commands.asked(list(each[1:])) for each in words]

    from rich.console import Console  # late, as the next lines: imports torch

    from unretouch.tasks.sweep.run import Member, SweepRequest, describe, sweep

    request = SweepRequest(
        name=name,
        checkpoints=Path(checkpoints).absolute(),
        members=[Member(*each) for each in zip(settings, words, strict=True)],
        asked=asked,
    )
    if asked.dry_run:
        for line in describe(request):
            print(line)
        return ExitCode.OK
    return sweep(request, Console())


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


def _words(name: str, one: Combination) -> tuple[str, ...]:
    """Return the words of the training that `one` asks for, with `train` first."""
    settings: Settings = {**one.settings, "name": (f"{name}/{one.segment}",)}
    words = ["train"]
    for flag, value in settings.items():
        if value is not None:
            words.append("=".join((f"--{flag}", *value)))
    return (*words, "--continue_train")
