"""Training processes: begun, watched and stopped by the app, but not bound to its life."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from unretouch.base import durable
from unretouch.base.errors import ExitCode
from unretouch.base.messages import _
from unretouch.runs.condition import State, condition_of, holder
from unretouch.runs.folder import RunDir
from unretouch.serve import runs
from unretouch.serve.refusals import Refused
from unretouch.serve.runs import StatusFiles

CALM = (ExitCode.OK, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
"""Exit codes that are no failure."""
NOT_TRAINED = _("It is not being trained now.")


@dataclass(frozen=True)
class Condition:
    """How a run stands; `said` is what the program last printed, where it failed."""

    state: State
    reason: str = ""
    said: str = ""

    @property
    def active(self) -> bool:
        return self.state in ("starting", "running")


class Trainings:
    """The training processes of this app, and what can be told of those of others."""

    def __init__(self, files: StatusFiles) -> None:
        self._files = files
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}

    def start(self, run: RunDir, words: list[str]) -> None:
        """Begin to train, or go on. The process survives this one. Raises Refused, DiskError."""
        if self.condition(run).active:
            raise Refused(409, _("It is being trained already."))
        durable.make_folder(run.root)
        # Printed lines go to a file: a pipe would end with this process, and the training with it.
        self._begun[run.name] = time.time()
        try:
            with run.console.open("ab") as console:
                # -P: no file where the app was started is taken for a module of ours.
                self._processes[run.name] = subprocess.Popen(
                    [sys.executable, "-P", "-m", "unretouch", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                    **_apart(),
                )
        except OSError as error:
            raise durable.disk_error(error, run.console) from error

    def stop(self, run: RunDir) -> None:
        """Ask for what Ctrl+C asks: finish the step, save, end. Raises Refused 409."""
        process = self._processes.get(run.name)
        pid = process.pid if process and process.poll() is None else holder(run)
        if pid is None:
            raise Refused(409, NOT_TRAINED)
        # Windows has no SIGINT for another process; a training catches this one likewise.
        wanted = signal.SIGINT if os.name != "nt" else signal.CTRL_BREAK_EVENT  # type: ignore[attr-defined]
        try:
            os.kill(pid, wanted)
        except OSError:
            raise Refused(409, NOT_TRAINED) from None

    def any_active(self, all_runs: list[RunDir]) -> RunDir | None:
        """Return a run that is being trained, by whomever; None where there is none."""
        return next((run for run in all_runs if self.condition(run).active), None)

    def condition(self, run: RunDir) -> Condition:
        """Return how `run` stands."""
        page: dict[str, Any] = self._files.get(run) or {}
        told = condition_of(run)
        process = self._processes.get(run.name)
        begun = self._begun.get(run.name, 0.0)
        alive = process is not None and process.poll() is None
        if alive or told.holder is not None:
            # What the page says may be of the training before.
            if not page or (alive and self._files.changed(run) < begun):
                return Condition("starting")
            return Condition("running", "checking" if told.state == "finished" else "")
        if process is not None and process.returncode not in CALM:
            return Condition("failed", "failed", runs.tail(run.console))
        if told.state != "unfinished":
            return Condition(told.state, str(page.get("stop_reason") or told.reason))
        if page:
            return Condition("stopped", "gone")
        if run.weights("latest").is_file():
            return Condition("finished")
        return Condition("failed", "failed", runs.tail(run.console))


def _apart() -> dict[str, Any]:
    """Return what keeps a child alive when this process and its terminal go."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}
