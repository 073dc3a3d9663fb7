"""The retouched area: where source and target differ by more than noise."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unretouch.metrics.luma import Layer
from unretouch.metrics.metric import Area, Levels, check

ROUNDING = 0.5
"""Grey levels that two 8-bit pictures of one scene may differ (RMS) through rounding alone: each
rounding has an RMS of 0.29, both together of 0.41."""
HIGHEST_NOISE = 1.0
"""Grey levels; more is taken as retouching, lest a retouch of the whole frame pass for noise."""
MARGIN = 2.0
"""How far above the noise a pixel's surroundings must differ."""
BLOCK = 16
NEIGHBOURHOOD = 5


def noise_level(source: Levels, target: Levels) -> float:
    """Return the RMS difference, in grey levels, that is not the retoucher's doing.

    It is read off the least changed tenth of the frame's 16-pixel blocks: 0 for lossless files with
    untouched parts, more where the two were compressed apart; at most HIGHEST_NOISE.
    """
    check(source, target)
    return _noise_of(_squared_difference(source, target))


def retouched_area(source: Levels, target: Levels, noise: float | None = None) -> Area:
    """Return where the retouch changed the picture: bool (H, W).

    A pixel belongs to it when the RMS difference over the 5 x 5 pixels around it exceeds MARGIN
    times the noise (default: noise_level), and ROUNDING. Levels in, (H, W, 3). Raises ValueError
    when the shapes differ.
    """
    check(source, target)
    squared = _squared_difference(source, target)
    noise = _noise_of(squared) if noise is None else noise
    around = ndimage.uniform_filter(squared, NEIGHBOURHOOD, output=np.float64, mode="mirror")
    return np.asarray(around > max(ROUNDING, MARGIN * noise) ** 2)


def _squared_difference(source: Levels, target: Levels) -> Layer:
    difference = np.subtract(source, target, dtype=np.float32)
    return np.asarray(np.einsum("hwc,hwc->hw", difference, difference) / 3, dtype=np.float32)


def _noise_of(squared: Layer) -> float:
    height, width = (length // BLOCK * BLOCK for length in squared.shape)
    if not height or not width:
        return 0.0
    blocks = squared[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    rms = np.sqrt(blocks.mean(axis=(1, 3), dtype=np.float64))
    return min(float(np.percentile(rms, 10)), HIGHEST_NOISE)
