"""A disk that loses power: of everything written it keeps what was flushed.

Two readings of what file systems promise. Strict: a name is on the disk when its folder was flushed
after it was given. Hasty: names reach the disk at once, ahead of what is in the files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unretouch.base import durable


class Disk:
    """Watches what `durable` does below `root`, and calls `lost` at every point of a crash."""

    def __init__(self, root: Path, lost: Callable[[], None]) -> None:
        self._root, self._lost = root, lost
        self._content: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Put this disk under `durable` while `patch` lasts."""
        fsync, opening, point = os.fsync, Path.open, durable._point

        def flush(handle: int) -> None:
            fsync(handle)
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            if path.is_dir():
                self._names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
            else:
                self._content[os.fstat(handle).st_ino] = path.read_bytes()

        def open_(path: Path, mode: str = "r", *given: Any, **more: Any) -> Any:
            file = opening(path, mode, *given, **more)
            if "x" in mode:  # a new file, perhaps in the place of one that was removed
                self._content.pop(os.fstat(file.fileno()).st_ino, None)
            return file

        def crash(operation: str) -> None:
            self._lost()
            point(operation)

        patch.setattr(durable.os, "fsync", flush)
        patch.setattr(Path, "open", open_)
        patch.setattr(durable, "_point", crash)

    def strict(self, into: Path) -> None:
        """Write what is left, names counted only when their folder was flushed."""
        self._copy(self._root, into, lambda folder: self._names.get(folder, {}))

    def hasty(self, into: Path) -> None:
        """Write what is left, names counted at once."""
        self._copy(self._root, into, lambda folder: {e.name: e.inode() for e in os.scandir(folder)})

    def _copy(self, folder: Path, into: Path, names: Callable[[Path], dict[str, int]]) -> None:
        into.mkdir(parents=True)
        for name, inode in names(folder).items():
            if (folder / name).is_dir():
                self._copy(folder / name, into / name, names)
            else:
                (into / name).write_bytes(self._content.get(inode, b""))
