"""Recovered share: how much of what the retouch took away is back, against doing nothing."""

from __future__ import annotations

import math

from unretouch.metrics.level_error import level_error
from unretouch.metrics.metric import Area, Figure, Levels, Metric


def recovered_share(
    prediction: Levels, target: Levels, source: Levels, area: Area | None = None
) -> Figure:
    """Return 1 - mean|prediction - target| / mean|source - target|.

    1 is perfect, 0 what the untouched source scores, below 0 harm. None where source and target are
    equal: there is nothing to recover. Inputs and errors raised as for level_error.
    """
    identity = level_error(source, target, area)
    return 1.0 - level_error(prediction, target, area) / identity if identity else None


RECOVERED_SHARE = Metric(
    name="recovered_share",
    unit="",
    lowest=-math.inf,
    highest=1.0,
    better="higher",
    explanation=(
        "The part of the retoucher's work that is undone: 1 (100%) is all of it, 0 is as if "
        "nothing had been done, and below 0 the result is further away than the retouched picture "
        "was."
    ),
    formula="1 - mean|prediction - target| / mean|source - target|",
    measure=lambda prediction, target, source, area: (
        recovered_share(prediction, target, source, area),
    ),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle"}),
)
