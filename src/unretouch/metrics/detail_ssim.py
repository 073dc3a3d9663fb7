"""Detail SSIM: the structural similarity of the texture alone."""

from __future__ import annotations

import numpy as np

from unretouch.base.messages import N_
from unretouch.metrics.luma import Layer
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.octave_bands import NOTHING, detail_of
from unretouch.metrics.ssim import WINDOW, Moments, mean_of, moments, similarity
from unretouch.metrics.tally import Patch, Sums, Tally, View

SPREADS = 6.0
"""Standard deviations of the target's detail that its values are taken to span. With 255 instead,
SSIM's constants would drown skin, whose texture spans some ten grey levels."""


def detail_ssim(prediction: Picture, target: Picture, area: Area | None = None) -> Figure:
    """Return the SSIM of the detail layers (luma, periods below 32 px) over the area, -1 to 1.

    Both too smooth and grain in the wrong place lower it. None for a frame smaller than one
    window, and where the target has no detail. Raises ValueError when the shapes differ or the area
    is empty.
    """
    (similar,) = DETAIL_SSIM.over(prediction, target, target, area)
    return similar


def detail_energy(view: View) -> Sums:
    """Return the energy of the target's detail, added up over the pixels that count, and their
    number."""
    values = view.own(view.target.made(detail_of))
    return np.array([np.square(values).sum(), values.size], dtype=np.float64)


def _sums(view: View) -> Sums:
    assert view.first is not None
    energy = view.first[0] / view.first[1]
    if not energy > NOTHING or min(view.frame) < WINDOW:
        return np.zeros(2)
    ours, theirs = (patch.made(_moments) for patch in (view.prediction, view.target))
    similar = similarity(ours, theirs, SPREADS * float(energy) ** 0.5)
    _, own = view.target.near(WINDOW // 2)
    values = view.counted(similar[own])
    return np.array([values.sum(), values.size], dtype=np.float64)


def _moments(patch: Patch) -> Moments:
    window, _ = patch.near(WINDOW // 2)
    detail: Layer = patch.made(detail_of)[window]
    return moments(detail)


DETAIL_SSIM = Metric(
    name="detail_ssim",
    unit="",
    lowest=-1.0,
    highest=1.0,
    better="higher",
    explanation=N_(
        "How alike the texture is once light and shade are taken away: 1 is the same skin; both "
        "smoothness and foreign grain lower it."
    ),
    formula=(
        "SSIM of the luma's detail below 32 px, dynamic range 6 standard deviations of the "
        "target's detail in the area"
    ),
    measure=Tally(_sums, mean_of, detail_energy),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
