"""Exact pixels: how many come out as the very same 8-bit colour."""

from __future__ import annotations

import numpy as np

from unretouch.metrics.metric import Area, Levels, Metric, check


def exact_pixels(prediction: Levels, target: Levels, area: Area | None = None) -> float:
    """Return the share, 0 to 1, of pixels whose three 8-bit channels equal the target's.

    Both are clamped and rounded, halves to even, as when a file is written. Inputs and
    errors raised as for level_error.
    """
    check(prediction, target, area=area)
    if area is not None:
        prediction, target = prediction[area], target[area]
    same = (_eight_bit(prediction) == _eight_bit(target)).all(axis=-1)
    return float(same.mean())


def _eight_bit(levels: Levels) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rounded = np.clip(levels, 0, 255)
    return np.rint(rounded, out=rounded).astype(np.uint8)


EXACT_PIXELS = Metric(
    name="exact_pixels",
    unit="share",
    lowest=0.0,
    highest=1.0,
    better="higher",
    explanation=(
        "The part of all pixels that, once saved, have exactly the colour of the answer; "
        "1 (100%) means that the two files show the same picture, bit for bit."
    ),
    formula="share of pixels with round(clip(prediction)) = round(clip(target)) in R, G and B",
    measure=lambda prediction, target, _source, area: (exact_pixels(prediction, target, area),),
    invariances=frozenset({"mirror", "quarter_turn", "shuffle", "source"}),
)
