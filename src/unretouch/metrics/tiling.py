"""A large frame in pieces, so that a metric's memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TILE = 1024
"""Side of a tile's own part, in pixels."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """One piece: `own` are its pixels, `around` these with their surroundings, both in the frame;
    `inner` are its own pixels within `around`."""

    own: Window
    around: Window
    inner: Window


def tiles_of(height: int, width: int, halo: int, side: int = TILE) -> Iterator[Tile]:
    """Yield tiles whose own parts cover the frame once, `halo` pixels around cut at its edge."""
    for rows in _spans(height, halo, side):
        for columns in _spans(width, halo, side):
            own, around, inner = zip(rows, columns, strict=True)
            yield Tile(own, around, inner)


def _spans(length: int, halo: int, side: int) -> list[tuple[slice, slice, slice]]:
    spans = []
    for start in range(0, length, side):
        stop = min(start + side, length)
        first, last = max(start - halo, 0), min(stop + halo, length)
        spans.append((slice(start, stop), slice(first, last), slice(start - first, stop - first)))
    return spans
