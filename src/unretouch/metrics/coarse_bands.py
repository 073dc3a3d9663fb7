"""Coarse bands: what of a retouch is larger than pores, its light and form.

In a photograph of 24 megapixels most of a retouch is. Measured on a copy reduced by the mean of
8 x 8 pixels, in the octaves that follow those of octave_bands, as far as the frame holds enough
of their periods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unretouch.metrics.octave_bands import BANDS, NOTHING, band_sums, band_values
from unretouch.metrics.pictures import Area, Figure, Levels, Picture
from unretouch.metrics.tally import total

FACTOR = 8
"""By which the copy is reduced: a power of two."""
PERIODS = 16
"""Periods in the middle of a band that the shorter side of the frame must hold at least."""
COARSE = tuple((FACTOR * low, FACTOR * high) for low, high in BANDS[1:])
"""Periods in pixels, from and to. The finest band of the copy is left out: it lies below these, and
the mean over squares does not keep it whole."""


@dataclass(frozen=True)
class CoarseBand:
    """One band of one pair."""

    low: int
    high: int
    """periods in pixels, from and to"""
    removed: float
    """energy of target - source over the retouched area, in grey levels squared, added up"""
    recovered: Figure
    """1: all of it is back, 0: as if nothing had been done, below 0: worse; None of nothing"""


def coarse_bands(
    prediction: Picture, target: Picture, source: Picture, area: Area
) -> tuple[CoarseBand, ...]:
    """Return the bands that the frame is large enough for, of luma, over the cells of the copy
    that hold any of the area; none where it is empty.

    Pictures are file space or levels, (H, W, 3) of one size, `area` bool (H, W).
    """
    wanted = sum(math.sqrt(low * high) * PERIODS <= min(area.shape) for low, high in COARSE)
    if not wanted or not area.any():
        return ()
    small = [reduced(picture, FACTOR) for picture in (prediction, target, source)]
    cells = reduced(area[:, :, None], FACTOR)[:, :, 0] > 0
    if not cells.any():
        return ()
    by_band = band_values(total(band_sums, small[0], small[1], small[2], cells))
    pixels = FACTOR**2 * int(np.count_nonzero(cells))
    return tuple(
        CoarseBand(
            low,
            high,
            removed=band["removed"] * pixels,
            recovered=1 - band["missing"] / band["removed"] if band["removed"] > NOTHING else None,
        )
        for (low, high), band in list(zip(COARSE, by_band[1:], strict=True))[:wanted]
    )


def reduced(picture: Picture | Area, factor: int) -> Levels:
    """Return the mean of each square of `factor` pixels, float32 (H / factor, W / factor, C).

    What is left over right and below is left out.
    """
    height, width = (length // factor for length in picture.shape[:2])
    small = np.empty((height, width, picture.shape[2]), np.float32)
    rows = max(1, 256 // factor)
    for top in range(0, height, rows):
        some = picture[factor * top : factor * min(top + rows, height), : factor * width]
        cells = some.reshape(-1, factor, width, factor, picture.shape[2])
        small[top : top + rows] = cells.mean(axis=(1, 3), dtype=np.float32)
    return small
