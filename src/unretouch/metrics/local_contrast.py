"""Local contrast: do as many places have little and much texture as in the answer?"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unretouch.metrics.luma import Layer, luma
from unretouch.metrics.metric import Area, Levels, Metric, check

WINDOW = 7
"""Pixels across the square whose standard deviation is the contrast at its centre."""


def local_contrast(picture: Layer) -> Layer:
    """Return the standard deviation around each pixel of luma (H, W): float32, grey levels."""
    # The difference of two large squares: float32 would leave noise of some hundredths.
    values = picture.astype(np.float64)
    mean = ndimage.uniform_filter(values, WINDOW, mode="mirror")
    variance = ndimage.uniform_filter(np.square(values, out=values), WINDOW, mode="mirror")
    variance -= np.square(mean, out=mean)
    np.maximum(variance, 0, out=variance)
    return np.asarray(np.sqrt(variance, out=variance), dtype=np.float32)


def local_contrast_distance(prediction: Levels, target: Levels, area: Area | None = None) -> float:
    """Return how far the contrasts of the area must be moved to be distributed as the target's.

    The first Wasserstein distance of the two histograms, in grey levels; where in the area a
    contrast stands does not matter. Raises ValueError when the shapes differ or the area is
    empty.
    """
    check(prediction, target, area=area)
    ours, theirs = (
        np.sort(contrast.ravel() if area is None else contrast[area])
        for contrast in (local_contrast(luma(prediction)), local_contrast(luma(target)))
    )
    # Of two samples of one size, without bins: the mean distance of the sorted values.
    return float(np.abs(ours - theirs).mean(dtype=np.float64))


LOCAL_CONTRAST_DISTANCE = Metric(
    name="local_contrast_distance",
    unit="grey levels",
    lowest=0.0,
    highest=127.5,
    better="lower",
    explanation=(
        "Whether smooth and rough places are as common as in the untouched skin, by how many "
        "grey levels their roughness is off."
    ),
    formula=(
        "Wasserstein-1 distance of the histograms of the standard deviation of luma in 7 px squares"
    ),
    measure=lambda prediction, target, _source, area: (
        local_contrast_distance(prediction, target, area),
    ),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
