"""One writer a run: a lock that the operating system frees when the process dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from unretouch.base import locks
from unretouch.base.errors import DataError
from unretouch.runs import history
from unretouch.runs.folder import RunDir


@contextmanager
def run_lock(run: RunDir) -> Iterator[None]:
    """Hold the run's lock. Raises DataError naming the holder when another process trains it."""
    with locks.held(run.lock, lambda: _taken(run)):
        history.write_event(run, "open", pid=os.getpid())
        yield


def _taken(run: RunDir) -> DataError:
    return DataError(
        f"another process is training this run ({_holder(run)})",
        run.root,
        "Wait for it, stop it, or give this run another --name",
    )


def _holder(run: RunDir) -> str:
    events = history.read_records(run.events).records
    opened = [e for e in events if e.get("event") == "open"]
    if not opened:
        return "it has just begun"
    return f"process {opened[-1].get('pid')}, since {opened[-1].get('time')}"
