"""SSIM: do light, contrast and structure agree, small window by small window?

Written out here, for it is wanted over an irregular area and in tiles, and torchmetrics takes seven
times as long on a processor; tests hold it to the values of torchmetrics and of scikit-image.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unretouch.metrics.luma import Layer
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.tally import Patch, Sums, Tally, View

WINDOW = 11
"""Pixels across the Gaussian window, whose standard deviation is 1.5."""
K1, K2 = 0.01, 0.03

Moments = tuple[Layer, Layer, Layer]
"""A layer, its mean and its mean square in the window around each pixel."""


def ssim(prediction: Picture, target: Picture, area: Area | None = None) -> Figure:
    """Return the mean structural similarity of R, G and B over the area, -1 to 1.

    With an area its pixels are averaged, each judged with its whole window. None for a frame
    smaller than one window. Raises ValueError when the shapes differ or the area is empty.
    """
    (similarity,) = SSIM.over(prediction, target, target, area)
    return similarity


def _sums(view: View) -> Sums:
    if min(view.frame) < WINDOW:
        return np.zeros(2)
    layers = view.prediction.made_with(view.target, _coloured)
    values = [view.counted(layer) for layer in layers]
    return np.array(
        [sum(value.sum(dtype=np.float64) for value in values), 3 * values[0].size], dtype=np.float64
    )


def mean_of(sums: Sums) -> tuple[Figure, ...]:
    """Return the mean of a sum and a number; None of nothing."""
    return (float(sums[0] / sums[1]) if sums[1] else None,)


def _coloured(ours: Patch, theirs: Patch) -> list[Layer]:
    """Return the similarity of the tile's own pixels in R, G and B."""
    _, own = ours.near(WINDOW // 2)
    both = zip(ours.made(_moments), theirs.made(_moments), strict=True)
    return [similarity(one, other, 255.0)[own] for one, other in both]


def _moments(patch: Patch) -> list[Moments]:
    window, _ = patch.near(WINDOW // 2)
    return [moments(channel) for channel in np.moveaxis(patch.levels[window], 2, 0)]


def moments(layer: Layer) -> Moments:
    """Return the moments of a layer, reflected at its border."""
    layer = np.ascontiguousarray(layer)
    return layer, _blurred(layer), _blurred(layer**2)


def similarity(ours: Moments, theirs: Moments, data_range: float) -> Layer:
    """Return the similarity of the windows around each pixel of two layers whose values span
    `data_range`."""
    (one, mean, square), (other, other_mean, other_square) = ours, theirs
    both = mean * other_mean
    squares = mean**2 + other_mean**2
    covariance = _blurred(one * other) - both
    variances = square + other_square - squares
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    light = (2 * both + c1) / (squares + c1)
    # Rounding may leave a variance of flat parts a little below 0.
    structure = (2 * covariance + c2) / (np.maximum(variances, 0) + c2)
    return np.asarray(light * structure, dtype=np.float32)


def _blurred(layer: Layer) -> Layer:
    blurred = ndimage.gaussian_filter(layer, 1.5, radius=WINDOW // 2, mode="mirror")
    return np.asarray(blurred, dtype=np.float32)


SSIM = Metric(
    name="ssim",
    unit="",
    lowest=-1.0,
    highest=1.0,
    better="higher",
    explanation=(
        "How alike the two pictures are in light, contrast and structure, looked at through a "
        "small loupe: 1 is the same."
    ),
    formula="SSIM of Wang et al. 2004, Gaussian window 11 px, K1 0.01, K2 0.03",
    measure=Tally(_sums, mean_of),
    invariances=frozenset({"mirror", "quarter_turn", "source"}),
)
