"""What all requests share: the settings, the worker, the drafts, the trainings."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.requests import Request

from unretouch.cli import COMMANDS
from unretouch.runs.condition import STOP_REASONS
from unretouch.runs.folder import RunDir
from unretouch.serve import runs
from unretouch.serve.drafts import Drafts
from unretouch.serve.jobs import Worker
from unretouch.serve.limits import Limits
from unretouch.serve.runs import StatusFiles
from unretouch.serve.temporary import PrivateFolder
from unretouch.serve.trainings import Trainings
from unretouch.settings.small_commands import ServeSettings


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


def tools() -> list[str]:
    """Return which commands the app can offer on a run: those that this version has."""
    names = {command.name for command in COMMANDS}
    return [name for name in ("verify", "compare") if name in names]


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
