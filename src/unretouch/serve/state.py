"""What all requests share: settings, a private folder, the drafts, the workers, the runs."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import portalocker
from starlette.requests import Request

from unretouch.base.messages import _
from unretouch.runs.folder import RunDir
from unretouch.serve.background import Background
from unretouch.serve.deleted import DeletedRuns
from unretouch.serve.left_behind import LOCK, remove_left_behind
from unretouch.serve.refusals import Limits, Refused
from unretouch.serve.restoring import Restoring
from unretouch.serve.runs import Runs
from unretouch.serve.uploads import Drafts
from unretouch.serve.worker import Worker
from unretouch.settings.commands import ServeSettings

_AT_WORK = _("A photo or a report is being made. Try again when that is done.")
_PRIVATE = "unretouch-serve-"
"""How the names of private folders begin."""


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
        remove_left_behind(Path(tempfile.gettempdir()), _PRIVATE)
        self.folder = Path(tempfile.mkdtemp(prefix=_PRIVATE))
        self._lock = portalocker.Lock(self.folder / LOCK, mode="a", timeout=0)
        self._lock.acquire()
        self.background = Background(self.folder)
        self.runs = Runs(self.checkpoints, self.background.trains_since)
        self.deleted = DeletedRuns(self.checkpoints)
        self.drafts = Drafts(self.folder, self.limits)
        self.worker = Worker(self.folder, self.limits)
        self.restoring = Restoring(self.worker)
        self.compared = _compared_before(self.comparison)
        """what was compared last: names of runs, by what stands for the pairs they share"""

    @contextlib.contextmanager
    def at_rest(self, run: RunDir) -> Iterator[None]:
        """Nothing is done with the folder of `run` meanwhile, which then has moved. Raises Refused
        409 where something is: see Runs.at_rest."""
        if self.worker.busy or self.restoring.waits(run) or self.background.busy(run.name):
            raise Refused(409, _AT_WORK)
        with self.runs.at_rest(run):
            yield
            self.restoring.forget(run)

    def close(self) -> None:
        """End what is done in the background, and remove the private folder."""
        self.background.close()
        self.deleted.close()
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def _compared_before(folder: Path) -> dict[str, list[str]]:
    """Return what earlier apps compared, whose pages lie below `folder`; the newest first."""
    found: list[tuple[float, str, list[str]]] = []
    for path in folder.glob("*/comparison.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            runs = [str(run["name"]) for run in json.loads(path.read_text("utf-8"))["runs"]]
            found.append((path.stat().st_mtime, path.parent.name, runs))
    return {group: runs for _when, group, runs in sorted(found, reverse=True)}


def state_of(request: Request) -> AppState:
    """Return the state of the app that a request came to."""
    found: AppState = request.app.state.unretouch
    return found


def run_of(request: Request) -> RunDir:
    """Return the run that the address names by its id. Raises Refused 404."""
    return state_of(request).runs.get(request.path_params["run"])
