"""Photographs shared among the workers of an engine, each with its own model and its threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from unretouch import jobs as engines
from unretouch.base.errors import DataError
from unretouch.model.load import load_any
from unretouch.tasks.apply.batch import Done, Failed, Work, Worker
from unretouch.tasks.apply.files import Job


@dataclass(frozen=True)
class _Start:
    """Makes a worker in the process that shall have it."""

    work: Work

    def __call__(self, threads: int) -> Callable[[Job], Done | Failed]:
        asked = self.work.request
        model = load_any(
            self.work.weights, device=asked.device, precision=asked.precision, threads=threads
        )
        return Worker(self.work, model).one


def in_processes(
    work: Work, jobs: Sequence[Job], processes: int | None
) -> Iterator[tuple[Job, Done | Failed]]:
    """Yield the outcomes as they come. Raises DataError when a process was killed."""
    engine = engines.calls(work.request.engine, _Start(work), processes)
    try:
        for job in jobs:
            engine.submit(job)
        yield from engine.wait()
    except engines.WorkerLostError as error:
        raise DataError(
            "a worker process was killed, perhaps for want of memory",
            getattr(error.job, "source", error.job),
            "Run the same command with fewer --jobs: it goes on from there",
        ) from error
    finally:
        engine.cancel()
