"""What of the error of doing nothing is the retouch, and what is two files compressed apart."""

from __future__ import annotations

import numpy as np

from unretouch.metrics.level_error import level_error
from unretouch.metrics.pictures import Area, Picture
from unretouch.metrics.retouched_area import measured, retouched_area

NOISY = 0.0
"""Grey levels (RMS) of noise above which a pair differs by more than its retouch: files that were
compressed apart, say. That of lossless files is 0."""


def noise_and_area(source: Picture, target: Picture) -> tuple[float, Area]:
    """Return the noise of a pair, grey levels (RMS), and where above it the retouch is."""
    known = measured(source, target)
    return known.noise_level, retouched_area(source, target, known)


def identity_parts(source: Picture, target: Picture) -> tuple[float, float] | None:
    """Return the mean absolute difference in the retouched area and that outside, both divided by
    all pixels, so that they add up to the error of doing nothing; None for lossless pairs.

    Pictures are levels or file space, (H, W, 3). Raises ValueError when the shapes differ.
    """
    noise, area = noise_and_area(source, target)
    if noise <= NOISY:
        return None
    share = float(np.mean(area))
    retouch = level_error(source, target, area) * share if share else 0.0
    return retouch, max(0.0, level_error(source, target) - retouch)
