"""The runs there are: ordinary run folders, whoever trained or trains them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unretouch.base.errors import CheckpointError
from unretouch.runs import folder
from unretouch.runs.folder import RunDir
from unretouch.serve.refusals import NOT_THERE, Refused
from unretouch.settings.train import TrainSettings, load_settings

_CALL = ("window.unretouchStatus(", ");")
_PICTURES = {".png": "image/png"}

Status = dict[str, Any]


def run_id(name: str) -> str:
    """Return the name of a run as its addresses have it: no path can be made of it."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def find_runs(checkpoints: Path) -> list[RunDir]:
    """Return the runs below `checkpoints`, the newest first."""
    return sorted(folder.find_runs(checkpoints), key=_changed, reverse=True)


def find_run(checkpoints: Path, wanted: str) -> RunDir:
    """Return the run of that id. Raises Refused 404."""
    for run in find_runs(checkpoints):
        if run_id(run.name) == wanted:
            return run
    raise Refused(404, NOT_THERE)


def _changed(run: RunDir) -> float:
    times = [0.0]
    for path in (run.events, run.weights("latest"), run.console):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times)


def status_text(run: RunDir) -> str | None:
    """Return the JSON in the status.js of a run's page; None where there is none to be read."""
    try:
        text = (run.web / "status.js").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    before, after = _CALL
    if not (text.startswith(before) and text.endswith(after)):
        return None
    return text[len(before) : -len(after)]


@dataclass
class _Read:
    stamp: tuple[int, int]
    status: Status | None


class StatusFiles:
    """Reads what runs say of themselves, each file again only when it has changed."""

    def __init__(self) -> None:
        self._read: dict[Path, _Read] = {}

    def changed(self, run: RunDir) -> float:
        """Return when `run` last said something, in Unix seconds; 0 where it never did."""
        try:
            return (run.web / "status.js").stat().st_mtime
        except OSError:
            return 0.0

    def get(self, run: RunDir) -> Status | None:
        """Return the status record of `run`; None where there is none that can be read."""
        path = run.web / "status.js"
        try:
            stat = path.stat()
        except OSError:
            return None
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._read.get(path)
        if known is None or known.stamp != stamp:
            known = self._read[path] = _Read(stamp, _parsed(status_text(run)))
        return known.status


def _parsed(text: str | None) -> Status | None:
    try:
        status = json.loads(text or "")
    except ValueError:
        return None
    good = isinstance(status, dict) and {"state", "step", "previews", "curves"} <= status.keys()
    return status if good else None


def settings_of(run: RunDir) -> TrainSettings | None:
    """Return what the run was trained with; None for a run of another program."""
    try:
        return load_settings(run.config)
    except CheckpointError:
        return None


def picture(run: RunDir, name: str) -> Path:
    """Return the preview picture `name` (`images/...png`) of a run. Raises Refused 404."""
    place, _, file = name.partition("/")
    if place == "images" and Path(file).suffix in _PICTURES:
        # Looked up, not joined: whatever the name says, nothing but these can be found.
        try:
            for entry in os.scandir(run.preview_images):
                if entry.name == file and entry.is_file(follow_symlinks=False):
                    return Path(entry.path)
        except OSError:
            pass
    raise Refused(404, NOT_THERE)


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a text file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
