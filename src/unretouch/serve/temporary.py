"""A private folder for pictures on their way, gone when the app ends, however it ends."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import portalocker

from unretouch.base import locks

PREFIX = "unretouch-serve-"
_LOCK = "lock"


class PrivateFolder:
    """A new folder that only this user can look into. `close` removes it with all in it.

    A folder that a killed app left is removed by the next one: its lock is free then.
    """

    def __init__(self) -> None:
        remove_left_behind()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = portalocker.Lock(self.path / _LOCK, mode="a", timeout=0)
        self._lock.acquire()

    def close(self) -> None:
        """Remove the folder."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_left_behind() -> None:
    """Remove folders of apps that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
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
