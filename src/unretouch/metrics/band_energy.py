"""Band energy: is there as much detail of each size as in the answer?"""

from __future__ import annotations

import math

from unretouch.metrics.luma import luma
from unretouch.metrics.metric import Area, Figure, Levels, Metric, check
from unretouch.metrics.octave_bands import NOTHING, PARTS, band_products


def band_energy(prediction: Levels, target: Levels, area: Area | None = None) -> tuple[Figure, ...]:
    """Return energy of the prediction / energy of the target, for the four bands, finest first.

    1 is right, below smooth, above noise. Of luma, inside the area. None for a band in which the
    target holds nothing. Raises ValueError when the shapes differ or the area is empty.
    """
    check(prediction, target, area=area)
    gram = band_products([luma(prediction), luma(target)], area)
    return tuple(float(band[0, 0] / band[1, 1]) if band[1, 1] > NOTHING else None for band in gram)


BAND_ENERGY = Metric(
    name="band_energy",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=(
        "How strong the texture of each size is beside that of the untouched skin: 1 is the same, "
        "below 1 is too smooth, above 1 is noise."
    ),
    formula="mean square of the prediction's luma / the target's, in octave bands",
    measure=lambda prediction, target, _source, area: band_energy(prediction, target, area),
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
