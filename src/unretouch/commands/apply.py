"""`unretouch apply`: a run, or any weights file, over photographs of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from unretouch.base.errors import DataError, ExitCode, ManyDataErrors, UsageError
from unretouch.settings.parser import parse
from unretouch.settings.train import DeviceName, PrecisionName

if TYPE_CHECKING:
    from rich.console import Console

    from unretouch.tasks.apply.batch import Batch
    from unretouch.tasks.apply.request import ApplyRequest, Done

PROG = "unretouch apply"

Words = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="RUN PHOTO...", help_behavior_hint=""),
]


@dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """Restore photographs at their own size, depth, colours and format."""

    words: Words = ()
    """a run (not with --weights), then photographs, folders or patterns such as *.jpg"""
    out: str = "./restored"
    """folder of what is made; also -o. The same command run again goes on where it stopped"""
    weights: str | None = None
    """a weights file instead of a run: .pth (also of the classic program), .safetensors, .onnx"""
    epoch: str = "latest"
    """which weights of the run: latest, best or an epoch's number"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""
    strength: float = 1.0
    """how much of the detail is brought back: 0 nothing, 1 as learnt, up to 1.5"""
    mask: str | None = None
    """where: skin, learnt (what the training pairs changed) or a picture; unset, everywhere"""
    scale: Literal["training", "full"] = "training"
    """at which size the network sees a photograph, where it was trained on reduced ones"""
    format: Literal["keep", "jpeg", "png", "tiff", "webp"] = "keep"
    """of the files that are written"""
    profile: Literal["honour", "ignore"] = "honour"
    """ignore takes the numbers of a photograph in another colour space as they are"""
    keep_gps: bool = False
    """keep where the photograph was taken"""
    overwrite: bool = False
    """replace files of the same name in --out that apply did not make"""
    jobs: int | None = None
    """processes that share the work, each with its own memory; unset, one, with --engine ray all
    that it reaches"""
    engine: Literal["local", "ray"] = "local"
    """where they run: local is this computer, ray (an extra) all its cores or a cluster"""
    runtime: Literal["torch", "onnx"] = "torch"
    """onnx runs what `unretouch export` made, without torch"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""
    precision: PrecisionName = "auto"
    """auto computes the generator `detail` in bf16 where the processor has it"""


def main(argv: list[str]) -> int:
    """Restore photographs. Returns the exit code. Raises UnretouchError."""
    options = parse(ApplyOptions, [_long(word) for word in argv], PROG)
    photos = _check(options)
    from rich.console import Console

    from unretouch.tasks.apply.batch import prepare  # late: imports numpy

    console = Console()
    batch = prepare(photos, _request(options))
    _say(console, str(batch.model.info))
    problems = _show(batch, options, console)
    if problems:
        raise ManyDataErrors(problems)
    return ExitCode.OK


def _long(word: str) -> str:
    if word == "-o":
        return "--out"
    return f"--out={word[3:]}" if word.startswith("-o=") else word


def _check(options: ApplyOptions) -> tuple[str, ...]:
    """Return the photographs among the words. Raises UsageError."""
    if not 0 <= options.strength <= 1.5:
        raise UsageError(f"{options.strength} is not from 0 to 1.5", "--strength")
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"{options.jobs} is not above zero", "--jobs")
    photos = options.words if options.weights else options.words[1:]
    if not options.words or not photos:
        raise UsageError("no photograph was given", PROG, f"Write: {PROG} RUN PHOTO... -o FOLDER")
    return photos


def _request(options: ApplyOptions) -> ApplyRequest:
    from unretouch.tasks.apply.request import ApplyRequest, ModelRequest

    model = ModelRequest(
        run=None if options.weights else options.words[0],
        weights=Path(options.weights) if options.weights else None,
        epoch=options.epoch,
        checkpoints_dir=options.checkpoints_dir,
        runtime=options.runtime,
        device=options.device,
        precision=options.precision,
    )
    return ApplyRequest(
        model=model,
        out=Path(options.out),
        strength=options.strength,
        mask=options.mask,
        format=None if options.format == "keep" else options.format,
        keep_gps=options.keep_gps,
        full_scale=options.scale == "full",
        honour_profile=options.profile == "honour",
        overwrite=options.overwrite,
    )


def _show(batch: Batch, options: ApplyOptions, console: Console) -> list[DataError]:
    """Run the batch, print a line for every photograph, return what went wrong."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from unretouch.tasks.apply.request import Failed

    problems: list[DataError] = []
    made = already = 0
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("photographs", total=len(batch.jobs))
        finished = 0

        def tell(share: float) -> None:
            bar.update(task, completed=finished + share)

        for outcome in batch.run(options.jobs, tell, options.engine):
            finished += 1
            tell(0)
            if isinstance(outcome, Failed):
                problems.append(outcome.error)
                continue
            made, already = made + (not outcome.already), already + outcome.already
            for line in _lines(outcome):
                _say(console, line)
    before = f", {already} were there from before" if already else ""
    failed = f", {len(problems)} failed" if problems else ""
    _say(console, f"{made} restored{before}{failed}; in {batch.request.out}")
    return problems


def _lines(done: Done) -> Iterator[str]:
    if done.already:
        return
    yield (
        f"{done.source} -> {done.output}: {done.megapixels:.1f} megapixels, "
        f"{done.seconds:.1f} s, changed by {done.mean_change:.2f} levels on average"
    )
    for note in done.notes:
        yield f"  note: {note}"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
