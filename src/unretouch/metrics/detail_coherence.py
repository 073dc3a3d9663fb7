"""Detail coherence: is the restored pore where the real one is, or is it merely grain?"""

from __future__ import annotations

import numpy as np

from unretouch.metrics.luma import luma
from unretouch.metrics.metric import Area, Figure, Levels, Metric, check
from unretouch.metrics.octave_bands import NOTHING, PARTS, band_products


def detail_coherence(
    prediction: Levels, target: Levels, source: Levels, area: Area | None = None
) -> tuple[Figure, ...]:
    """Return how what was put back agrees with what was taken away, for the four bands.

    The correlation of prediction - source with target - source, luma, inside the area: 1 when every
    pore is in its place, whatever its strength; 0 for grain, and where nothing was put back; below
    0 where light and dark are swapped. None for a band from which the retouch took nothing. Raises
    ValueError when the shapes differ or the area is empty.
    """
    check(prediction, target, source, area=area)
    before = luma(source)
    gram = band_products([luma(prediction) - before, luma(target) - before], area)
    return tuple(_correlation(band) for band in gram)


def _correlation(band: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Figure:
    restored, removed, product = band[0, 0], band[1, 1], band[0, 1]
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
    explanation=(
        "Whether the texture put back is the person's own: 1 is every pore in its place, "
        "0 is grain that only looks like skin."
    ),
    formula=(
        "<R, D> / sqrt(<R, R> <D, D>) in octave bands of luma, R = prediction - source, "
        "D = target - source; the zero-lag form of spectral coherence"
    ),
    measure=detail_coherence,
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn"}),
)
