"""`unretouch apply`: a run, or any weights file, over photographs of any size."""

from __future__ import annotations

import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from unretouch.base import durable
from unretouch.base.errors import (
    CheckpointError,
    DataError,
    DiskError,
    ExitCode,
    ManyDataErrors,
    NonFiniteError,
    UnretouchError,
    UsageError,
)
from unretouch.base.memory import give_back
from unretouch.base.messages import Message, _
from unretouch.jobs.engine import calls
from unretouch.model.interface import Model
from unretouch.model.load import load_any, weights_file
from unretouch.pixels import images
from unretouch.pixels.pairs import load_pairs
from unretouch.pixels.photo_kind import Distance
from unretouch.pixels.photos import (
    FITTING,
    Photo,
    as_format,
    read_photo,
    refuse_misfit,
    write_photo,
)
from unretouch.report.console import duration, say
from unretouch.report.run_display import read_status
from unretouch.runs.history import Record
from unretouch.runs.status import standing
from unretouch.settings.commands import ApplySettings
from unretouch.settings.fields import fields_of
from unretouch.settings.parser import build, read, show_help_if_asked, values
from unretouch.settings.paths import NAMED_MASKS
from unretouch.settings.train import load_settings
from unretouch.tasks.apply import before_after, layers, masks
from unretouch.tasks.apply.files import (
    GUESS_MAPS,
    Job,
    Made,
    Meant,
    NotRead,
    Records,
    meant,
    note_ready,
    output_of,
)
from unretouch.tasks.apply.kept_changes import KeptChanges
from unretouch.tasks.apply.layers import Layers
from unretouch.tasks.apply.restore import Restorer
from unretouch.tasks.apply.treatment import given_like, treatment
from unretouch.training.rhythm import RunClock

PROG = "unretouch apply"
_LOG = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """Restore photographs. Returns the exit code. Raises UnretouchError."""
    fields = fields_of(ApplySettings)
    show_help_if_asked(argv, ApplySettings, PROG)
    settings = build(ApplySettings, given_like(values(fields, read(fields, argv))), PROG)
    console = Console()
    batch = prepare(settings)
    say(console, str(batch.model.info))
    for note in (*batch.meant.notes, *_not_worth_it(batch)):
        say(console, f"note: {note}")
    problems = _show(batch, console)
    if problems:
        raise ManyDataErrors(problems)
    return ExitCode.OK


def _not_worth_it(batch: Batch) -> Iterator[str]:
    """Yield what is to be said of a run whose newest weights did nothing good for its own pairs."""
    stands = standing(read_status(batch.weights.parent / "web") or {})
    if batch.request.epoch == "latest" and stands is not None and stands.warning is not None:
        yield (
            f"{stands.warning} It was off by {stands.level_error:.2f} grey levels, doing nothing "
            f"by {stands.identity_error:.2f}."
        )


def _show(batch: Batch, console: Console) -> list[DataError]:
    """Run the batch, print a line for every photograph and a summary, return what went wrong."""
    outcomes: list[Done | DataError] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with RunClock() as clock, bar:
        pace = Pace([job.source for job in batch.meant.jobs], clock.seconds)
        task = bar.add_task("photographs", total=1.0, left="")

        def tell(job: Job, share: float) -> None:
            pace.reached(job.source, share)
            bar.update(task, completed=pace.share, description=pace.counted, left=pace.left)

        try:
            for outcome in batch.run(tell):
                outcomes.append(outcome)
                if isinstance(outcome, NotRead):
                    continue
                pace.finished += 1
                if isinstance(outcome, Done) and outcome.already:
                    pace.cost_nothing(outcome.source)
                elif isinstance(outcome, Done):
                    for line in _lines(outcome, pace):
                        say(console, line)
        except KeyboardInterrupt:
            say(console, f"{_summary(outcomes)}; the same command goes on from here")
            raise
    say(console, f"{_summary(outcomes)}; folder: {batch.request.out}; {duration(clock.seconds())}")
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    if pace.many and (far := [batch.name_of(each.output) for each in done if each.far]):
        say(console, f"far from the pairs, to be looked at with care: {', '.join(far)}")
    coded = any(not d.already and d.output.suffix.lower() in FITTING["jpeg"] for d in done)
    if coded and batch.request.mask is not None:
        say(console, JPEG_AND_MASK)
    if batch.request.page and done:
        treated = [before_after.Treated(d.source, d.output, d.far_record) for d in done]
        page, problems = before_after.write(batch.request, treated)
        outcomes += problems
        say(console, f"page: {page}")
    elif pace.many and done:
        say(console, "to compare before and after: the same command with --page")
    return [outcome for outcome in outcomes if isinstance(outcome, DataError)]


def _summary(outcomes: Sequence[Done | DataError]) -> str:
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    made = [each for each in done if not each.already]
    left = [each for each in made if each.weakened == 0]
    failed = [each for each in outcomes if isinstance(each, DataError)]
    unread = [each for each in failed if isinstance(each, NotRead)]
    counts = {
        "left as they are": len(left),
        "of them far from the pairs": sum(each.far for each in made),
        "already there": len(done) - len(made),
        "failed": len(failed) - len(unread),
        "not read": sum(len(each.files) for each in unread),
    }
    told = (f"{count} {what}" for what, count in counts.items() if count)
    return ", ".join([f"{len(made) - len(left)} restored", *told])


def _lines(done: Done, pace: Pace) -> Iterator[str]:
    counted = f"; {', '.join(filter(None, [pace.counted, pace.left]))}" if pace.many else ""
    yield (
        f"{done.source} -> {done.output}: {done.megapixels:.1f} megapixels, "
        f"{done.seconds:.1f} s, changed by {done.mean_change:.2f} grey levels on average{counted}"
    )
    if done.far and done.distance:
        yield f"{done.source.name}: far from the pairs: {done.distance.why}{_done_about_it(done)}"
    for note in done.notes:
        yield f"  note: {note}"


def _done_about_it(done: Done) -> str:
    if done.weakened is None:
        return ""
    how = f"restored at {done.weakened:.0%} strength" if done.weakened else "left as it is"
    return f"; so {how} (--strength 1: all of it)"


class Pace:
    """How much of all photographs is done, and how long the rest will take, by their pixels.
    `seconds` is a clock that leaves out pauses."""

    def __init__(self, photos: Sequence[Path], seconds: Callable[[], float]) -> None:
        self.finished = 0
        """how many are done, or were before"""
        self._count = len(photos)
        told = {path: images.header_of(path, sys.maxsize).pixels for path in photos}
        # RAW says it in no header that is read here.
        usual = statistics.median([pixels for pixels in told.values() if pixels] or [1])
        self._sizes = {path: pixels or usual for path, pixels in told.items()}
        self._total = sum(self._sizes.values())
        self._shares: dict[Path, float] = {}
        self._done = 0.0
        self._seconds = seconds

    def reached(self, photo: Path, share: float) -> None:
        """Take note that so much of a photograph is computed."""
        self._done += self._sizes[photo] * (share - self._shares.get(photo, 0.0))
        self._shares[photo] = share

    def cost_nothing(self, photo: Path) -> None:
        """Leave out one that was there from before."""
        self._total -= self._sizes.pop(photo)

    @property
    def many(self) -> bool:
        """Whether there is more than one photograph."""
        return self._count > 1

    @property
    def share(self) -> float:
        """What is done, 0 to 1."""
        return self._done / self._total if self._total else 0.0

    @property
    def counted(self) -> str:
        """How many are done, in words."""
        return f"{self.finished} of {self._count}"

    @property
    def left(self) -> str:
        """How long the rest will take, in words; empty where that is not known, or nothing."""
        if not 0 < self.share < 1:
            return ""
        seconds = self._seconds() * (1 / self.share - 1)
        return f"about {duration(seconds)} left" if round(seconds) else ""


# --- many photographs: read ahead, write behind, go on past bad ones, do none twice


JPEG_AND_MASK = (
    "note: a JPEG is compressed again, so pixels outside the mask may differ by a little; "
    "--format png keeps them bit for bit"
)
"""Said of a run with a mask."""
READ_AHEAD = 30_000_000
"""Pixels of a photograph beyond which the next is not read before this one is done: memory."""

Tell = Callable[[Job, float], None]
"""Takes the share of a photograph that is computed."""


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
    notes: tuple[Message, ...] = ()
    already: bool = False
    distance: Distance | None = None
    """from the training pairs; None where it was not measured, as by weights that know no pairs"""
    weakened: float | None = None
    """share of the change that was made, since it lies far from them; None where it was all, or as
    much as was asked for"""

    noted: Record | None = None
    """what was noted of one that was there already, if it lies far from them"""

    @property
    def far(self) -> bool:
        """Whether the photograph lies far from the training pairs, which people are told."""
        return self.far_record is not None

    @property
    def far_record(self) -> Record | None:
        """What is noted of a photograph that lies far from the training pairs."""
        if self.distance is None:
            return self.noted
        return self.distance.record(self.weakened) if self.distance.far else None


@dataclass(frozen=True)
class Batch:
    """What is to be done, checked as far as can be before the first photograph is read."""

    request: ApplySettings
    meant: Meant
    learnt: masks.LearntMask | None
    weights: Path
    model: Model

    def name_of(self, output: Path) -> str:
        """Return the path of a result in the output folder, for people."""
        return output.relative_to(self.request.out).as_posix()

    def run(self, tell: Tell = lambda job, share: None) -> Iterator[Done | DataError]:
        """Yield the outcome of each photograph as it comes: the error of one that failed. Before
        them come the files that are not read.

        Raises DiskError, CheckpointError.

        With several processes, or another engine, each has its model, and the order is that of
        completion. `tell` is called with what is computed of the present photograph by this one
        only, and with those that are done.
        """
        request = self.request
        yield from self.meant.unread
        durable.make_folder(request.out)
        records = Records(request, self.weights, self.meant.jobs)
        todo = []
        for job in self.meant.jobs:
            before = records.before(job)
            if before is not None:
                yield Done(job.source, before[0], already=True, noted=before[1])
            else:
                todo.append(job)
        # Only once there is a result: a folder with records is taken for one of results.
        if len(todo) < len(self.meant.jobs):
            records.note_treatment(treatment(request))
        if not todo:
            return
        records.check_writable()
        work = Work(request, self.weights, self.learnt, records.made, frozenset(records.inputs))
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
                records.note_treatment(treatment(request))
                records.add(job, outcome.output, outcome.distance, outcome.weakened)
            tell(job, 1.0)
            yield outcome


def prepare(request: ApplySettings) -> Batch:
    """Find photographs, weights and mask. Raises ManyDataErrors, CheckpointError, DataError."""
    if request.layers:
        layers.check_installed()
    found = meant(request.photos, request.out, request.format, layered=request.layers)
    if request.mask not in (None, *NAMED_MASKS) and not Path(str(request.mask)).is_file():
        raise DataError(
            "there is no such mask", request.mask, "Give a file, everywhere, skin or learnt"
        )
    weights = weights_file(
        request.run,
        request.weights,
        epoch=request.epoch,
        checkpoints_dir=request.checkpoints_dir,
        exported=request.runtime == "onnx",
    )
    learnt = learnt_mask(weights.parent) if request.mask == "learnt" else None
    model = load_any(weights, device=request.device, precision=request.precision)
    asked = {"--guess": request.guess is not None, "--guess_map": request.guess_map,
             "--seed": request.seed != 0}  # fmt: skip
    if not model.info.guesses and any(asked.values()):
        flag = next(flag for flag, given in asked.items() if given)
        hint = "Leave it out, or train with --aim texture --head guess; an ONNX file has no guess"
        raise UsageError(f"{weights.name} guesses nothing", flag, hint)
    if request.mask is None and model.info.only_skin:
        request = replace(request, mask="skin")
    elif request.mask == "everywhere":
        request = replace(request, mask=None)
    return Batch(request, found, learnt, weights, model)


def learnt_mask(run_folder: Path) -> masks.LearntMask:
    """Return the mask that the training pairs of a run teach. Raises CheckpointError, DataError."""
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
    made: Made
    inputs: frozenset[str]
    """real paths that must not be"""


@dataclass(frozen=True)
class _Made:
    """Computed, to be written."""

    photo: Photo
    done: Done
    begun: float
    layers: Layers | None
    guesses: NDArray[np.uint8] | None
    """the guess map, where one is asked for"""


class Worker:
    """Restores photographs one after the other with one model."""

    def __init__(self, work: Work, model: Model) -> None:
        self._work = work
        request = work.request
        folder = request.keep_changes
        self._restorer = Restorer(
            model,
            strength=request.strength,
            full_scale=request.scale == "full",
            honour_profile=request.profile == "honour",
            sizes=(request.fine, request.medium, request.coarse),
            guess=request.guessed,
            seed=request.seed,
            kept=None if folder is None else KeptChanges(folder, request, work.weights, model.info),
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
                try:
                    made = (
                        self._compute(job, photo, partial(tell, job))
                        if isinstance(photo, Photo)
                        else photo
                    )
                except KeyboardInterrupt:
                    if written is not None:  # it is done, and shall not be done again
                        yield written[0], written[1].result()
                    raise
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
        return next(self.run([job], lambda job, share: None))[1]

    def _read(self, job: Job) -> Photo | DataError:
        request = self._work.request
        try:
            photo = read_photo(job.source, request.out)
            if request.layers:
                return layers.fitting(photo)
            return photo if request.format == "keep" else as_format(photo, request.format)
        except Exception as error:
            return self._told(error, job)

    def _compute(self, job: Job, photo: Photo, tell: Callable[[float], None]) -> _Made | DataError:
        begun = time.perf_counter()
        request, made = self._work.request, None
        give_back()  # what decoders have held, and the network keeps of the last photograph
        try:
            output = output_of(
                job,
                photo,
                request.out,
                inputs=self._work.inputs,
                made=self._work.made,
                overwrite=request.overwrite,
                ending=layers.ending_of(photo) if request.layers else None,
            )
            if not request.layers:
                refuse_misfit(job.source, photo)  # before it is computed
            else:
                made = Layers(photo, request.mask is not None, request.out)
            mask = self._mask(photo)
            # Before the photograph is overwritten.
            guesses = self._restorer.guess_map(photo, mask) if request.guess_map else None
            result = self._restorer.restore(photo, mask, tell, made)
        except Exception as error:
            return self._told(error, job)
        megapixels = photo.pixels.size / 3e6
        done = Done(
            job.source, output, megapixels, 0, result.mean_change, result.notes,
            distance=result.distance, weakened=result.weakened,
        )  # fmt: skip
        return _Made(result.photo, done, begun, made, guesses)

    def _write(self, job: Job, made: _Made) -> Done | DataError:
        request, output = self._work.request, made.done.output
        try:
            if made.guesses is not None:
                place = request.out / GUESS_MAPS / output.relative_to(request.out)
                durable.make_folder(place.parent)
                place = place.with_name(f"{place.name}.png")
                durable.write_bytes(place, images.png_bytes(made.guesses))
            write = write_photo if made.layers is None else made.layers.write
            write(
                output,
                made.photo,
                keep_gps=request.keep_gps,
                ready=lambda temporary: note_ready(request.out, output, temporary, job.source),
            )
        except DiskError as error:
            return self._told(error, job)
        except Exception as error:
            return self._told(error, job, where=job.source)
        return replace(made.done, seconds=time.perf_counter() - made.begun)

    def _told(self, error: Exception, job: Job, where: object = "") -> DataError:
        """Return what is to be said of a photograph that failed. Raises what would end them all."""
        if isinstance(error, DataError | NonFiniteError) or (
            # A folder in that of the results, perhaps, that nobody may write to.
            isinstance(error, DiskError)
            and not error.full
            and os.access(self._work.request.out, os.W_OK)
        ):
            return DataError(error.what, where or error.where or job.source, error.hint)
        if isinstance(error, UnretouchError):
            raise error
        if isinstance(error, MemoryError):
            what = _("needs more memory than there is")
            hint = _("Close other programs, or restore fewer at once")
            return DataError(what, job.source, hint)
        _LOG.debug("%s", job.source, exc_info=error)
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        what = _("failed, though nobody foresaw how ({error})", error=said)
        return DataError(what, job.source, _("The others are not concerned; please report it"))

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
