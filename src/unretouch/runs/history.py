"""The run's own records, loss_log.txt (classic), metrics.jsonl, events.jsonl and best.json; and how
a run stands, told from them: the words for it, who trains it, the lock by which only one does."""

from __future__ import annotations

import calendar
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from unretouch.base import durable, locks
from unretouch.base.errors import DataError
from unretouch.runs.folder import RunDir

Record = dict[str, Any]
_TIME = "%Y-%m-%dT%H:%M:%SZ"
"""Of events, UTC."""
_END = 64 * 1024
"""Bytes at the end of a .jsonl file in which its last record lies."""


@dataclass(frozen=True)
class Records:
    """What a .jsonl file holds; `torn` is a last line that a crash cut off."""

    records: list[Record]
    torn: bool


def read_records(path: Path) -> Records:
    """Return the records of a .jsonl file, reading past lines that a crash tore. Raises DataError
    where a folder stands in its place."""
    if not path.exists():
        return Records([], torn=False)
    if path.is_dir():
        raise DataError("is a folder, and a file is meant", path, "Rename it")
    records: list[Record] = []
    torn = False
    # Not splitlines: a line of JSON may hold what that takes for the end of a line.
    for line in path.read_text("utf-8", errors="replace").split("\n"):
        if not line:
            continue
        record = _record(line)
        if record is None:
            torn = True
        else:
            records.append(record)
    return Records(records, torn)


def _last_record(path: Path) -> Record:
    """Return the last record of a .jsonl file by its end alone, however long it is; empty where
    there is none that can be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _END))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return {}
    return next((r for line in reversed(lines) if (r := _record(line)) is not None), {})


def _record(line: str) -> Record | None:
    """Return what a line of a .jsonl file holds; None where a crash tore it."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def append_record(path: Path, record: Record) -> None:
    """Append one record as one line, in one write. Raises DiskError."""
    durable.append_text(path, _lines([record]))


def write_event(run: RunDir, event: str, **details: Any) -> None:
    """Append to events.jsonl, with the time (UTC): open, start, resume, note, pause, save, fault,
    stop."""
    now = time.strftime(_TIME, time.gmtime())
    append_record(run.events, {"event": event, "time": now, **details})


@dataclass(frozen=True)
class SetAside:
    """What `set_aside_after` found."""

    kept: list[Record]
    moved: int
    torn: bool


def set_aside_after(run: RunDir, step: int) -> SetAside:
    """Move the records of metrics.jsonl past `step` aside, so that steps stay unique and rising.

    Also drops lines that a crash tore, and what is no record of a step.
    """
    found = read_records(run.metrics)
    records = [r for r in found.records if isinstance(r.get("step"), int)]
    torn = found.torn or len(records) < len(found.records)
    kept = [r for r in records if r["step"] <= step]
    lost = [r for r in records if r["step"] > step]
    if lost:
        durable.append_text(run.metrics_aside, _lines(lost))
    if lost or torn:
        durable.write_text(run.metrics, _lines(kept))
    return SetAside(kept, len(lost), torn)


def _lines(records: list[Record]) -> str:
    return "".join(json.dumps(r, ensure_ascii=False, allow_nan=False) + "\n" for r in records)


def append_loss_header(run: RunDir) -> None:
    """Append the classic header of loss_log.txt; one a start. Raises DiskError."""
    bar = "=" * 16
    durable.append_text(run.loss_log, f"{bar} Training Loss ({time.strftime('%c')}) {bar}\n")


def append_loss_line(
    run: RunDir,
    epoch: int,
    images: int,
    seconds: float,
    data_seconds: float,
    values: dict[str, float],
) -> None:
    """Append the classic line to loss_log.txt, `values` in their order. Raises DiskError.

    `images` counts within the epoch; `seconds` are those of the last step, `data_seconds` the part
    of them that went into making its batch.
    """
    head = f"(epoch: {epoch}, iters: {images}, time: {seconds:.3f}, data: {data_seconds:.3f})"
    losses = " ".join(f"{name}: {value:.3f}" for name, value in values.items())
    durable.append_text(run.loss_log, f"{head} {losses} \n")


@dataclass(frozen=True)
class Best:
    """The numbered weights with the least error so far."""

    epoch: int
    level_error: float | None
    """grey levels; None before any of them was measured"""


def write_best(run: RunDir, best: Best) -> None:
    """Write best.json. Raises DiskError."""
    durable.write_json(run.best, asdict(best))


def read_best(run: RunDir) -> Best | None:
    """Return what best.json says; None where there is none, or none that can be read."""
    try:
        record = json.loads(run.best.read_text("utf-8"))
        error = record.get("level_error")
        return Best(int(record["epoch"]), None if error is None else float(error))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


# --- how a run stands


State = Literal["starting", "running", "finished", "stopped", "failed", "unfinished"]
"""`unfinished`: no end is on record and no process trains it, so it was cut off."""
EarlyEnd = Literal["target_reached", "every_pixel_exact", "no_more_gain"]
"""Why a fit was good enough before its schedule was over."""
ENDS = frozenset({"finished", "time_up", *get_args(EarlyEnd)})
"""Reasons of an end that nobody has to go on from: the run is finished."""
STOP_REASONS = ENDS | {
    "interrupted", "terminated", "stopped_at_once", "non_finite", "disk_full",
}  # fmt: skip
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
    opened: float | None = None
    """when a process last took the run's lock, in whole Unix seconds"""
    set_out: bool = False
    """whether that process has gone on to train"""


def condition_of(run: RunDir) -> RunCondition:
    """Return how `run` stands: finished, stopped, failed, running or unfinished."""
    events = _events(run)
    trains = holder(run)
    saves = [e["step"] for e in events if e.get("event") == "save" and is_count(e.get("step"))]
    step = saves[-1] if saves else None
    turns = [e for e in events if e.get("event") in ("start", "resume", "stop", "fault")]
    last = turns[-1] if turns else {}
    reason = str(last.get("reason", ""))
    opened, set_out = _opened(events)
    if last.get("event") == "fault":
        state: State = "failed"
    elif last.get("event") == "stop":
        state = "finished" if reason in ENDS else "stopped"
    else:
        state, reason = "running" if trains else "unfinished", ""
    return RunCondition(state, reason, step, trains, opened, set_out)


def trained_s(run: RunDir) -> float:
    """Return the seconds that `run` was trained in all its sessions: previews and saves counted,
    pauses not. While it trains, those up to its newest save."""
    told = [seconds for event in _events(run) if (seconds := _elapsed(event)) is not None]
    # A run of before this was on record has a line of its log.
    return told[-1] if told else _elapsed(_last_record(run.metrics)) or 0.0


def _elapsed(record: Record) -> float | None:
    """Return the seconds that a record tells; None where it tells none, or no number."""
    seconds = record.get("elapsed_s")
    return float(seconds) if isinstance(seconds, int | float) and math.isfinite(seconds) else None


def _opened(events: list[Record]) -> tuple[float | None, bool]:
    """Return when the lock was taken last, and whether a start or a resume followed."""
    at = max((n for n, e in enumerate(events) if e.get("event") == "open"), default=None)
    if at is None:
        return None, False
    try:
        when = calendar.timegm(time.strptime(str(events[at].get("time")), _TIME))
    except ValueError:
        return None, False
    return float(when), any(e.get("event") in ("start", "resume") for e in events[at:])


def is_count(value: object) -> bool:
    """Whether a value of a record is a whole number from zero on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# --- who trains it ----------------------------------------------------------------------------


@contextmanager
def run_lock(run: RunDir) -> Iterator[None]:
    """Hold the run's lock. Raises DataError naming the holder when another process trains it."""
    with locks.held(run.lock, lambda: _taken(run)):
        write_event(run, "open", pid=os.getpid())
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
    except (OSError, DataError):
        return []
