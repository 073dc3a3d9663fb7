"""Level error: how many grey levels the prediction is off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unretouch.base.messages import N_
from unretouch.metrics.metric import Area, Figure, Metric, Picture, check
from unretouch.metrics.tally import Patch, Sums, Tally, View

PERCENTILES = (95, 99)
BINS = 1024
"""Of the histogram from which percentiles are read, in one grey level: they are off by 0.0005 at
most, and not at all between pictures of whole levels."""
_ROWS = 256
"""Looked at together."""


def level_error(prediction: Picture, target: Picture, area: Area | None = None) -> float:
    """Return the mean absolute error in grey levels.

    Pictures are levels or file space, (H, W, 3) of one size, `area` bool (H, W) or None for the
    whole frame.
    Raises ValueError when the shapes differ or the area is empty.
    """
    check(prediction, target, area=area)
    total, count = 0.0, 0
    for top in range(0, len(target), _ROWS):
        rows = slice(top, top + _ROWS)
        error = np.subtract(prediction[rows], target[rows], dtype=np.float32)
        error = error if area is None else error[area[rows]]
        total += float(np.abs(error, out=error).sum(dtype=np.float64))
        count += error.size
    return total / count


def level_error_spread(
    prediction: Picture, target: Picture, area: Area | None = None
) -> tuple[Figure, ...]:
    """Return mean, 95th and 99th percentile and largest absolute error of all colour values.

    Inputs and errors raised as for level_error.
    """
    return LEVEL_ERROR.over(prediction, target, target, area)


def absolute_error(view: View, patch: Patch) -> npt.NDArray[np.float32]:
    """Return |patch - target| of all colour values that count, (n,)."""
    error = np.subtract(patch.levels[patch.tile.inner], view.target.levels[patch.tile.inner])
    return view.counted(np.abs(error, out=error)).ravel()


def _sums(view: View) -> Sums:
    error = view.made(absolute_error, view.prediction)
    places = np.minimum(np.rint(error * BINS), 255 * BINS).astype(np.intp)
    histogram = np.bincount(places, minlength=255 * BINS + 1)
    return np.concatenate([[error.sum()], histogram], dtype=np.float64)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    behind = np.cumsum(sums[1:])
    count = behind[-1]
    largest = float(np.flatnonzero(sums[1:])[-1]) / BINS
    # Between the two nearest values, as numpy.percentile.
    places = [percentile / 100 * (count - 1) for percentile in PERCENTILES]
    low, high = (
        np.searchsorted(behind, rounded(places), side="right") / BINS
        for rounded in (np.floor, np.ceil)
    )
    shares = low + (high - low) * np.mod(places, 1)
    return float(sums[0] / count), float(shares[0]), float(shares[1]), largest


LEVEL_ERROR = Metric(
    name="level_error",
    unit="grey levels",
    lowest=0.0,
    highest=255.0,
    better="lower",
    explanation=N_(
        "How many of the 255 steps from black to white the result is off on average; "
        "below half a step the eye and the file see no difference."
    ),
    formula="mean, 95th and 99th percentile and maximum of |prediction - target| over R, G and B",
    measure=Tally(_sums, _figures),
    parts=("", "p95", "p99", "max"),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle", "source"}),
)
