"""Level error: how many grey levels the prediction is off."""

from __future__ import annotations

import numpy as np

from unretouch.metrics.metric import Area, Levels, Metric, check

PERCENTILES = (95, 99)


def level_error(prediction: Levels, target: Levels, area: Area | None = None) -> float:
    """Return the mean absolute error in grey levels.

    Pictures are levels (H, W, 3) of one size, `area` bool (H, W) or None for the whole frame.
    Raises ValueError when the shapes differ or the area is empty.
    """
    return float(_errors(prediction, target, area).mean(dtype=np.float64))


def level_error_spread(
    prediction: Levels, target: Levels, area: Area | None = None
) -> tuple[float, float, float, float]:
    """Return mean, 95th and 99th percentile and largest absolute error of all colour values.

    Inputs and errors raised as for level_error.
    """
    error = _errors(prediction, target, area).ravel()
    mean = float(error.mean(dtype=np.float64))
    largest = float(error.max())
    p95, p99 = np.percentile(error, PERCENTILES, overwrite_input=True)
    return mean, float(p95), float(p99), largest


def _errors(prediction: Levels, target: Levels, area: Area | None) -> Levels:
    check(prediction, target, area=area)
    if area is not None:
        prediction, target = prediction[area], target[area]
    error = np.subtract(prediction, target, dtype=np.float32)
    return np.abs(error, out=error)


LEVEL_ERROR = Metric(
    name="level_error",
    unit="grey levels",
    lowest=0.0,
    highest=255.0,
    better="lower",
    explanation=(
        "How many of the 255 steps from black to white the result is off on average; "
        "below half a step the eye and the file see no difference."
    ),
    formula="mean, 95th and 99th percentile and maximum of |prediction - target| over R, G and B",
    measure=lambda prediction, target, _source, area: level_error_spread(prediction, target, area),
    parts=("", "p95", "p99", "max"),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle", "source"}),
)
