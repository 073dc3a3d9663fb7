"""The course of a training, read from the run's own records while it trains."""

from __future__ import annotations

import math
from collections.abc import Iterator

from unretouch.jobs.training import Training
from unretouch.runs.history import Record, read_records

END = 99
"""Percent: the last that is told. An end is told by the process."""


def course(training: Training) -> Iterator[tuple[int, float]]:
    """Yield percents of the schedule, rising, and the mean plain error there, in grey levels.

    The error of a percent is the mean over its log lines: one line may be of one pair.
    """
    here = 0
    errors: list[float] = []
    for record in read_records(training.run.metrics).records:
        percent, error = _percent(training, record), record.get("level_error")
        if percent is None or not isinstance(error, int | float) or not math.isfinite(error):
            continue
        if percent > here:
            if errors and here:
                yield here, sum(errors) / len(errors)
            here, errors = percent, []
        errors.append(float(error))
    if errors and here:
        yield here, sum(errors) / len(errors)


def _percent(training: Training, record: Record) -> int | None:
    try:
        if training.minutes is not None:
            share = float(record["elapsed_s"]) / (training.minutes * 60)
        else:
            share = (int(record["epoch"]) - 1) / training.epochs
        return max(0, min(END, int(100 * share)))
    except (KeyError, TypeError, ValueError):
        return None
