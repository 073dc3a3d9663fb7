"""SSIM: do light, contrast and structure agree, small window by small window?

Written out here, for it is wanted over an irregular area and in tiles, and torchmetrics takes seven
times as long on a processor; tests hold it to the values of torchmetrics and of scikit-image.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unretouch.metrics.luma import Layer
from unretouch.metrics.metric import Area, Figure, Levels, Metric, check
from unretouch.metrics.tiling import tiles_of

WINDOW = 11
"""Pixels across the Gaussian window, whose standard deviation is 1.5."""
K1, K2 = 0.01, 0.03


def ssim(prediction: Levels, target: Levels, area: Area | None = None) -> Figure:
    """Return the mean structural similarity of R, G and B over the area, -1 to 1.

    With an area its pixels are averaged, each judged with its whole window. None for a frame
    smaller than one window. Raises ValueError when the shapes differ or the area is empty.
    """
    check(prediction, target, area=area)
    return mean_ssim(prediction, target, area, data_range=255.0)


def mean_ssim(prediction: Levels, target: Levels, area: Area | None, data_range: float) -> Figure:
    """Return the mean SSIM of pictures (H, W, C) whose values span `data_range`; see ssim."""
    height, width, channels = prediction.shape
    count = height * width if area is None else int(np.count_nonzero(area))
    if min(height, width) < WINDOW:
        return None
    total = 0.0
    for tile in tiles_of(height, width, halo=WINDOW):
        inside = None if area is None else area[tile.own]
        if inside is not None and not inside.any():
            continue
        for channel in range(channels):
            ours, theirs = (
                np.ascontiguousarray(picture[tile.around][:, :, channel])
                for picture in (prediction, target)
            )
            layer = _similarity(ours, theirs, data_range)[tile.inner]
            total += float((layer if inside is None else layer[inside]).sum(dtype=np.float64))
    return float(total / (count * channels))


def _similarity(one: Layer, other: Layer, data_range: float) -> Layer:
    """Return the similarity of the windows around each pixel, reflected at the border."""
    mean, other_mean = _blurred(one), _blurred(other)
    both = mean * other_mean
    squares = mean**2 + other_mean**2
    covariance = _blurred(one * other) - both
    variances = _blurred(one**2 + other**2) - squares
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
    measure=lambda prediction, target, _source, area: (ssim(prediction, target, area),),
    invariances=frozenset({"mirror", "quarter_turn", "source"}),
)
