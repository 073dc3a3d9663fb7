"""PSNR: the error on the logarithmic scale of the literature."""

from __future__ import annotations

import math

import numpy as np

from unretouch.base.messages import N_
from unretouch.metrics.level_error import absolute_error
from unretouch.metrics.metric import Area, Figure, Metric, Picture
from unretouch.metrics.tally import Sums, Tally, View

HIGHEST = 150.0
"""Decibels that stand for equality: more than one grey level in one value of 24 megapixels costs,
which is 127 dB."""


def psnr(prediction: Picture, target: Picture, area: Area | None = None) -> Figure:
    """Return 20 log10(255 / RMS error) in decibels, at most HIGHEST.

    The mean square is over R, G and B. Raises ValueError when the shapes differ or the
    area is empty.
    """
    (figure,) = PSNR.over(prediction, target, target, area)
    return figure


def _sums(view: View) -> Sums:
    error = view.made(absolute_error, view.prediction)
    return np.array([np.square(error).sum(), error.size], dtype=np.float64)


def _figures(sums: Sums) -> tuple[Figure, ...]:
    mean_square = float(sums[0] / sums[1])
    return (min(HIGHEST, 10 * math.log10(255**2 / mean_square)) if mean_square else HIGHEST,)


PSNR = Metric(
    name="psnr",
    unit="dB",
    lowest=-math.inf,
    highest=HIGHEST,
    better="higher",
    explanation=N_(
        "The error as engineers quote it: 6 more means half the error; above 48 it is "
        "finer than the steps of a file."
    ),
    formula=f"10 log10(255^2 / mean square error over R, G and B), at most {HIGHEST:.0f}",
    measure=Tally(_sums, _figures),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle", "source"}),
)
