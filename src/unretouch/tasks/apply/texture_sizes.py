"""A change by the size of its texture: periods of 2-4, 4-8 and 8-16 px, and the rest of it.

They are the octave bands of `metrics/octave_bands.py`, which reports measure, in each channel.
Together they are the change, so each can be given a strength of its own without the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unretouch.metrics.metric import HALO
from unretouch.metrics.octave_bands import BANDS, band_layers
from unretouch.tiles import Rows, Strip

Floats = NDArray[np.float32]

SIZES = BANDS[:3]
"""Fine, medium and coarse: periods in pixels of the photograph, from and to."""
_SIDE = 1024
"""Of the pieces that are filtered at once."""


def by_size(change: Floats, rows: slice) -> list[Floats]:
    """Return fine, medium, coarse and the rest of these rows of (H, W, C), which add up to it.

    HALO rows more on both sides, where the picture has them, let strips agree with the whole.
    """
    wanted = change[rows]
    width = change.shape[1]
    # In one piece: what is as large as this goes back to the system at once.
    *parts, rest = np.empty((len(SIZES) + 1, *wanted.shape), np.float32)
    for top in range(rows.start, rows.stop, _SIDE):
        down = slice(top, min(rows.stop, top + _SIDE))
        for left in range(0, width, _SIDE):
            across = slice(left, min(width, left + _SIDE))
            piece = change[_around(down), _around(across)]
            own = (_within(down), _within(across))
            to = (slice(down.start - rows.start, down.stop - rows.start), across)
            for channel in range(change.shape[2]):
                layers = band_layers(np.ascontiguousarray(piece[..., channel]), range(len(SIZES)))
                for part, layer in zip(parts, layers, strict=True):
                    part[(*to, channel)] = layer[own]
    rest[:] = wanted
    for part in parts:
        rest -= part
    return [*parts, rest]


def weighed(parts: Rows, height: int, strengths: Sequence[float]) -> Rows:
    """Yield a change of so many rows with fine, medium and coarse texture times `strengths`."""
    held = Held(height)
    for strip in parts:
        ready = held.add(strip.rows)
        if ready is not None:
            top, change, rows = ready
            made = change[rows].copy()
            for strength, part in zip(strengths, by_size(change, rows), strict=False):
                if strength != 1:
                    made += np.float32(strength - 1) * part
            yield Strip(top, made)


class Held:
    """Rows of a picture that come from the top down, held until those below them are there."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._rows: Floats | None = None
        self._top = self._done = 0

    def add(self, rows: Floats) -> tuple[int, Floats, slice] | None:
        """Return the first row that is ready now, rows with HALO more around them, and which of
        these are ready; None where none is."""
        self._rows = rows if self._rows is None else np.concatenate([self._rows, rows])
        bottom = self._top + len(self._rows)
        ready = self._height if bottom == self._height else bottom - HALO
        first, top, held = self._done, self._top, self._rows
        if ready <= first:
            return None
        self._done, self._top = ready, max(top, ready - HALO)
        self._rows = held[self._top - top :].copy()  # not a view, which would keep all
        return first, held, slice(first - top, ready - top)


def _around(part: slice) -> slice:
    return slice(max(0, part.start - HALO), part.stop + HALO)


def _within(part: slice) -> slice:
    """Return where `part` lies in what is around it."""
    before = part.start - _around(part).start
    return slice(before, before + part.stop - part.start)
