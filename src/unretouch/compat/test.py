"""The classic test.py: its words in, one call of testing out."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from unretouch.base import durable
from unretouch.base.errors import DiskError, ExitCode, UsageError
from unretouch.cli import run_program
from unretouch.compat import stand_ins
from unretouch.compat.names_of_runs import check_epoch, full_name
from unretouch.compat.option_files import option_text
from unretouch.compat.options import ClassicTestOptions, classic_names, elsewhere
from unretouch.runs.folder import RunDir
from unretouch.settings.parser import build, read_flags, show_help, wants_help
from unretouch.settings.test import PredictionMode, TestRequest

PROG = "test.py"
__test__ = False  # the file's name is no invitation to pytest


def start() -> int:
    """Run test.py on sys.argv and return the exit code."""
    return run_program(lambda argv: main(argv, PROG))


def main(argv: list[str], prog: str = "unretouch test") -> int:
    """Test as the classic words `argv` say. Returns the exit code. Raises UnretouchError."""
    options, notes = read(argv, prog)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    from rich.console import Console  # late, as the next line: imports torch

    from unretouch.tasks.test import run_test

    wanted = request(options)
    run_test(wanted, Console())
    _keep_options(RunDir(wanted.checkpoints_dir, wanted.name).test_options, options)
    return ExitCode.OK


def read(argv: list[str], prog: str = PROG) -> tuple[ClassicTestOptions, list[str]]:
    """Return the options that `argv` gives, and lines about flags that do nothing here.

    Raises UsageError; leaves by SystemExit(0) after printing the help.
    """
    schema = ClassicTestOptions
    if wants_help(argv):
        show_help(schema, prog)
    reading = read_flags(schema, argv, first=classic_names(schema), elsewhere=elsewhere(schema))
    reading, notes = stand_ins.stand_in(reading, stand_ins.TEST)
    options = build(schema, reading, prog)
    _check(options)
    return options, notes


def request(options: ClassicTestOptions) -> TestRequest:
    """Return what `options` ask of a run. Raises UsageError for an impossible name."""
    mode: PredictionMode = "running" if options.eval else "train" if options.noisy else "evaluate"
    return TestRequest(
        dataroot=options.dataroot,
        name=full_name(options),
        checkpoints_dir=options.checkpoints_dir,
        results_dir=options.results_dir,
        model=options.model,
        phase=options.phase,
        direction=options.direction,
        epoch=options.epoch,
        load_iter=options.load_iter,
        model_suffix=options.model_suffix,
        input_nc=options.input_nc,
        output_nc=options.output_nc,
        netG=options.netG,
        norm=options.norm,
        ngf=options.ngf,
        no_dropout=options.no_dropout or None,
        preprocess=options.preprocess,
        load_size=options.load_size,
        crop_size=options.crop_size,
        num_test=options.num_test,
        max_dataset_size=options.max_dataset_size,
        mode=mode,
        aspect_ratio=options.aspect_ratio,
        seed=options.seed,
        device=options.device,
    )


def _check(options: ClassicTestOptions) -> None:
    check_epoch(options.epoch)
    if options.eval and options.noisy:
        raise UsageError("contradicts --eval", "--noisy", "Give one of the two")
    customary = "single" if options.model == "test" else "aligned"
    if options.dataset_mode not in (None, customary):
        raise UsageError(
            f"--model {options.model} reads --dataset_mode {customary}",
            f"--dataset_mode {options.dataset_mode}",
            "--model test takes single pictures, --model pix2pix pairs",
        )
    if not options.max_dataset_size >= 1:
        raise UsageError(f"{options.max_dataset_size} is not one or more", "--max_dataset_size")
    positive = ("num_test", "load_size", "crop_size", "ngf", "aspect_ratio")
    for name in positive:
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{value} is not a finite number above zero", f"--{name}")
    for name in ("load_iter", "seed"):
        if getattr(options, name) < 0:
            raise UsageError(f"{getattr(options, name)} is not zero or more", f"--{name}")


def _keep_options(path: Path, options: ClassicTestOptions) -> None:
    try:
        durable.write_text(path, option_text(options))
    except DiskError as error:
        # The results are written; a run in a read-only folder does not make the test a failure.
        print(f"note: {error}", file=sys.stderr)
