"""Overlapping tiles: a function of whole pictures, computed piece by piece without seams.

A tile is a *core* with *overlap* pixels more on each side. Where two tiles meet, their results are
blended linearly over a quarter of the overlap on either side of the line between their cores, so
that the outer three quarters, which feel the cut edge most, count for nothing. At the picture's own
borders tiles end where the picture ends, as the whole does.

Only numpy: a picture can also be computed where torch is not installed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Tiling:
    """How to cut: all in pixels; `core` and `overlap` are multiples of what the network needs."""

    core: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= self.core or self.core < 1:
            raise ValueError(f"cores of {self.core} cannot overlap by {self.overlap}")

    @property
    def ramp(self) -> int:
        """Pixels on either side of the line between two cores over which they are blended."""
        return self.overlap // 4


@dataclass(frozen=True)
class Span:
    """One tile along one axis."""

    start: int
    """first pixel that the function sees"""
    stop: int
    first: int
    """first pixel whose result counts"""
    last: int
    """behind the last one that counts"""
    core: slice
    """its own part without overlap, counted from `start`"""
    weights: Floats
    """(last - first,) in 0..1; those of neighbours add up to 1"""

    @property
    def seen(self) -> slice:
        """What the function sees of the picture."""
        return slice(self.start, self.stop)

    @property
    def counted(self) -> slice:
        """What counts of its result, counted from `start`."""
        return slice(self.first - self.start, self.last - self.start)


def spans(length: int, tiling: Tiling) -> list[Span]:
    """Return the tiles along an axis of `length` pixels, in order."""
    # A last core smaller than the overlap would cost a tile for little: it joins the one before.
    count = max(1, (length - tiling.overlap + tiling.core - 1) // tiling.core)
    cuts = [index * tiling.core for index in range(count)] + [length]
    found = []
    for low, high in itertools.pairwise(cuts):
        first = max(0, low - tiling.ramp) if low else 0
        last = min(length, high + tiling.ramp) if high < length else length
        x = np.arange(first, last) + 0.5
        weights = np.ones(last - first, np.float32)
        if tiling.ramp and low:
            weights = np.minimum(weights, (x - (low - tiling.ramp)) / (2 * tiling.ramp))
        if tiling.ramp and high < length:
            weights = np.minimum(weights, ((high + tiling.ramp) - x) / (2 * tiling.ramp))
        start, stop = max(0, low - tiling.overlap), min(length, high + tiling.overlap)
        core = slice(low - start, high - start)
        found.append(Span(start, stop, first, last, core, weights.astype(np.float32)))
    return found


@dataclass(frozen=True)
class Strip:
    """Finished rows."""

    top: int
    rows: Floats
    """(n, W, C)"""


Rows = Iterator[Strip]
"""All rows of a picture from the top down."""


def strips(
    height: int,
    width: int,
    tiling: Tiling,
    compute: Callable[[Span, Span], Floats],
) -> Rows:
    """Yield the result for a picture of `height` x `width`, from the top down, in whole rows.

    `compute(down, across)` returns the function's result for what these see, float32 (h, w, C);
    only what is `counted` of it need be right. At most two rows of tiles are held at a time. When a
    strip has been yielded, windows above `top + len(rows) - tiling.overlap - tiling.ramp` are not
    asked for any more.
    """
    across = spans(width, tiling)
    begun: Floats | None = None  # rows that the tiles below add to
    for down in spans(height, tiling):
        rows: Floats | None = None
        for side in across:
            window = compute(down, side)
            if rows is None:
                rows = np.zeros((down.last - down.first, width, window.shape[2]), np.float32)
                if begun is not None:
                    rows[: len(begun)] = begun
            part = np.array(window[down.counted, side.counted])
            _weigh(part, down.weights)
            _weigh(part.swapaxes(0, 1), side.weights)
            rows[:, side.first : side.last] += part
        if rows is not None:
            done = len(rows) - (0 if down.last == height else 2 * tiling.ramp)
            begun = rows[done:].copy()
            yield Strip(down.first, rows[:done])


def _weigh(part: Floats, weights: Floats) -> None:
    """Multiply the rows of `part`, (n, m, C), by `weights`, in place: those at either end, since in
    the middle they are 1."""
    for row in np.flatnonzero(weights != 1):
        part[row] *= weights[row]


def whole(parts: Rows) -> Floats:
    """Return all strips as one array, float32 (H, W, C)."""
    return np.concatenate([strip.rows for strip in parts])
