"""What all requests share: settings, a private folder, the drafts, the worker, the runs."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import portalocker
from starlette.requests import Request

from unretouch.base import locks
from unretouch.runs.folder import RunDir
from unretouch.serve.draft_pairs import Drafts
from unretouch.serve.refusals import Limits
from unretouch.serve.runs import Runs
from unretouch.serve.worker import Worker
from unretouch.settings.commands import ServeSettings

_PRIVATE = "unretouch-serve-"
"""How the names of private folders begin."""
_LOCK = "lock"


class AppState:
    """One for the life of the app. `close` ends it.

    `folder` takes pictures on their way, and only this user can look into it. It is gone when the
    app ends, however that is: `close` removes it with all in it, and one that a killed app left is
    removed by the next app: its lock is free then.
    """

    def __init__(self, settings: ServeSettings, limits: Limits | None = None) -> None:
        self.limits = limits or Limits(queue=settings.queue, work_s=settings.deadline)
        # Absolute: a run that goes on later may do so from another folder.
        self.checkpoints = settings.checkpoints_dir.resolve()
        self.datasets = settings.datasets_dir.resolve()
        self.results = settings.results_dir.resolve()
        self.comparison = self.results / "comparison"
        _remove_left_behind()
        self.folder = Path(tempfile.mkdtemp(prefix=_PRIVATE))
        self._lock = portalocker.Lock(self.folder / _LOCK, mode="a", timeout=0)
        self._lock.acquire()
        self.runs = Runs(self.checkpoints)
        self.drafts = Drafts(self.folder, self.limits)
        self.worker = Worker(self.folder, self.limits)

    def close(self) -> None:
        """Remove the private folder."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def state_of(request: Request) -> AppState:
    """Return the state of the app that a request came to."""
    found: AppState = request.app.state.unretouch
    return found


def run_of(request: Request) -> RunDir:
    """Return the run that the address names by its id. Raises Refused 404."""
    return state_of(request).runs.get(request.path_params["run"])


def _remove_left_behind() -> None:
    """Remove folders of apps that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PRIVATE}*"):
        if _is_ours(folder) and _is_abandoned(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return stat.S_ISDIR(found.st_mode) and mine


def _is_abandoned(lock: Path) -> bool:
    # Without a lock, the folder is being made just now.
    return lock.is_file() and not locks.is_held(lock)
