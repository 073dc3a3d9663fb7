"""Gradient ratio: are the edges of the texture as steep as in the answer?"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from unretouch.base.messages import N_
from unretouch.metrics.luma import luma_of
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.tally import Patch, Sums, Tally, View

FLAT = 1e-3
"""Grey levels a pixel below which the target counts as flat."""


def gradient_ratio(prediction: Picture, target: Picture, area: Area | None = None) -> Figure:
    """Return the prediction's mean slope of luma over the target's, Sobel's slope.

    1 is right, below soft, above harsh. None where the target is flat. Raises ValueError
    when the shapes differ or the area is empty.
    """
    (ratio,) = GRADIENT_RATIO.over(prediction, target, target, area)
    return ratio


def _sums(view: View) -> Sums:
    slopes = [view.made(_slope, patch) for patch in (view.prediction, view.target)]
    return np.array([*(slope.sum() for slope in slopes), slopes[0].size], dtype=np.float64)


def _slope(view: View, patch: Patch) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    window, own = patch.near(1)
    picture = patch.made(luma_of)[window]
    across = ndimage.sobel(picture, axis=1, mode="mirror")
    slope = np.hypot(across, ndimage.sobel(picture, axis=0, mode="mirror"), out=across)
    return view.counted(slope[own])


def _figures(sums: Sums) -> tuple[Figure, ...]:
    # A unit ramp gives Sobel 8.
    ours, theirs = sums[:2] / sums[2] / 8
    return (float(ours / theirs) if theirs > FLAT else None,)


GRADIENT_RATIO = Metric(
    name="gradient_ratio",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=N_(
        "How crisp the texture is beside the untouched skin: 1 is the same, below 1 is soft, "
        "above 1 is harsh."
    ),
    formula="mean gradient magnitude of luma, prediction / target, by the Sobel operator",
    measure=Tally(_sums, _figures),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
