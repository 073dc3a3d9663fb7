"""What is read of files, again only of one that has changed: pages ask every two seconds, and of
every run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Made = TypeVar("Made")


class ReadOnce(Generic[Made]):
    """Files as `read` reads them. One has changed where it was written at another time or has
    another length."""

    def __init__(self, read: Callable[[Path], Made]) -> None:
        self._read = read
        self._known: dict[Path, tuple[tuple[int, int], Made]] = {}

    def of(self, path: Path) -> Made:
        """Return what is read of the file. Raises OSError, and what reading raises."""
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, self._read(path))
        return known[1]
