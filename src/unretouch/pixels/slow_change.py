"""The slow part of a retouch: how light and colour change over more than a network can see.

A network sees some 70 pixels around each. What a retoucher does to the light of a whole face cannot
be told from that, so on portraits it never saw a network would guess it from how light the skin is,
and change the light of every other studio.

A network that works in cells of two pixels guesses it for every second pixel on its own. Where the
guesses differ, a grid of two pixels is drawn; so each is taken out on its own, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from unretouch.pixels.images import row_strips
from unretouch.pixels.pair_noise import BLOCK
from unretouch.pixels.spaces import Plane

SIGMA: Final = 64.0
"""Pixels: the Gaussian of what a network that sees some 70 pixels around each is not asked for."""
OF_PREDICTIONS: Final = 1.5
"""Times SIGMA, for what is taken out of predictions: as wide as keeps what was learnt."""


def slow_blocks(change: Plane, sigma: float) -> Plane:
    """Return the mean change around each block, of all pixels, (h, w, 3) grey levels.

    `change` is that of each block, (h, w, 3) grey levels; a Gaussian of `sigma` pixels weighs the
    surroundings. Many small spots of one sign are no change of light: their mean counts by the
    share of the skin that they cover.
    """
    known = np.ones((*change.shape[:2], 1), np.float32)
    return _mean_around(np.concatenate([change, known], 2), sigma / BLOCK)


def enlarged(blocks: Plane, rows: slice, columns: slice, cell: int = BLOCK) -> Plane:
    """Return the part of `blocks`, (h, w, 3), of `cell` pixels a side, for a window of the picture,
    (rows, columns, 3): linear between their centres."""
    size = (columns.stop - columns.start, rows.stop - rows.start)
    box = tuple(side / cell for side in (columns.start, rows.start, columns.stop, rows.stop))
    found = np.empty((*size[::-1], blocks.shape[2]), np.float32)
    for channel in range(blocks.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(blocks[..., channel]))
        found[..., channel] = plane.resize(size, Image.Resampling.BILINEAR, box)
    return found


FINE: Final = 12
"""Cells to a sigma, at least: the mean around is then linear between their centres to within 0.3 %
of the largest."""


def cell_of(sigma: float) -> int:
    """Return the pixels a side of the cells by which changes slower than `sigma` are known."""
    return BLOCK * max(1, int(sigma / (FINE * BLOCK)))


def reach_of(sigma: float) -> int:
    """Return how many pixels around one the change must be known to steady it: whole cells."""
    cell = cell_of(sigma)
    return (math.ceil(3 * sigma / cell) + 2) * cell


PHASES: Final = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Where every second pixel begins, down and to the right."""


class SlowChange:
    """The slow part of the change of a picture, or of a part of one that begins at a cell: that
    which a network guessed, since it was never asked for it.

    Rows and columns are counted from there; changes are (rows, columns, 3).
    """

    def __init__(self, height: int, width: int, sigma: float, level: float = 1.0) -> None:
        """A grey `level` is so much in the unit of the changes."""
        self._sigma, self._level, self._cell = sigma, level, cell_of(sigma)
        cells = (-(-side // self._cell) + 2 for side in (height, width))
        self._sums = np.zeros((2, 2, *cells, 4), np.float32)
        """(2, 2, h, w, 4): of the change of every second pixel of each cell, and how many they are;
        with cells beyond the borders, where the mean around goes on as within"""

    def add(self, change: Plane, top: int, left: int = 0, size: int = 1) -> None:
        """Make known the change of the rows from `top` and the columns from `left` on, where a cell
        begins. A number of it may stand for `size` x `size` pixels.
        """
        side, first = self._cell // size, left // self._cell + 1
        starts = np.arange(0, change.shape[1], side)
        across = slice(first, first + len(starts))
        top //= size
        for index in range(top // side, -(-(top + len(change)) // side)):
            begins = max(0, index * side - top)
            part = change[begins : (index + 1) * side - top]
            sums = self._sums[:, :, index + 1, across]
            if size > 1:  # all pixels that a number stands for are alike
                sums += size**2 // 4 * _sums_of(part, starts)
                continue
            for down, right in PHASES:
                rows = part[(down - begins - top) % 2 :: 2]
                sums[down, right] += _sums_of(rows, starts // 2, right)

    def take_out(self, change: Plane, top: int, left: int = 0) -> None:
        """Overwrite the change of a window by what is left of it.

        Pixels that change by a grey level or more are moved by the mean of the change around them,
        of all pixels: many small spots are no change of light. A grid of two pixels is taken out of
        all that changes. What does not change stays as it is.
        """
        first, slow, grid = self._around(top, top + len(change))
        left += self._cell
        for rows in row_strips(len(change), 8 * BLOCK):
            part, row = change[rows], top - first + rows.start
            share = weight(part, self._level)
            for down, right in PHASES:
                begins = (down - row) % 2, (right - left) % 2
                every_second = tuple(slice(start, None, 2) for start in begins)
                high, wide = part[every_second].shape[:2]
                if not high * wide:
                    continue  # a picture of one pixel's width has no second one
                at = [(here + start) // 2 for here, start in zip((row, left), begins, strict=True)]
                windows = slice(at[0], at[0] + high), slice(at[1], at[1] + wide)
                moved = enlarged(slow, *windows, self._cell // 2) * share[every_second]
                moved += enlarged(grid[down][right], *windows, self._cell // 2)
                moved *= share[every_second] > 0
                part[every_second] -= moved

    def _around(self, top: int, bottom: int) -> tuple[int, Plane, list[list[Plane]]]:
        """Return the row of pixels where the cells begin that are known of some rows and those next
        to them; the mean change around these cells, (h, w, 3); and by how much that of every second
        pixel, down and to the right, differs from it."""
        reach = math.ceil(3 * self._sigma / self._cell) + 1
        first = max(0, top // self._cell + 1 - reach)
        sums = self._sums[:, :, first : bottom // self._cell + reach + 2]
        sigma = self._sigma / self._cell
        slow = _mean_around(sums.sum((0, 1)), sigma)
        grid = [[_mean_around(each, sigma) - slow for each in row] for row in sums]
        return (first - 1) * self._cell, slow, grid


def without_slow_change(
    strips: Iterable[Plane], height: int, sigma: float, level: float = 1.0
) -> Iterator[Plane]:
    """Yield the change of a picture of `height` rows, (rows, W, 3) each from the top down, without
    its slow part: see SlowChange.

    The same whatever the strips, but for rounding; they are held back until enough is known below
    them.
    """
    slow: SlowChange | None = None
    waiting: list[Plane] = []
    known = top = 0
    for strip in strips:
        slow = slow or SlowChange(height, strip.shape[1], sigma, level)
        slow.add(strip, known)
        known += len(strip)
        waiting.append(strip)
        while waiting and (known == height or known >= top + len(waiting[0]) + reach_of(sigma)):
            ready = waiting.pop(0)
            slow.take_out(ready, top)
            top += len(ready)
            yield ready


def weight(change: Plane, level: float = 1.0) -> Plane:
    """Return by how much of it each pixel of a change is moved, (rows, W, 1) from 0 to 1."""
    size = np.abs(change)
    most = np.maximum(np.maximum(size[..., 0], size[..., 1]), size[..., 2])
    most *= np.float32(1 / level)
    return np.minimum(most, 1, out=most)[..., None]


def _sums_of(part: Plane, starts: NDArray[np.intp], right: int | None = None) -> Plane:
    """Return the sums of (rows, W, 3) over all rows and from each of the columns `starts` to the
    next, and the number of pixels: (n, 4). With `right`, of every second column from there on."""
    columns = part.sum(0)
    wide = len(columns)
    if right is not None:
        wide = (wide + 1 - right) // 2
        # One more where a cell at the border has none.
        columns = np.concatenate([columns, np.zeros((2, columns.shape[1]), np.float32)])[right::2]
    counts = len(part) * np.diff(np.minimum(starts, wide), append=wide).astype(np.float32)
    return np.column_stack([np.add.reduceat(columns, starts), counts])


def _mean_around(sums: Plane, sigma: float) -> Plane:
    """Return the mean around each cell, (h, w, 3), from the sums and numbers of its pixels,
    (h, w, 4), with `sigma` in cells: what lies beyond the picture counts for nothing."""
    found = ndimage.gaussian_filter(sums, (sigma, sigma, 0), truncate=3, mode="constant")
    # A picture of one pixel's width has no second one.
    return np.asarray(found[..., :3] / np.maximum(found[..., 3:], 1e-9), np.float32)
