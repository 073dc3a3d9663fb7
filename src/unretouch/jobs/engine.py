"""Where many jobs run: on this computer, or wherever Ray reaches.

There are two kinds of job. A *call* is given to a function that was made once in every worker; a
*training* is an ordinary run, in a process of its own. Whoever stops asking for results ends all
that runs: close the iterator, and trainings have saved when that returns.

`at_once` is how many run side by side; None: as many as the engine thinks right.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence

from unretouch.base.errors import DataError
from unretouch.jobs import pool
from unretouch.jobs.child import threads_asked
from unretouch.jobs.pool import Job, Result, Start, WorkerLostError
from unretouch.jobs.training import Ended, Training, TrainingProcess
from unretouch.settings.fields import EngineName

_LOOK_S = 0.1


def calls(
    engine: EngineName,
    start: Start[Job, Result],
    jobs: Sequence[Job],
    at_once: int | None,
    where: Callable[[Job], object],
    goes_on: bool = False,
) -> Generator[tuple[Job, Result]]:
    """Yield every job with its result as they end; one process where `at_once` is None here.

    Raises UsageError where the engine is not installed, and DataError when a worker was killed:
    its place is what `where` says of its job. Whether the command `goes_on` when it is run again
    is part of the hint.
    """
    if engine == "ray":
        from unretouch.jobs import ray_engine  # late: an extra

        ended: Iterator[tuple[Job, Result]] = ray_engine.calls(start, jobs, at_once)
    else:
        ended = pool.calls(start, jobs, at_once or 1)
    try:
        yield from ended
    except WorkerLostError as error:
        hint = "Run the same command with fewer --jobs"
        raise DataError(
            "a worker process was killed, perhaps out of memory",
            where(error.job),
            f"{hint}: it goes on from there" if goes_on else hint,
        ) from error


def trainings(
    engine: EngineName,
    todo: Sequence[Training],
    at_once: int | None,
    early_stop: bool = False,
    over: Sequence[Training] = (),
) -> Generator[tuple[Training, Ended]]:
    """Return an iterator over the trainings as they end, each with how it ended.

    Here they are trained one after the other, or `at_once` side by side. With Ray `early_stop`
    gives up hopeless ones, judged beside each other and beside those that are `over`; here, where
    few run side by side, there is little to compare with. Raises UsageError where the engine is
    not installed; the iterator raises DiskError.
    """
    if engine == "ray":
        from unretouch.jobs import ray_engine  # late: an extra

        return ray_engine.trainings(todo, at_once, early_stop, over)
    return _trainings_here(todo, at_once or 1)


def _trainings_here(todo: Sequence[Training], at_once: int) -> Generator[tuple[Training, Ended]]:
    threads = threads_asked() or (None if at_once == 1 else pool.share(at_once))
    waiting = deque(todo)
    running: dict[Training, TrainingProcess] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                training = waiting.popleft()
                running[training] = TrainingProcess(training, threads)
            time.sleep(_LOOK_S)
            for training, process in list(running.items()):
                ended = process.poll()
                if ended is not None:
                    del running[training]
                    yield training, ended
    finally:
        for process in running.values():  # all at once: each takes its time to save
            process.ask_to_stop()
        for process in running.values():
            process.stop()
