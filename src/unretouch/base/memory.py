"""How much memory this process may count on."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

UNKNOWN = 4 * 2**30
"""Bytes taken for the memory of a system that does not tell."""
CONTAINER = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int:
    """Return the bytes of memory of this machine, or of the container where that is less."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return UNKNOWN
    try:
        limit = CONTAINER.read_text().strip()
    except OSError:
        return found
    return min(found, int(limit)) if limit.isdigit() else found


def give_back() -> None:
    """Give freed memory that the C library keeps back to the system.

    Between two kinds of work the second has no use for it. Does nothing without glibc.
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
