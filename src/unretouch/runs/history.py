"""The run's own records: loss_log.txt (classic), metrics.jsonl, events.jsonl and best.json."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unretouch.base import durable
from unretouch.runs.folder import RunDir

Record = dict[str, Any]


@dataclass(frozen=True)
class Records:
    """What a .jsonl file holds; `torn` is a last line that a crash cut off."""

    records: list[Record]
    torn: bool


def read_records(path: Path) -> Records:
    """Return the records of a .jsonl file, reading past lines that a crash tore."""
    if not path.exists():
        return Records([], torn=False)
    records: list[Record] = []
    torn = False
    # Not splitlines: a line of JSON may hold what that takes for the end of a line.
    for line in path.read_text("utf-8", errors="replace").split("\n"):
        if not line:
            continue
        try:
            record = json.loads(line)
        except ValueError:
            torn = True
            continue
        if isinstance(record, dict):
            records.append(record)
        else:
            torn = True
    return Records(records, torn)


def append_record(path: Path, record: Record) -> None:
    """Append one record as one line, in one write. Raises DiskError."""
    durable.append_text(path, _lines([record]))


def write_event(run: RunDir, event: str, **details: Any) -> None:
    """Append to events.jsonl, with the time (UTC): open, start, resume, note, pause, save, fault,
    stop."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
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
