"""A lock on a file that the operating system frees when the process that holds it dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import portalocker

from unretouch.base import durable
from unretouch.base.errors import DataError, DiskError


@contextmanager
def held(path: Path, taken: Callable[[], DataError]) -> Iterator[IO[str]]:
    """Hold the lock `path`, without waiting; yield its open file, which is made where it is not.

    Raises the error that `taken` returns when another process holds it; DiskError.
    """
    lock = portalocker.Lock(path, mode="a+", timeout=0, fail_when_locked=True)
    try:
        file = lock.acquire()
    except portalocker.exceptions.AlreadyLocked:
        raise taken() from None
    except portalocker.exceptions.LockException as error:
        raise DiskError(
            f"cannot be locked: {error}", path, "Choose a disk with file locks"
        ) from error
    except OSError as error:
        raise durable.disk_error(error, path) from error
    try:
        yield file
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock `path`, a file that exists; it is taken for a moment."""
    try:
        with portalocker.Lock(path, mode="a", timeout=0, fail_when_locked=True):
            return False
    except (portalocker.exceptions.LockException, OSError):
        return True
