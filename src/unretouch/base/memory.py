"""How much memory this process may count on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

UNKNOWN = 4 * 2**30
"""Bytes taken for the memory of a system that does not tell."""
CONTAINER = Path("/sys/fs/cgroup")
SHORT = ("allocate memory", "not enough memory", "std::bad_alloc", "start new thread")
"""What torch and Python say in a RuntimeError when the system gives no more memory."""


def memory_bytes() -> int:
    """Return the bytes of memory of this machine, or of the container where that is less."""
    return total_bytes() or UNKNOWN


def total_bytes() -> int | None:
    """Return what memory_bytes returns, None where the system does not tell."""
    with contextlib.suppress(ValueError, OSError, AttributeError):  # Windows has no sysconf
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return min(total, _container("memory.max") or total)
    return None


def free_bytes(swap: bool = False) -> int | None:
    """Return the bytes that this process can still get, with `swap` those on disk counted.

    The least of what the machine has left, its container, and the limit of the process's addresses
    (`ulimit -v`). None where the system does not tell, as only Linux does.
    """
    bounds = (_left_in_machine(swap), _left_in_container(), _left_of_addresses())
    return min((bound for bound in bounds if bound is not None), default=None)


def is_shortage(error: BaseException) -> bool:
    """Whether `error` says that the system gave no more memory."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT)


def _left_in_machine(swap: bool) -> int | None:
    names = ("MemAvailable:", "SwapFree:") if swap else ("MemAvailable:",)
    with contextlib.suppress(OSError, ValueError, KeyError):
        # By the one codec that is always loaded: a process may have no file handle to spare.
        text = Path("/proc/meminfo").read_text("utf-8")
        sizes = dict(line.split()[:2] for line in text.splitlines())
        return sum(int(sizes[name]) for name in names) * 1024
    return None


def _left_in_container() -> int | None:
    limit, used = _container("memory.max"), _container("memory.current")
    if limit is None or used is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):  # files that are only kept for speed
        text = (CONTAINER / "memory.stat").read_text("utf-8")
        sizes = dict(line.split() for line in text.splitlines())
        used -= int(sizes["inactive_file"]) + int(sizes["active_file"])
    return max(0, limit - used)


def _left_of_addresses() -> int | None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # POSIX only

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text("utf-8").split()[0])
            return max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))
    return None


def _container(file: str) -> int | None:
    """Return a number that a container tells, None where it is no container or has no limit."""
    with contextlib.suppress(OSError, ValueError):
        return int((CONTAINER / file).read_text("utf-8"))
    return None


def give_back() -> None:
    """Give freed memory that the C library keeps back to the system.

    Between two kinds of work the second has no use for it. Does nothing without glibc.
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
