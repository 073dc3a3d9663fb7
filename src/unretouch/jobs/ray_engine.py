"""The engine Ray: all cores and GPUs of this computer, or the cluster that RAY_ADDRESS names.

Only here is ray imported, and only when somebody asks for this engine. It starts for one command,
with a token that only its own processes know, without dashboard, without usage statistics, and
without looking for a network.

A training is a task of Ray: `unretouch train` in a process of its own, which notices the death of
its worker, saves and ends; Ray runs the task again elsewhere, and the run goes on where it saved.
The run folders, on a disk that all machines share, are the only record of what was done.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any

from unretouch.base.errors import ExitCode, UsageError, install_hint
from unretouch.jobs.child import threads_asked
from unretouch.jobs.pool import Job, Result, Start, WorkerLostError
from unretouch.jobs.training import (
    Ended,
    Training,
    TrainingProcess,
    learning_curve,
    wait_until_free,
)

RESTARTS = 3
"""Times that a task is done again, and a worker restarted, after a worker was killed."""
OBJECTS_BYTES = 200_000_000
"""Memory for what goes between processes: jobs and results are small."""
SAVE_S = 120.0
"""For trainings that were told to stop."""
_LOOK_S = 0.5

_SETTINGS = {
    # Our children notice the death of a worker by themselves, and save before they end.
    "RAY_kill_child_processes_on_worker_exit": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_ALONE = {
    "RAY_AUTH_MODE": "token",
    # It says whether machines may join, on Linux too: without, Ray listens to this one alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""For a Ray that is not to be found from elsewhere."""


def calls(
    start: Start[Job, Result], jobs: Sequence[Job], at_once: int | None
) -> Generator[tuple[Job, Result]]:
    """Yield every job with its result; `at_once` None: a worker a GPU, or a core where there is
    no GPU.

    Workers are Ray's actors. Raises UsageError without ray, WorkerLostError.
    """
    ray = _begin()
    count, share, gpus = _shares(at_once)
    actor = ray.remote(_Worker).options(
        num_cpus=share, num_gpus=gpus, max_restarts=RESTARTS, max_task_retries=RESTARTS
    )
    workers = [actor.remote(start, share) for _ in range(count)]
    # Two for each: the next is there when one is done, and no worker has a long queue.
    free = deque([*workers, *workers])
    waiting = deque(jobs)
    running: dict[Any, tuple[Job, Any]] = {}
    try:
        while waiting or running:
            while waiting and free:
                job, worker = waiting.popleft(), free.popleft()
                running[worker.do.remote(job)] = job, worker
            done, _ = ray.wait(list(running))
            job, worker = running.pop(done[0])
            free.append(worker)
            try:
                result = ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayActorError as error:
                raise WorkerLostError(job) from error
            yield job, result
    finally:
        for worker in workers:
            with contextlib.suppress(Exception):  # gone already: that is what is wanted
                ray.kill(worker)
        ray.shutdown()


class _Worker:
    """Becomes an actor."""

    def __init__(self, start: Start[Any, Any], threads: int) -> None:
        self._call: Callable[[Any], Any] = start(threads)

    def do(self, job: Any) -> Any:
        return self._call(job)


def trainings(
    todo: Sequence[Training], at_once: int | None, early_stop: bool, over: Sequence[Training]
) -> Generator[tuple[Training, Ended]]:
    """Return an iterator over the trainings as they end; `at_once` None: one a GPU, or one a core
    where there is no GPU.

    Raises UsageError without ray; the iterator raises DiskError.
    """
    return _trainings(_begin(), todo, at_once, EarlyStop(over) if early_stop else None)


def _trainings(
    ray: Any, todo: Sequence[Training], at_once: int | None, rule: EarlyStop | None
) -> Generator[tuple[Training, Ended]]:
    count, share, gpus = _shares(at_once, len(todo))
    task = ray.remote(_train).options(num_cpus=share, num_gpus=gpus, max_retries=RESTARTS)
    waiting = deque(todo)
    running: dict[Any, Training] = {}
    given_up: dict[Any, str] = {}
    try:
        while waiting or running:
            while waiting and len(running) < count:
                training = waiting.popleft()
                running[task.remote(training, threads_asked() or share)] = training
            done, _ = ray.wait(list(running), timeout=_LOOK_S)
            for ref, training in running.items():
                # Those that have just ended are looked at for the sake of those after them.
                at = rule.hopeless(training) if rule else None
                if at and ref not in given_up and ref not in done:
                    given_up[ref] = at
                    ray.cancel(ref)
            for ref in done:
                yield running.pop(ref), _ended(ray, ref, given_up.get(ref))
    finally:
        for ref in running:
            ray.cancel(ref)
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=SAVE_S)
        ray.shutdown()
        for training in running.values():  # its worker may have been killed: it saves all the same
            wait_until_free(training.run)


def _train(training: Training, threads: int) -> Ended:
    """Train to the end. Becomes a task; cancelling it is Ctrl+C in here."""
    # Whoever started Ray may ignore Ctrl+C, as what a script puts into the background does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = TrainingProcess(training, threads)
    try:
        while (ended := process.poll()) is None:
            time.sleep(_LOOK_S)
        return ended
    finally:
        process.stop()


def _ended(ray: Any, ref: Any, given_up: str | None) -> Ended:
    """Return how the task ended; `given_up` says where, if it was cancelled."""
    try:
        ended: Ended = ray.get(ref)
        return ended
    except ray.exceptions.TaskCancelledError:
        return Ended(ExitCode.OK, given_up or "", hopeless=True)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError:
        return Ended(ExitCode.PROCESS_LOST, f"its worker was lost {RESTARTS + 1} times over")


def _begin() -> Any:
    """Start Ray, or join the cluster of RAY_ADDRESS; return the module. Raises UsageError."""
    address = os.environ.get("RAY_ADDRESS")
    settings = dict(_SETTINGS)
    if not address and "ray" not in sys.modules:  # ray reads them when it is imported
        settings |= _ALONE | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"{error.name or 'ray'} is not installed", "--engine ray", install_hint("ray")
        ) from None
    if ray.is_initialized():
        return ray
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local", include_dashboard=False, object_store_memory=OBJECTS_BYTES,
                _node_ip_address="127.0.0.1", **quiet,
            )  # fmt: skip
    except Exception as error:  # Ray raises plain ones, too, as when the computer is busy
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"Ray does not start: {first}",
            "--engine ray",
            "Check RAY_ADDRESS" if address else "Leave the flag out to train one after the other",
        ) from error
    return ray


def _shares(at_once: int | None, most: int | None = None) -> tuple[int, int, float]:
    """Return how many workers Ray gets, the cores of each, and its part of the GPUs.

    `at_once` None: a worker a GPU, or a core where there is no GPU; never more than `most`, nor
    more than there are cores for.
    """
    import ray

    everything = ray.cluster_resources()
    total, gpus = max(1, int(everything.get("CPU", 1))), int(everything.get("GPU", 0))
    # No node can give a worker more cores than it has.
    least = min(int(node["Resources"].get("CPU", 0)) or 1 for node in ray.nodes() if node["Alive"])
    count = at_once or gpus or total
    count = max(1, min(count, most or count))
    share = min(max(1, total // count), least)
    count = min(count, max(1, total // share))
    return count, share, min(1.0, gpus / count) if gpus else 0


# --- which trainings are hopeless beside others -----------------------------------------------

JUDGED_AT = (30, 60)
"""Percents of its schedule at which a run goes on only if its error is at most the median of those
that came there before it."""


class EarlyStop:
    """Judges the runs of one sweep, each beside all that came as far before it.

    The rule is that of asynchronous successive halving (ASHA: Li and others, "A System for
    Massively Parallel Hyperparameter Tuning", 2020). It is judged by the records in the run folders
    alone, so a sweep that crashed goes on with it, and so does one whose runs were trained in
    another way.
    """

    def __init__(self, over: Sequence[Training]) -> None:
        """`over` are runs that have ended: they are judged by, whatever became of them."""
        self._errors: dict[int, dict[str, float]] = {percent: {} for percent in JUDGED_AT}
        for training in over:
            self.hopeless(training)

    def hopeless(self, training: Training) -> str | None:
        """Return where a run stands that is to be given up, for people; None for all others.

        To be asked again and again while the run trains.
        """
        if all(training.name in errors for errors in self._errors.values()):
            return None
        # The newest percent may have further log lines to come.
        curve = list(learning_curve(training))[:-1]
        said = None
        for judged_at, errors in self._errors.items():
            point = next((point for point in curve if point[0] >= judged_at), None)
            if point is None or training.name in errors:
                continue
            percent, error = point
            if errors and error > statistics.median(errors.values()):
                said = said or f"{percent} % of the way, {error:.2f} grey levels"
            errors[training.name] = error
        return said
