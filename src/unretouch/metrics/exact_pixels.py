"""Exact pixels: how many come out as the very same 8-bit colour."""

from __future__ import annotations

import numpy as np

from unretouch.base.messages import N_
from unretouch.metrics.metric import Area, Figure, Levels, Metric, Picture
from unretouch.metrics.tally import Patch, Sums, Tally, View


def exact_pixels(prediction: Picture, target: Picture, area: Area | None = None) -> float:
    """Return the share, 0 to 1, of pixels whose three 8-bit channels equal the target's.

    Both are clamped and rounded, halves to even, as when a file is written. Inputs and
    errors raised as for level_error.
    """
    (share,) = EXACT_PIXELS.over(prediction, target, target, area)
    assert share is not None
    return share


def _sums(view: View) -> Sums:
    equal = view.counted(view.prediction.made_with(view.target, _equal))
    return np.array([np.count_nonzero(equal), equal.size], dtype=np.float64)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    return (float(sums[0] / sums[1]),)


def _equal(one: Patch, other: Patch) -> Area:
    """Return which of the tile's own pixels have one colour once they are saved."""
    red, green, blue = np.moveaxis(one.made(_rounded) == other.made(_rounded), 2, 0)
    return np.asarray(red & green & blue)


def _rounded(patch: Patch) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return _eight_bit(patch.levels[patch.tile.inner])


def _eight_bit(levels: Levels) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rounded = np.clip(levels, 0, 255)
    return np.rint(rounded, out=rounded).astype(np.uint8)


EXACT_PIXELS = Metric(
    name="exact_pixels",
    unit="share",
    lowest=0.0,
    highest=1.0,
    better="higher",
    explanation=N_(
        "The part of all pixels that, once saved, have exactly the colour of the answer; "
        "1 (100%) means that the two files show the same picture, bit for bit."
    ),
    formula="share of pixels with round(clip(prediction)) = round(clip(target)) in R, G and B",
    measure=Tally(_sums, _figures),
    invariances=frozenset({"mirror", "quarter_turn", "shuffle", "source"}),
)
