"""The clock of a run: seconds in which its process could run. Pauses are noticed and left out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

BEAT_S = 0.25
"""Seconds between two beats of a clock that runs."""
SHORTEST_S = 3.0
"""A gap between two beats from which on it may be a pause."""
BUSY_SHARE = 0.05
"""Share of a gap that its thread may have computed, beyond two beats, if that was a pause."""


def pause_in(gap: float, busy: float) -> float:
    """Return how long a process was suspended that did not beat for `gap` seconds, 0 mostly.

    `busy` are the seconds that the thread of the run computed meanwhile. A suspended process does
    neither: no thread beats, and none computes. On a busy machine every thread still gets its turn
    many times a second, so the beats come late by fractions of a second, and whoever waits for a
    disk beats on. Only long work in one piece that holds the interpreter keeps the beat waiting,
    and that computes. A signal on going on (SIGCONT) would not do: none comes after a sleep.
    """
    if gap < SHORTEST_S or busy > 2 * BEAT_S + BUSY_SHARE * gap:
        return 0.0
    return gap - busy


@dataclass(frozen=True)
class _Look:
    """What was seen at one look at the clock. Replaced as a whole, so that two threads may look."""

    now: float
    busy: float
    pauses: tuple[float, ...] = ()


class RunClock:
    """Counts seconds while it is entered, without those in which the process was suspended.

    `now` is a clock that goes on through pauses, `busy` one of the work of the thread that entered;
    both in seconds.
    """

    def __init__(
        self,
        now: Callable[[], float] | None = None,
        busy: Callable[[], float] | None = None,
    ) -> None:
        self._now, self._busy = now or through_sleep, busy
        self._began = 0.0
        self._seen: _Look | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended: float | None = None

    def __enter__(self) -> RunClock:
        self._busy = self._busy or _work_of_this_thread()
        self._began = self._now()
        self._seen = _Look(self._began, self._busy())
        self._thread = threading.Thread(target=self._beat, name="run clock", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = self.seconds()
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def seconds(self) -> float:
        """Return the seconds since it was entered, pauses left out; 0 before, fixed afterwards."""
        if self._ended is not None:
            return self._ended
        if self._seen is None:
            return 0.0
        seen = self._look()
        return seen.now - self._began - sum(seen.pauses)

    @property
    def pauses(self) -> tuple[float, ...]:
        """Seconds of every pause so far."""
        return self._seen.pauses if self._seen is not None else ()

    def _look(self) -> _Look:
        """Look at the clocks. Whoever looks first after a pause takes note of it."""
        before = self._seen
        assert before is not None
        assert self._busy is not None
        now, busy = self._now(), self._busy()
        pause = pause_in(now - before.now, busy - before.busy)
        self._seen = _Look(now, busy, (*before.pauses, pause) if pause else before.pauses)
        return self._seen

    def _beat(self) -> None:
        while not self._end.wait(BEAT_S):
            self._look()


def through_sleep() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the computer sleeps."""
    # On Linux and macOS time.monotonic stops then; Windows has no other one.
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


def _work_of_this_thread() -> Callable[[], float]:
    """Return a clock, for any thread to read, of the processor time of the calling thread."""
    if hasattr(time, "pthread_getcpuclockid"):
        own = time.pthread_getcpuclockid(threading.get_ident())
        return lambda: time.clock_gettime(own)
    # Of all threads, which may compute on every core until the pause begins.
    cores = os.cpu_count() or 1
    return lambda: time.process_time() / cores


def in_words(seconds: float) -> str:
    """Return a duration for people: `4 s`, `12 min`, `3 h 05 min`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
