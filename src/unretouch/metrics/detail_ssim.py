"""Detail SSIM: the structural similarity of the texture alone."""

from __future__ import annotations

import numpy as np

from unretouch.metrics.luma import luma
from unretouch.metrics.metric import Area, Figure, Levels, Metric, check
from unretouch.metrics.octave_bands import NOTHING, detail_layer
from unretouch.metrics.ssim import mean_ssim

SPREADS = 6.0
"""Standard deviations of the target's detail that its values are taken to span. With 255 instead,
SSIM's constants would drown skin, whose texture spans some ten grey levels."""


def detail_ssim(prediction: Levels, target: Levels, area: Area | None = None) -> Figure:
    """Return the SSIM of the detail layers (luma, periods below 32 px) over the area, -1 to 1.

    Both too smooth and grain in the wrong place lower it. None for a frame smaller than one
    window, and where the target has no detail. Raises ValueError when the shapes differ or the area
    is empty.
    """
    check(prediction, target, area=area)
    true_detail = detail_layer(luma(target))
    values = true_detail if area is None else true_detail[area]
    energy = float(np.square(values).mean(dtype=np.float64))
    if not energy > NOTHING:
        return None
    detail = detail_layer(luma(prediction))
    return mean_ssim(
        detail[:, :, None], true_detail[:, :, None], area, data_range=SPREADS * energy**0.5
    )


DETAIL_SSIM = Metric(
    name="detail_ssim",
    unit="",
    lowest=-1.0,
    highest=1.0,
    better="higher",
    explanation=(
        "How alike the texture is once light and shade are taken away: 1 is the same skin; both "
        "smoothness and foreign grain lower it."
    ),
    formula=(
        "SSIM of the luma's detail below 32 px, dynamic range 6 standard deviations of the "
        "target's detail in the area"
    ),
    measure=lambda prediction, target, _source, area: (detail_ssim(prediction, target, area),),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
