"""Trainings as trials of Ray Tune, whose ASHA scheduler stops the hopeless ones early.

The run folder stays the only truth. A trial begins `unretouch train` in a process of its own and
reads the run's metrics.jsonl; Tune keeps nothing that matters. So neither Tuner.restore nor its
experiment files are used: they would be a second record of what the run folders say exactly, in
pickles that must fit the program and the grid of before. After a crash of driver, worker or machine
the same sweep run again takes up every run where its own state stands. A trial tells all records of
its run from the first on, and those of runs that are over are told as well, so that the scheduler
judges by all that is known.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from unretouch.base.errors import ExitCode
from unretouch.jobs.course import course
from unretouch.jobs.ray_engine import cores
from unretouch.jobs.training import (
    Ended,
    Training,
    TrainingProcess,
    threads_asked,
    wait_until_free,
)

RESTARTS = 3
GRACE_PERCENT, KEEP_ONE_IN = 30, 2
"""At 30 and at 60 percent of its schedule a run goes on if its error is at most the median of
those that came there before it."""
ROUND_S = 0.5
SAVE_S = 120.0
"""For a training that was told to stop."""


class Trials:
    """See engines.Engine. `at_once` None: one a GPU, or one a core where there is no GPU."""

    def __init__(
        self, ray: Any, at_once: int | None, early_stop: bool, known: Sequence[Training]
    ) -> None:
        self._ray, self._at_once, self._early_stop = ray, at_once, early_stop
        self._known = known
        self._jobs: list[Training] = []
        self._ended: queue.Queue[tuple[str, Ended] | Exception | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, job: Training) -> None:
        self._jobs.append(job)

    def wait(self) -> Iterator[tuple[Training, Ended]]:
        by_name = {job.name: job for job in self._jobs}
        self._thread = threading.Thread(target=self._fit, daemon=True)
        self._thread.start()
        while (item := self._ended.get()) is not None:
            if isinstance(item, Exception):
                raise item
            name, ended = item
            yield by_name.pop(name), ended
        self._thread.join()

    def cancel(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(SAVE_S)
        self._ray.shutdown()
        for job in self._jobs:  # a worker that was killed for its slowness: its child still saves
            wait_until_free(job.run)

    def _fit(self) -> None:
        storage = self._jobs[0].run.root.parent / ".ray"  # seen by all machines, as the runs are
        shutil.rmtree(storage, ignore_errors=True)  # of a sweep that was killed
        try:
            self._tuner(str(storage)).fit()
            self._ended.put(None)
        except Exception as error:  # handed to the thread that waits, which raises it
            self._ended.put(error)
        finally:
            shutil.rmtree(storage, ignore_errors=True)

    def _all(self) -> list[tuple[Training, bool]]:
        """Return the trainings, those that are over first, and whether each is to be done."""
        known = self._known if self._early_stop else ()
        return [*((one, False) for one in known), *((job, True) for job in self._jobs)]

    def _tuner(self, storage: str) -> tune.Tuner:
        total, gpus, least = cores()
        wanted = self._at_once or gpus or total
        at_once = max(1, min(wanted, len(self._jobs)))
        share = min(max(1, total // at_once), least)
        needs = {"cpu": share, "gpu": min(1.0, gpus / at_once) if gpus else 0}
        scheduler = (
            ASHAScheduler(
                time_attr="percent", metric="level_error", mode="min", max_t=100,
                grace_period=GRACE_PERCENT, reduction_factor=KEEP_ONE_IN, stop_last_trials=False,
            )
            if self._early_stop
            else FIFOScheduler()
        )  # fmt: skip
        return tune.Tuner(
            tune.with_resources(Trial, needs),
            param_space={"job": tune.grid_search(self._all()), "threads": threads_asked() or share},
            tune_config=tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=at_once),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=storage,
                verbose=0,
                stop=_StopAll(self._stopping),
                failure_config=tune.FailureConfig(max_failures=RESTARTS),
                callbacks=[_Tell(self._ended)],
            ),
        )


def _nothing(_: object) -> dict[str, Any]:
    """State for pickle: Tune keeps its experiment for Tuner.restore, which is not used here."""
    return {}


class _StopAll(tune.Stopper):
    """Stops all trials once we are cancelled."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._stopping.is_set()

    __getstate__ = _nothing


class _Tell(tune.Callback):
    """Tells of trials that ended."""

    __getstate__ = _nothing

    def __init__(self, ended: queue.Queue[tuple[str, Ended] | Exception | None]) -> None:
        self._ended = ended

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        result = trial.last_result
        training, to_do = trial.config["job"]
        name = training.name
        if not to_do:
            return
        if "exit_code" in result:
            self._ended.put((name, Ended(int(result["exit_code"]), str(result["said"]))))
        else:
            at = f"{result['percent']} % of the way, {result['level_error']:.2f} grey levels"
            self._ended.put((name, Ended(ExitCode.OK, at, hopeless=True)))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        said = f"its worker was lost {RESTARTS + 1} times over"
        training, to_do = trial.config["job"]
        if to_do:
            self._ended.put((training.name, Ended(ExitCode.PROCESS_LOST, said)))


class Trial(tune.Trainable):
    """One training in a worker, or what is known of one that is over."""

    def setup(self, config: dict[str, Any]) -> None:
        self._process: TrainingProcess | None = None
        self._training: Training
        self._training, to_do = config["job"]
        if to_do:
            self._process = TrainingProcess(self._training, config["threads"])
        self._told: dict[str, Any] = {"percent": 0, "level_error": float("inf")}

    def step(self) -> dict[str, Any]:
        """Return the next point of the run's course, or the last one again after ROUND_S."""
        end = time.monotonic() + ROUND_S
        while True:
            ended = self._process.poll() if self._process else Ended(ExitCode.OK)
            for percent, error in course(self._training):
                if percent > self._told["percent"]:
                    self._told = {"percent": percent, "level_error": error}
                    return dict(self._told)
            if ended is not None:
                more = {"exit_code": ended.exit_code, "said": ended.said, "done": True}
                return {**self._told, **more}
            if time.monotonic() > end:
                return dict(self._told)
            time.sleep(ROUND_S / 5)

    def cleanup(self) -> None:
        if self._process is not None:
            self._process.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write nothing: the run has its own state."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Read nothing: the run has its own state."""
