"""Where many jobs run: on this computer, or wherever Ray reaches.

An engine takes jobs, gives each back with its result, and can be told to stop. There are two kinds
of job, and every engine's module has a function for each:

    calls(start, at_once)        a job is given to a function that was made once in every worker
    trainings(at_once, …)        a job is a `Training`: an ordinary run, in a process of its own

`at_once` is how many run side by side; None: as many as the engine thinks right.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from unretouch.jobs.training import Ended, Training
from unretouch.settings.fields import EngineName

ENGINES: Mapping[EngineName, str] = {
    "local": "unretouch.jobs.local",
    "ray": "unretouch.jobs.ray_engine",
}
"""Each engine's module, imported only when it is asked for."""

Job = TypeVar("Job")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Start = Callable[[int], Callable[[Job], Result]]
"""Called once in every worker, with the number of processor threads that are its share."""


class Engine(Protocol[Job, Result_co]):
    """Jobs, results and what makes a worker go between processes by pickle."""

    def submit(self, job: Job) -> None:
        """Take a job. It may begin at once."""

    def wait(self) -> Iterator[tuple[Job, Result_co]]:
        """Yield every job with its result as they end. Raises WorkerLostError."""

    def cancel(self) -> None:
        """Begin nothing more; return when nothing runs. Harmless when all is done."""


class WorkerLostError(Exception):
    """A worker was killed with `job` in its hands, more often than the engine begins it anew."""

    def __init__(self, job: object) -> None:
        self.job = job
        super().__init__(str(job))


def calls(name: EngineName, start: Start[Any, Any], at_once: int | None) -> Engine[Any, Any]:
    """Return an engine for calls. Raises UsageError where it is not installed."""
    engine: Engine[Any, Any] = importlib.import_module(ENGINES[name]).calls(start, at_once)
    return engine


def trainings(
    name: EngineName, at_once: int | None, early_stop: bool, known: Sequence[Training] = ()
) -> Engine[Training, Ended]:
    """Return an engine for trainings; with `early_stop` it may stop hopeless ones, where it can.

    It judges them beside each other and beside those that are `known`, which are over.

    Raises UsageError where it is not installed.
    """
    module = importlib.import_module(ENGINES[name])
    engine: Engine[Training, Ended] = module.trainings(at_once, early_stop, known)
    return engine
