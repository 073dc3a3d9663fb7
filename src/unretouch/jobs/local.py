"""The engine of this computer: processes, and nothing to install."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from unretouch.jobs import Start, WorkerLostError
from unretouch.jobs.training import Ended, Training, TrainingProcess, threads_asked

POLL_S = 0.1

_worker: Callable[[Any], Any] | None = None


def calls(start: Start[Any, Any], at_once: int | None) -> Calls:
    """Return an engine for calls, in one process where `at_once` is None."""
    return Calls(start, at_once or 1)


def trainings(at_once: int | None, early_stop: bool, known: Sequence[Training]) -> Trainings:
    """Return an engine that trains one run after the other, or `at_once` side by side.

    It never stops one early: without runs side by side there is little to compare with.
    """
    return Trainings(at_once or 1)


class Calls:
    """See engines.Engine. Each process has its worker; the order is that of completion."""

    def __init__(self, start: Start[Any, Any], at_once: int) -> None:
        self._pool = ProcessPoolExecutor(
            at_once, multiprocessing.get_context("spawn"), _start, (start, _share(at_once))
        )
        self._waiting: dict[Future[Any], Any] = {}

    def submit(self, job: Any) -> None:
        self._waiting[self._pool.submit(_do, job)] = job

    def wait(self) -> Iterator[tuple[Any, Any]]:
        for future in as_completed(self._waiting):
            job = self._waiting[future]
            try:
                yield job, future.result()
            except BrokenProcessPool as error:
                raise WorkerLostError(job) from error

    def cancel(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _start(start: Start[Any, Any], threads: int) -> None:
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


def _share(at_once: int) -> int:
    """Return the processor threads for each of so many."""
    return max(1, (os.cpu_count() or 1) // at_once)


class Trainings:
    """See engines.Engine."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._threads = threads_asked() or (None if at_once == 1 else _share(at_once))
        self._waiting: deque[Training] = deque()
        self._running: dict[Training, TrainingProcess] = {}

    def submit(self, job: Training) -> None:
        self._waiting.append(job)

    def wait(self) -> Iterator[tuple[Training, Ended]]:
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._at_once:
                training = self._waiting.popleft()
                self._running[training] = TrainingProcess(training, self._threads)
            time.sleep(POLL_S)
            for training, process in list(self._running.items()):
                ended = process.poll()
                if ended is not None:
                    del self._running[training]
                    yield training, ended

    def cancel(self) -> None:
        self._waiting.clear()
        for process in self._running.values():  # all at once: each takes its time to save
            process.ask_to_stop()
        for process in self._running.values():
            process.stop()
        self._running.clear()
