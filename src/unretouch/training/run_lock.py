"""One writer a run: a lock that the operating system frees when the process dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import portalocker

from unretouch.base import durable
from unretouch.base.errors import DataError, DiskError
from unretouch.training import history
from unretouch.training.rundir import RunDir


@contextmanager
def run_lock(run: RunDir) -> Iterator[None]:
    """Hold the run's lock. Raises DataError naming the holder when another process trains it."""
    try:
        lock = portalocker.Lock(run.lock, mode="a", timeout=0, fail_when_locked=True)
        lock.acquire()
    except portalocker.exceptions.AlreadyLocked:
        raise DataError(
            f"another process is training this run ({_holder(run)})",
            run.root,
            "Wait for it, stop it, or give this run another --name",
        ) from None
    except portalocker.exceptions.LockException as error:
        raise DiskError(
            f"cannot be locked: {error}", run.lock, "Choose a disk with file locks"
        ) from error
    except OSError as error:
        raise durable.disk_error(error, run.lock) from error
    try:
        history.write_event(run, "open", pid=os.getpid())
        yield
    finally:
        lock.release()


def _holder(run: RunDir) -> str:
    events = history.read_records(run.events).records
    opened = [e for e in events if e.get("event") == "open"]
    if not opened:
        return "it has just begun"
    return f"process {opened[-1].get('pid')}, since {opened[-1].get('time')}"
