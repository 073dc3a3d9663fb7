"""Laplacian ratio: is the very finest texture, from pixel to pixel, as strong as in the answer?"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from unretouch.metrics.luma import Layer, luma
from unretouch.metrics.metric import Area, Figure, Levels, Metric, check

FLAT = 1e-3
"""Grey levels below which the target counts as flat."""


def laplacian_ratio(prediction: Levels, target: Levels, area: Area | None = None) -> Figure:
    """Return the RMS of the prediction's Laplacian of luma over the target's.

    1 is right, below soft, above noisy. None where the target is flat. Raises ValueError
    when the shapes differ or the area is empty.
    """
    check(prediction, target, area=area)
    ours, theirs = _strength(luma(prediction), area), _strength(luma(target), area)
    return ours / theirs if theirs > FLAT else None


def _strength(picture: Layer, area: Area | None) -> float:
    laplacian = ndimage.laplace(picture, mode="mirror")
    values = laplacian if area is None else laplacian[area]
    return math.sqrt(float(np.square(values).mean(dtype=np.float64)))


LAPLACIAN_RATIO = Metric(
    name="laplacian_ratio",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=(
        "How strong the very finest grain of the skin is: 1 is the same as untouched, below 1 is "
        "blurred, above 1 is noisy or oversharpened."
    ),
    formula="RMS of the five-point Laplacian of luma, prediction / target",
    measure=lambda prediction, target, _source, area: (laplacian_ratio(prediction, target, area),),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
