"""Detail recovered: how much of the removed texture is back, in place and in strength."""

from __future__ import annotations

import math

from unretouch.metrics.luma import luma
from unretouch.metrics.metric import Area, Figure, Levels, Metric, check
from unretouch.metrics.octave_bands import NOTHING, PARTS, band_products


def detail_recovered(
    prediction: Levels, target: Levels, source: Levels, area: Area | None = None
) -> tuple[Figure, ...]:
    """Return the recovered share of the energy of the removed detail, for the four bands.

    1 is all, 0 as if nothing had been done, below 0 worse than that: grain of the right strength in
    the wrong place scores -1. Luma, inside the area. None for a band from which the retouch took
    nothing. Raises ValueError when the shapes differ or the area is empty.
    """
    check(prediction, target, source, area=area)
    true = luma(target)
    gram = band_products([luma(prediction) - true, luma(source) - true], area)
    return tuple(
        1 - float(band[0, 0] / band[1, 1]) if band[1, 1] > NOTHING else None for band in gram
    )


DETAIL_RECOVERED = Metric(
    name="detail_recovered",
    unit="",
    lowest=-math.inf,
    highest=1.0,
    better="higher",
    explanation=(
        "How much of the removed texture of each size is back: 1 is all of it, 0 is as if nothing "
        "had been done, below 0 is grain or damage."
    ),
    formula=(
        "1 - energy of prediction - target / energy of source - target, in octave bands of luma"
    ),
    measure=detail_recovered,
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn"}),
)
