"""Detail recovered: how much of the removed texture is back, in place and in strength."""

from __future__ import annotations

import math

from unretouch.base.messages import N_
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.octave_bands import NOTHING, PARTS, band_sums, band_values
from unretouch.metrics.tally import Sums, Tally


def detail_recovered(
    prediction: Picture, target: Picture, source: Picture, area: Area | None = None
) -> tuple[Figure, ...]:
    """Return the recovered share of the energy of the removed detail, for the four bands.

    1 is all, 0 as if nothing had been done, below 0 worse than that: grain of the right strength in
    the wrong place scores -1. Luma, inside the area. None for a band from which the retouch took
    nothing. Raises ValueError when the shapes differ or the area is empty.
    """
    return DETAIL_RECOVERED.over(prediction, target, source, area)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    return tuple(
        1 - band["missing"] / band["removed"] if band["removed"] > NOTHING else None
        for band in band_values(sums)
    )


DETAIL_RECOVERED = Metric(
    name="detail_recovered",
    unit="",
    lowest=-math.inf,
    highest=1.0,
    better="higher",
    explanation=N_(
        "How much of the removed texture of each size is back: 1 is all of it, 0 is as if nothing "
        "had been done, below 0 is grain or damage."
    ),
    formula=(
        "1 - energy of prediction - target / energy of source - target, in octave bands of luma"
    ),
    measure=Tally(band_sums, _figures),
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn"}),
)
