"""`unretouch train` and the classic train.py: words in, one call of the training out.

`unretouch train` is the fast fit at full size. With --model pix2pix, --preset or --like it is the
classic command, which knows every setting there is.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from unretouch.base.errors import UsageError
from unretouch.base.names import run_name
from unretouch.runs.folder import RunDir, run_of
from unretouch.settings.classic import full_name, gone_elsewhere, option_text, stand_in
from unretouch.settings.fields import Flag, flags_of
from unretouch.settings.parser import build, read, show_help_if_asked, values
from unretouch.settings.test import TestSettings
from unretouch.settings.train import (
    OURS,
    IdleTrainFlags,
    TrainOptions,
    TrainSettings,
    fast_flags,
    filled,
    load_settings,
    preset,
)
from unretouch.training.launching import is_first, layout

if TYPE_CHECKING:
    from rich.console import Console


PROG = "unretouch train"
ABOUT = """Learn the way back from a folder of pairs, at full size and without an adversary.

With --model pix2pix all flags and defaults are those of the classic train.py."""

CLASSIC = ("model", "preset", "like")
"""Flags with which the settings are read as the classic command reads them."""

FIRST = frozenset(flags_of(TrainOptions)) - OURS
"""The classic flags: among these an abbreviation is resolved before all others."""


def main(argv: list[str]) -> int:
    """Train as the words of `unretouch train` say. Returns the exit code. Raises UnretouchError."""
    options = _read_fast(argv)
    if options is None:
        return classic(argv, PROG)
    return _launch(options, fast_flags())


def classic(argv: list[str], prog: str = "train.py") -> int:
    """Train as the classic words say. Returns the exit code. Raises UnretouchError."""
    options, notes = read_classic(argv, prog)
    for note in notes if is_first() else ():
        print(f"note: {note}", file=sys.stderr)
    return _launch(options, flags_of(TrainOptions))


def asked(argv: list[str]) -> TrainSettings:
    """Return the settings that the words of `unretouch train` ask for, without training.

    Raises UnretouchError.
    """
    options = _read_fast(argv) or read_classic(argv, PROG)[0]
    return options.settings()


def elsewhere(known: Mapping[str, Flag]) -> dict[str, str]:
    """Return what to say of flags that are not `known` to a training."""
    return gone_elsewhere(known, TestSettings, "is a flag of test")


def _read_fast(argv: list[str]) -> TrainOptions | None:
    """Return the options with the fast defaults, or None where the classic command reads them."""
    if any(word.partition("=")[0] in {f"--{name}" for name in CLASSIC} for word in argv):
        return None
    flags = fast_flags()
    show_help_if_asked(argv, TrainOptions, PROG, flags, ABOUT)
    said = "is a classic flag: add --model pix2pix, which brings the classic defaults"
    gone = elsewhere(flags) | dict.fromkeys(flags_of(TrainOptions).keys() - flags.keys(), said)
    words = read(flags, argv, first=FIRST, elsewhere=gone)
    if not words.keys().isdisjoint(CLASSIC):  # abbreviated
        return None
    given = filled(values(flags, words), preset("fast"))
    options = build(TrainOptions, given, PROG)
    return dataclasses.replace(options, name=run_name(options.name))


def read_classic(argv: list[str], prog: str = "train.py") -> tuple[TrainOptions, list[str]]:
    """Return the options that classic words give, and lines about flags that do nothing here.

    Raises UnretouchError; leaves by SystemExit(0) after printing the help.
    """
    flags = flags_of(TrainOptions)
    show_help_if_asked(argv, TrainOptions, prog)
    words = read(flags, argv, first=FIRST, elsewhere=elsewhere(flags))
    words, notes = stand_in(words, IdleTrainFlags)
    given, said = chosen(values(flags, words))
    options = build(TrainOptions, given, prog)
    notes += said
    if not options.continue_train:
        idle = [f"--{name}" for name in ("epoch", "load_iter") if name in words]
        if idle:
            notes.append(f"{', '.join(idle)}: used only with --continue_train")
    return dataclasses.replace(options, name=full_name(options)), notes


def chosen(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return `given` with what its preset or its like stands for below, and lines that say so.

    With like and without a name the run gets a name that is free. Raises UsageError;
    CheckpointError where there is no such run or its settings cannot be read.
    """
    name, like = given.get("preset"), given.get("like")
    if name is not None and like is not None:
        raise UsageError("both choose all settings", "--preset, --like", "Give one of them")
    if name is not None:
        return filled(given, preset(name)), []
    return _like(given, like) if like is not None else (dict(given), [])


def _like(given: Mapping[str, Any], like: str) -> tuple[dict[str, Any], list[str]]:
    checkpoints = given.get("checkpoints_dir", flags_of(TrainOptions)["checkpoints_dir"].default)
    other = run_of(like, checkpoints)
    settings = load_settings(other.config)
    name = given["name"] if "name" in given else _free_name(checkpoints, settings.name)
    same = RunDir(checkpoints, name).root.resolve() == other.root.resolve()
    if same and not given.get("suffix"):
        raise UsageError(
            f"{name!r} is the run itself",
            "--like",
            "Give another --name; --continue_train, without --like, goes on with it",
        )
    below = {f.name: getattr(settings, f.name) for f in dataclasses.fields(TrainSettings)}
    taken = filled({**given, "name": name, "checkpoints_dir": checkpoints}, below)
    return taken, [f"settings of {other.root}, under the name {name}"]


def _free_name(checkpoints: str, name: str) -> str:
    names = (f"{name}_{number}" for number in count(2))
    return next(free for free in names if not RunDir(checkpoints, free).root.exists())


def _launch(options: TrainOptions, flags: Mapping[str, Flag]) -> int:
    from rich.console import Console  # late, as the next lines: imports torch

    return begin(options, Console(), option_text(options, flags))


def begin(
    options: TrainOptions, console: Console, options_text: str | None = None, report: bool = True
) -> int:
    """Train in this process, or together with the others that the settings ask for.

    Returns the exit code. Raises UnretouchError.
    """
    from unretouch.tasks.train import Continuation

    how = Continuation(
        continue_train=options.continue_train,
        load_epoch=f"iter_{options.load_iter}" if options.load_iter else options.epoch,
        epoch_count=options.epoch_count,
        allow_changed_data=options.allow_changed_data,
    )
    settings = options.settings()
    if plan := layout(settings):
        from unretouch.tasks.train_distributed import train_distributed  # late: imports torch

        return train_distributed(settings, plan, how, console, options_text)
    from unretouch.tasks.train import train_run

    return train_run(settings, how, console, options_text, report)
