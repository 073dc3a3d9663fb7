"""Was the error still falling when the run ended?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unretouch.tasks.compare.runs import Curve

FALLING = 0.05
"""Fall, as a share, from which on more training is advised."""
LINES = 4
"""Log lines that each half of the last quarter needs."""


@dataclass(frozen=True)
class Trend:
    """The last quarter of a run's updates, in two halves: mean errors in grey levels."""

    before: float
    after: float
    certain: bool
    """whether the difference exceeds two standard errors: log lines are of random pairs"""

    @property
    def fall(self) -> float:
        """Return by what share of itself the error fell; below 0 it rose."""
        return 1 - self.after / self.before if self.before else 0.0

    @property
    def falling(self) -> bool:
        return self.certain and self.fall >= FALLING


def trend(curve: Curve) -> Trend | None:
    """Return the trend at the end of a curve, or None where the log is too short to say."""
    steps, errors = np.asarray(curve.steps), np.asarray(curve.level_error)
    if not len(steps):
        return None
    last = steps[-1]
    before = errors[(steps > last * 0.75) & (steps <= last * 0.875)]
    after = errors[steps > last * 0.875]
    if min(len(before), len(after)) < LINES:
        return None
    noise = math.sqrt(before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after))
    means = float(before.mean()), float(after.mean())
    return Trend(*means, certain=abs(means[0] - means[1]) > 2 * noise)
