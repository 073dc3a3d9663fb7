"""What is measured of one pair, in this process or, pair by pair, in the workers of an engine.

A worker reads its pairs itself: what goes to it is names of files, what comes back is figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unretouch import jobs as engines
from unretouch.base.errors import DataError
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair, PairFiles
from unretouch.pixels.pairs.load import sides
from unretouch.settings.train import Direction
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.verify.album import Group, Shown, judge
from unretouch.tasks.verify.deep import extra_metrics
from unretouch.tasks.verify.model import Model, load_model
from unretouch.tasks.verify.probe import Shares, probed
from unretouch.tasks.verify.self_test import simulated_pair


@dataclass(frozen=True)
class PairJob:
    """One pair of a group by its files, or one photo of the self-test."""

    number: int
    """its place in the report"""
    group: Group
    name: str
    files: tuple[Path, ...]
    direction: Direction


@dataclass(frozen=True)
class Measured:
    """What was measured of a pair; `shares` of the memorisation probe, where it was asked for."""

    shown: Shown
    shares: Shares | None


@dataclass(frozen=True)
class Measuring:
    """How pairs are measured: goes to workers."""

    request: VerifySettings
    folder: Path
    """of the report"""

    def __call__(self, threads: int) -> Callable[[PairJob], Measured]:
        import torch

        torch.set_num_threads(threads)
        model = load_model(self.request)
        return lambda job: self.of(model, job.group, _read(job))

    def of(self, model: Model, group: Group, pair: Pair) -> Measured:
        """Return the figures of a pair, its pictures written. Raises DiskError."""
        scaled = model.at_scale([pair])[0]
        prediction = model.predict(scaled.source)
        extra = extra_metrics(self.request.deep)
        shown = judge(self.folder, model.lambda_L1, group, scaled, prediction, extra)
        if group != "training" or self.request.no_probe:
            return Measured(shown, None)
        return Measured(shown, probed(model.predict, scaled.source, scaled.target))


def shared(measuring: Measuring, jobs: Sequence[PairJob]) -> Iterator[tuple[PairJob, Measured]]:
    """Yield what was measured of each pair, as it comes. Raises DataError when a process was
    killed."""
    request = measuring.request
    at_once = None if request.jobs is None else min(request.jobs, len(jobs))
    engine = engines.calls(request.engine, measuring, at_once)
    try:
        for job in jobs:
            engine.submit(job)
        yield from engine.wait()
    except engines.WorkerLostError as error:
        name = error.job.name if isinstance(error.job, PairJob) else str(error.job)
        hint = "Run the same command with fewer --jobs"
        raise DataError(
            "a worker process was killed, perhaps for want of memory", name, hint
        ) from error
    finally:
        engine.cancel()


def _read(job: PairJob) -> Pair:
    if job.group == "self_test":
        return simulated_pair(job.name, job.files[0])
    files = PairFiles(job.name, job.files)
    a, b = sides(files, [images.read(path) for path in job.files])
    source, target = (a, b) if job.direction == "AtoB" else (b, a)
    return Pair(job.name, source, target, job.files)
