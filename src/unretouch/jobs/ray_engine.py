"""The engine Ray: all cores and GPUs of this computer, or the cluster that RAY_ADDRESS names.

Only here and in ray_trials.py is ray imported, and only when somebody asks for this engine. It
starts without dashboard, without usage statistics, and without looking for a network.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from unretouch.base.errors import UsageError, install_hint
from unretouch.jobs import Start, WorkerLostError
from unretouch.jobs.training import Training

if TYPE_CHECKING:
    from unretouch.jobs.ray_trials import Trials

RESTARTS = 3
"""Times that a worker is begun anew, and that a call is made again, after a worker was killed."""
OBJECTS_BYTES = 200_000_000
"""Memory for what goes between processes: jobs and results are small."""

_SETTINGS = {
    # Our children notice the death of a worker by themselves, and save before they end.
    "RAY_kill_child_processes_on_worker_exit": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}


def calls(start: Start[Any, Any], at_once: int | None) -> Calls:
    """Return an engine for calls, `at_once` None: a worker a GPU, or a core where there is no GPU.

    Raises UsageError without ray.
    """
    return Calls(begin(), start, at_once)


def trainings(at_once: int | None, early_stop: bool, known: Sequence[Training]) -> Trials:
    """Return an engine for trainings. Raises UsageError without ray."""
    ray = begin()
    try:
        from unretouch.jobs.ray_trials import Trials
    except ImportError as error:
        raise _missing(error) from None
    return Trials(ray, at_once, early_stop, known)


def begin() -> Any:
    """Start Ray, or join the cluster of RAY_ADDRESS; return the module. Raises UsageError."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise _missing(error) from None
    if ray.is_initialized():
        return ray
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local", include_dashboard=False, object_store_memory=OBJECTS_BYTES,
                _node_ip_address="127.0.0.1", **quiet,
            )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"Ray does not start: {first}",
            "--engine ray",
            "Check RAY_ADDRESS" if address else "Leave the flag out to train one after the other",
        ) from error
    return ray


def cores() -> tuple[int, int, int]:
    """Return the cores and the GPUs of all that Ray reaches, and the cores of its least node."""
    import ray

    everything = ray.cluster_resources()
    least = min(int(node["Resources"].get("CPU", 0)) or 1 for node in ray.nodes() if node["Alive"])
    return max(1, int(everything.get("CPU", 1))), int(everything.get("GPU", 0)), least


def _missing(error: ImportError) -> UsageError:
    return UsageError(
        f"{error.name or 'ray'} is not installed",
        "--engine ray",
        install_hint("ray"),
    )


class Calls:
    """See engines.Engine. Workers are Ray's actors; a killed one is begun anew."""

    def __init__(self, ray: Any, start: Start[Any, Any], at_once: int | None) -> None:
        self._ray = ray
        total, gpus, least = cores()
        at_once = at_once or gpus or total
        # A share of the cores each, but never more workers than there are cores for.
        share = min(max(1, total // at_once), least)
        count = min(at_once, max(1, total // share))
        actor = ray.remote(_Worker).options(
            num_cpus=share,
            num_gpus=gpus / count if gpus else 0,
            max_restarts=RESTARTS,
            max_task_retries=RESTARTS,
        )
        self._workers = [actor.remote(start, share) for _ in range(count)]
        self._jobs: list[Any] = []

    def submit(self, job: Any) -> None:
        self._jobs.append(job)

    def wait(self) -> Iterator[tuple[Any, Any]]:
        jobs = iter(self._jobs)
        running: dict[Any, tuple[Any, Any]] = {}
        # Two for each: the next is there when one is done, and no worker has a long queue.
        for worker in [*self._workers, *self._workers]:
            self._give(worker, jobs, running)
        while running:
            done, _ = self._ray.wait(list(running), num_returns=1)
            job, worker = running.pop(done[0])
            self._give(worker, jobs, running)
            try:
                result = self._ray.get(done[0])
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except self._ray.exceptions.RayActorError as error:
                raise WorkerLostError(job) from error
            yield job, result

    def _give(self, worker: Any, jobs: Iterator[Any], running: dict[Any, tuple[Any, Any]]) -> None:
        for job in jobs:
            running[worker.do.remote(job)] = (job, worker)
            return

    def cancel(self) -> None:
        for worker in self._workers:
            with contextlib.suppress(Exception):  # gone already: that is what is wanted
                self._ray.kill(worker)
        self._ray.shutdown()


class _Worker:
    """Becomes an actor."""

    def __init__(self, start: Start[Any, Any], threads: int) -> None:
        self._call: Callable[[Any], Any] = start(threads)

    def do(self, job: Any) -> Any:
        return self._call(job)
