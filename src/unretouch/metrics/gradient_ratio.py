"""Gradient ratio: are the edges of the texture as steep as in the answer?"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from unretouch.metrics.luma import Layer, luma
from unretouch.metrics.metric import Area, Figure, Levels, Metric, check

FLAT = 1e-3
"""Grey levels a pixel below which the target counts as flat."""


def gradient_ratio(prediction: Levels, target: Levels, area: Area | None = None) -> Figure:
    """Return the prediction's mean slope of luma over the target's, Sobel's slope.

    1 is right, below soft, above harsh. None where the target is flat. Raises ValueError
    when the shapes differ or the area is empty.
    """
    check(prediction, target, area=area)
    ours, theirs = _mean_slope(luma(prediction), area), _mean_slope(luma(target), area)
    return ours / theirs if theirs > FLAT else None


def _mean_slope(picture: Layer, area: Area | None) -> float:
    across = ndimage.sobel(picture, axis=1, mode="mirror")
    slope = np.hypot(across, ndimage.sobel(picture, axis=0, mode="mirror"), out=across)
    values = slope if area is None else slope[area]
    # A unit ramp gives Sobel 8.
    return float(values.mean(dtype=np.float64)) / 8


GRADIENT_RATIO = Metric(
    name="gradient_ratio",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=(
        "How crisp the texture is beside the untouched skin: 1 is the same, below 1 is soft, "
        "above 1 is harsh."
    ),
    formula="mean gradient magnitude of luma, prediction / target, by the Sobel operator",
    measure=lambda prediction, target, _source, area: (gradient_ratio(prediction, target, area),),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
