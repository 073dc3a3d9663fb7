"""Runs that were deleted: they lie in a folder beside the others until the deletion is undone, or
until the next app is started."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import portalocker

from unretouch.base import durable
from unretouch.base.messages import _
from unretouch.runs.folder import RunDir
from unretouch.serve.left_behind import LOCK, remove_left_behind
from unretouch.serve.refusals import NOT_THERE, Refused


@dataclass(frozen=True)
class Deleted:
    """A run that can still be had back."""

    id: str
    name: str
    place: Path


class DeletedRuns:
    """What this app deleted below one folder of runs.

    What earlier apps deleted there is removed for good when this one begins, unless they still
    live: each has a folder of its own, with a lock.
    """

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints
        self._root = checkpoints.with_name(f"{checkpoints.name}-deleted")
        remove_left_behind(self._root, "")
        self._folder = self._root / secrets.token_hex(4)
        self._lock: portalocker.Lock | None = None
        self._deleted: dict[str, Deleted] = {}

    def all(self) -> list[Deleted]:
        """Return what can be had back, the newest first."""
        return [*self._deleted.values()][::-1]

    def put(self, run: RunDir) -> Deleted:
        """Move the folder of a run here; whoever calls sees that nobody trains it. Raises
        DiskError."""
        if self._lock is None:
            durable.make_folder(self._folder)
            self._lock = portalocker.Lock(self._folder / LOCK, mode="a", timeout=0)
            self._lock.acquire()
        deleted_id = secrets.token_hex(8)
        place = self._folder / deleted_id
        durable.make_folder(place)
        deleted = Deleted(deleted_id, run.name, place / "run")
        durable.rename(run.root, deleted.place)
        self._deleted[deleted_id] = deleted
        return deleted

    def undo(self, deleted_id: str) -> RunDir:
        """Move a run back to where it was. Raises Refused: 404 where there is none, 409 where
        another has its name by now; DiskError."""
        deleted = self._deleted.get(deleted_id)
        if deleted is None:
            raise Refused(404, NOT_THERE)
        run = RunDir(self._checkpoints, deleted.name)
        if run.root.exists():
            message = _(
                "There is another {name} by now. Rename that one, then undo.", name=run.name
            )
            raise Refused(409, message)
        durable.make_folder(run.root.parent)
        durable.rename(deleted.place, run.root)
        del self._deleted[deleted_id]
        return run

    def close(self) -> None:
        """Let the next app remove what lies here."""
        if self._lock is not None:
            self._lock.release()
