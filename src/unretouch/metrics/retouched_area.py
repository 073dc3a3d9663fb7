"""Where a pair was retouched, and what of the error of doing nothing is that.

The rest of it is noise: two files compressed apart, say.
"""

from __future__ import annotations

import numpy as np

from unretouch.metrics.likeness import level_error
from unretouch.metrics.pictures import Area, Picture, check
from unretouch.pixels import retouched_area as areas
from unretouch.pixels.spaces import Rgb

NOISY = 0.0
"""Grey levels (RMS) of noise above which a pair differs by more than its retouch: files that were
compressed apart, say. That of lossless files is 0."""


def noise_and_area(source: Picture, target: Picture) -> tuple[float, Area]:
    """Return the noise of a pair, and where above it the retouch is, bool (H, W).

    The noise is the RMS difference of a typical block, in grey levels, that is not the retoucher's
    doing; see pixels/retouched_area.py for how it is told from the retouch. Pictures are levels or
    file space, (H, W, 3). Raises ValueError when the shapes differ.
    """
    check(source, target)
    before, true = _rgb(source), _rgb(target)
    known = areas.pair_map(before, true)
    return known.noise_level, areas.retouched_area(before, true, known)


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


def _rgb(picture: Picture) -> Rgb:
    if picture.dtype == np.uint8:
        return np.asarray(picture, np.uint8)
    rounded: Rgb = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return rounded
