"""A pool of workers on this computer: processes, each with a function that is made in it once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
Start = Callable[[int], Callable[[Job], Result]]
"""Called once in every worker, with the number of processor threads that are its share. What makes
a worker, its jobs and results go between processes by pickle."""


class WorkerLostError(Exception):
    """A worker was killed with `job` in its hands, more often than it is restarted."""

    def __init__(self, job: Any) -> None:
        self.job = job
        super().__init__(str(job))


def calls(
    start: Start[Job, Result], jobs: Iterable[Job], at_once: int
) -> Iterator[tuple[Job, Result]]:
    """Yield every job with its result as they end. Raises WorkerLostError."""
    pool = ProcessPoolExecutor(
        at_once, multiprocessing.get_context("spawn"), _begin, (start, share(at_once))
    )
    try:
        running = {pool.submit(_do, job): job for job in jobs}
        for future in as_completed(running):
            job = running[future]
            try:
                result = future.result()
            except BrokenProcessPool as error:
                raise WorkerLostError(job) from error
            yield job, result
    finally:
        pool.shutdown(cancel_futures=True)


def share(at_once: int) -> int:
    """Return the processor threads for each of so many processes."""
    return max(1, (os.cpu_count() or 1) // at_once)


# --- in a worker ------------------------------------------------------------------------------

_worker: Callable[[Any], Any] | None = None


def _begin(start: Start[Any, Any], threads: int) -> None:
    global _worker
    # Ctrl+C reaches the parent, which ends the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = start(threads)


def _end_with_parent() -> None:
    """End when the parent was killed: the pool's workers would wait for its next call for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(job: Any) -> Any:
    if _worker is None:
        raise RuntimeError("this process has no worker")
    return _worker(job)
