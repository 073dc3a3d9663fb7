"""Laplacian ratio: is the very finest texture, from pixel to pixel, as strong as in the answer?"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from unretouch.base.messages import N_
from unretouch.metrics.luma import luma_of
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.tally import Patch, Sums, Tally, View

FLAT = 1e-3
"""Grey levels below which the target counts as flat."""


def laplacian_ratio(prediction: Picture, target: Picture, area: Area | None = None) -> Figure:
    """Return the RMS of the prediction's Laplacian of luma over the target's.

    1 is right, below soft, above noisy. None where the target is flat. Raises ValueError
    when the shapes differ or the area is empty.
    """
    (ratio,) = LAPLACIAN_RATIO.over(prediction, target, target, area)
    return ratio


def _sums(view: View) -> Sums:
    squares = [view.made(_squares, patch) for patch in (view.prediction, view.target)]
    return np.array([*(square.sum() for square in squares), squares[0].size], dtype=np.float64)


def _squares(view: View, patch: Patch) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    window, own = patch.near(1)
    laplacian = ndimage.laplace(patch.made(luma_of)[window], mode="mirror")
    return np.asarray(np.square(view.counted(laplacian[own])))


def _figures(sums: Sums) -> tuple[Figure, ...]:
    ours, theirs = np.sqrt(sums[:2] / sums[2])
    return (float(ours / theirs) if theirs > FLAT else None,)


LAPLACIAN_RATIO = Metric(
    name="laplacian_ratio",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=N_(
        "How strong the very finest grain of the skin is: 1 is the same as untouched, below 1 is "
        "blurred, above 1 is noisy or oversharpened."
    ),
    formula="RMS of the five-point Laplacian of luma, prediction / target",
    measure=Tally(_sums, _figures),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
