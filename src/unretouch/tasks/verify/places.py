"""Where to look: the worst and a typical place of a pair, chosen by the figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unretouch.metrics import Area, Picture

_ROWS = 256
"""Looked at together."""


@dataclass(frozen=True)
class Place:
    """A square of the frame, shown at 1:1."""

    top: int
    left: int
    side: int
    level_error: float
    """mean absolute error inside, in grey levels"""


def worst_and_typical(
    prediction: Picture, target: Picture, area: Area, side: int = 128
) -> tuple[Place, Place]:
    """Return the square with the largest mean error, and one whose error is the median.

    Squares lie on a grid of a quarter of their side, inside the frame; those that hold retouched
    pixels are considered, or all where none does. Both are cut to the frame's shorter side.
    """
    height, width = area.shape
    side = min(side, height, width)
    step = max(side // 4, 1)
    tops, lefts = _grid(height - side, step), _grid(width - side, step)
    error, retouched = np.empty((2, height + 1, len(lefts)))
    error[0] = retouched[0] = 0
    for row in range(0, height, _ROWS):
        rows = slice(row, min(row + _ROWS, height))
        off = np.subtract(prediction[rows], target[rows], dtype=np.float32)
        red, green, blue = np.moveaxis(np.abs(off, out=off), 2, 0)
        off = np.divide(red + green + blue, 3, dtype=np.float64)
        for sums, layer in ((error, off), (retouched, area[rows].astype(np.float64))):
            behind = np.cumsum(np.pad(layer, ((0, 0), (1, 0))), axis=1)
            sums[rows.start + 1 : rows.stop + 1] = behind[:, lefts + side] - behind[:, lefts]
    means, touched = (
        np.diff(np.cumsum(sums, axis=0)[[tops, tops + side]], axis=0)[0]
        for sums in (error, retouched)
    )
    means, touched = means / side**2, touched > 0.5
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
