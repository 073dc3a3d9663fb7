"""Radial spectrum: the power of the detail by its fineness, all directions together."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from unretouch.metrics.luma import Layer, luma
from unretouch.metrics.metric import Area, Levels, Metric, check

PATCH = 64
"""Pixels across one window; half of it is the step from one to the next."""
QUANTISATION = 1 / 12
"""Variance of 8-bit rounding, in grey levels squared: differences of power below it are void."""
FIRST_BIN = 2
"""The coarsest bin compared: a period of 32 px."""

_AT_ONCE = 512
"""Windows transformed together."""


def radial_spectrum(
    picture: Layer, area: Area | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return frequencies in cycles a pixel, and the power at each in decibels.

    32 values each, 1/64 to 1/2 cycles a pixel. The picture is luma, (H, W). Power is that of one
    pixel's variance: white noise of standard deviation s is flat at 20 log10 s. Never below that of
    8-bit rounding.
    """
    power = _power(picture, area)
    rings = _rings()
    inside = (rings >= 1) & (rings <= PATCH // 2)
    total = np.bincount(rings[inside], weights=power[inside], minlength=PATCH // 2 + 1)
    number = np.bincount(rings[inside], minlength=PATCH // 2 + 1)
    mean = total[1:] / number[1:]
    return np.arange(1, PATCH // 2 + 1) / PATCH, 10 * np.log10(np.maximum(mean, QUANTISATION))


def spectrum_distance(prediction: Levels, target: Levels, area: Area | None = None) -> float:
    """Return the RMS difference, in decibels, of the two radial spectra from 32 to 2 px.

    Every octave counts the same. Raises ValueError when the shapes differ or the area is
    empty.
    """
    check(prediction, target, area=area)
    frequency, ours = radial_spectrum(luma(prediction), area)
    _, theirs = radial_spectrum(luma(target), area)
    compared = slice(FIRST_BIN - 1, None)
    weights = 1 / frequency[compared]
    squares = np.square(ours - theirs)[compared]
    return math.sqrt(float(np.average(squares, weights=weights)))


def _power(picture: Layer, area: Area | None) -> npt.NDArray[np.float64]:
    """Return the mean power of all windows, each by its share in the area (Welch 1967)."""
    half = PATCH // 2
    margins = [(half, half + -length % half) for length in picture.shape]
    padded = np.pad(picture, margins, mode="reflect" if min(picture.shape) > 1 else "edge")
    taper = np.hanning(PATCH + 1)[:PATCH].astype(np.float32)
    window = taper[:, None] * taper[None, :]
    if area is None:
        area = np.ones(picture.shape, dtype=np.bool_)
    inside = np.pad(area.astype(np.float32), margins)
    patches, shares = _windows(padded), _windows(inside)
    power = np.zeros((PATCH, half + 1))
    weight = 0.0
    for row_patches, row_shares in zip(patches, shares, strict=True):
        for start in range(0, len(row_patches), _AT_ONCE):
            some = row_patches[start : start + _AT_ONCE]
            share = np.einsum(
                "nij,ij->n", row_shares[start : start + _AT_ONCE], window**2, dtype=np.float64
            )
            mean = np.einsum("nij,ij->n", some, window) / window.sum()
            spectrum = fft.rfft2((some - mean[:, None, None]) * window)
            energy = np.square(spectrum.real) + np.square(spectrum.imag)
            power += np.einsum("n,nij->ij", share, energy, dtype=np.float64)
            weight += float(share.sum())
    return power / (weight * float(np.square(window).sum()))


def _windows(picture: Layer) -> npt.NDArray[np.float32]:
    """Return all windows as a view: (rows, columns, PATCH, PATCH)."""
    step = PATCH // 2
    views = np.lib.stride_tricks.sliding_window_view(picture, (PATCH, PATCH))
    return views[::step, ::step]


def _rings() -> npt.NDArray[np.intp]:
    rows = np.fft.fftfreq(PATCH) * PATCH
    columns = np.arange(PATCH // 2 + 1)
    return np.asarray(np.rint(np.hypot(rows[:, None], columns[None, :])), dtype=np.intp)


SPECTRUM_DISTANCE = Metric(
    name="spectrum_distance",
    unit="dB",
    lowest=0.0,
    highest=math.inf,
    better="lower",
    explanation=(
        "How far the mix of fine and coarse texture is from that of the untouched skin, as a "
        "loudness: 0 is the same; 6 means that sizes are twice or half as strong on average."
    ),
    formula=(
        "RMS difference of radially averaged log power spectra of luma, Welch's method with Hann "
        "windows of 64 px weighted by their share in the area, every octave alike"
    ),
    measure=lambda prediction, target, _source, area: (
        spectrum_distance(prediction, target, area),
    ),
    invariances=frozenset({"brightness", "source"}),
)
