"""Local contrast: do as many places have little and much texture as in the answer?"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unretouch.base.messages import N_
from unretouch.metrics.luma import Layer, luma_of
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.tally import Patch, Sums, Tally, View

WINDOW = 7
"""Pixels across the square whose standard deviation is the contrast at its centre."""
BINS = 1024
"""Of the histograms, in one grey level: the distance is off by 0.001 at most."""
_HIGHEST = 128
"""Above any contrast."""


def local_contrast(picture: Layer) -> Layer:
    """Return the standard deviation around each pixel of luma (H, W): float32, grey levels."""
    # The difference of two large squares: float32 would leave noise of some hundredths.
    values = picture.astype(np.float64)
    mean = ndimage.uniform_filter(values, WINDOW, mode="mirror")
    variance = ndimage.uniform_filter(np.square(values, out=values), WINDOW, mode="mirror")
    variance -= np.square(mean, out=mean)
    np.maximum(variance, 0, out=variance)
    return np.asarray(np.sqrt(variance, out=variance), dtype=np.float32)


def local_contrast_distance(
    prediction: Picture, target: Picture, area: Area | None = None
) -> Figure:
    """Return how far the contrasts of the area must be moved to be distributed as the target's.

    The first Wasserstein distance of the two histograms, in grey levels; where in the area a
    contrast stands does not matter. Raises ValueError when the shapes differ or the area is
    empty.
    """
    (distance,) = LOCAL_CONTRAST_DISTANCE.over(prediction, target, target, area)
    return distance


def _sums(view: View) -> Sums:
    histograms = [view.made(_histogram, patch) for patch in (view.prediction, view.target)]
    return np.concatenate(histograms).astype(np.float64)


def _histogram(view: View, patch: Patch) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    window, own = patch.near(WINDOW // 2)
    contrast = view.counted(local_contrast(patch.made(luma_of)[window])[own])
    places = np.minimum(np.rint(contrast * BINS), _HIGHEST * BINS).astype(np.intp)
    return np.bincount(places, minlength=_HIGHEST * BINS + 1)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    ours, theirs = np.split(sums, 2)
    behind = np.cumsum(ours - theirs)
    return (float(np.abs(behind).sum() / BINS / ours.sum()),)


LOCAL_CONTRAST_DISTANCE = Metric(
    name="local_contrast_distance",
    unit="grey levels",
    lowest=0.0,
    highest=127.5,
    better="lower",
    explanation=N_(
        "Whether smooth and rough places are as common as in the untouched skin, by how many "
        "grey levels their roughness is off."
    ),
    formula=(
        "Wasserstein-1 distance of the histograms of the standard deviation of luma in 7 px squares"
    ),
    measure=Tally(_sums, _figures),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
