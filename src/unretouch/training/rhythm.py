"""The time of a run: the clock that counts it, when something is due by steps, time and sizes, and
which of the old files stay."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

LOG_LINES = 2000
"""Log lines a run is given at most when --print_freq is not set."""
KEPT_WEIGHTS = 20
"""Numbered weights kept at most, however small they are."""
SAVE_EVERY_S = 300.0
"""Seconds between two saves of the state at least when --save_latest_freq is not set."""
PREVIEWS_SHARE = 0.013
"""Share of the training time that previews may cost."""
PAGE_SHARE = 0.002
"""The same for the files of the live page."""
SAVES_SHARE = 0.03
WEIGHTS_SHARE = 0.02
"""The same for states and for numbered weights, where the run has as many updates as it needs."""
TIMED_SAVES_SHARE = 0.003
TIMED_WEIGHTS_SHARE = 0.0015
"""The same with a time budget, whose updates they cost."""
BETWEEN_STEPS_SHARE = PREVIEWS_SHARE + PAGE_SHARE + TIMED_SAVES_SHARE + TIMED_WEIGHTS_SHARE
"""All of it with a time budget, the first and the last of each left aside: less than 2 %."""
LAST_SHARE = 0.2
"""Share of a time budget that is kept for the last preview, or for the last save, at most."""
LAST_MARGIN = 1.25
"""Times what the newest one took that are kept for it."""


def kept_for_the_last(cost: float, budget_s: float) -> float:
    """Return the seconds of a time budget to keep for the last preview, or the last save, where the
    newest took `cost` seconds: none where it takes too large a share of the budget."""
    return LAST_MARGIN * cost if cost <= LAST_SHARE * budget_s else 0.0


def log_every(total_steps: int) -> int:
    """Return the steps between two log lines: every step for short runs."""
    return max(1, total_steps // LOG_LINES)


def passed(every: int, images_before: int, images_now: int) -> bool:
    """Whether a multiple of `every` images was reached by the last step."""
    return images_before // every != images_now // every


class CostShare:
    """Says when a costly thing is due so that, over time, it takes `share` of it at most.

    `shortest` seconds lie between two of them at least, and the share `growth` of the time run so
    far: above zero it keeps a long run from piling them up.
    """

    def __init__(self, shortest: float, growth: float, share: float) -> None:
        self._shortest, self._growth, self._share = shortest, growth, share
        self._affordable = self._next = 0.0

    def affordable(self, elapsed: float) -> bool:
        """Whether after `elapsed` seconds of training its share of them is not used up."""
        return elapsed >= self._affordable

    def due(self, elapsed: float) -> bool:
        """Whether it is due after `elapsed` seconds of training."""
        return elapsed >= self._next

    def spent(self, elapsed: float, cost: float, total: float = math.inf) -> None:
        """Record that at `elapsed` seconds it was done and took `cost` seconds.

        `total` seconds of training are to be expected: what it costs at their beginning and at
        their end is part of the share.
        """
        share = self._share - 2 * cost / total
        self._affordable = elapsed + (cost / share if share > 0 else math.inf)
        soonest = elapsed + max(self._shortest, elapsed * self._growth)
        self._next = max(self._affordable, soonest)


def thinned(steps: Collection[int], limit: int, keep: Collection[int] = ()) -> list[int]:
    """Return at most `limit` of `steps`: `keep`, the last, the first, and evenly between.

    Evenly on a logarithmic scale: the step goes whose neighbours lie closest together in relation
    to it, since a run changes fastest at its start. Where there is no room for all of them, the
    first goes, then the last; `keep` always stays.
    """
    kept = sorted(steps)

    def crowding(index: int) -> float:
        return (kept[index + 1] - kept[index - 1]) / (kept[index] + 1)

    while len(kept) > max(limit, 1):
        between = [i for i in range(1, len(kept) - 1) if kept[i] not in keep]
        ends = [i for i in (0, len(kept) - 1) if kept[i] not in keep]
        if not between and not ends:
            break
        del kept[min(between, key=crowding) if between else ends[0]]
    return kept


# --- the clock --------------------------------------------------------------------------------

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
