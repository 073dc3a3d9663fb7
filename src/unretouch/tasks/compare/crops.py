"""Which part of a pair the page shows: the same one for every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unretouch.pixels.pairs import Pair

MOST_SIDE = 1024
"""Pixels of a crop's longer side; smaller pictures are shown whole."""
PLACE = 96
"""Side in pixels of the square that the loupe looks at first."""

_ROWS = 256
"""Of a picture, looked at together."""

Kind = TypeVar("Kind", np.uint8, np.float32)


@dataclass(frozen=True)
class Crop:
    """A part of the frame at 1:1, and where in it the retouch took the most away."""

    top: int
    left: int
    height: int
    width: int
    x: float
    """0 to 1 from the crop's left"""
    y: float
    """0 to 1 from its top"""

    def cut(self, picture: NDArray[Kind]) -> NDArray[Kind]:
        """Return the crop of a picture (H, W, 3)."""
        rows = slice(self.top, self.top + self.height)
        return np.ascontiguousarray(picture[rows, self.left : self.left + self.width])


def crop_of(pair: Pair) -> Crop:
    """Return the crop around the place where source and target differ most."""
    height, width = pair.source.shape[:2]
    side = min(PLACE, height, width)
    difference = np.empty((height, width), np.float32)
    for first in range(0, height, _ROWS):
        strip = slice(first, first + _ROWS)
        off = np.subtract(pair.target[strip], pair.source[strip], dtype=np.float32)
        difference[strip] = np.abs(off, out=off).mean(axis=2)
    means = ndimage.uniform_filter(difference, side, mode="constant")
    half = side // 2
    inner = means[half : height - half + 1 or None, half : width - half + 1 or None]
    row, column = np.unravel_index(int(np.argmax(inner)), inner.shape)
    centre_y, centre_x = int(row) + half, int(column) + half
    top, rows = _span(centre_y, height)
    left, columns = _span(centre_x, width)
    return Crop(top, left, rows, columns, x=(centre_x - left) / columns, y=(centre_y - top) / rows)


def _span(centre: int, length: int) -> tuple[int, int]:
    """Return where a crop begins along a side, and how long it is."""
    size = min(MOST_SIDE, length)
    return min(max(0, centre - size // 2), length - size), size
