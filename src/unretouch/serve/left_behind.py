"""Folders that belong to one app: each has a lock that the app holds as long as it lives, so that
the next one knows which were left behind."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from unretouch.base import locks

LOCK = "lock"


def remove_left_behind(parent: Path, prefix: str) -> None:
    """Remove the folders in `parent`, of names with this `prefix`, whose app has ended; `parent`
    itself stays where anything else is in it."""
    for folder in parent.glob(f"{prefix}*"):
        if _is_ours(folder) and _is_abandoned(folder / LOCK):
            shutil.rmtree(folder, ignore_errors=True)
    if not prefix:
        with suppress(OSError):
            parent.rmdir()


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
