"""Photographs shared among processes, each with its own model and its share of the threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from unretouch.base.errors import DataError
from unretouch.tasks.apply.batch import Work, Worker
from unretouch.tasks.apply.files import Job
from unretouch.tasks.apply.loading import load_model
from unretouch.tasks.apply.request import Done, Failed

_worker: Worker | None = None


def in_processes(
    work: Work, jobs: Sequence[Job], processes: int
) -> Iterator[tuple[Job, Done | Failed]]:
    """Yield the outcomes as they come. Raises DataError when a process was killed."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), _start, (work, threads)
    )
    try:
        waiting = {pool.submit(_do, job): job for job in jobs}
        for future in as_completed(waiting):
            job = waiting[future]
            try:
                yield job, future.result()
            except BrokenProcessPool as error:
                raise DataError(
                    "a worker process was killed, perhaps for want of memory",
                    job.source,
                    "Run the same command with fewer --jobs: it goes on from there",
                ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(work: Work, threads: int) -> None:
    global _worker
    # Ctrl+C reaches the parent, which ends the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = Worker(work, load_model(replace(work.request.model, threads=threads)))


def _do(job: Job) -> Done | Failed:
    if _worker is None:
        raise RuntimeError("this process has no model")
    return _worker.one(job)
