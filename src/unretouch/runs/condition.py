"""How a run stands, told from its folder: the words for it, who trains it, and the lock by which
only one process does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from unretouch.base import locks
from unretouch.base.errors import DataError
from unretouch.runs import history
from unretouch.runs.folder import RunDir
from unretouch.runs.history import Record, read_records

State = Literal["starting", "running", "finished", "stopped", "failed", "unfinished"]
"""`unfinished`: no end is on record and no process trains it, so it was cut off."""
EarlyEnd = Literal["target_reached", "every_pixel_exact", "no_more_gain"]
"""Why a fit was good enough before its schedule was over."""
ENDS = frozenset({"finished", "time_up", *get_args(EarlyEnd)})
"""Reasons of an end that nobody has to go on from: the run is finished."""
STOP_REASONS = ENDS | {"interrupted", "terminated", "non_finite", "disk_full"}
"""Reasons that the page words in the reader's language; any other text is shown as it is."""


@dataclass(frozen=True)
class RunCondition:
    """How a run stands, as its folder tells it."""

    state: State
    reason: str
    """why it ended, one of STOP_REASONS or any sentence; empty where no end is on record"""
    step: int | None
    """of the newest save; None before the first"""
    holder: int | None
    """the process that trains it now, be it still before the first update or after the last"""


def condition_of(run: RunDir) -> RunCondition:
    """Return how `run` stands: finished, stopped, failed, running or unfinished."""
    events = _events(run)
    trains = holder(run)
    saves = [e["step"] for e in events if e.get("event") == "save" and is_count(e.get("step"))]
    step = saves[-1] if saves else None
    turns = [e for e in events if e.get("event") in ("start", "resume", "stop", "fault")]
    last = turns[-1] if turns else {}
    reason = str(last.get("reason", ""))
    if last.get("event") == "fault":
        return RunCondition("failed", reason, step, trains)
    if last.get("event") == "stop":
        return RunCondition("finished" if reason in ENDS else "stopped", reason, step, trains)
    return RunCondition("running" if trains else "unfinished", "", step, trains)


def is_count(value: object) -> bool:
    """Whether a value of a record is a whole number from zero on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# --- who trains it ----------------------------------------------------------------------------


@contextmanager
def run_lock(run: RunDir) -> Iterator[None]:
    """Hold the run's lock. Raises DataError naming the holder when another process trains it."""
    with locks.held(run.lock, lambda: _taken(run)):
        history.write_event(run, "open", pid=os.getpid())
        yield


def holder(run: RunDir) -> int | None:
    """Return the process that trains `run` now, which holds its lock; None where nobody does."""
    if not run.lock.is_file():
        return None
    pid = _last_opening(run).get("pid")
    if not isinstance(pid, int) or not _may_live(pid):
        return None
    return pid if locks.is_held(run.lock) else None


def _may_live(pid: int) -> bool:
    # Spares taking the lock of a run that nobody trains, just when somebody begins to.
    if os.name == "nt":
        return True  # there, asking by a signal would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _taken(run: RunDir) -> DataError:
    opened = _last_opening(run)
    who = f"process {opened.get('pid')}, since {opened.get('time')}" if opened else ""
    return DataError(
        f"another process is training this run ({who or 'it has just begun'})",
        run.root,
        "Wait for it, stop it, or give this run another --name",
    )


def _last_opening(run: RunDir) -> Record:
    """Return the newest record of a process that took the lock; empty where there is none."""
    return next((e for e in reversed(_events(run)) if e.get("event") == "open"), {})


def _events(run: RunDir) -> list[Record]:
    try:
        return read_records(run.events).records
    except OSError:
        return []
