"""Detail coherence: is the restored pore where the real one is, or is it merely grain?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unretouch.base.messages import N_
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.octave_bands import NOTHING, PARTS, band_sums, band_values
from unretouch.metrics.tally import Sums, Tally


def detail_coherence(
    prediction: Picture, target: Picture, source: Picture, area: Area | None = None
) -> tuple[Figure, ...]:
    """Return how what was put back agrees with what was taken away, for the four bands.

    The correlation of prediction - source with target - source, luma, inside the area: 1 when every
    pore is in its place, whatever its strength; 0 for grain, and where nothing was put back; below
    0 where light and dark are swapped. None for a band from which the retouch took nothing. Raises
    ValueError when the shapes differ or the area is empty.
    """
    return DETAIL_COHERENCE.over(prediction, target, source, area)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    return tuple(_correlation(band) for band in band_values(sums))


def _correlation(band: Mapping[str, float]) -> Figure:
    restored, removed, product = band["restored"], band["removed"], band["agreement"]
    if not removed > NOTHING:
        return None
    if not restored > 0:
        return 0.0
    # Rounding may carry a perfect match some 1e-16 past 1.
    return float(np.clip(product / np.sqrt(restored * removed), -1, 1))


DETAIL_COHERENCE = Metric(
    name="detail_coherence",
    unit="",
    lowest=-1.0,
    highest=1.0,
    better="higher",
    explanation=N_(
        "Whether the texture put back is the person's own: 1 is every pore in its place, "
        "0 is grain that only looks like skin."
    ),
    formula=(
        "<R, D> / sqrt(<R, R> <D, D>) in octave bands of luma, R = prediction - source, "
        "D = target - source; the zero-lag form of spectral coherence"
    ),
    measure=Tally(band_sums, _figures),
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn"}),
)
