"""`unretouch export`: a run as a file for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from unretouch.base.errors import ExitCode, UsageError
from unretouch.settings.parser import parse

PROG = "unretouch export"

Words = Annotated[
    tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help_behavior_hint="")
]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Write a run's generator as a file for other programs, checked, with a model card."""

    words: Words = ()
    """a run: its name or folder; leave it out with --weights"""
    to: Literal["onnx", "safetensors", "pth"] = "onnx"
    """onnx needs no torch to run; the others hold the weights alone"""
    out: str | None = None
    """file to write; also -o. Unset, beside the weights of the run"""
    weights: str | None = None
    """a weights file instead of a run: .pth (also of the classic program) or .safetensors"""
    epoch: str = "latest"
    """which weights of the run: latest, best or an epoch's number"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""


def main(argv: list[str]) -> int:
    """Export. Returns the exit code. Raises UnretouchError."""
    options = parse(ExportOptions, ["--out" if word == "-o" else word for word in argv], PROG)
    if len(options.words) != (0 if options.weights else 1):
        raise UsageError("one run is needed, or --weights", PROG, f"Write: {PROG} RUN --to onnx")
    from unretouch.model.find import weights_file
    from unretouch.tasks.export.export import export  # late: imports torch

    weights = weights_file(
        options.words[0] if options.words else None,
        Path(options.weights) if options.weights else None,
        epoch=options.epoch,
        checkpoints_dir=options.checkpoints_dir,
    )
    done = export(weights, options.to, Path(options.out) if options.out else None)
    print(f"{done.path}: {done.check}")
    if done.note:
        print(f"note: {done.note}")
    print(f"model card: {done.card}")
    return ExitCode.OK
