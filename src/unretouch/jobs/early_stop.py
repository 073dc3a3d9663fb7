"""Which runs are hopeless beside others: the learning curves in their records, and the rule.

The rule is that of asynchronous successive halving (ASHA: Li and others, "A System for Massively
Parallel Hyperparameter Tuning", 2020). It is judged by the records in the run folders alone, so a
sweep that crashed goes on with it, and so does one whose runs were trained in another way.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from unretouch.jobs.training import Training
from unretouch.runs.history import Record, read_records

JUDGED_AT = (30, 60)
"""Percents of its schedule at which a run goes on only if its error is at most the median of those
that came there before it."""
_LAST = 99
"""Percent: the last of a curve. An end is told by the process."""


def learning_curve(training: Training) -> Iterator[tuple[int, float]]:
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
        return max(0, min(_LAST, int(100 * share)))
    except (KeyError, TypeError, ValueError):
        return None


class EarlyStop:
    """Judges the runs of one sweep, each beside all that came as far before it."""

    def __init__(self, over: Sequence[Training]) -> None:
        """`over` are runs that have ended: they are judged by, whatever became of them."""
        self._errors: dict[int, dict[str, float]] = {percent: {} for percent in JUDGED_AT}
        for training in over:
            self.hopeless(training)

    def hopeless(self, training: Training) -> str | None:
        """Return where a run stands that is to be given up, for people; None for all others.

        To be asked again and again while the run trains.
        """
        if all(training.name in errors for errors in self._errors.values()):
            return None
        # The newest percent may have further log lines to come.
        curve = list(learning_curve(training))[:-1]
        said = None
        for judged_at, errors in self._errors.items():
            point = next((point for point in curve if point[0] >= judged_at), None)
            if point is None or training.name in errors:
                continue
            percent, error = point
            if errors and error > statistics.median(errors.values()):
                said = said or f"{percent} % of the way, {error:.2f} grey levels"
            errors[training.name] = error
        return said
