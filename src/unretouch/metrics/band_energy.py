"""Band energy: is there as much detail of each size as in the answer?"""

from __future__ import annotations

import math

from unretouch.base.messages import N_
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.octave_bands import NOTHING, PARTS, band_sums, band_values
from unretouch.metrics.tally import Sums, Tally


def band_energy(
    prediction: Picture, target: Picture, area: Area | None = None
) -> tuple[Figure, ...]:
    """Return energy of the prediction / energy of the target, for the four bands, finest first.

    1 is right, below smooth, above noise. Of luma, inside the area. None for a band in which the
    target holds nothing. Raises ValueError when the shapes differ or the area is empty.
    """
    return BAND_ENERGY.over(prediction, target, target, area)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    return tuple(
        band["prediction"] / band["target"] if band["target"] > NOTHING else None
        for band in band_values(sums)
    )


BAND_ENERGY = Metric(
    name="band_energy",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=N_(
        "How strong the texture of each size is beside that of the untouched skin: 1 is the same, "
        "below 1 is too smooth, above 1 is noise."
    ),
    formula="mean square of the prediction's luma / the target's, in octave bands",
    measure=Tally(band_sums, _figures),
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
