"""Recovered share: how much of what the retouch took away is back, against doing nothing."""

from __future__ import annotations

import math

import numpy as np

from unretouch.base.messages import N_
from unretouch.metrics.luma import Layer
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.tally import Patch, Sums, Tally, View


def recovered_share(
    prediction: Picture, target: Picture, source: Picture, area: Area | None = None
) -> Figure:
    """Return 1 - mean|prediction - target| / mean|source - target|.

    1 is perfect, 0 what the untouched source scores, below 0 harm. None where source and target are
    equal: there is nothing to recover. Inputs and errors raised as for level_error.
    """
    (share,) = RECOVERED_SHARE.over(prediction, target, source, area)
    return share


def error_sums(view: View) -> Sums:
    """Return the sums of |prediction - target| and of |source - target|, and how many values."""
    ours, nothing = (
        view.counted(patch.made_with(view.target, _error))
        for patch in (view.prediction, view.source)
    )
    return np.array([ours.sum(), nothing.sum(), 3 * ours.size], dtype=np.float64)


def _error(one: Patch, other: Patch) -> Layer:
    """Return the absolute difference of each of the tile's own pixels, its channels added up."""
    inner = one.tile.inner
    error = np.subtract(one.levels[inner], other.levels[inner])
    red, green, blue = np.moveaxis(np.abs(error, out=error), 2, 0)
    return np.asarray(red + green + blue)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    ours, nothing, _ = sums
    return (float(1.0 - ours / nothing) if nothing else None,)


RECOVERED_SHARE = Metric(
    name="recovered_share",
    unit="",
    lowest=-math.inf,
    highest=1.0,
    better="higher",
    explanation=N_(
        "The part of the retoucher's work that is undone: 1 (100%) is all of it, 0 is as if "
        "nothing had been done, and below 0 the result is further away than the retouched picture "
        "was."
    ),
    formula="1 - mean|prediction - target| / mean|source - target|",
    measure=Tally(error_sums, _figures),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle"}),
)
