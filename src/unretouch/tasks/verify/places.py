"""Where to look: the worst and a typical place of a pair, chosen by the figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from unretouch.metrics import Area, Levels


@dataclass(frozen=True)
class Place:
    """A square of the frame, shown at 1:1."""

    top: int
    left: int
    side: int
    level_error: float
    """mean absolute error inside, in grey levels"""


def worst_and_typical(
    prediction: Levels, target: Levels, area: Area, side: int = 128
) -> tuple[Place, Place]:
    """Return the square with the largest mean error, and one whose error is the median.

    Squares lie on a grid of a quarter of their side, inside the frame; those that hold retouched
    pixels are considered, or all where none does. Both are cut to the frame's shorter side.
    """
    height, width = area.shape
    side = min(side, height, width)
    step = max(side // 4, 1)
    tops, lefts = _grid(height - side, step), _grid(width - side, step)
    error = np.abs(prediction - target).mean(axis=2)
    means = _square_means(error, side)[np.ix_(tops, lefts)]
    touched = _square_means(area.astype(np.float32), side)[np.ix_(tops, lefts)] > 0
    if not touched.any():
        touched[:] = True
    ranked = sorted(np.argwhere(touched).tolist(), key=lambda place: means[tuple(place)])
    row, column = ranked[-1]
    worst = Place(int(tops[row]), int(lefts[column]), side, float(means[row, column]))
    row, column = ranked[(len(ranked) - 1) // 2]
    typical = Place(int(tops[row]), int(lefts[column]), side, float(means[row, column]))
    return worst, typical


def _grid(last: int, step: int) -> np.ndarray:
    """Return the starts 0, step, 2 step ... and the last possible one."""
    return np.unique(np.append(np.arange(0, last + 1, step), last))


def _square_means(layer: np.ndarray, side: int) -> np.ndarray:
    """Return the mean of the square that starts at each place."""
    origin = -(side // 2)
    means = ndimage.uniform_filter(layer, side, output=np.float64, mode="constant", origin=origin)
    return np.asarray(means)
