"""`unretouch test` and the classic test.py: words in, one call of testing out."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from unretouch.base import durable
from unretouch.base.errors import DiskError, ExitCode
from unretouch.runs.folder import RunDir
from unretouch.settings.classic import full_name, gone_elsewhere, option_text, stand_in
from unretouch.settings.fields import flags_of
from unretouch.settings.parser import build, read, show_help_if_asked, values
from unretouch.settings.test import OURS, IdleTestFlags, TestSettings
from unretouch.settings.train import TrainOptions

__test__ = False  # the file's name is no invitation to pytest


def main(argv: list[str], prog: str = "unretouch test") -> int:
    """Test as the words `argv` say. Returns the exit code. Raises UnretouchError."""
    options, notes = read_classic(argv, prog)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    from rich.console import Console  # late, as the next line: imports torch

    from unretouch.tasks.test import run_test

    settings = named(options)
    run_test(settings, Console())
    _keep_options(RunDir(settings.checkpoints_dir, settings.name).test_options, options)
    return ExitCode.OK


def classic(argv: list[str]) -> int:
    """Test as the words of test.py say. Returns the exit code. Raises UnretouchError."""
    return main(argv, "test.py")


def read_classic(argv: list[str], prog: str = "test.py") -> tuple[TestSettings, list[str]]:
    """Return the settings that `argv` gives, and lines about flags that do nothing here.

    Raises UsageError; leaves by SystemExit(0) after printing the help.
    """
    show_help_if_asked(argv, TestSettings, prog)
    flags = flags_of(TestSettings)
    said = "is a flag of train; a test takes it from the run"
    gone = gone_elsewhere(flags, TrainOptions, said)
    words = read(flags, argv, first=flags.keys() - OURS, elsewhere=gone)
    words, notes = stand_in(words, IdleTestFlags)
    return build(TestSettings, values(flags, words), prog), notes


def named(options: TestSettings) -> TestSettings:
    """Return the settings with the run's whole name. Raises UsageError for one that cannot be."""
    return dataclasses.replace(options, name=full_name(options), suffix="")


def _keep_options(path: Path, options: TestSettings) -> None:
    try:
        durable.write_text(path, option_text(options, flags_of(TestSettings)))
    except DiskError as error:
        # The results are written; a run in a read-only folder does not make the test a failure.
        print(f"note: {error}", file=sys.stderr)
