"""The sweep's own files, beside its runs: which process sweeps, and which runs were given up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unretouch.base import durable, locks
from unretouch.base.errors import CheckpointError, DataError
from unretouch.runs.folder import RunDir

SCHEMA = 1


class SweepFolder:
    """`sweep.json` and `sweep.lock` in the folder of a sweep, and the path of its comparison."""

    def __init__(self, checkpoints: Path, name: str) -> None:
        """Raise DataError where a run has that name."""
        folder = RunDir(checkpoints, name)
        if folder.config.exists():
            raise DataError("is a run, not a sweep", folder.root, "Give the sweep another --name")
        self.root = folder.root
        self.comparison = self.root / "comparison"
        self._file = self.root / "sweep.json"
        self._lock = self.root / "sweep.lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one that sweeps here. Raises DataError naming who does, DiskError."""
        durable.make_folder(self.root)
        with locks.held(self._lock, self._taken) as file:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _taken(self) -> DataError:
        return DataError(
            f"another process sweeps here (process {self._holder()})",
            self.root,
            "Wait for it, stop it, or give this sweep another --name",
        )

    def _holder(self) -> str:
        try:
            return self._lock.read_text("utf-8").strip() or "that has just begun"
        except OSError:  # Windows lets nobody read it
            return "unknown"

    def given_up(self) -> dict[str, str]:
        """Return where runs stood when they were stopped for the sake of others, by name.

        Raises CheckpointError for a damaged file.
        """
        try:
            record = json.loads(self._file.read_text("utf-8"))
            return {str(name): str(at) for name, at in record["given_up"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "Move it away: runs that were given up will then be taken up again"
            raise CheckpointError(f"cannot be read: {error}", self._file, hint) from error

    def give_up(self, name: str, at: str) -> None:
        """Remember that a run was stopped. Raises DiskError."""
        record = {"schema": SCHEMA, "given_up": {**self.given_up(), name: at}}
        durable.write_json(self._file, record)
