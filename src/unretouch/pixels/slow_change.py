"""The slow part of a retouch: how light and colour change over more than a network can see.

A network sees some 70 pixels around each. What a retoucher does to the light of a whole face cannot
be told from that, so on portraits it never saw a network would guess it from how light the skin is,
and change the light of every other studio.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
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
    return _mean_around(np.concatenate([change, known], 2), sigma)


def enlarged(blocks: Plane, rows: slice, columns: slice) -> Plane:
    """Return the part of `blocks`, (h, w, 3), for a window of the picture, (rows, columns, 3):
    linear between the centres of blocks."""
    size = (columns.stop - columns.start, rows.stop - rows.start)
    box = tuple(side / BLOCK for side in (columns.start, rows.start, columns.stop, rows.stop))
    found = np.empty((*size[::-1], blocks.shape[2]), np.float32)
    for channel in range(blocks.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(blocks[..., channel]))
        found[..., channel] = plane.resize(size, Image.Resampling.BILINEAR, box)
    return found


def without_slow_change(
    strips: Iterable[Plane], height: int, sigma: float, level: float = 1.0
) -> Iterator[Plane]:
    """Yield the change of a picture of `height` rows, (rows, W, 3) each from the top down, without
    its slow part: that which a network guessed, since it was never asked for it.

    Pixels that change by a grey `level` or more are moved by the mean of the change around them, of
    all pixels: many small spots are no change of light. What does not change stays as it is. The
    same whatever the strips, but for rounding; they are held back until enough is known below them.
    """
    reach = math.ceil(3 * sigma / BLOCK)
    waiting: list[Plane] = []
    sums: Plane | None = None
    known = top = 0
    for strip in strips:
        if sums is None:
            sums = np.zeros((-(-height // BLOCK), -(-strip.shape[1] // BLOCK), 4), np.float32)
        _add(sums, strip, known)
        known += len(strip)
        waiting.append(strip)
        while waiting and (known == height or known >= top + len(waiting[0]) + (reach + 2) * BLOCK):
            ready = waiting.pop(0)
            first, blocks = _around(sums, slice(top, top + len(ready)), sigma)
            for rows in row_strips(len(ready), 8 * BLOCK):
                part, below = ready[rows], top - first * BLOCK
                moved = enlarged(
                    blocks, slice(below + rows.start, below + rows.stop), slice(0, part.shape[1])
                )
                moved *= weight(part, level)
                part -= moved
            top += len(ready)
            yield ready


def _add(sums: Plane, strip: Plane, top: int) -> None:
    """Add the rows of a strip that begins at row `top` to the sums of the change and the numbers of
    pixels of the blocks, (h, w, 4)."""
    columns = np.arange(0, strip.shape[1], BLOCK)
    widths = np.diff(columns, append=strip.shape[1])
    for index in range(top // BLOCK, -(-(top + len(strip)) // BLOCK)):
        part = strip[max(0, index * BLOCK - top) : (index + 1) * BLOCK - top]
        sums[index, :, :3] += np.add.reduceat(part.sum(0), columns)
        sums[index, :, 3] += len(part) * widths


def weight(change: Plane, level: float = 1.0) -> Plane:
    """Return by how much of it each pixel of a change is moved, (rows, W, 1) from 0 to 1."""
    size = np.abs(change)
    most = np.maximum(np.maximum(size[..., 0], size[..., 1]), size[..., 2])
    most *= np.float32(1 / level)
    return np.minimum(most, 1, out=most)[..., None]


def _around(sums: Plane, rows: slice, sigma: float) -> tuple[int, Plane]:
    """Return the mean change around the blocks of some rows and those next to them, (h, w, 3), and
    the first row of blocks."""
    reach = math.ceil(3 * sigma / BLOCK) + 1
    first = max(0, rows.start // BLOCK - reach)
    return first, _mean_around(sums[first : rows.stop // BLOCK + reach + 1], sigma)


def _mean_around(sums: Plane, sigma: float) -> Plane:
    """Return the mean around each block, (h, w, 3), from the sums and numbers of its pixels,
    (h, w, 4): what lies beyond the picture counts for nothing."""
    reach = sigma / BLOCK
    found = ndimage.gaussian_filter(sums, (reach, reach, 0), truncate=3, mode="constant")
    return np.asarray(found[..., :3] / found[..., 3:], np.float32)
