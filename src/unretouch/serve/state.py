"""What all requests share: settings, a private folder, the drafts, the worker, the trainings."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import portalocker
from starlette.requests import Request

from unretouch.base import locks
from unretouch.runs.condition import STOP_REASONS
from unretouch.runs.folder import RunDir
from unretouch.serve import runs
from unretouch.serve.draft_pairs import Drafts
from unretouch.serve.refusals import Limits
from unretouch.serve.runs import StatusFiles
from unretouch.serve.trainings import Trainings
from unretouch.serve.worker import Worker
from unretouch.settings.commands import ServeSettings

_PRIVATE = "unretouch-serve-"
"""How the names of private folders begin."""
_LOCK = "lock"


class AppState:
    """One for the life of the app. `close` ends it."""

    def __init__(self, settings: ServeSettings, limits: Limits | None = None) -> None:
        self.limits = limits or Limits(queue=settings.queue, work_s=settings.deadline)
        # Absolute: a run that goes on later may do so from another folder.
        self.checkpoints = settings.checkpoints_dir.resolve()
        self.datasets = settings.datasets_dir.resolve()
        self.results = settings.results_dir.resolve()
        self.private = PrivateFolder()
        self.files = StatusFiles()
        self.trainings = Trainings(self.files)
        self.drafts = Drafts(self.private.path, self.limits)
        self.worker = Worker(self.private.path, self.limits)
        # Held from the look for another training to the start: two requests may come at once.
        self.starting = threading.Lock()

    def close(self) -> None:
        self.private.close()

    def runs(self) -> list[RunDir]:
        return runs.find_runs(self.checkpoints)

    def run(self, request: Request) -> RunDir:
        """Return the run that the address names by its id. Raises Refused 404."""
        return runs.find_run(self.checkpoints, request.path_params["run"])

    @contextmanager
    def job_folder(self) -> Iterator[Path]:
        """A private folder for one piece of work."""
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.private.path))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def state_of(request: Request) -> AppState:
    """Return the state of the app that a request came to."""
    found: AppState = request.app.state.unretouch
    return found


def describe(state: AppState, run: RunDir) -> dict[str, Any]:
    """Return what the pages show of a run, as JSON has it."""
    status = state.files.get(run) or {}
    condition = state.trainings.condition(run)
    settings = runs.settings_of(run)
    previews = status.get("previews") or []
    pairs = previews[-1].get("pairs", []) if previews else []
    errors = [pair["level_error"] for pair in pairs]
    identities = [pair["identity_error"] for pair in pairs]
    known = condition.reason in (*STOP_REASONS, "checking", "gone", "failed")
    return {
        "id": runs.run_id(run.name),
        "name": run.name,
        "state": condition.state,
        "reason": condition.reason if known else "",
        "said": condition.said or ("" if known else condition.reason),
        "has_weights": run.weights("latest").is_file(),
        "budget": None if settings is None else _budget(settings.minutes),
        "elapsed_s": status.get("elapsed_s"),
        "left_s": status.get("left_s"),
        "step": status.get("step"),
        "total_steps": status.get("total_steps"),
        "level_error": sum(errors) / len(errors) if errors else None,
        "recovered": 1 - sum(errors) / sum(identities) if sum(identities) else None,
        "estimated": any(pair.get("estimated") for pair in pairs),
        "picture": _picture(pairs[0]) if pairs else None,
    }


def _picture(pair: dict[str, Any]) -> str | None:
    """Return the newest picture of a pair: of a large one, mostly, a part at 1:1."""
    parts = [pair, *pair.get("places", ())]
    return next((part["fake_B"] for part in parts if part.get("fake_B")), None)


def _budget(minutes: float | None) -> str:
    return "epochs" if minutes is None else "minutes"


class PrivateFolder:
    """A new folder for pictures on their way, that only this user can look into.

    It is gone when the app ends, however that is: `close` removes it with all in it, and a folder
    that a killed app left is removed by the next one: its lock is free then.
    """

    def __init__(self) -> None:
        _remove_left_behind()
        self.path = Path(tempfile.mkdtemp(prefix=_PRIVATE))
        self._lock = portalocker.Lock(self.path / _LOCK, mode="a", timeout=0)
        self._lock.acquire()

    def close(self) -> None:
        """Remove the folder."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_left_behind() -> None:
    """Remove folders of apps that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PRIVATE}*"):
        if _ours(folder) and _abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return stat.S_ISDIR(found.st_mode) and mine


def _abandoned(folder: Path) -> bool:
    lock = folder / _LOCK
    if not lock.is_file():
        return False  # being made just now
    return not locks.is_held(lock)
