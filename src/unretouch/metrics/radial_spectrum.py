"""Radial spectrum: the power of the detail by its fineness, all directions together."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from unretouch.base.messages import N_
from unretouch.metrics.metric import Metric, Patch, Sums, Tally, View, luma_of, of_both
from unretouch.metrics.pictures import Figure, Places, reflected

PATCH = 64
"""Pixels across one window; half of it is the step from one to the next."""
QUANTISATION = 1 / 12
"""Variance of 8-bit rounding, in grey levels squared: differences of power below it are void."""
FIRST_BIN = 2
"""The coarsest bin compared: a period of 32 px."""
FREQUENCIES = np.arange(1, PATCH // 2 + 1) / PATCH
"""Cycles a pixel."""


def power_sums(view: View, patch: Patch) -> Sums:
    """Return the power of the windows that reach into the tile, each times its share in the pixels
    that count, added up (Welch 1967), and the sum of the shares.

    A window on the border of two tiles is looked at in both, for each by the pixels of that one.
    """
    rows, columns = (
        _places(own, around, length)
        for own, around, length in zip(patch.tile.own, patch.tile.around, view.frame, strict=True)
    )
    patches = _windows(patch.made(luma_of)[np.ix_(rows, columns)])
    shares = _windows(_counting(view, patch, rows, columns))
    taper = np.hanning(PATCH + 1)[:PATCH].astype(np.float32)
    window = taper[:, None] * taper[None, :]
    power = np.zeros((PATCH, PATCH // 2 + 1))
    weight = 0.0
    for row_patches, row_shares in zip(patches, shares, strict=True):
        share = np.einsum("nij,ij->n", row_shares, window**2, dtype=np.float64)
        if not share.any():
            continue
        some = row_patches[share > 0]
        mean = np.einsum("nij,ij->n", some, window) / window.sum()
        spectrum = fft.rfft2((some - mean[:, None, None]) * window)
        energy = np.square(spectrum.real) + np.square(spectrum.imag)
        power += np.einsum("n,nij->ij", share[share > 0], energy, dtype=np.float64)
        weight += float(share.sum())
    return np.append(power.ravel(), weight * float(np.square(window).sum()))


def decibels(sums: Sums) -> npt.NDArray[np.float64]:
    """Return the radial spectrum that the sums come to, in decibels, at each of FREQUENCIES.

    Power is that of one pixel's variance: white noise of standard deviation s is flat at 20 log10
    s. Never below that of 8-bit rounding.
    """
    power = sums[:-1].reshape(PATCH, PATCH // 2 + 1) / sums[-1]
    rings = _rings()
    inside = (rings >= 1) & (rings <= PATCH // 2)
    added = np.bincount(rings[inside], weights=power[inside], minlength=PATCH // 2 + 1)
    number = np.bincount(rings[inside], minlength=PATCH // 2 + 1)
    mean = added[1:] / number[1:]
    return np.asarray(10 * np.log10(np.maximum(mean, QUANTISATION)))


def _figures(sums: Sums) -> tuple[Figure, ...]:
    ours, theirs = (decibels(part) for part in np.split(sums, 2))
    compared = slice(FIRST_BIN - 1, None)
    squares = np.square(ours - theirs)[compared]
    return (math.sqrt(float(np.average(squares, weights=1 / FREQUENCIES[compared]))),)


def _places(own: slice, around: slice, length: int) -> Places:
    """Return the rows of a patch that the windows look at, reflected at the frame's border.

    Windows stand on a grid of half their size, the first one's middle on the frame's first pixel.
    """
    half = PATCH // 2
    wanted = np.arange(own.start - half, -(-own.stop // half) * half + half)
    return np.asarray(reflected(wanted, length) - around.start)


def _counting(view: View, patch: Patch, rows: Places, columns: Places) -> npt.NDArray[np.float32]:
    """Return which of the pixels that the windows look at count: 0 or 1."""
    half = PATCH // 2
    counting = np.zeros((len(rows), len(columns)), dtype=np.float32)
    own = tuple(slice(half, half + part.stop - part.start) for part in patch.tile.own)
    counting[own] = 1 if view.inside is None else view.inside
    return counting


def _windows(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
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
    explanation=N_(
        "How far the mix of fine and coarse texture is from that of the untouched skin, in "
        "decibels. 0 is the same; 6 means that sizes are twice or half as strong on average."
    ),
    formula=(
        "RMS difference of radially averaged log power spectra of luma, Welch's method with Hann "
        "windows of 64 px weighted by their share in the area, every octave alike"
    ),
    measure=Tally(of_both(power_sums), _figures),
    invariances=frozenset({"brightness", "source"}),
)
