"""`unretouch apply`: a run, or any weights file, over photographs of any size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from unretouch.base import durable
from unretouch.base.errors import (
    CheckpointError,
    DataError,
    ExitCode,
    ManyDataErrors,
    NonFiniteError,
)
from unretouch.jobs.engine import calls
from unretouch.model.interface import Model
from unretouch.model.load import load_any, weights_file
from unretouch.pixels.pairs import load_pairs
from unretouch.pixels.photo_kind import Distance
from unretouch.pixels.photos import FITTING, Photo, as_format, read_photo, write_photo
from unretouch.report.console import say
from unretouch.settings.commands import ApplySettings
from unretouch.settings.train import load_settings
from unretouch.tasks.apply import masks
from unretouch.tasks.apply.files import Job, Records, jobs_for, note_ready, output_of
from unretouch.tasks.apply.restore import Restorer


def main(settings: ApplySettings) -> int:
    """Restore photographs. Returns the exit code. Raises UnretouchError."""
    console = Console()
    batch = prepare(settings)
    say(console, str(batch.model.info))
    problems = _show(batch, console)
    if problems:
        raise ManyDataErrors(problems)
    return ExitCode.OK


def _show(batch: Batch, console: Console) -> list[DataError]:
    """Run the batch, print a line for every photograph, return what went wrong."""
    problems: list[DataError] = []
    made = already = far = 0
    coded = False
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("photographs", total=len(batch.jobs))
        finished = 0

        def tell(share: float) -> None:
            bar.update(task, completed=finished + share)

        for outcome in batch.run(tell):
            finished += 1
            tell(0)
            if isinstance(outcome, DataError):
                problems.append(outcome)
                continue
            made, already = made + (not outcome.already), already + outcome.already
            far += outcome.far
            coded |= not outcome.already and outcome.output.suffix.lower() in FITTING["jpeg"]
            for line in _lines(outcome):
                say(console, line)
    before = f", {already} were there from before" if already else ""
    failed = f", {len(problems)} failed" if problems else ""
    strange = f", {far} of them far from the pairs" if far else ""
    say(console, f"{made} restored{strange}{before}{failed}; in {batch.request.out}")
    if coded and batch.request.mask is not None:
        say(console, JPEG_AND_MASK)
    return problems


def _lines(done: Done) -> Iterator[str]:
    if done.already:
        return
    yield (
        f"{done.source} -> {done.output}: {done.megapixels:.1f} megapixels, "
        f"{done.seconds:.1f} s, changed by {done.mean_change:.2f} grey levels on average"
    )
    if done.far and done.distance:
        yield f"{done.source.name}: far from the pairs: {done.distance.why}"
    for note in done.notes:
        yield f"  note: {note}"


# --- many photographs: read ahead, write behind, go on past bad ones, do none twice


JPEG_AND_MASK = (
    "note: a JPEG is compressed again, so pixels outside the mask may differ by a little; "
    "--format png keeps them bit for bit"
)
"""Said of a run with a mask."""
READ_AHEAD = 30_000_000
"""Pixels of a photograph beyond which the next is not read before this one is done: memory."""

Tell = Callable[[float], None]


@dataclass(frozen=True)
class Done:
    """One photograph that was restored, or was already."""

    source: Path
    output: Path
    megapixels: float = 0.0
    seconds: float = 0.0
    """for computing and writing"""
    mean_change: float = 0.0
    """grey levels of 255"""
    notes: tuple[str, ...] = ()
    already: bool = False
    distance: Distance | None = None
    """from the training pairs; None where it was not measured, as by weights that know no pairs"""

    @property
    def far(self) -> bool:
        """Whether the photograph lies far from the training pairs, which people are told."""
        return self.distance is not None and self.distance.far


@dataclass(frozen=True)
class Batch:
    """What is to be done, checked as far as can be before the first photograph is read."""

    request: ApplySettings
    jobs: list[Job]
    learnt: masks.LearntMask | None
    weights: Path
    model: Model

    def run(self, tell: Tell = lambda share: None) -> Iterator[Done | DataError]:
        """Yield the outcome of each photograph as it comes: the error of one that failed.

        Raises DiskError, CheckpointError.

        With several processes, or another engine, each has its model, and the order is that of
        completion. `tell` is called with the share of the present photograph, by this one only.
        """
        request = self.request
        durable.make_folder(request.out)
        records = Records(request, self.weights, self.jobs)
        todo = []
        for job in self.jobs:
            before = records.made(job)
            if before is not None:
                yield Done(job.source, before, already=True)
            else:
                todo.append(job)
        if not todo:
            return
        work = Work(request, self.weights, self.learnt, records.ours, frozenset(records.inputs))
        at_once = None if request.jobs is None else min(request.jobs, len(todo))
        if request.engine != "local" or (at_once or 1) > 1:
            outcomes: Iterator[tuple[Job, Done | DataError]] = calls(
                request.engine,
                partial(_start, work),
                todo,
                at_once,
                lambda job: job.source,
                goes_on=True,
            )
        else:
            outcomes = Worker(work, self.model).run(todo, tell)
        for job, outcome in outcomes:
            if isinstance(outcome, Done):
                records.add(job, outcome.output, outcome.distance)
            yield outcome


def prepare(request: ApplySettings) -> Batch:
    """Find photographs, weights and mask. Raises ManyDataErrors, CheckpointError, DataError."""
    jobs = jobs_for(request.photos, request.out)
    if request.mask not in (None, "skin", "learnt") and not Path(str(request.mask)).is_file():
        raise DataError("there is no such mask", request.mask, "Give a file, skin or learnt")
    weights = weights_file(
        request.run,
        request.weights,
        epoch=request.epoch,
        checkpoints_dir=request.checkpoints_dir,
        exported=request.runtime == "onnx",
    )
    learnt = _learn(weights.parent) if request.mask == "learnt" else None
    model = load_any(weights, device=request.device, precision=request.precision)
    return Batch(request, jobs, learnt, weights, model)


def _learn(run_folder: Path) -> masks.LearntMask:
    try:
        settings = load_settings(run_folder / "config.json")
    except CheckpointError as error:
        raise CheckpointError(
            "tells no training pairs to learn a mask from", run_folder, "Use --mask skin"
        ) from error
    loaded = load_pairs(
        settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size
    )
    return masks.learn(loaded.pairs)


@dataclass(frozen=True)
class Work:
    """What a worker needs besides its model; goes to other processes."""

    request: ApplySettings
    weights: Path
    learnt: masks.LearntMask | None
    ours: frozenset[str]
    """names in the output folder that may be replaced"""
    inputs: frozenset[str]
    """real paths that must not be"""


@dataclass(frozen=True)
class _Made:
    """Computed, to be written."""

    photo: Photo
    done: Done
    begun: float


class Worker:
    """Restores photographs one after the other with one model."""

    def __init__(self, work: Work, model: Model) -> None:
        self._work = work
        request = work.request
        self._restorer = Restorer(
            model,
            strength=request.strength,
            full_scale=request.scale == "full",
            honour_profile=request.profile == "honour",
        )

    def run(self, jobs: Sequence[Job], tell: Tell) -> Iterator[tuple[Job, Done | DataError]]:
        """Yield outcomes in order. The next is read and the last written while one is computed."""
        written: tuple[Job, Future[Done | DataError]] | None = None
        with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
            ahead: Future[Photo | DataError] | None = reading.submit(self._read, jobs[0])
            for index, job in enumerate(jobs):
                following = jobs[index + 1] if index + 1 < len(jobs) else None
                photo = (ahead or reading.submit(self._read, job)).result()
                ahead = None
                if following and not _is_large(photo):
                    ahead = reading.submit(self._read, following)
                made = self._compute(job, photo, tell) if isinstance(photo, Photo) else photo
                del photo
                if written is not None:
                    yield written[0], written[1].result()
                    written = None
                if isinstance(made, DataError):
                    yield job, made
                else:
                    written = job, writing.submit(self._write, job, made)
                del made
            if written is not None:
                yield written[0], written[1].result()

    def one(self, job: Job) -> Done | DataError:
        """Return the outcome of one photograph."""
        return next(self.run([job], lambda share: None))[1]

    def _read(self, job: Job) -> Photo | DataError:
        request = self._work.request
        try:
            photo = read_photo(job.source, request.out)
        except DataError as error:
            return error
        return photo if request.format == "keep" else as_format(photo, request.format)

    def _compute(self, job: Job, photo: Photo, tell: Tell) -> _Made | DataError:
        begun = time.perf_counter()
        try:
            output = output_of(
                job,
                photo,
                self._work.request.out,
                inputs=self._work.inputs,
                ours=None if self._work.request.overwrite else self._work.ours,
            )
            result = self._restorer.restore(photo, self._mask(photo), tell)
        except (DataError, NonFiniteError) as error:
            return DataError(error.what, error.where or job.source, error.hint)
        megapixels = photo.pixels.size / 3e6
        done = Done(
            job.source, output, megapixels, 0, result.mean_change, result.notes,
            distance=result.distance,
        )  # fmt: skip
        return _Made(result.photo, done, begun)

    def _write(self, job: Job, made: _Made) -> Done | DataError:
        request, output = self._work.request, made.done.output
        try:
            write_photo(
                output,
                made.photo,
                keep_gps=request.keep_gps,
                ready=lambda temporary: note_ready(request.out, output.name, temporary),
            )
        except DataError as error:
            return DataError(error.what, job.source, error.hint)
        return replace(made.done, seconds=time.perf_counter() - made.begun)

    def _mask(self, photo: Photo) -> masks.Enlarged | None:
        name = self._work.request.mask
        if name is None:
            return None
        if name == "skin":
            return masks.of_skin(photo)
        if self._work.learnt is not None:
            return self._work.learnt.of(photo)
        return masks.from_file(Path(name), photo)


def _start(work: Work, threads: int) -> Callable[[Job], Done | DataError]:
    """Make a worker in the process that shall have it, with a model of its own."""
    asked = work.request
    model = load_any(work.weights, device=asked.device, precision=asked.precision, threads=threads)
    return Worker(work, model).one


def _is_large(photo: Photo | DataError) -> bool:
    return isinstance(photo, Photo) and photo.pixels.size > 3 * READ_AHEAD
