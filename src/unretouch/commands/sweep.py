"""`unretouch sweep`: one run for every combination of settings, and the page that compares them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unretouch.base.errors import ExitCode, UsageError
from unretouch.base.names import run_name
from unretouch.commands import train
from unretouch.compat.options import ClassicTrainOptions, classic_names, elsewhere
from unretouch.settings.parser import Flag, build, flags_of, read_flags, show_help, wants_help
from unretouch.tasks.sweep import grid
from unretouch.tasks.sweep.grid import Combination, Settings, Value

PROG = "unretouch sweep"

BEGINNINGS = ("epoch", "epoch_count", "load_iter", "suffix")
"""Flags of a training that say where one run begins or how one is called."""
ONE_FOR_ALL = ("name", "checkpoints_dir", "allow_changed_data")
"""Flags of a training that are the sweep's own."""

_CHECKPOINTS = "./checkpoints"


@dataclass(frozen=True, kw_only=True)
class OwnOptions:
    """Train one run for every combination of settings, then compare them.

    Every flag of `unretouch train` goes here, too, with one value or with several:
    --lambda_L1 300 500 1000 --lr 1e-4 5e-5 are six runs. The same command goes on where it stopped.
    """

    file: str | None = None
    """settings from a TOML file: lists vary, tables [[run]] list runs; flags given win"""
    engine: Literal["local", "ray"] = "local"
    """where they train: local is this computer; ray, an extra, all that Ray reaches, and gives up
    the hopeless ones early"""
    jobs: int | None = None
    """runs side by side; unset, one with local, with ray one a GPU or a core"""
    no_early_stop: bool = False
    """with --engine ray: let every run come to its end, also those that were given up before"""
    dry_run: bool = False
    """list the runs, with the time and the disk they ask for, and train none"""


@dataclass(frozen=True, kw_only=True)
class SweepOptions(ClassicTrainOptions, OwnOptions):
    """All that may stand on the command line."""


def main(argv: list[str]) -> int:
    """Sweep. Returns the exit code. Raises UnretouchError."""
    if wants_help(argv):
        show_help(OwnOptions, PROG)
    reading = read_flags(
        SweepOptions, argv, first=classic_names(ClassicTrainOptions),
        elsewhere=elsewhere(ClassicTrainOptions), several=True,
    )  # fmt: skip
    own = {name: words for name, words in reading.flags.items() if name in flags_of(OwnOptions)}
    several = next((name for name, words in own.items() if len(words) > 1), None)
    if several:
        raise UsageError("takes one value", f"--{several}")
    options = build(OwnOptions, type(reading)(own), PROG)
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"{options.jobs} is not above zero", "--jobs")
    plan = grid.from_flags({k: v for k, v in reading.flags.items() if k not in own})
    if options.file is not None:
        switches = [flag.name for flag in _training_flags().values() if flag.is_switch]
        from_file = grid.from_file(Path(options.file), switches, _training_flags())
        plan = grid.merged(from_file, plan)
    return _sweep(options, plan)


def _training_flags() -> dict[str, Flag]:
    return flags_of(ClassicTrainOptions)


def _sweep(options: OwnOptions, plan: grid.Plan) -> int:
    _check(plan)
    common = dict(plan.common)
    name = run_name(_one(common.pop("name", ("experiment_name",)), "name"))
    checkpoints = _one(common.get("checkpoints_dir", (_CHECKPOINTS,)), "checkpoints_dir")
    common.pop("continue_train", None)  # the guide's commands carry it; a sweep always goes on
    found = grid.combinations(grid.Plan(common, plan.axes, plan.rows))
    words = [_words(name, one) for one in found]
    settings = [train.settings(list(each[1:])) for each in words]

    from rich.console import Console  # late, as the next lines: imports torch

    from unretouch.tasks.sweep.run import Member, SweepRequest, describe, sweep

    request = SweepRequest(
        name=name,
        checkpoints=Path(checkpoints).absolute(),
        members=[Member(*each) for each in zip(settings, words, strict=True)],
        engine=options.engine,
        at_once=options.jobs,
        early_stop=not options.no_early_stop,
    )
    if options.dry_run:
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
