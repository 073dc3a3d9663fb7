"""How the threads of a computation wait for each other."""

from __future__ import annotations

import os
from typing import Final

SPINS: Final = 5000
"""Looks, about a tenth of a millisecond, that a thread takes for the others before it sleeps."""
_ASKED = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly() -> None:
    """Let threads that wait for others sleep soon. To be called before torch is imported, which
    reads the environment then.

    By itself OpenMP lets them look for some milliseconds. That is quick as long as nothing else
    computes. Where something does, it holds the processors that the awaited threads need: beside
    one busy program a training of two threads was ten times slower than one of a single thread.
    What the person asked for stays.
    """
    if not any(name in os.environ for name in _ASKED):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
