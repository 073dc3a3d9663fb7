"""`unretouch train` and `unretouch test`, and the classic train.py and test.py: words in, one call
of the training or of testing out.

`unretouch train` is the fast fit at full size. With --model pix2pix, --preset or --like it is the
classic command, which knows every setting there is. Nothing heavy is imported before the words are
read: help and refusals answer at once.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unretouch.base import durable
from unretouch.base.errors import DiskError, ExitCode, UsageError
from unretouch.base.names import run_name, without_spaces
from unretouch.base.terminal import tell
from unretouch.runs.folder import RunDir, run_of
from unretouch.settings import test as test_settings
from unretouch.settings.classic import full_name, gone_elsewhere, option_text, stand_in
from unretouch.settings.fields import Flag, flags_of
from unretouch.settings.parser import build, read, show_help_if_asked, values
from unretouch.settings.test import IdleTestFlags, TestSettings
from unretouch.settings.train import (
    OURS,
    IdleTrainFlags,
    TrainOptions,
    TrainSettings,
    fast_flags,
    filled,
    load_asked,
    preset,
)
from unretouch.training.launching import is_first, layout

if TYPE_CHECKING:
    from rich.console import Console

PROG = "unretouch train"
ABOUT = """Learn the way back from a folder of pairs, at full size.

With --model pix2pix all flags and defaults are those of the classic train.py."""

CLASSIC = ("model", "preset", "like")
"""Flags with which the settings are read as the classic command reads them."""

FIRST = frozenset(flags_of(TrainOptions)) - OURS
"""The classic flags: among these an abbreviation is resolved before all others."""


def train(argv: list[str]) -> int:
    """Train as the words of `unretouch train` say. Returns the exit code. Raises UnretouchError."""
    options = _read_fast(argv)
    if options is None:
        return classic_train(argv, PROG)
    return _launch(options, fast_flags())


def classic_train(argv: list[str], prog: str = "train.py") -> int:
    """Train as the classic words say. Returns the exit code. Raises UnretouchError."""
    options, notes = read_train(argv, prog)
    _tell(notes if is_first() else [])
    return _launch(options, flags_of(TrainOptions))


def asked(argv: list[str]) -> TrainSettings:
    """Return the settings that the words of `unretouch train` ask for, without training.

    Raises UnretouchError.
    """
    options = _read_fast(argv) or read_train(argv, PROG)[0]
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
    _tell(_about_spaces(options.name) if is_first() else [])
    return dataclasses.replace(options, name=run_name(options.name))


def read_train(argv: list[str], prog: str = "train.py") -> tuple[TrainOptions, list[str]]:
    """Return the options that classic words give, and lines about flags that do nothing here.

    Raises UnretouchError; leaves by SystemExit(0) after printing the help.
    """
    flags = flags_of(TrainOptions)
    show_help_if_asked(argv, TrainOptions, prog)
    words = read(flags, argv, first=FIRST, elsewhere=elsewhere(flags))
    words, notes = stand_in(words, IdleTrainFlags)
    given, said = chosen(values(flags, words))
    options = build(TrainOptions, given, prog)
    notes += said + _about_spaces(options.name)
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
    settings = load_asked(other.config)
    name = given.get("name")
    if name is None:
        names = (f"{settings.name}_{number}" for number in count(2))
        name = next(free for free in names if not RunDir(checkpoints, free).root.exists())
    same = RunDir(checkpoints, name).root.resolve() == other.root.resolve()
    if same and not given.get("suffix"):
        raise UsageError(
            f"{name!r} is the run itself",
            "--like",
            "Give another --name; --continue_train, without --like, goes on with it",
        )
    below = dataclasses.asdict(settings)
    taken = filled({**given, "name": name, "checkpoints_dir": checkpoints}, below)
    return taken, [f"settings of {other.root}, under the name {name}"]


def _launch(options: TrainOptions, flags: Mapping[str, Flag]) -> int:
    from rich.console import Console  # late: nothing of it before the words are read

    return begin(options, Console(), option_text(options, flags))


def begin(
    options: TrainOptions, console: Console, options_text: str | None = None, report: bool = True
) -> int:
    """Train in this process, or together with the others that the settings ask for.

    Returns the exit code. Raises UnretouchError.
    """
    from unretouch.tasks.train import Continuation, train_run  # late: imports torch

    how = Continuation(
        continue_train=options.continue_train,
        load_epoch=f"iter_{options.load_iter}" if options.load_iter else options.epoch,
        epoch_count=options.epoch_count,
        allow_changed_data=options.allow_changed_data,
    )
    settings = options.settings()
    if plan := layout(settings):
        from unretouch.tasks.train_distributed import train_distributed

        return train_distributed(settings, plan, how, console, options_text)
    return train_run(settings, how, console, options_text, report)


# --- testing ----------------------------------------------------------------------------------


def test(argv: list[str]) -> int:
    """Test as the words of `unretouch test` say. Returns the exit code. Raises UnretouchError."""
    return _test(argv, "unretouch test")


def classic_test(argv: list[str]) -> int:
    """Test as the words of test.py say. Returns the exit code. Raises UnretouchError."""
    return _test(argv, "test.py")


def _test(argv: list[str], prog: str) -> int:
    options, notes = read_test(argv, prog)
    _tell(notes)
    from rich.console import Console  # late, as the next line: imports torch

    from unretouch.tasks.test import run_test

    settings = named(options)
    run_test(settings, Console())
    try:
        text = option_text(options, flags_of(TestSettings))
        durable.write_text(RunDir(settings.checkpoints_dir, settings.name).test_options, text)
    except DiskError as error:
        # The results are written; a run in a read-only folder does not make the test a failure.
        _tell([str(error)])
    return ExitCode.OK


def read_test(argv: list[str], prog: str = "test.py") -> tuple[TestSettings, list[str]]:
    """Return the settings that `argv` gives, and lines about flags that do nothing here.

    Raises UsageError; leaves by SystemExit(0) after printing the help.
    """
    show_help_if_asked(argv, TestSettings, prog)
    flags = flags_of(TestSettings)
    said = "is a flag of train; a test takes it from the run"
    gone = gone_elsewhere(flags, TrainOptions, said)
    words = read(flags, argv, first=flags.keys() - test_settings.OURS, elsewhere=gone)
    words, notes = stand_in(words, IdleTestFlags)
    options = build(TestSettings, values(flags, words), prog)
    if words.keys().isdisjoint(("model", "dataset_mode")) and _are_pairs(options):
        options = dataclasses.replace(options, model="pix2pix")
        notes.append(
            "these are pairs, so each is compared with its answer; --model test restores each "
            "file whole, without one"
        )
    return options, notes + _about_spaces(options.name)


def _are_pairs(options: TestSettings) -> bool:
    """Return whether the pictures to test on have their answers beside them."""
    from unretouch.pixels.pair_files import phase_exists  # late: help and refusals answer at once
    from unretouch.pixels.pairs import holds_pairs

    usual = "test" if phase_exists(options.dataroot, "test") else "train"
    return holds_pairs(Path(options.dataroot), options.phase or usual)


def named(options: TestSettings) -> TestSettings:
    """Return the settings with the run's whole name. Raises UsageError for one that cannot be."""
    return dataclasses.replace(options, name=full_name(options), suffix="")


def _about_spaces(name: str) -> list[str]:
    """Return a line where `name` has spaces, which become underscores."""
    plain = without_spaces(name)
    return [f"--name {name!r}: the run is called {plain}"] if plain != name else []


def _tell(notes: list[str]) -> None:
    for note in notes:
        tell(f"note: {note}", sys.stderr)
